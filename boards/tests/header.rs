//! Blobs whose end is missing and headers that lie: each gives a reason, none a panic.

mod support;

use boards::{Block, DtError};
use support::writer::{Writer, header, set_header};
use support::{board, fixture, read, trees};

/// Words of a header.
const MAGIC: usize = 0;
const TOTAL: usize = 1;
const STRUCTURE_AT: usize = 2;
const STRINGS_AT: usize = 3;
const RESERVATIONS_AT: usize = 4;
const VERSION: usize = 5;
const COMPATIBLE: usize = 6;
const BOOT_CPU: usize = 7;
const STRINGS_BYTES: usize = 8;
const STRUCTURE_BYTES: usize = 9;

fn small() -> Writer {
    Writer::default().node("", |root| {
        root.text("model", "small")
            .node("chosen", |node| node.text("bootargs", "a b"))
    })
}

fn error(blob: &[u8]) -> DtError {
    read(blob).expect_err("a damaged tree")
}

fn with(at: usize, value: u32) -> Vec<u8> {
    let mut blob = small().finish();
    set_header(&mut blob, at, value);
    blob
}

fn error_with(at: usize, value: u32) -> DtError {
    error(&with(at, value))
}

#[test]
fn a_tree_written_by_the_test_writer_is_in_order() {
    let board = board(&small().finish());
    assert_eq!((board.model.as_str(), board.bootargs.as_str()), ("small", "a b"));
}

#[test]
fn a_blob_cut_off_at_any_byte_says_how_much_is_missing() {
    for (name, blob) in trees() {
        for have in 0..blob.len() {
            let total = if have < 40 { 40 } else { blob.len() };
            let refused = read(&blob[..have]);
            assert_eq!(refused, Err(DtError::Truncated { have, total }), "{name}");
        }
    }
}

#[test]
fn a_blob_cut_off_that_says_so_itself_is_refused_too() {
    for (name, blob) in trees() {
        for have in 40..blob.len() {
            let mut cut = blob[..have].to_vec();
            set_header(&mut cut, TOTAL, have as u32);
            let error = error(&cut);
            let outside = matches!(error, DtError::BlockOutside(_) | DtError::ReservationsEndless);
            assert!(outside, "{name} up to {have}: {error}");
        }
    }
}

#[test]
fn a_strings_block_cut_off_loses_names() {
    let blob = small().finish();
    for bytes in 0..header(&blob, STRINGS_BYTES) {
        let mut cut = blob.clone();
        set_header(&mut cut, STRINGS_BYTES, bytes as u32);
        // "model" is the first string, "bootargs" the second; the last may lose its tail and its end.
        let refused = matches!(read(&cut), Err(DtError::PropertyName { .. }));
        assert_eq!(refused, bytes <= "model\0".len(), "{bytes}");
    }
}

#[test]
fn what_is_no_tree_of_our_version_is_refused_at_once() {
    for word in [0, 0x5441_0001, 0xedfe_0dd0, u32::MAX] {
        assert_eq!(error_with(MAGIC, word), DtError::NotATree { word });
    }
    let refused = |version, compatible| DtError::Version { version, compatible };
    for version in [0, 1, 15, 16] {
        assert_eq!(error_with(VERSION, version), refused(version, 16));
    }
    for compatible in [18, u32::MAX] {
        assert_eq!(error_with(COMPATIBLE, compatible), refused(17, compatible));
    }
    for total in [0, 1, 39, 2 << 20 | 1, 1 << 31, u32::MAX] {
        assert_eq!(error_with(TOTAL, total), DtError::Size { total });
    }
}

#[test]
fn a_later_version_that_can_be_read_as_ours_is_read() {
    let expected = board(&small().finish());
    for (field, value) in [
        (VERSION, 18),
        (VERSION, u32::MAX),
        (COMPATIBLE, 0),
        (COMPATIBLE, 17),
    ] {
        assert_eq!(board(&with(field, value)), expected, "word {field} is {value}");
    }
}

#[test]
fn the_number_of_the_boot_cpu_is_of_no_interest() {
    let expected = board(&small().finish());
    for value in [1, 1 << 31, u32::MAX] {
        assert_eq!(board(&with(BOOT_CPU, value)), expected);
    }
}

#[test]
fn the_boot_code_learns_the_size_from_the_header_alone() {
    let blob = fixture("virt-4cpu");
    let header = blob.first_chunk().expect("a header");
    assert_eq!(boards::total_size(header), Ok(blob.len()));
    assert_eq!(boards::total_size(&[0; 40]), Err(DtError::NotATree { word: 0 }));
}

#[test]
fn blocks_must_lie_between_the_header_and_the_end() {
    let blob = small().finish();
    let end = blob.len() as u32;
    let outside = |at, block| {
        for value in [
            0,
            4,
            36,
            39,
            end + 4,
            0x1000,
            0x7fff_fffc,
            0x8000_0000,
            0xffff_fffc,
        ] {
            assert_eq!(error_with(at, value), DtError::BlockOutside(block), "{value:#x}");
        }
    };
    outside(STRUCTURE_AT, Block::Structure);
    outside(STRINGS_AT, Block::Strings);
    outside(RESERVATIONS_AT, Block::Reservations);
    for (at, bytes, block) in [
        (STRUCTURE_AT, STRUCTURE_BYTES, Block::Structure),
        (STRINGS_AT, STRINGS_BYTES, Block::Strings),
    ] {
        // One byte too many; so many that the end wraps; and that it wraps into the blob.
        let start = header(&blob, at) as u32;
        for value in [end - start + 1, 1 << 31, u32::MAX, 0_u32.wrapping_sub(start) + 44] {
            assert_eq!(
                error_with(bytes, value),
                DtError::BlockOutside(block),
                "{value:#x}"
            );
        }
    }
}

#[test]
fn blocks_must_not_share_bytes_nor_lie_askew() {
    let blob = small().finish();
    let structure = header(&blob, STRUCTURE_AT) as u32;
    assert_eq!(error_with(STRINGS_AT, structure), DtError::BlocksOverlap);
    assert_eq!(error_with(STRINGS_AT, structure - 4), DtError::BlocksOverlap);
    for skew in 1..4 {
        let mut askew = blob.clone();
        set_header(&mut askew, STRUCTURE_AT, structure + skew);
        set_header(&mut askew, STRUCTURE_BYTES, 20);
        assert_eq!(error(&askew), DtError::BlockMisaligned(Block::Structure));
    }
}

#[test]
fn reservations_without_an_end_mark_are_refused() {
    let blob = small().reserve(1, 1).token(9).assemble();
    assert_eq!(error(&blob), DtError::ReservationsEndless);
}

/// Whatever single word of the header is whatever value: it is refused, or changes what it should not say.
#[test]
fn a_header_with_one_word_wrong_is_refused_or_means_the_same() {
    for (name, blob) in trees() {
        let expected = board(&blob);
        let total = blob.len() as u32;
        for field in MAGIC..=STRUCTURE_BYTES {
            let right = header(&blob, field) as u32;
            let near = (0..=8).flat_map(|by| [right.wrapping_sub(by), right.wrapping_add(by)]);
            let others = [0, 1, 16, 17, 18, 40, total, total - 4, 1 << 31, u32::MAX];
            for value in near.chain(others) {
                let mut wrong = blob.clone();
                set_header(&mut wrong, field, value);
                let read = read(&wrong);
                // Other places for reservations and for names may be in order, and say something else.
                let may_differ = [STRINGS_AT, RESERVATIONS_AT].contains(&field);
                assert!(
                    may_differ || read.is_err() || read == Ok(expected),
                    "{name}: word {field} is {value:#x}"
                );
            }
        }
    }
}

#[test]
fn scratch_memory_may_be_anywhere_but_must_suffice() {
    for (name, blob) in trees() {
        let Err(DtError::ScratchTooSmall { needed: for_copy }) = boards::read(&blob, &mut [], support::open)
        else {
            panic!("{name}: no scratch at all must be too little");
        };
        let refused = boards::read(&blob, &mut vec![0; for_copy], support::open);
        let Err(DtError::ScratchTooSmall { needed }) = refused else {
            panic!("{name}: room for the index must lack")
        };
        assert!(needed < boards::SCRATCH_BYTES / 4, "{name}: {needed}");
        let mut scratch = vec![0; needed + 8];
        for skip in 0..8 {
            let read = boards::read(&blob, &mut scratch[skip..skip + needed], support::open);
            assert_eq!(read, Ok(board(&blob)), "{name}");
        }
    }
}

#[test]
fn the_blob_may_lie_anywhere_and_be_followed_by_anything() {
    let blob = fixture("virt-4cpu");
    let expected = board(&blob);
    for skip in 0..8 {
        let shifted = [vec![0xff; skip], blob.clone(), vec![0xff; 100]].concat();
        assert_eq!(board(&shifted[skip..]), expected);
    }
}

#[test]
fn the_padding_that_loaders_leave_room_with_costs_nothing() {
    let mut blob = fixture("virt-4cpu");
    let expected = board(&blob);
    set_header(&mut blob, TOTAL, 0x10_0000);
    blob.resize(0x10_0000, 0);
    assert_eq!(board(&blob), expected);
}

#[test]
fn each_reason_is_a_sentence_of_its_own() {
    let mut sentences: Vec<_> = [
        DtError::NotATree { word: 0 },
        DtError::Version {
            version: 1,
            compatible: 1,
        },
        DtError::Size { total: 3 },
        DtError::Truncated { have: 1, total: 2 },
        DtError::BlockOutside(Block::Structure),
        DtError::BlockOutside(Block::Strings),
        DtError::BlockMisaligned(Block::Structure),
        DtError::BlocksOverlap,
        DtError::ReservationsEndless,
        DtError::StructureCutShort,
        DtError::UnknownToken { token: 7, offset: 0 },
        DtError::Unbalanced { offset: 0 },
        DtError::TooDeep { offset: 0 },
        DtError::StrayProperty { offset: 0 },
        DtError::PropertyName { offset: 0 },
        DtError::ScratchTooSmall { needed: 1 },
        DtError::Parser(boards::DevTreeError::ParseError),
    ]
    .map(|error| error.to_string())
    .into();
    let all = sentences.len();
    sentences.sort();
    sentences.dedup();
    assert_eq!(sentences.len(), all);
    assert!(sentences.iter().all(|sentence| sentence.contains("device tree")));
}
