//! Structure blocks that end early or are out of order, and the copy that is made of those in order.

mod support;

use boards::{CheckedBlob, DevTree, DevTreeError, DtError, SCRATCH_BYTES};
use dtoolkit::Node;
use dtoolkit::fdt::Fdt;
use std::cell::RefCell;
use support::firmware::parse;
use support::tokens::{BEGIN_NODE, END, END_NODE, PROPERTY, TOKENS, Token, name, set_word, tokens, word};
use support::writer::{Value, Writer, header, pl011, root, set_header};
use support::{board, fixture, read, trees};

const STRUCTURE_AT: usize = 2;
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

/// `blob` with its structure block cut off before `at`.
fn cut_before(blob: &[u8], at: usize) -> Vec<u8> {
    let mut cut = blob.to_vec();
    set_header(
        &mut cut,
        STRUCTURE_BYTES,
        (at - header(blob, STRUCTURE_AT)) as u32,
    );
    cut
}

#[test]
fn a_structure_block_cut_off_at_any_token_is_cut_short() {
    for (tree, blob) in trees() {
        for Token { at, .. } in tokens(&blob) {
            assert_eq!(
                error(&cut_before(&blob, at)),
                DtError::StructureCutShort,
                "{tree}: {at}"
            );
        }
    }
}

#[test]
fn a_structure_block_cut_off_in_the_middle_of_a_token_is_cut_short() {
    for blob in [small().finish(), fixture("rpi4"), fixture("virt-secure")] {
        let start = header(&blob, STRUCTURE_AT);
        for at in start..start + header(&blob, STRUCTURE_BYTES) {
            assert_eq!(error(&cut_before(&blob, at)), DtError::StructureCutShort, "{at}");
        }
    }
}

#[test]
fn an_end_before_the_end_leaves_nodes_open() {
    for (tree, blob) in trees() {
        let tokens = tokens(&blob);
        for Token { at, .. } in &tokens[..tokens.len() - 1] {
            let mut ended = blob.clone();
            set_word(&mut ended, *at, END);
            let unbalanced = matches!(error(&ended), DtError::Unbalanced { .. });
            assert!(unbalanced, "{tree}: {at}");
        }
    }
}

/// A token in another's place shifts the meaning of everything behind it.
#[test]
fn a_tree_with_one_token_exchanged_is_refused_or_read_to_its_end() {
    for blob in [fixture("rpi4"), fixture("virt-secure")] {
        for Token { at, kind } in tokens(&blob) {
            for other in TOKENS.into_iter().chain([0, 5, 8, u32::MAX]) {
                let mut exchanged = blob.clone();
                set_word(&mut exchanged, at, other);
                let read = read(&exchanged);
                let must_fail = !TOKENS.contains(&other) || (kind == END && other != END);
                assert!(!must_fail || read.is_err(), "{other} instead of {kind} at {at}");
            }
        }
    }
}

#[test]
fn a_length_or_name_of_a_property_that_lies_is_refused_or_read_to_its_end() {
    for (tree, blob) in trees() {
        let properties = tokens(&blob).into_iter().filter(|token| token.kind == PROPERTY);
        for Token { at, .. } in properties {
            for value in [0, 3, 4, 5, 8, 0xff, 0x1000, 1 << 31, u32::MAX - 3, u32::MAX] {
                for field in [at + 4, at + 8] {
                    let mut lying = blob.clone();
                    set_word(&mut lying, field, value);
                    let far = value >= 0x1_0000;
                    assert!(!far || read(&lying).is_err(), "{tree}: {value:#x} at {field}");
                }
            }
        }
    }
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

/// The copy that the parser gets of `blob`.
fn copy_of(blob: &[u8]) -> Vec<u8> {
    thread_local! {
        static COPY: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    }
    fn open(blob: CheckedBlob<'_>) -> Result<DevTree<'_>, DevTreeError> {
        COPY.set(blob.bytes().to_vec());
        support::open(blob)
    }
    boards::read(blob, &mut vec![0; 3 << 20], open).expect("a tree in order");
    COPY.take()
}

/// The names of all nodes of a blob.
fn names(blob: &[u8]) -> Vec<String> {
    let begins = tokens(blob).into_iter().filter(|token| token.kind == BEGIN_NODE);
    begins.map(|token| name(blob, token.at + 4).to_owned()).collect()
}

#[test]
fn the_copy_says_what_the_tree_says() {
    for (tree, blob) in trees() {
        assert_eq!(parse(&copy_of(&blob)).root, parse(&blob).root, "{tree}");
    }
}

#[test]
fn only_what_is_used_of_a_blob_is_copied() {
    let nops = |writer: Writer| (0..1000).fold(writer, |writer, _| writer.token(4));
    let plain = root(|root| root.node("uart", |node| pl011(node, 0x1000)));
    let padded = root(|root| nops(root).node("uart", |node| nops(pl011(node, 0x1000))));
    let mut padded = nops(padded).finish();
    let total = 1 << 20;
    padded.resize(total, 0xff);
    set_header(&mut padded, 1, total as u32);
    assert_eq!(copy_of(&padded), copy_of(&plain.finish()));
    for (tree, blob) in trees() {
        let used = header(&blob, STRUCTURE_BYTES) + header(&blob, 8);
        assert!(
            copy_of(&blob).len() <= used + 72,
            "{tree}: header, an end mark and a tail are all else"
        );
    }
}

#[test]
fn names_are_shortened_in_the_copy_and_stay_apart_by_their_unit_addresses() {
    let long = |unit| format!("a-node-whose-name-is-longer-than-the-parser-takes@{unit}");
    let tree = root(|root| {
        let root = root.node(&long("fe201000"), |node| pl011(node, 0x1000));
        let root = root.node(&long("fe201400"), |node| pl011(node, 0x2000));
        root.node(&"n".repeat(500), |node| node)
    });
    let blob = tree.finish();
    let copied = names(&copy_of(&blob));
    assert_eq!(copied.len(), 4);
    assert!(copied.iter().all(|name| name.len() < 30), "{copied:?}");
    assert!(
        copied[1].ends_with("@fe201000") && copied[2].ends_with("@fe201400"),
        "{copied:?}"
    );
}

#[test]
fn a_name_of_any_length_is_read() {
    for length in 1..100 {
        let name = "n".repeat(length);
        let tree = root(|root| root.node(&name, |node| pl011(node, 0x1000)));
        let console = board(&tree.finish()).console.expect("a console");
        assert_eq!(console.registers.base.raw(), 0x1000, "{length}");
        let unit = format!("uart@{}", "1".repeat(length));
        let tree = root(|root| {
            let root = root.node("uart@2", |node| pl011(node, 0x2000));
            let root = root.node(&unit, |node| pl011(node, 0x1000));
            root.node("chosen", |node| node.text("stdout-path", &format!("/{unit}")))
        });
        let console = board(&tree.finish()).console.expect("a console");
        assert_eq!(console.registers.base.raw(), 0x1000, "{unit}");
    }
}

/// The longest that any blob may be, filled with the smallest nodes there are: the work is bounded, by what
/// scratch memory holds at the latest.
#[test]
fn a_tree_of_two_mib_of_nodes_is_read_or_refused_soon() {
    let node = |tree: Writer| tree.token(BEGIN_NODE).name("").token(END_NODE);
    let tree = |nodes| {
        Writer::default()
            .node("", |root| (0..nodes).fold(root, |tree, _| node(tree)))
            .finish()
    };
    let blob = tree(170_000);
    assert!((2_000_000..=2 << 20).contains(&blob.len()), "{}", blob.len());
    assert!(matches!(error(&blob), DtError::ScratchTooSmall { .. }));
    assert!(boards::read(&blob, &mut vec![0; 32 << 20], support::open).is_ok());
    assert!(matches!(error(&tree(180_000)), DtError::Size { .. }));
    assert!(tree(2_000).len() < SCRATCH_BYTES && read(&tree(2_000)).is_ok());
}

#[test]
fn another_reader_finds_the_same_nodes() {
    for (tree, blob) in trees() {
        let copy = copy_of(&blob);
        let other = Fdt::new(&copy).unwrap_or_else(|error| panic!("{tree}: {error}"));
        assert_eq!(
            other.root().children().count(),
            parse(&blob).root.children().count(),
            "{tree}"
        );
        assert_eq!(word(&copy, 0), 0xd00d_feed);
    }
}
