//! Which serial port becomes the console.

mod support;

use support::board;
use support::writer::{Value, Writer, mini_uart, pl011, root};

/// Where the console of a tree is.
fn console(tree: Writer) -> Option<u64> {
    board(&tree.finish())
        .console
        .map(|console| console.registers.base.raw())
}

#[test]
fn a_tree_without_a_serial_port_has_no_console() {
    assert_eq!(
        console(root(
            |root| root.node("serial", |node| node.text("compatible", "ns16550a"))
        )),
        None
    );
    assert_eq!(
        console(root(
            |root| root.node("serial", |node| node.text("compatible", "arm,pl011"))
        )),
        None
    );
}

#[test]
fn without_a_word_from_anyone_it_is_the_first_enabled_pl011_then_the_mini_uart() {
    let ports = |root: Writer, status: &str| {
        root.node("mini", |node| mini_uart(node, 0x1000))
            .node("off", |node| pl011(node, 0x2000).text("status", "disabled"))
            .node("a", |node| pl011(node, 0x3000).text("status", status))
            .node("b", |node| pl011(node, 0x4000).text("status", status))
    };
    assert_eq!(console(root(|root| ports(root, "okay"))), Some(0x3000));
    assert_eq!(console(root(|root| ports(root, "disabled"))), Some(0x1000));
}

#[test]
fn stdout_path_chooses_among_pl011s_by_path_or_alias_and_with_options() {
    let with = |path: &str| {
        console(root(|root| {
            root.node("chosen", |node| node.text("stdout-path", path))
                .node("aliases", |node| {
                    node.text("serial1", "/bus/uart@2000").text("bad", "bus")
                })
                .node("uart@1000", |node| pl011(node, 0x1000))
                .node("bus", |node| {
                    node.cells("#address-cells", &[2])
                        .cells("#size-cells", &[2])
                        .property("ranges", Value::Bytes(&[]))
                        .node("uart@2000", |node| pl011(node, 0x2000))
                        .node("mini@3000", |node| mini_uart(node, 0x3000))
                })
        }))
    };
    for path in [
        "/bus/uart@2000",
        "/bus/uart",
        "serial1",
        "serial1:115200n8",
        "/bus/uart@2000:9600",
        "//bus/uart@2000/",
    ] {
        assert_eq!(with(path), Some(0x2000), "{path}");
    }
    for path in [
        "",
        "/",
        ":",
        "serial2",
        "bad",
        "/bus/uart@4000",
        "/nowhere/else",
        "/bus/mini@3000",
    ] {
        assert_eq!(with(path), Some(0x1000), "{path}");
    }
}

#[test]
fn the_command_line_outranks_the_tree_and_foreign_words_do_not_count() {
    let with = |line: &str| {
        console(root(|root| {
            root.node("chosen", |node| {
                node.text("stdout-path", "/uart@1000").text("bootargs", line)
            })
            .node("aliases", |node| node.text("serial1", "/uart@2000"))
            .node("uart@1000", |node| pl011(node, 0x1000))
            .node("uart@2000", |node| pl011(node, 0x2000))
            .node("mini@3000", |node| mini_uart(node, 0x3000))
        }))
    };
    assert_eq!(with("console=serial1"), Some(0x2000));
    assert_eq!(with("console=/uart@2000"), Some(0x2000));
    assert_eq!(with("console=mini-uart"), Some(0x3000));
    assert_eq!(with("console=mini-uart console=pl011"), Some(0x1000));
    assert_eq!(with("console=mini-uart console=ttyAMA0,115200"), Some(0x3000));
    assert_eq!(with("console=ttyS0,115200 console="), Some(0x1000));
}

#[test]
fn a_disabled_port_is_not_chosen_whoever_asks_for_it() {
    let with = |line: &str| {
        console(root(|root| {
            root.node("chosen", |node| {
                node.text("stdout-path", "/uart@1000").text("bootargs", line)
            })
            .node("uart@1000", |node| pl011(node, 0x1000).text("status", "disabled"))
            .node("uart@2000", |node| pl011(node, 0x2000))
        }))
    };
    assert_eq!(with(""), Some(0x2000));
    assert_eq!(with("console=/uart@1000"), Some(0x2000));
}

#[test]
fn the_clock_is_known_if_it_is_fixed_and_runs() {
    let with = |kind: &str, hz: u32| {
        let clock = |node: Writer| {
            node.text("compatible", kind)
                .cells("phandle", &[5])
                .cells("clock-frequency", &[hz])
        };
        let tree = root(|root| {
            root.node("uart", |node| pl011(node, 0x1000).cells("clocks", &[5, 6]))
                .node("clock", clock)
        });
        board(&tree.finish()).console.expect("a console").clock_hz
    };
    assert_eq!(with("fixed-clock", 3_000_000), Some(3_000_000));
    assert_eq!(with("fixed-clock", 0), None);
    assert_eq!(with("some,clock-tree", 3_000_000), None);
}
