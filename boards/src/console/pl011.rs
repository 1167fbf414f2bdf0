//! Arm PrimeCell UART (PL011): the line set up by us, bytes moved by the `arm_pl011` crate.
//!
//! `arm_pl011` sends, receives and answers interrupts, but knows neither the baud rate nor the line
//! control register, and enables only the interrupt that a fairly full FIFO raises, which a single
//! keystroke does not. Names are those of the "PrimeCell UART (PL011) Technical Reference Manual"
//! (DDI 0183), chapter "Programmer's Model".

use super::Console;
use arm_pl011::Pl011Uart;
use tock_registers::interfaces::{Readable, Writeable};
use tock_registers::registers::{ReadOnly, ReadWrite};
use tock_registers::{register_bitfields, register_structs};

register_bitfields! {
    u32,

    /// Flags.
    FR [
        /// A byte is on its way out.
        BUSY OFFSET(3) NUMBITS(1) []
    ],

    /// Whole part of the baud rate divisor.
    IBRD [
        DIVINT OFFSET(0) NUMBITS(16) []
    ],

    /// Fraction of the baud rate divisor, in 64ths.
    FBRD [
        DIVFRAC OFFSET(0) NUMBITS(6) []
    ],

    /// Line control. A write also takes over the divisor.
    LCRH [
        FEN OFFSET(4) NUMBITS(1) [Fifos = 1],
        WLEN OFFSET(5) NUMBITS(2) [Bits8 = 3]
    ],

    /// Interrupts let through.
    IMSC [
        /// The receive FIFO is filled to its mark.
        RXIM OFFSET(4) NUMBITS(1) [],
        /// There is input, and no more came for a while.
        RTIM OFFSET(6) NUMBITS(1) []
    ]
}

register_structs! {
    /// The registers of a PL011, mapped as device memory.
    pub Pl011Registers {
        /// Data: `arm_pl011` moves it.
        (0x00 => data: ReadWrite<u32>),
        (0x04 => _errors),
        /// Flags.
        (0x18 => fr: ReadOnly<u32, FR::Register>),
        (0x1c => _irda),
        /// Whole part of the divisor.
        (0x24 => ibrd: ReadWrite<u32, IBRD::Register>),
        /// Fraction of the divisor.
        (0x28 => fbrd: ReadWrite<u32, FBRD::Register>),
        /// Line control.
        (0x2c => lcrh: ReadWrite<u32, LCRH::Register>),
        /// Control.
        (0x30 => cr: ReadWrite<u32>),
        /// FIFO marks: `arm_pl011` sets them.
        (0x34 => ifls: ReadWrite<u32>),
        /// Interrupt mask.
        (0x38 => imsc: ReadWrite<u32, IMSC::Register>),
        /// Interrupt status and clearing: `arm_pl011` reads and writes them.
        (0x3c => interrupts: [ReadWrite<u32>; 3]),
        (0x48 => @END),
    },

    /// The page of an Arm PrimeCell, at whose end it says which it is.
    pub PrimeCellRegisters {
        (0x000 => _registers),
        /// UARTPeriphID0 to 3, UARTPCellID0 to 3: a byte in each.
        (0xfe0 => identification: [ReadOnly<u32>; 8]),
        (0x1000 => @END),
    }
}

impl PrimeCellRegisters {
    /// Whether it is a PL011. (A Raspberry Pi's does not say so.)
    pub fn is_pl011(&self) -> bool {
        const PRIME_CELL: [u32; 4] = [0x0d, 0xf0, 0x05, 0xb1];
        let byte = |at: usize| self.identification[at].get() & 0xff;
        let part = byte(0) | (byte(1) & 0xf) << 8;
        part == 0x011 && [4, 5, 6, 7].map(byte) == PRIME_CELL
    }
}

/// Bits per second: what every terminal program expects of these boards.
const BAUD: u32 = 115_200;

/// How often we look whether the last byte is out. A full FIFO takes 3 ms; a device register cannot be
/// read this often in less.
const BUSY_POLLS: u32 = 100_000;

/// A PL011 that is set up: 115200 baud where its clock is known, 8 bits, no parity, FIFOs on, its
/// interrupts masked.
pub struct Pl011 {
    registers: &'static Pl011Registers,
    uart: Pl011Uart,
}

impl Pl011 {
    /// Sets the port up. With `clock_hz` unknown the line stays as the firmware left it.
    pub fn new(registers: &'static Pl011Registers, clock_hz: Option<u32>) -> Self {
        let base = core::ptr::from_ref(registers).cast_mut().cast();
        let mut this = Self {
            registers,
            uart: Pl011Uart::new(base),
        };
        this.stop();
        if let Some(divisor) = clock_hz.and_then(Divisor::of) {
            this.set_line(divisor);
        }
        this.uart.init();
        this.mask_interrupts();
        this
    }

    /// The order is the manual's ("Control Register, UARTCR"): let the last byte out, then disable,
    /// and only then change the line.
    fn stop(&self) {
        for _ in 0..BUSY_POLLS {
            if self.is_idle() {
                break;
            }
        }
        self.registers.cr.set(0);
    }

    fn set_line(&self, divisor: Divisor) {
        self.registers.ibrd.write(IBRD::DIVINT.val(divisor.whole));
        self.registers.fbrd.write(FBRD::DIVFRAC.val(divisor.fraction));
        self.registers.lcrh.write(LCRH::WLEN::Bits8 + LCRH::FEN::Fifos);
    }

    /// `Pl011Uart::init` has enabled one.
    fn mask_interrupts(&self) {
        self.registers.imsc.set(0);
    }
}

impl Console for Pl011 {
    fn try_put(&mut self, byte: u8) -> bool {
        self.uart.try_putchar(byte)
    }

    fn is_idle(&self) -> bool {
        !self.registers.fr.is_set(FR::BUSY)
    }

    fn try_get(&mut self) -> Option<u8> {
        self.uart.getchar()
    }

    fn enable_receive_interrupt(&mut self) {
        self.registers.imsc.write(IMSC::RXIM::SET + IMSC::RTIM::SET);
    }

    fn acknowledge(&mut self) {
        self.uart.ack_interrupts();
    }
}

/// The clock divided by 16 times the baud rate.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Divisor {
    whole: u32,
    fraction: u32,
}

impl Divisor {
    /// The nearest divisor for [`BAUD`]; `None` if the clock is too slow or too fast for it.
    fn of(clock_hz: u32) -> Option<Self> {
        // In 64ths: 64 * clock / (16 * baud).
        let in_64ths = (u64::from(clock_hz) * 4 + u64::from(BAUD) / 2) / u64::from(BAUD);
        let in_64ths = u32::try_from(in_64ths).ok()?;
        let (whole, fraction) = (in_64ths / 64, in_64ths % 64);
        // The largest divisor is 65535 without a fraction ("Fractional Baud Rate Register, UARTFBRD").
        let fits = (1..0xffff).contains(&whole) || (whole, fraction) == (0xffff, 0);
        fits.then_some(Self { whole, fraction })
    }
}

#[cfg(test)]
mod tests {
    use super::Divisor;

    #[test]
    fn the_divisor_is_the_nearest_one() {
        assert_eq!(
            Divisor::of(48_000_000),
            Some(Divisor {
                whole: 26,
                fraction: 3
            })
        );
        assert_eq!(
            Divisor::of(24_000_000),
            Some(Divisor {
                whole: 13,
                fraction: 1
            })
        );
        assert_eq!(
            Divisor::of(3_000_000),
            Some(Divisor {
                whole: 1,
                fraction: 40
            })
        );
    }

    #[test]
    fn a_clock_slower_than_sixteen_ticks_a_bit_has_no_divisor() {
        assert_eq!(Divisor::of(0), None);
        assert_eq!(Divisor::of(1_800_000), None);
        assert_eq!(
            Divisor::of(1_843_200),
            Some(Divisor {
                whole: 1,
                fraction: 0
            })
        );
        assert_eq!(
            Divisor::of(u32::MAX),
            Some(Divisor {
                whole: 2330,
                fraction: 11
            })
        );
    }
}
