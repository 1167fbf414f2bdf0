//! The tree of a Raspberry Pi 4, before and after its firmware.

mod support;

use addr::PhysAddr;
use boards::{BoardKind, ConsoleKind, EnableMethod, Gic, MemoryRange, RegisterBlock};
use support::{board, fixture};

fn block(base: u64, bytes: u64) -> RegisterBlock {
    RegisterBlock {
        base: PhysAddr::new(base),
        bytes,
    }
}

fn range(start: u64, end: u64) -> MemoryRange {
    MemoryRange::between(PhysAddr::new(start), PhysAddr::new(end)).expect("not empty")
}

#[test]
fn eight_gib_come_in_two_pieces_with_a_hole_for_the_graphics_and_one_for_devices() {
    let board = board(&fixture("rpi4-8g"));
    assert_eq!(
        (board.kind, board.model.as_str()),
        (BoardKind::RaspberryPi4, "Raspberry Pi 4 Model B")
    );
    let ram: Vec<_> = board.memory.ram().collect();
    assert_eq!(
        ram,
        [
            range(0, 0x3b40_0000),
            range(0x4000_0000, 0xfc00_0000),
            range(0x1_0000_0000, 0x2_0000_0000)
        ]
    );
}

#[test]
fn the_parking_page_and_enabled_reservations_are_kept_but_not_wishes_and_disabled_ones() {
    let board = board(&fixture("rpi4-8g"));
    let reserved: Vec<_> = board.memory.reserved().collect();
    assert_eq!(reserved, [range(0, 0x1000), range(0x2e00_0000, 0x2e01_0000)]);
    let first = board.memory.usable(&[]).next().expect("RAM");
    assert_eq!((first.start().number(), first.end().number()), (1, 0x2_e000));
}

#[test]
fn a_memory_node_that_nobody_filled_in_is_no_ram() {
    let board = board(&fixture("rpi4"));
    assert_eq!(board.memory.ram().count(), 0);
    assert_eq!((board.initrd, board.bootargs.as_str()), (None, ""));
}

#[test]
fn devices_are_where_the_cpu_sees_them_and_not_where_the_bus_does() {
    let board = board(&fixture("rpi4"));
    let gic = Gic::V2 {
        distributor: block(0xff84_1000, 0x1000),
        cpu_interface: block(0xff84_2000, 0x2000),
    };
    assert_eq!(board.gic, Some(gic));
    assert_eq!(board.gpio, Some(block(0xfe20_0000, 0xb4)));
    assert_eq!(board.watchdog, Some(block(0xfe10_0000, 0x114)));
    assert_eq!(board.rtc, None);
}

#[test]
fn the_enabled_pl011_is_the_console_though_the_tree_and_the_firmware_name_the_mini_uart() {
    for name in ["rpi4", "rpi4-8g"] {
        let console = board(&fixture(name)).console.expect("a console");
        assert_eq!(console.kind, ConsoleKind::Pl011, "{name}");
        assert_eq!(console.registers, block(0xfe20_1000, 0x200), "{name}");
        assert_eq!(console.irq.map(boards::Irq::intid), Some(153), "{name}");
        assert_eq!(console.clock_hz, Some(48_000_000), "{name}");
    }
}

#[test]
fn cpus_wait_at_spin_tables_and_there_is_no_psci() {
    let board = board(&fixture("rpi4-8g"));
    let cpus: Vec<_> = board
        .cpus
        .iter()
        .map(|cpu| (cpu.mpidr.raw(), cpu.enable))
        .collect();
    let spin = |release| EnableMethod::SpinTable {
        release: PhysAddr::new(release),
    };
    assert_eq!(
        cpus,
        [(0, spin(0xd8)), (1, spin(0xe0)), (2, spin(0xe8)), (3, spin(0xf0))]
    );
    assert_eq!(board.psci, None);
    assert_eq!(board.timer.map(|timer| timer.physical.intid()), Some(30));
}

#[test]
fn an_initrd_address_may_have_one_cell() {
    let board = board(&fixture("rpi4-8g"));
    assert_eq!(board.initrd, Some(range(0x2e5a_5000, 0x2e5b_d6a6)));
    assert_eq!(board.options().init(), Some("demo"));
}
