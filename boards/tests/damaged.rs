//! Blobs that are no device tree, or not quite one: each gives a reason, none a panic.

mod support;

use boards::{Block, DtError};
use support::writer::{Value, Writer, header, set_header};
use support::{board, fixture, fixtures, read};

/// Words of a header.
const TOTAL: usize = 1;
const STRUCTURE_AT: usize = 2;
const STRINGS_AT: usize = 3;
const RESERVATIONS_AT: usize = 4;
const VERSION: usize = 5;
const COMPATIBLE: usize = 6;
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

fn error_with(at: usize, value: u32) -> DtError {
    let mut blob = small().finish();
    set_header(&mut blob, at, value);
    error(&blob)
}

#[test]
fn a_tree_written_by_the_test_writer_is_in_order() {
    let board = board(&small().finish());
    assert_eq!((board.model.as_str(), board.bootargs.as_str()), ("small", "a b"));
}

#[test]
fn a_blob_cut_off_at_any_byte_says_how_much_is_missing() {
    for name in fixtures() {
        let blob = fixture(&name);
        for have in 0..blob.len() {
            let total = if have < 40 { 40 } else { blob.len() };
            assert_eq!(
                read(&blob[..have]),
                Err(DtError::Truncated { have, total }),
                "{name}"
            );
        }
    }
}

#[test]
fn a_blob_cut_off_that_says_so_itself_is_refused_too() {
    let blob = small().finish();
    for have in 40..blob.len() {
        let mut cut = blob[..have].to_vec();
        set_header(&mut cut, TOTAL, have as u32);
        let error = error(&cut);
        assert!(
            matches!(error, DtError::BlockOutside(_) | DtError::ReservationsEndless),
            "{have}: {error}"
        );
    }
}

#[test]
fn a_structure_block_cut_off_anywhere_has_no_end() {
    for blob in [small().finish(), fixture("rpi4-8g"), fixture("virt-secure")] {
        for bytes in 0..header(&blob, STRUCTURE_BYTES) {
            let mut cut = blob.clone();
            set_header(&mut cut, STRUCTURE_BYTES, bytes as u32);
            assert_eq!(read(&cut), Err(DtError::StructureCutShort), "{bytes}");
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
    assert_eq!(
        error_with(0, 0x5441_0001),
        DtError::NotATree { word: 0x5441_0001 }
    );
    assert_eq!(
        error_with(VERSION, 16),
        DtError::Version {
            version: 16,
            compatible: 16
        }
    );
    assert_eq!(
        error_with(COMPATIBLE, 18),
        DtError::Version {
            version: 17,
            compatible: 18
        }
    );
    assert_eq!(error_with(TOTAL, 39), DtError::Size { total: 39 });
    assert_eq!(error_with(TOTAL, u32::MAX), DtError::Size { total: u32::MAX });
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
    let outside = |at, block| {
        for value in [0, 36, 0x1000, 0x7fff_fffc, 0xffff_fffc] {
            assert_eq!(error_with(at, value), DtError::BlockOutside(block), "{value:#x}");
        }
    };
    outside(STRUCTURE_AT, Block::Structure);
    outside(STRINGS_AT, Block::Strings);
    outside(RESERVATIONS_AT, Block::Reservations);
    assert_eq!(
        error_with(STRUCTURE_BYTES, u32::MAX),
        DtError::BlockOutside(Block::Structure)
    );
    assert_eq!(
        error_with(STRINGS_BYTES, u32::MAX),
        DtError::BlockOutside(Block::Strings)
    );
}

#[test]
fn blocks_must_not_share_bytes_nor_lie_askew() {
    let blob = small().finish();
    let structure = header(&blob, STRUCTURE_AT) as u32;
    assert_eq!(error_with(STRINGS_AT, structure), DtError::BlocksOverlap);
    assert_eq!(error_with(STRINGS_AT, structure - 4), DtError::BlocksOverlap);
    let mut askew = blob.clone();
    set_header(&mut askew, STRUCTURE_AT, structure + 2);
    set_header(&mut askew, STRUCTURE_BYTES, 20);
    assert_eq!(error(&askew), DtError::BlockMisaligned(Block::Structure));
}

#[test]
fn reservations_without_an_end_mark_are_refused() {
    let blob = small().reserve(1, 1).token(9).assemble();
    assert_eq!(error(&blob), DtError::ReservationsEndless);
}

#[test]
fn tokens_that_do_not_exist_are_refused() {
    for token in [0, 5, 8, 10, 0xd00d_feed] {
        let blob = small().token(token).finish();
        assert!(matches!(error(&blob), DtError::UnknownToken { token: it, .. } if it == token));
    }
}

#[test]
fn nodes_must_make_one_tree() {
    let unbalanced = |writer: Writer| assert!(matches!(error(&writer.finish()), DtError::Unbalanced { .. }));
    unbalanced(Writer::default());
    unbalanced(Writer::default().token(2));
    unbalanced(small().token(2));
    unbalanced(small().node("second", |root| root));
    unbalanced(Writer::default().token(1).name(""));
    unbalanced(Writer::default().token(1).name("").token(1).name("a").token(2));
}

#[test]
fn nesting_has_a_limit() {
    let nest = |depth: u32| {
        let down = (0..depth).fold(Writer::default(), |writer, _| writer.token(1).name(""));
        (0..depth).fold(down, |writer, _| writer.token(2)).finish()
    };
    assert!(read(&nest(32)).is_ok());
    assert!(matches!(error(&nest(33)), DtError::TooDeep { .. }));
    assert!(matches!(error(&nest(10_000)), DtError::TooDeep { .. }));
}

#[test]
fn properties_come_before_children_and_never_outside_a_node() {
    let stray = |writer: Writer| assert!(matches!(error(&writer.finish()), DtError::StrayProperty { .. }));
    stray(Writer::default().text("model", "x"));
    stray(small().text("model", "x"));
    stray(Writer::default().node("", |root| root.node("a", |a| a).text("model", "x")));
}

#[test]
fn a_value_or_name_longer_than_the_block_is_cut_short() {
    let value = Writer::default()
        .token(1)
        .name("")
        .token(3)
        .token(0xffff_fff0)
        .token(0);
    assert_eq!(error(&value.finish()), DtError::StructureCutShort);
    let mut blob = Writer::default().token(1).token(0x6161_6161).finish();
    let structure_bytes = header(&blob, STRUCTURE_BYTES) as u32;
    set_header(&mut blob, STRUCTURE_BYTES, structure_bytes - 4);
    assert_eq!(error(&blob), DtError::StructureCutShort);
}

#[test]
fn scratch_memory_may_be_anywhere_but_must_suffice() {
    for name in fixtures() {
        let blob = fixture(&name);
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
fn a_property_that_is_no_text_is_no_text() {
    let tree = |value| {
        let chosen = |node: Writer| node.property("bootargs", Value::Bytes(value));
        Writer::default()
            .node("", |root| root.node("chosen", chosen))
            .finish()
    };
    for value in [&b""[..], b"without end", b"\xff\xfe\0"] {
        assert_eq!(board(&tree(value)).bootargs.as_str(), "");
    }
    assert_eq!(board(&tree(b"first\0second\0")).bootargs.as_str(), "first");
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
        DtError::TooMuchRam,
        DtError::TooManyReservations,
    ]
    .map(|error| error.to_string())
    .into();
    let all = sentences.len();
    sentences.sort();
    sentences.dedup();
    assert_eq!(sentences.len(), all);
    assert!(sentences.iter().all(|sentence| sentence.contains("device tree")));
}
