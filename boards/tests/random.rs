//! Trees with random damage: whatever it is, reading ends, with facts or with a reason.

mod support;

use boards::{Board, DtError, MemoryMap};
use proptest::prelude::{Strategy, any, prop, prop_assert, prop_assert_eq, prop_oneof, proptest};
use proptest::test_runner::TestCaseError;
use std::sync::mpsc;
use std::time::Duration;
use support::writer::{Writer, set_header};
use support::{read, trees};

/// Far more than any tree takes, even on a busy machine.
const DEADLINE: Duration = Duration::from_secs(60);

/// Reads `blob` on another thread, so that a reader that does not end is noticed.
fn read_in_time(blob: Vec<u8>) -> Result<Result<Board, DtError>, TestCaseError> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || sender.send(Box::new(read(&blob))));
    let answer = receiver.recv_timeout(DEADLINE).map(|answer| *answer);
    answer.map_err(|error| TestCaseError::fail(format!("no answer: {error}")))
}

/// What must hold of any answer.
fn check(answer: Result<Board, DtError>) -> Result<(), TestCaseError> {
    match answer {
        Ok(board) => check_memory(&board.memory),
        Err(reason) => {
            prop_assert!(!reason.to_string().is_empty());
            Ok(())
        }
    }
}

/// RAM is in order, and usable memory is RAM that nobody keeps.
fn check_memory(memory: &MemoryMap) -> Result<(), TestCaseError> {
    let ram: Vec<_> = memory.ram().collect();
    prop_assert!(ram.windows(2).all(|pair| pair[0].end() < pair[1].start()));
    for frames in memory.usable(&[]) {
        let (start, end) = (frames.start().start(), frames.end().start());
        prop_assert!(ram.iter().any(|ram| ram.start() <= start && end <= ram.end()));
        prop_assert!(
            memory
                .reserved()
                .all(|kept| kept.end() <= start || end <= kept.start())
        );
    }
    Ok(())
}

/// Any tree that is in order.
fn any_fixture() -> impl Strategy<Value = Vec<u8>> {
    prop::sample::select(trees()).prop_map(|(_, blob)| blob)
}

/// Words that mean something somewhere in a tree, and others.
fn any_word() -> impl Strategy<Value = u32> {
    let telling = vec![
        0,
        1,
        2,
        3,
        4,
        8,
        9,
        0x7fff_ffff,
        0x8000_0000,
        0xffff_fff8,
        0xffff_ffff,
    ];
    prop_oneof![prop::sample::select(telling), 0..4096_u32, any::<u32>()]
}

proptest! {
    #[test]
    fn any_bytes_may_be_wrong(
        mut blob in any_fixture(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..20),
    ) {
        for (at, value) in damage {
            let at = at.index(blob.len());
            blob[at] = value;
        }
        check(read_in_time(blob)?)?;
    }

    #[test]
    fn any_words_behind_the_header_may_be_wrong(
        mut blob in any_fixture(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any_word()), 1..8),
    ) {
        for (at, value) in damage {
            let at = 10 + at.index(blob.len() / 4 - 10);
            set_header(&mut blob, at, value);
        }
        check(read_in_time(blob)?)?;
    }

    #[test]
    fn any_words_of_the_header_may_be_wrong(
        mut blob in any_fixture(),
        damage in prop::collection::vec((1..10_usize, any_word()), 1..4),
    ) {
        for (at, value) in damage {
            set_header(&mut blob, at, value);
        }
        check(read_in_time(blob)?)?;
    }

    #[test]
    fn any_words_may_follow_each_other(words in prop::collection::vec(any_word(), 0..200)) {
        let tree = Writer::default().node("", |root| words.into_iter().fold(root.text("a", "b"), Writer::token));
        check(read_in_time(tree.finish())?)?;
    }

    #[test]
    fn any_bytes_at_all_may_come(blob in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(read(&blob).is_err());
    }

    #[test]
    fn any_ranges_make_a_memory_map_that_is_right_frame_by_frame(
        ram in prop::collection::vec((0..0x20_000_u32, 0..0x8000_u32), 1..10),
        kept in prop::collection::vec((0..0x20_000_u64, 0..0x8000_u64), 0..10),
    ) {
        let reg: Vec<u32> = ram.iter().flat_map(|(start, bytes)| [*start, *bytes]).collect();
        let tree = Writer::default().node("", |root| {
            let root = root.cells("#address-cells", &[1]).cells("#size-cells", &[1]);
            root.node("memory", |node| node.text("device_type", "memory").cells("reg", &reg))
        });
        let tree = kept.iter().filter(|range| **range != (0, 0)).fold(tree, |tree, (start, bytes)| tree.reserve(*start, *bytes));
        let memory = read(&tree.finish()).expect("a tree in order").memory;
        check_memory(&memory)?;
        // By the byte: a frame is usable if all its bytes are RAM and none is kept.
        let in_any = |ranges: &[(u64, u64)], byte| ranges.iter().any(|(start, bytes)| (*start..start + bytes).contains(&byte));
        let ram: Vec<_> = ram.iter().map(|(start, bytes)| (u64::from(*start), u64::from(*bytes))).collect();
        for frame in 0..0x30_u64 {
            let free = (frame << 12..(frame + 1) << 12).all(|byte| in_any(&ram, byte) && !in_any(&kept, byte));
            let usable = memory.usable(&[]).any(|frames| frames.contains(addr::Frame::from_number(frame)));
            prop_assert_eq!(usable, free, "frame {}", frame);
        }
    }
}
