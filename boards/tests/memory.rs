//! RAM, reserved memory, initrd: ranges in trees written for one question each.

mod support;

use addr::PhysAddr;
use boards::{BadInitrd, MemoryRange};
use support::writer::{Value, Writer, memory, root};
use support::{board, fixture};

fn ends(range: MemoryRange) -> (u64, u64) {
    (range.start().raw(), range.end().raw())
}

fn ram(tree: Writer) -> Vec<(u64, u64)> {
    board(&tree.finish()).memory.ram().map(ends).collect()
}

fn reserved(tree: Writer) -> Vec<(u64, u64)> {
    board(&tree.finish()).memory.reserved().map(ends).collect()
}

#[test]
fn overlapping_empty_and_wrapping_memory_ends_up_as_sorted_ram() {
    let tree = root(|root| {
        root.node("memory@8000", |node| {
            memory(node, &[0, 0x8000, 0, 0x2000, 0, 0x5000, 0, 0])
        })
        .node("memory@1000", |node| {
            memory(node, &[0, 0x1000, 0, 0x2000, 0, 0x2000, 0, 0x2000])
        })
        .node("memory@x", |node| memory(node, &[u32::MAX, 0, 1, 0]))
    });
    assert_eq!(ram(tree), [(0x1000, 0x4000), (0x8000, 0xa000)]);
}

#[test]
fn memory_that_is_not_okay_is_no_ram() {
    for (status, is_ram) in [
        ("okay", true),
        ("ok", true),
        ("disabled", false),
        ("reserved", false),
        ("", false),
    ] {
        let tree = root(|root| {
            root.node("memory@0", |node| {
                memory(node, &[0, 0, 0, 0x1000]).text("status", status)
            })
        });
        assert_eq!(!ram(tree).is_empty(), is_ram, "{status}");
    }
}

#[test]
fn a_memory_node_is_told_by_its_type_and_not_by_its_name() {
    let tree = root(|root| {
        root.node("memory@0", |node| node.cells("reg", &[0, 0, 0, 0x1000]))
            .node("ram", |node| memory(node, &[0, 0x2000, 0, 0x1000]))
    });
    assert_eq!(ram(tree), [(0x2000, 0x3000)]);
}

#[test]
fn a_root_that_does_not_say_has_two_cells_for_addresses_and_one_for_sizes() {
    let reg = [1, 0x1000, 0x1000, 0, 0x8000, 0x1000];
    let tree = Writer::default().node("", |root| root.node("memory@0", |node| memory(node, &reg)));
    assert_eq!(ram(tree), [(0x8000, 0x9000), (0x1_0000_1000, 0x1_0000_2000)]);
}

#[test]
fn half_an_entry_is_no_memory() {
    let tree = root(|root| root.node("memory@0", |node| memory(node, &[0, 0, 0, 0x1000, 0, 0x8000, 0])));
    assert_eq!(ram(tree), [(0, 0x1000)]);
}

#[test]
fn sixteen_ranges_of_ram_are_kept_and_of_more_the_largest() {
    let reg = |count: u32| {
        (0..count)
            .flat_map(|n| [0, n * 0x10_0000, 0, 0x1000 + n * 0x1000])
            .collect::<Vec<_>>()
    };
    let tree = |count| root(|root| root.node("memory@0", |node| memory(node, &reg(count)))).finish();
    let all = board(&tree(16)).memory;
    assert_eq!((all.ram().count(), all.leaves_ram_out()), (16, false));
    let most = board(&tree(40)).memory;
    assert_eq!((most.ram().count(), most.leaves_ram_out()), (16, true));
    assert_eq!(
        most.ram().next().map(ends),
        Some((24 * 0x10_0000, 24 * 0x10_0000 + 0x1_9000))
    );
}

#[test]
fn reservations_of_size_zero_are_none_and_ones_that_wrap_reach_to_the_end() {
    let tree = root(|root| root)
        .reserve(0x1000, 0)
        .reserve(0, 0x1000)
        .reserve(u64::MAX - 0xfff, u64::MAX);
    assert_eq!(reserved(tree), [(0, 0x1000), (u64::MAX - 0xfff, u64::MAX)]);
}

#[test]
fn thirty_two_reservations_are_kept_and_more_are_kept_with_what_is_between() {
    let tree = |count| {
        let places = (0..count).map(|n| n * n * 0x2000);
        places.fold(root(|root| root), |tree, start| tree.reserve(start, 0x1000))
    };
    assert_eq!(reserved(tree(32)).len(), 32);
    let kept = reserved(tree(100));
    assert_eq!(kept.len(), 32);
    for start in (0..100).map(|n| n * n * 0x2000) {
        let is_kept = kept
            .iter()
            .any(|(low, high)| *low <= start && start + 0x1000 <= *high);
        assert!(is_kept, "{start:#x}");
    }
}

#[test]
fn reserved_memory_may_have_several_places_and_its_own_cells() {
    let tree = root(|root| {
        root.node("reserved-memory", |node| {
            node.cells("#address-cells", &[1])
                .cells("#size-cells", &[1])
                .property("ranges", Value::Bytes(&[]))
                .node("two", |node| node.cells("reg", &[0x1000, 0x1000, 0x8000, 0x10]))
                .node("off", |node| {
                    node.cells("reg", &[0x2000, 0x1000]).text("status", "disabled")
                })
                .node("wish", |node| node.cells("size", &[0x1000]))
        })
    });
    assert_eq!(reserved(tree), [(0x1000, 0x2000), (0x8000, 0x8010)]);
}

#[test]
fn reserved_memory_that_cannot_be_translated_is_kept_as_it_stands() {
    let tree = root(|root| {
        root.node("reserved-memory", |node| {
            node.cells("#address-cells", &[2])
                .cells("#size-cells", &[2])
                .node("a", |node| node.cells("reg", &[0, 0x1000, 0, 0x1000]))
        })
    });
    assert_eq!(reserved(tree), [(0x1000, 0x2000)]);
}

#[test]
fn what_the_tree_and_the_caller_keep_is_not_usable() {
    let board = board(&fixture("virt-4cpu"));
    let initrd = board.initrd.expect("in order").expect("an initrd");
    let usable: Vec<_> = board
        .memory
        .usable(&[initrd])
        .map(|it| (it.start().number(), it.end().number()))
        .collect();
    // 5000 bytes are two frames.
    assert_eq!(usable, [(0x4_0000, 0x4_8000), (0x4_8002, 0x6_0000)]);
}

#[test]
fn an_initrd_takes_both_ends_in_order_and_of_a_sensible_width() {
    let initrd = |start: Option<&[u8]>, end: Option<&[u8]>| {
        let tree = root(|root| {
            root.node("chosen", |mut node| {
                for (name, value) in [("linux,initrd-start", start), ("linux,initrd-end", end)] {
                    if let Some(value) = value {
                        node = node.property(name, Value::Bytes(value));
                    }
                }
                node
            })
        });
        board(&tree.finish()).initrd.map(|range| range.map(ends))
    };
    let (low, high) = (&[0, 0, 0x10, 0][..], &[0, 0, 0, 1, 0, 0, 0x20, 0][..]);
    assert_eq!(initrd(Some(low), Some(high)), Ok(Some((0x1000, 0x1_0000_2000))));
    assert_eq!(initrd(Some(low), Some(low)), Ok(None), "nothing is no initrd");
    assert_eq!(initrd(None, None), Ok(None));
    let (start, end) = (PhysAddr::new(0x1_0000_2000), PhysAddr::new(0x1000));
    assert_eq!(
        initrd(Some(high), Some(low)),
        Err(BadInitrd::Backward { start, end })
    );
    let half = [0x10, 0];
    for (start, end) in [
        (Some(low), None),
        (None, Some(high)),
        (Some(low), Some(&[][..])),
        (Some(&[][..]), Some(high)),
        (Some(&half[..]), Some(&half[..])),
        (Some(&[0; 12][..]), Some(&[1; 12][..])),
    ] {
        assert_eq!(initrd(start, end), Err(BadInitrd::NoPlace), "{start:?} {end:?}");
    }
}

#[test]
fn an_initrd_that_cannot_be_placed_is_told_of_in_a_sentence() {
    let backward = BadInitrd::Backward {
        start: PhysAddr::new(0x2000),
        end: PhysAddr::new(0x1000),
    };
    assert!(
        backward
            .to_string()
            .ends_with("start at 0x2000 and end at 0x1000")
    );
    assert!(BadInitrd::NoPlace.to_string().contains("both ends"));
}

#[test]
fn a_command_line_that_is_too_long_keeps_its_first_whole_words() {
    let line = "word ".repeat(300) + "last";
    let tree = root(|root| root.node("chosen", |node| node.text("bootargs", &line)));
    let bootargs = board(&tree.finish()).bootargs;
    assert_eq!(bootargs.as_str(), "word ".repeat(204) + "word");
}
