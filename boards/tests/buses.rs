//! Names, buses and status: what lies between a node and the CPU.

mod support;

use support::board;
use support::writer::{Value, Writer, memory, pl011, root};

/// Where the console of a tree is: the device that these tests look for.
fn console(tree: Writer) -> Option<u64> {
    board(&tree.finish())
        .console
        .map(|console| console.registers.base.raw())
}

#[test]
fn names_longer_than_the_parser_takes_are_no_obstacle() {
    let long = "a-serial-port-with-a-name-beyond-any-limit@fe201000";
    let tree = root(|root| {
        root.node("another-node-whose-name-goes-on-and-on-and-on", |node| {
            pl011(node, 0x1000)
        })
        .node(long, |node| pl011(node, 0x2000))
        .node("chosen", |node| node.text("stdout-path", &format!("/{long}")))
    });
    assert_eq!(console(tree), Some(0x2000));
}

#[test]
fn nodes_overwritten_with_nops_are_gone_and_those_behind_them_are_not() {
    let nops = |writer: Writer| (0..50).fold(writer, |writer, _| writer.token(4));
    let tree = root(|root| nops(nops(root).node("a", nops)).node("b", |node| nops(pl011(node, 0x1000))));
    assert_eq!(console(nops(tree)), Some(0x1000));
}

#[test]
fn what_is_on_a_disabled_bus_is_disabled() {
    let bus = |status: &str| {
        root(|root| {
            root.node("bus", |node| {
                node.cells("#address-cells", &[2])
                    .cells("#size-cells", &[2])
                    .property("ranges", Value::Bytes(&[]))
                    .text("status", status)
                    .node("uart", |node| pl011(node, 0x1000))
            })
        })
    };
    assert_eq!(console(bus("okay")), Some(0x1000));
    assert_eq!(console(bus("disabled")), None);
}

#[test]
fn buses_translate_only_what_lies_wholly_in_one_of_their_ranges() {
    let through = |ranges: Option<&[u32]>| {
        console(root(|root| {
            root.node("bus", |node| {
                let node = node.cells("#address-cells", &[1]).cells("#size-cells", &[1]);
                let node = match ranges {
                    Some(cells) => node.cells("ranges", cells),
                    None => node,
                };
                node.node("uart", |node| {
                    node.text("compatible", "arm,pl011")
                        .cells("reg", &[0x1000, 0x1000])
                })
            })
        }))
    };
    assert_eq!(through(None), None, "no ranges: out of reach");
    assert_eq!(through(Some(&[])), Some(0x1000), "empty ranges: the same address");
    assert_eq!(through(Some(&[0x1000, 1, 0x8000, 0x1000])), Some(0x1_0000_8000));
    assert_eq!(
        through(Some(&[0, 0, 0, 0x1000, 0x800, 0, 0x8000, 0x2000])),
        Some(0x8800),
        "the second range"
    );
    assert_eq!(through(Some(&[0x1000, 0, 0x8000, 0xfff])), None, "one byte short");
    assert_eq!(through(Some(&[0x1001, 0, 0x8000, 0x2000])), None, "one byte late");
    assert_eq!(through(Some(&[0, u32::MAX, 0xffff_f800, 0x4000])), None, "wraps");
    assert_eq!(through(Some(&[0x1000, 1, 0x8000])), None, "cut short");
}

#[test]
fn addresses_of_more_than_64_bits_are_out_of_reach() {
    let tree = root(|root| {
        root.node("pcie", |node| {
            node.cells("#address-cells", &[3])
                .cells("#size-cells", &[2])
                .property("ranges", Value::Bytes(&[]))
                .node("uart", |node| {
                    node.text("compatible", "arm,pl011")
                        .cells("reg", &[0, 0, 0x1000, 0, 0x1000])
                })
        })
    });
    assert_eq!(console(tree), None);
}

#[test]
fn entries_without_cells_do_not_keep_the_reader_busy() {
    let cells = |node: Writer, count| {
        node.cells("#address-cells", &[count])
            .cells("#size-cells", &[count])
    };
    let uart = |node: Writer| node.node("uart", |node| pl011(node, 0x1000));
    let inner = |node: Writer| uart(cells(node, 2).property("ranges", Value::Bytes(&[])));
    let outer = |node: Writer| cells(node, 0).cells("ranges", &[1, 2, 3]).node("inner", inner);
    let tree = Writer::default().node("", |root| {
        cells(root, 0)
            .node("memory", |node| memory(node, &[1, 2, 3]))
            .node("outer", outer)
    });
    let board = board(&tree.finish());
    assert_eq!((board.memory.ram().count(), board.console), (0, None));
}
