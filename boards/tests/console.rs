//! The drivers against plain memory in place of a device: which registers they write, and what they
//! make of what they read.

mod support;

use boards::console::{
    AnyConsole, AnyRegisters, Console, MiniUart, MiniUartRegisters, Pl011, Pl011Registers, PrimeCellRegisters,
};
use boards::rpi4::{self, GpioRegisters, WatchdogRegisters};
use boards::{ConsoleKind, rtc};
use std::cell::Cell;

/// Memory that a driver takes for registers, seen by words.
struct Fake(&'static [Cell<u32>; WORDS]);

/// A page, which is as much as any device has.
const WORDS: usize = 1024;

impl Fake {
    fn new() -> Self {
        Self(Box::leak(Box::new([const { Cell::new(0) }; WORDS])))
    }

    fn get(&self, offset: usize) -> u32 {
        self.0[offset / 4].get()
    }

    fn set(&self, offset: usize, value: u32) {
        self.0[offset / 4].set(value);
    }

    /// The words as a block of registers. Only for `T` made of 32-bit registers, like those here.
    fn registers<T>(&self) -> &'static T {
        assert!(size_of::<T>() <= size_of_val(self.0) && align_of::<T>() == align_of::<u32>());
        let words: *const T = self.0.as_ptr().cast();
        // SAFETY: the words live for ever, are long and aligned enough as just checked, and like registers
        // may change behind a shared reference, have no invalid value, and stay on this thread.
        unsafe { &*words }
    }
}

// Offsets of a PL011.
const DR: usize = 0x00;
const FR: usize = 0x18;
const IBRD: usize = 0x24;
const FBRD: usize = 0x28;
const LCRH: usize = 0x2c;
const CR: usize = 0x30;
const IMSC: usize = 0x38;
const ICR: usize = 0x44;

const RECEIVE_EMPTY: u32 = 1 << 4;
const TRANSMIT_FULL: u32 = 1 << 5;

#[test]
fn a_pl011_with_a_known_clock_gets_its_line_set_up_and_its_interrupts_masked() {
    let fake = Fake::new();
    fake.set(IMSC, 0x7ff);
    Pl011::new(fake.registers::<Pl011Registers>(), Some(48_000_000));
    assert_eq!((fake.get(IBRD), fake.get(FBRD), fake.get(LCRH)), (26, 3, 0x70));
    assert_eq!((fake.get(CR), fake.get(IMSC)), (0x301, 0));
}

#[test]
fn a_pl011_whose_clock_is_unknown_or_of_no_use_keeps_the_firmwares_line() {
    for clock_hz in [None, Some(9600)] {
        let fake = Fake::new();
        fake.set(IBRD, 7);
        fake.set(LCRH, 0x60);
        Pl011::new(fake.registers(), clock_hz);
        assert_eq!((fake.get(IBRD), fake.get(LCRH), fake.get(CR)), (7, 0x60, 0x301));
    }
}

#[test]
fn a_pl011_that_is_busy_for_ever_does_not_hold_up_the_boot() {
    let fake = Fake::new();
    fake.set(FR, 1 << 3);
    Pl011::new(fake.registers(), Some(24_000_000));
    assert_eq!(fake.get(CR), 0x301);
}

#[test]
fn a_pl011_moves_bytes_only_when_its_fifos_can() {
    let fake = Fake::new();
    let mut port = AnyConsole::Pl011(Pl011::new(fake.registers(), None));
    fake.set(FR, RECEIVE_EMPTY | TRANSMIT_FULL);
    assert!(!port.try_put(b'x'));
    assert_eq!((fake.get(DR), port.try_get()), (0, None));
    fake.set(FR, 0);
    assert!(port.try_put(b'x'));
    assert_eq!(fake.get(DR), u32::from(b'x'));
    // The upper bits are error flags.
    fake.set(DR, 0xf00 | u32::from(b'y'));
    assert_eq!(port.try_get(), Some(b'y'));
}

#[test]
fn a_pl011_interrupts_for_a_full_fifo_and_for_a_lone_byte() {
    let fake = Fake::new();
    let mut port = AnyConsole::Pl011(Pl011::new(fake.registers(), None));
    port.enable_receive_interrupt();
    assert_eq!(fake.get(IMSC), 1 << 4 | 1 << 6);
    fake.set(ICR, 0);
    port.acknowledge();
    assert_eq!(fake.get(ICR), 0x7ff);
}

// Offsets of a mini UART.
const IO: usize = 0x00;
const IER: usize = 0x04;
const LCR: usize = 0x0c;
const LSR: usize = 0x14;
const CNTL: usize = 0x20;

#[test]
fn a_mini_uart_is_set_to_8_bits_in_both_directions_with_its_interrupts_masked() {
    let fake = Fake::new();
    fake.set(IER, 0xf);
    MiniUart::new(fake.registers::<MiniUartRegisters>());
    assert_eq!((fake.get(LCR), fake.get(CNTL), fake.get(IER)), (3, 3, 0));
}

#[test]
fn a_mini_uart_moves_bytes_only_when_it_can_and_interrupts_for_input() {
    let fake = Fake::new();
    let mut port = AnyConsole::MiniUart(MiniUart::new(fake.registers()));
    assert!(!port.try_put(b'x'));
    assert_eq!((fake.get(IO), port.try_get()), (0, None));
    fake.set(LSR, 1 << 5);
    assert!(port.try_put(b'x'));
    assert_eq!((fake.get(IO), port.try_get()), (u32::from(b'x'), None));
    fake.set(LSR, 1);
    assert_eq!(port.try_get(), Some(b'x'));
    port.enable_receive_interrupt();
    port.acknowledge();
    assert_eq!(fake.get(IER), 0b101);
}

// The Raspberry Pi's own blocks.

#[test]
fn pins_14_and_15_go_to_the_pl011_and_others_keep_their_function() {
    let fake = Fake::new();
    for offset in [0x00, 0x04, 0x08, 0x0c, 0xe4] {
        fake.set(offset, u32::MAX);
    }
    rpi4::route_console_pins(fake.registers::<GpioRegisters>(), ConsoleKind::Pl011);
    assert_eq!(fake.get(0x04), !(0b111_111 << 12) | 0b100_100 << 12);
    assert_eq!(fake.get(0x0c), !(0b111_111 << 6), "taken off the Bluetooth pins");
    assert_eq!(fake.get(0xe4), !(0b1111 << 28) | 0b0100 << 28);
    assert_eq!((fake.get(0x00), fake.get(0x08)), (u32::MAX, u32::MAX));
}

#[test]
fn pins_14_and_15_go_to_the_mini_uart_without_touching_bluetooth() {
    let fake = Fake::new();
    fake.set(0x0c, u32::MAX);
    rpi4::route_console_pins(fake.registers(), ConsoleKind::MiniUart);
    assert_eq!((fake.get(0x04), fake.get(0x0c)), (0b010_010 << 12, u32::MAX));
}

#[test]
fn the_watchdog_restarts_or_halts_with_its_password_in_each_write() {
    const PASSWORD: u32 = 0x5a00_0000;
    let fake = Fake::new();
    fake.set(0x1c, 0x0000_0102);
    fake.set(0x20, 0x0000_1002);
    rpi4::restart(fake.registers::<WatchdogRegisters>());
    assert_eq!(
        (fake.get(0x1c), fake.get(0x20), fake.get(0x24)),
        (PASSWORD | 0x122, 0x1002, PASSWORD | 10)
    );
    rpi4::power_off(fake.registers::<WatchdogRegisters>());
    assert_eq!(
        (fake.get(0x1c), fake.get(0x20)),
        (PASSWORD | 0x122, PASSWORD | 0x1555)
    );
}

// The real-time clock.

#[test]
fn a_real_time_clock_says_the_time_only_if_it_runs_and_was_set() {
    const RTCDR: usize = 0x00;
    const RTCCR: usize = 0x0c;
    let fake = Fake::new();
    fake.set(RTCDR, 1_795_881_461);
    assert_eq!(rtc::seconds(fake.registers()), None, "it stands still");
    fake.set(RTCCR, 1);
    assert_eq!(rtc::seconds(fake.registers()), Some(1_795_881_461));
    fake.set(RTCDR, u32::MAX);
    assert_eq!(rtc::seconds(fake.registers()), Some(u32::MAX), "2106");
    fake.set(RTCDR, 0);
    assert_eq!(rtc::seconds(fake.registers()), None, "it was never set");
}

#[test]
fn a_port_is_idle_when_its_last_bit_is_out() {
    let pl011 = Fake::new();
    let port = AnyRegisters::Pl011(pl011.registers()).open(None);
    assert!(port.is_idle());
    pl011.set(FR, 1 << 3);
    assert!(!port.is_idle());
    let mini_uart = Fake::new();
    let port = AnyRegisters::MiniUart(mini_uart.registers()).open(None);
    assert!(!port.is_idle());
    mini_uart.set(LSR, 1 << 6);
    assert!(port.is_idle());
}

#[test]
fn either_port_is_opened_by_its_registers_and_takes_a_last_word() {
    for (status, ready) in [(FR, 0), (LSR, 1 << 5)] {
        let fake = Fake::new();
        fake.set(status, ready);
        let registers = match status {
            FR => AnyRegisters::Pl011(fake.registers()),
            _ => AnyRegisters::MiniUart(fake.registers()),
        };
        let mut port = registers.open(None);
        assert!(port.try_put(b'!'));
        assert_eq!(fake.get(DR), u32::from(b'!'));
    }
}

#[test]
fn a_pl011_is_told_from_other_cells_and_from_memory() {
    // As QEMU's says, whose revision is not looked at.
    let words = [0x11, 0x10, 0x14, 0, 0x0d, 0xf0, 0x05, 0xb1];
    let says = |words: [u32; 8]| {
        let page = Fake::new();
        for (word, offset) in words.into_iter().zip((0xfe0..).step_by(4)) {
            page.set(offset, word);
        }
        page.registers::<PrimeCellRegisters>().is_pl011()
    };
    assert!(says(words));
    for at in [0, 1, 4, 5, 6, 7] {
        let mut other = words;
        other[at] ^= 1;
        assert!(!says(other), "word {at}");
    }
    assert!(!says([0; 8]) && !says([u32::MAX; 8]));
}
