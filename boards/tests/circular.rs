//! References that go round in circles, or to nowhere: each is followed once.

mod support;

use boards::{Board, Irq};
use support::board;
use support::writer::{Value, Writer, pl011, root};

/// A GIC with this phandle.
fn gic(node: Writer, phandle: u32) -> Writer {
    node.text("compatible", "arm,gic-400")
        .cells("phandle", &[phandle])
        .cells("#interrupt-cells", &[3])
        .cells("reg", &[0, 0x8000, 0, 0x1000, 0, 0x9000, 0, 0x1000])
}

fn uart(node: Writer) -> Writer {
    pl011(node, 0x1000).cells("interrupts", &[0, 1, 4])
}

fn read(content: impl FnOnce(Writer) -> Writer) -> Board {
    board(&root(content).finish())
}

fn console_irq(board: &Board) -> Option<u32> {
    board.console.expect("a console").irq.map(Irq::intid)
}

#[test]
fn a_gic_that_is_its_own_interrupt_parent_is_a_gic() {
    let board = read(|root| {
        root.cells("interrupt-parent", &[1])
            .node("gic", |node| gic(node, 1).cells("interrupt-parent", &[1]))
            .node("uart", uart)
    });
    assert!(board.gic.is_some());
    assert_eq!(console_irq(&board), Some(33));
}

#[test]
fn controllers_that_are_each_others_parents_lead_nowhere() {
    let controller = |node: Writer, phandle, parent| {
        node.cells("phandle", &[phandle])
            .cells("#interrupt-cells", &[3])
            .property("interrupt-controller", Value::Bytes(&[]))
            .cells("interrupt-parent", &[parent])
    };
    let board = read(|root| {
        root.cells("interrupt-parent", &[2])
            .node("a", |node| controller(node, 2, 3))
            .node("b", |node| controller(node, 3, 2))
            .node("uart", uart)
    });
    assert_eq!(console_irq(&board), None);
}

#[test]
fn a_device_may_name_itself_for_everything() {
    let board = read(|root| {
        root.node("uart", |node| {
            uart(node)
                .cells("phandle", &[1])
                .cells("interrupt-parent", &[1])
                .cells("#interrupt-cells", &[3])
                .cells("clocks", &[1, 1, 1])
                .cells("clock-frequency", &[1000])
        })
    });
    let console = board.console.expect("a console");
    assert_eq!((console.irq, console.clock_hz), (None, None));
}

#[test]
fn interrupts_that_each_name_their_own_device_are_stepped_over() {
    let tree = |count: usize| {
        let board = read(|root| {
            root.node("gic", |node| gic(node, 1)).node("timer", |node| {
                node.text("compatible", "arm,armv8-timer")
                    .cells("phandle", &[7])
                    .cells("#interrupt-cells", &[0])
                    .cells(
                        "interrupts-extended",
                        &[&vec![7; count][..], &[1, 1, 9, 4], &[1, 1, 10, 4]].concat(),
                    )
            })
        });
        board
            .timer
            .map(|timer| (timer.physical.intid(), timer.virt.intid()))
    };
    assert_eq!(tree(1), Some((25, 26)), "the second and third are the GIC's");
    assert_eq!(tree(0), None, "the third is missing");
    assert_eq!(tree(1000), None, "those asked for are the device's own");
}

#[test]
fn phandles_that_two_nodes_have_or_none_give_an_answer() {
    let board = read(|root| {
        root.cells("interrupt-parent", &[1])
            .node("gic", |node| gic(node, 1))
            .node("other", |node| node.cells("phandle", &[1]))
            .node("uart", uart)
    });
    assert_eq!(console_irq(&board), Some(33), "the first counts");
    for phandle in [0, u32::MAX] {
        let board = read(|root| root.cells("interrupt-parent", &[phandle]).node("uart", uart));
        assert_eq!(console_irq(&board), None);
    }
}

#[test]
fn aliases_that_lead_to_aliases_lead_nowhere() {
    let found = |path: &str| {
        let board = read(|root| {
            root.node("aliases", |node| {
                node.text("a", "b")
                    .text("b", "a")
                    .text("self", "self")
                    .text("path", "/aliases")
                    .text("twice", "path/..")
                    .text("good", "/second")
            })
            .node("chosen", |node| node.text("stdout-path", path))
            .node("first", |node| pl011(node, 0x1000))
            .node("second", |node| pl011(node, 0x2000))
        });
        board.console.map(|console| console.registers.base.raw())
    };
    assert_eq!(found("good"), Some(0x2000));
    for path in [
        "a",
        "b",
        "self",
        "self/self",
        "path",
        "twice",
        "path/a",
        "/chosen",
        "/chosen/stdout-path",
    ] {
        assert_eq!(found(path), Some(0x1000), "{path}");
    }
}

#[test]
fn a_path_of_a_thousand_steps_ends() {
    let path = "/a".repeat(400);
    let board = read(|root| {
        root.node("a", |node| node.node("a", |node| node))
            .node("chosen", |node| {
                let words = format!("console={path} ").repeat(1);
                node.text("stdout-path", &path.repeat(20))
                    .text("bootargs", &words)
            })
            .node("uart", uart)
    });
    assert!(board.console.is_some());
}
