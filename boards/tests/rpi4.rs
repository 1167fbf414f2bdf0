//! The tree of a Raspberry Pi 4, before and after its firmware.

mod support;

use addr::PhysAddr;
use boards::{BoardKind, ConsoleKind, EnableMethod, Gic, MemoryRange, RegisterBlock};
use support::firmware::{self, INITRD, SIZES, Width, patched, set_text};
use support::{board, fixture};

const GIB: u64 = 1 << 30;

fn block(base: u64, bytes: u64) -> RegisterBlock {
    RegisterBlock {
        base: PhysAddr::new(base),
        bytes,
    }
}

fn range(start: u64, end: u64) -> MemoryRange {
    MemoryRange::between(PhysAddr::new(start), PhysAddr::new(end)).expect("not empty")
}

/// Each board as its firmware hands it over, with the tree as it was on the card last.
fn boards() -> Vec<(String, Vec<u8>)> {
    let patched = SIZES.map(|gib| (format!("{gib} GiB"), patched(gib, Width::OneCell, "init=demo")));
    patched
        .into_iter()
        .chain([("card".into(), fixture("rpi4"))])
        .collect()
}

#[test]
fn ram_comes_in_pieces_with_a_hole_for_the_graphics_and_one_for_devices() {
    let ram = |size| {
        let board = board(&patched(size, Width::OneCell, ""));
        board.memory.ram().collect::<Vec<_>>()
    };
    let first = range(0, 0x3b40_0000);
    let up_to_the_devices = range(GIB, 0xfc00_0000);
    assert_eq!(ram(1), [first]);
    assert_eq!(ram(2), [first, range(GIB, 2 * GIB)]);
    assert_eq!(ram(4), [first, up_to_the_devices]);
    assert_eq!(ram(8), [first, up_to_the_devices, range(4 * GIB, 8 * GIB)]);
}

#[test]
fn a_memory_node_that_nobody_filled_in_is_no_ram() {
    let board = board(&fixture("rpi4"));
    assert_eq!(board.memory.ram().count(), 0);
    assert_eq!((board.initrd, board.bootargs.as_str()), (Ok(None), ""));
}

#[test]
fn the_parking_page_and_enabled_reservations_are_kept_but_not_wishes_and_disabled_ones() {
    for (name, blob) in boards() {
        let reserved: Vec<_> = board(&blob).memory.reserved().collect();
        assert_eq!(
            reserved,
            [range(0, 0x1000), range(0x2e00_0000, 0x2e01_0000)],
            "{name}"
        );
    }
    let board = board(&patched(1, Width::OneCell, ""));
    let first = board.memory.usable(&[]).next().expect("RAM");
    assert_eq!((first.start().number(), first.end().number()), (1, 0x2_e000));
}

#[test]
fn devices_are_where_the_cpu_sees_them_and_not_where_the_bus_does() {
    for (name, blob) in boards() {
        let board = board(&blob);
        assert_eq!(board.kind, BoardKind::RaspberryPi4, "{name}");
        let gic = Gic::V2 {
            distributor: block(0xff84_1000, 0x1000),
            cpu_interface: block(0xff84_2000, 0x2000),
        };
        assert_eq!(board.gic, Some(gic), "{name}");
        assert_eq!(board.gpio, Some(block(0xfe20_0000, 0xb4)), "{name}");
        assert_eq!(board.watchdog, Some(block(0xfe10_0000, 0x114)), "{name}");
        assert_eq!(board.rtc, None, "{name}");
    }
}

#[test]
fn the_model_is_the_one_that_the_firmware_has_found() {
    let board = board(&patched(4, Width::OneCell, ""));
    assert_eq!(board.model.as_str(), "Raspberry Pi 4 Model B Rev 1.4");
}

#[test]
fn the_enabled_pl011_is_the_console_though_the_tree_and_the_firmware_name_the_mini_uart() {
    for (name, blob) in boards() {
        let console = board(&blob).console.expect("a console");
        assert_eq!(console.kind, ConsoleKind::Pl011, "{name}");
        assert_eq!(console.registers, block(0xfe20_1000, 0x200), "{name}");
        assert_eq!(console.irq.map(boards::Irq::intid), Some(153), "{name}");
        assert_eq!(console.clock_hz, Some(48_000_000), "{name}");
    }
}

#[test]
fn what_the_firmware_calls_serial0_makes_no_difference() {
    // Raspberry Pi's own trees have the names the other way round, unless an overlay swaps them back.
    let mut tree = firmware::card();
    set_text(&mut tree, "/aliases", "serial0", "/soc/serial@7e215040");
    set_text(&mut tree, "/aliases", "serial1", "/soc/serial@7e201000");
    for stdout in [
        "serial0:115200n8",
        "serial1:115200n8",
        "serial0",
        "/soc/serial@7e215040",
    ] {
        set_text(&mut tree, "/chosen", "stdout-path", stdout);
        let console = board(&tree.to_dtb()).console.expect("a console");
        assert_eq!(console.registers.base.raw(), 0xfe20_1000, "{stdout}");
    }
}

#[test]
fn a_board_whose_pl011_is_given_away_talks_through_the_mini_uart() {
    let mut tree = firmware::card();
    set_text(&mut tree, "/soc/serial@7e201000", "status", "disabled");
    let console = board(&tree.to_dtb()).console.expect("a console");
    assert_eq!(
        (console.kind, console.registers.base.raw()),
        (ConsoleKind::MiniUart, 0xfe21_5040)
    );
    set_text(&mut tree, "/soc/serial@7e215040", "status", "disabled");
    assert_eq!(board(&tree.to_dtb()).console, None);
}

#[test]
fn a_mini_uart_asked_for_by_word_is_told_from_a_pl011() {
    let console = board(&patched(2, Width::OneCell, "console=mini-uart")).console;
    let console = console.expect("a console");
    assert_eq!(
        (console.kind, console.registers.base.raw()),
        (ConsoleKind::MiniUart, 0xfe21_5040)
    );
    assert_eq!(
        (console.irq.map(boards::Irq::intid), console.clock_hz),
        (Some(125), None)
    );
}

#[test]
fn cpus_wait_at_spin_tables_and_there_is_no_psci() {
    let spin = |release| EnableMethod::SpinTable {
        release: PhysAddr::new(release),
    };
    for (name, blob) in boards() {
        let board = board(&blob);
        let cpus: Vec<_> = board
            .cpus
            .iter()
            .map(|cpu| (cpu.mpidr.raw(), cpu.enable))
            .collect();
        let expected = [(0, spin(0xd8)), (1, spin(0xe0)), (2, spin(0xe8)), (3, spin(0xf0))];
        assert_eq!(cpus, expected, "{name}");
        assert_eq!(board.psci, None, "{name}");
        assert_eq!(
            board.timer.map(|timer| timer.physical.intid()),
            Some(30),
            "{name}"
        );
    }
}

#[test]
fn an_initrd_address_may_have_one_cell_or_two() {
    for width in [Width::OneCell, Width::TwoCells] {
        let board = board(&patched(8, width, ""));
        assert_eq!(board.initrd, Ok(Some(range(INITRD.0, INITRD.1))), "{width:?}");
    }
}

#[test]
fn our_words_are_found_among_the_firmwares() {
    let board = board(&patched(1, Width::OneCell, "init=demo asid-bits=8"));
    assert_eq!(
        (board.options().init(), board.options().asid_bits()),
        (Some("demo"), Some(8))
    );
}
