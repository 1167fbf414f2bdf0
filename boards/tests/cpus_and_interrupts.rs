//! CPUs, firmware calls, and interrupts on their way to the GIC.

mod support;

use boards::EnableMethod;
use support::board;
use support::writer::{Value, Writer, pl011, root};

fn cpu(node: Writer, reg: u32, method: &str) -> Writer {
    node.text("device_type", "cpu")
        .cells("reg", &[reg])
        .text("enable-method", method)
}

fn cpus(content: impl FnOnce(Writer) -> Writer) -> Vec<(u64, EnableMethod)> {
    let cells = |node: Writer| node.cells("#address-cells", &[1]).cells("#size-cells", &[0]);
    let tree = root(|root| root.node("cpus", |node| content(cells(node))));
    board(&tree.finish())
        .cpus
        .iter()
        .map(|cpu| (cpu.mpidr.raw(), cpu.enable))
        .collect()
}

#[test]
fn cpus_are_named_by_affinity_and_those_not_in_use_are_left_out() {
    let found = cpus(|node| {
        node.node("cpu-map", |map| map)
            .node("cpu@0", |node| cpu(node, 0x8000_0000, "psci"))
            .node("cpu@1", |node| cpu(node, 1, "psci").text("status", "disabled"))
            .node("cpu@100", |node| cpu(node, 0x100, "magic"))
            .node("cpu@101", |node| cpu(node, 0x101, "spin-table"))
    });
    assert_eq!(
        found,
        [
            (0, EnableMethod::Psci),
            (0x100, EnableMethod::Unknown),
            (0x101, EnableMethod::Unknown)
        ]
    );
}

#[test]
fn cpus_beyond_sixteen_stay_parked() {
    let found = cpus(|node| (0..20).fold(node, |node, n| node.node("cpu", |node| cpu(node, n, "psci"))));
    assert_eq!(
        found.iter().map(|(mpidr, _)| *mpidr).collect::<Vec<_>>(),
        (0..16).collect::<Vec<_>>()
    );
}

#[test]
fn psci_before_0_2_and_unknown_conduits_do_not_count() {
    let psci = |kind: &str, method: &str| {
        let node = |node: Writer| node.text("compatible", kind).text("method", method);
        board(&root(|root| root.node("psci", node)).finish()).psci
    };
    assert_eq!(psci("arm,psci", "smc"), None);
    assert_eq!(psci("arm,psci-0.2", "call"), None);
    assert_eq!(psci("arm,psci-0.2", "smc"), Some(boards::PsciConduit::Smc));
}

/// A tree with a GIC (phandle 1), another interrupt controller (phandle 2) and a UART.
fn with_gic(uart: impl FnOnce(Writer) -> Writer) -> Option<u32> {
    let tree = root(|root| {
        root.cells("interrupt-parent", &[1])
            .node("gic", |node| {
                node.text("compatible", "arm,gic-400")
                    .cells("phandle", &[1])
                    .cells("#interrupt-cells", &[3])
            })
            .node("other", |node| {
                node.cells("phandle", &[2]).cells("#interrupt-cells", &[1])
            })
            .node("uart", |node| uart(pl011(node, 0x1000)))
    });
    board(&tree.finish())
        .console
        .expect("a console")
        .irq
        .map(boards::Irq::intid)
}

#[test]
fn an_interrupt_is_ours_if_it_goes_to_the_gic() {
    assert_eq!(with_gic(|uart| uart.cells("interrupts", &[0, 1, 4])), Some(33));
    assert_eq!(with_gic(|uart| uart.cells("interrupts", &[1, 5, 4])), Some(21));
    assert_eq!(
        with_gic(|uart| uart.cells("interrupts-extended", &[1, 0, 2, 4])),
        Some(34)
    );
    assert_eq!(
        with_gic(|uart| uart
            .cells("interrupts", &[0, 1, 4])
            .cells("interrupt-parent", &[2])),
        None
    );
    assert_eq!(
        with_gic(|uart| uart
            .cells("interrupts", &[0, 1, 4])
            .cells("interrupt-parent", &[9])),
        None
    );
    assert_eq!(with_gic(|uart| uart.cells("interrupts-extended", &[2, 7])), None);
    assert_eq!(with_gic(|uart| uart.cells("interrupts", &[2, 1, 4])), None);
    assert_eq!(with_gic(|uart| uart.cells("interrupts", &[0, 988, 4])), None);
    assert_eq!(with_gic(|uart| uart.cells("interrupts", &[0, 1])), None);
    assert_eq!(with_gic(|uart| uart), None);
}

/// The interrupt of a UART whose `interrupts` is `number`, two buses below one with this mask and map.
fn through_map(number: u32, mask: &[u32], map: &[u32]) -> Option<u32> {
    let bus = |node: Writer| {
        node.cells("#address-cells", &[2])
            .cells("#size-cells", &[2])
            .property("ranges", Value::Bytes(&[]))
    };
    let tree = root(|root| {
        root.cells("interrupt-parent", &[1])
            .node("gic", |node| {
                node.text("compatible", "arm,gic-v3")
                    .cells("phandle", &[1])
                    .cells("#interrupt-cells", &[3])
                    .cells("#address-cells", &[2])
            })
            .node("other", |node| {
                node.cells("phandle", &[2]).cells("#interrupt-cells", &[3])
            })
            .node("bus", |node| {
                bus(node)
                    .cells("#interrupt-cells", &[1])
                    .cells("interrupt-map-mask", mask)
                    .cells("interrupt-map", map)
                    .node("motherboard", |node| {
                        bus(node).node("uart", |uart| pl011(uart, 0x1000).cells("interrupts", &[number]))
                    })
            })
    });
    board(&tree.finish())
        .console
        .expect("a console")
        .irq
        .map(boards::Irq::intid)
}

#[test]
fn an_interrupt_goes_through_the_map_of_a_bus() {
    const MASK: [u32; 3] = [0, 0, 0x3f];
    // Address, interrupt, controller, its address, its interrupt.
    const MAP: [u32; 18] = [0, 0, 4, 1, 0, 0, 0, 40, 4, 0, 0, 5, 1, 0, 0, 0, 50, 4];
    assert_eq!(through_map(5, &MASK, &MAP), Some(82));
    assert_eq!(through_map(0x44, &MASK, &MAP), Some(72), "the mask hides bit 6");
    assert_eq!(through_map(6, &MASK, &MAP), None);
    assert_eq!(through_map(5, &MASK, &MAP[..17]), None, "it is cut off");
    assert_eq!(
        through_map(5, &[0, 0xf800, 0x3f], &MAP),
        None,
        "it goes by addresses"
    );
    assert_eq!(through_map(5, &[], &MAP), None);
    assert_eq!(through_map(5, &MASK, &[]), None);
    let another = [0, 0, 6, 2, 0, 60, 4];
    assert_eq!(through_map(6, &MASK, &another), None, "it leads to no GIC");
    let both = [&MAP[..9], &another].concat();
    assert_eq!(through_map(4, &MASK, &both), Some(72));
    assert_eq!(through_map(6, &MASK, &both), None);
}

#[test]
fn the_timers_interrupts_go_by_name_where_they_have_names() {
    let timer = |names: Option<&str>| {
        let tree = root(|root| {
            root.cells("interrupt-parent", &[1])
                .node("gic", |node| {
                    node.text("compatible", "arm,gic-v3")
                        .cells("phandle", &[1])
                        .cells("#interrupt-cells", &[3])
                })
                .node("timer", |node| {
                    let node = node.text("compatible", "arm,armv8-timer");
                    let node = node.cells("interrupts", &[1, 1, 4, 1, 2, 4, 1, 3, 4]);
                    match names {
                        Some(names) => node.text("interrupt-names", names),
                        None => node,
                    }
                })
        });
        board(&tree.finish())
            .timer
            .map(|timer| (timer.physical.intid(), timer.virt.intid()))
    };
    assert_eq!(timer(None), Some((18, 19)));
    assert_eq!(timer(Some("virt\0phys\0hyp-phys")), Some((18, 17)));
    assert_eq!(timer(Some("virt\0hyp-phys")), None);
}
