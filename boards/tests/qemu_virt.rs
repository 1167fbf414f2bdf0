//! The trees of QEMU's `virt` machine, as it generates them.

mod support;

use addr::PhysAddr;
use boards::{BoardKind, ConsoleKind, EnableMethod, Gic, PsciConduit, RegisterBlock};
use support::{board, fixture};

fn block(base: u64, bytes: u64) -> RegisterBlock {
    RegisterBlock {
        base: PhysAddr::new(base),
        bytes,
    }
}

fn ram(board: &boards::Board) -> Vec<(u64, u64)> {
    board
        .memory
        .ram()
        .map(|range| (range.start().raw(), range.bytes()))
        .collect()
}

#[test]
fn one_cpu_with_a_gib_is_read_whole() {
    let board = board(&fixture("virt-1cpu"));
    assert_eq!(board.kind, BoardKind::QemuVirt);
    assert_eq!(board.model.as_str(), "linux,dummy-virt");
    assert_eq!(ram(&board), [(0x4000_0000, 0x4000_0000)]);
    assert_eq!(board.memory.reserved().count(), 0);
    assert_eq!(board.initrd, Ok(None));
    assert_eq!(board.bootargs.as_str(), "");
    assert_eq!(board.cpus.len(), 1);
    assert_eq!(board.psci, Some(PsciConduit::Hvc));
    assert_eq!(board.rtc, Some(block(0x0901_0000, 0x1000)));
    assert_eq!((board.gpio, board.watchdog), (None, None));
}

#[test]
fn four_cpus_initrd_and_command_line_are_found() {
    let board = board(&fixture("virt-4cpu"));
    assert_eq!(ram(&board), [(0x4000_0000, 0x2000_0000)]);
    let cpus: Vec<_> = board
        .cpus
        .iter()
        .map(|cpu| (cpu.mpidr.raw(), cpu.enable))
        .collect();
    assert_eq!(cpus, [0, 1, 2, 3].map(|affinity| (affinity, EnableMethod::Psci)));
    let initrd = board.initrd.expect("in order").expect("an initrd");
    assert_eq!((initrd.start().raw(), initrd.bytes()), (0x4800_0000, 5000));
    assert_eq!(board.options().init(), Some("demo"));
    assert_eq!(board.options().asid_bits(), Some(4));
}

#[test]
fn the_console_is_the_pl011_with_interrupt_and_clock() {
    let console = board(&fixture("virt-1cpu")).console.expect("a console");
    assert_eq!(console.kind, ConsoleKind::Pl011);
    assert_eq!(console.registers, block(0x0900_0000, 0x1000));
    assert_eq!(console.irq.map(boards::Irq::intid), Some(33));
    assert_eq!(console.clock_hz, Some(24_000_000));
}

#[test]
fn the_gic_is_of_the_version_that_the_tree_says() {
    let distributor = block(0x0800_0000, 0x1_0000);
    let v2 = Gic::V2 {
        distributor,
        cpu_interface: block(0x0801_0000, 0x1_0000),
    };
    assert_eq!(board(&fixture("virt-4cpu")).gic, Some(v2));
    assert_eq!(board(&fixture("virt-el2")).gic, Some(v2));
    let v3 = Gic::V3 {
        distributor,
        redistributors: block(0x080a_0000, 0xf6_0000),
    };
    assert_eq!(board(&fixture("virt-gicv3")).gic, Some(v3));
}

#[test]
fn the_timer_interrupts_are_those_of_el1() {
    for name in ["virt-1cpu", "virt-gicv3", "virt-el2", "virt-secure"] {
        let timer = board(&fixture(name)).timer.expect("a timer");
        assert_eq!((timer.physical.intid(), timer.virt.intid()), (30, 27), "{name}");
    }
}

#[test]
fn psci_is_entered_by_smc_where_the_kernel_owns_el2() {
    assert_eq!(board(&fixture("virt-el2")).psci, Some(PsciConduit::Smc));
}

#[test]
fn the_secure_world_keeps_its_ram_and_its_uart() {
    let board = board(&fixture("virt-secure"));
    assert_eq!(ram(&board), [(0x4000_0000, 0x4000_0000)]);
    assert_eq!(
        board.console.map(|console| console.registers.base.raw()),
        Some(0x0900_0000)
    );
}

#[test]
fn eight_gib_are_one_range_across_the_4_gib_line() {
    let board = board(&fixture("virt-8g"));
    assert_eq!(ram(&board), [(0x4000_0000, 0x2_0000_0000)]);
    let usable: Vec<_> = board.memory.usable(&[]).map(|frames| frames.count()).collect();
    assert_eq!(usable, [0x2_0000_0000 / 4096]);
}
