//! Raspberry Pi 4: what its tree does not say.
//!
//! The header's pins 14 and 15 go to one of two UARTs, as the GPIO block says; the firmware's choice
//! is the mini UART, ours is the PL011. And there is no PSCI: the watchdog ends the machine.
//! Registers are from "BCM2711 ARM Peripherals", chapter "General Purpose I/O (GPIO)"; the power
//! management block is described by Linux' driver `bcm2835_wdt` only.
//! Tried under QEMU's `raspi4b`; unverified on hardware.

use crate::board::{ConsoleKind, RegisterBlock};
use addr::PhysAddr;
use tock_registers::interfaces::{ReadWriteable, Writeable};
use tock_registers::registers::ReadWrite;
use tock_registers::{register_bitfields, register_structs};

/// The root's `compatible`.
pub(crate) const COMPATIBLE: &[&str] = &["brcm,bcm2711"];

/// The clock of the PL011s: a firmware setting (`init_uart_clock`), and this is its default.
/// The tree names a clock controller that we have no driver for.
pub(crate) const PL011_CLOCK_HZ: u32 = 48_000_000;

/// The PL011, for a last word when the tree cannot be read ("low peripheral mode", the default).
pub const LAST_WORDS_UART: RegisterBlock = RegisterBlock {
    base: PhysAddr::new(0xfe20_1000),
    bytes: 0x200,
};

register_bitfields! {
    u32,

    /// Function of pins 10 to 19.
    GPFSEL1 [
        FSEL14 OFFSET(12) NUMBITS(3) [Pl011Transmit = 0b100, MiniUartTransmit = 0b010],
        FSEL15 OFFSET(15) NUMBITS(3) [Pl011Receive = 0b100, MiniUartReceive = 0b010]
    ],

    /// Function of pins 30 to 39.
    GPFSEL3 [
        FSEL32 OFFSET(6) NUMBITS(3) [Input = 0],
        FSEL33 OFFSET(9) NUMBITS(3) [Input = 0]
    ],

    /// Pull resistors of pins 0 to 15.
    PULL0 [
        PIN14 OFFSET(28) NUMBITS(2) [None = 0],
        PIN15 OFFSET(30) NUMBITS(2) [Up = 1]
    ],

    /// Each write needs the password.
    RSTC [
        PASSWORD OFFSET(24) NUMBITS(8) [Password = 0x5a],
        /// What happens when the watchdog has counted down.
        WRCFG OFFSET(4) NUMBITS(2) [FullReset = 2]
    ],

    /// Flags that outlive a reset.
    RSTS [
        PASSWORD OFFSET(24) NUMBITS(8) [Password = 0x5a],
        /// Every second bit is a bit of the number of the partition to boot from; for partition 63
        /// the firmware halts instead.
        PARTITION OFFSET(0) NUMBITS(12) [Halt = 0x555]
    ],

    /// Ticks of 16 microseconds.
    WDOG [
        PASSWORD OFFSET(24) NUMBITS(8) [Password = 0x5a],
        TIME OFFSET(0) NUMBITS(20) []
    ]
}

register_structs! {
    /// The part of the GPIO block that we use.
    pub GpioRegisters {
        (0x00 => _functions0),
        /// Functions of pins 10 to 19.
        (0x04 => gpfsel1: ReadWrite<u32, GPFSEL1::Register>),
        (0x08 => _functions2),
        /// Functions of pins 30 to 39.
        (0x0c => gpfsel3: ReadWrite<u32, GPFSEL3::Register>),
        (0x10 => _others),
        /// Pull resistors of pins 0 to 15.
        (0xe4 => pull0: ReadWrite<u32, PULL0::Register>),
        (0xe8 => @END),
    },

    /// The part of the power management block that we use.
    pub WatchdogRegisters {
        (0x00 => _others),
        /// Reset control.
        (0x1c => rstc: ReadWrite<u32, RSTC::Register>),
        /// Reset status.
        (0x20 => rsts: ReadWrite<u32, RSTS::Register>),
        /// Watchdog counter.
        (0x24 => wdog: ReadWrite<u32, WDOG::Register>),
        (0x28 => @END),
    }
}

/// Connects pins 14 and 15 to the console. The PL011 is taken off pins 32 and 33, where it reaches
/// the Bluetooth chip, or what that sends would come in as input.
pub fn route_console_pins(gpio: &GpioRegisters, console: ConsoleKind) {
    gpio.pull0.modify(PULL0::PIN14::None + PULL0::PIN15::Up);
    match console {
        ConsoleKind::Pl011 => {
            gpio.gpfsel3
                .modify(GPFSEL3::FSEL32::Input + GPFSEL3::FSEL33::Input);
            gpio.gpfsel1
                .modify(GPFSEL1::FSEL14::Pl011Transmit + GPFSEL1::FSEL15::Pl011Receive);
        }
        ConsoleKind::MiniUart => {
            gpio.gpfsel1
                .modify(GPFSEL1::FSEL14::MiniUartTransmit + GPFSEL1::FSEL15::MiniUartReceive);
        }
    }
}

/// Resets the machine a moment later, in a way that has the firmware halt instead of boot again.
/// Returns at once; the caller waits for the end.
pub fn power_off(watchdog: &WatchdogRegisters) {
    watchdog
        .rsts
        .modify(RSTS::PASSWORD::Password + RSTS::PARTITION::Halt);
    restart(watchdog);
}

/// How long the watchdog counts: the shortest time that does not run out while we set it up.
const RESET_TICKS: u32 = 10;

/// Resets the machine a moment later. Returns at once; the caller waits for the end.
pub fn restart(watchdog: &WatchdogRegisters) {
    watchdog
        .wdog
        .write(WDOG::PASSWORD::Password + WDOG::TIME.val(RESET_TICKS));
    watchdog
        .rstc
        .modify(RSTC::PASSWORD::Password + RSTC::WRCFG::FullReset);
}
