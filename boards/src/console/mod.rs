//! Serial ports: one trait, two drivers.
//!
//! The drivers never wait but in their constructors, never buffer, and know no address: they get
//! their registers mapped, as a reference whose maker vouches for it.

mod mini_uart;
mod pl011;

pub use mini_uart::{MiniUart, MiniUartRegisters};
pub use pl011::{Pl011, Pl011Registers, PrimeCellRegisters};

use crate::board::RegisterBlock;
use crate::{qemu_virt, rpi4};
use addr::PhysAddr;

/// A serial port, one byte at a time.
pub trait Console {
    /// Sends `byte` if there is room for it; returns whether there was.
    #[must_use]
    fn try_put(&mut self, byte: u8) -> bool;

    /// Whether every byte has left, the last one's stop bit included.
    fn is_idle(&self) -> bool;

    /// The next byte that came in, if any.
    fn try_get(&mut self) -> Option<u8>;

    /// Has the port raise its interrupt while there is input.
    fn enable_receive_interrupt(&mut self);

    /// Ends the interrupt at the port. Call it first and drain the input after, so that a byte that
    /// comes between the two raises the interrupt anew.
    fn acknowledge(&mut self);
}

/// The registers of whichever port the board has, mapped as device memory.
#[derive(Clone, Copy)]
pub enum AnyRegisters {
    /// Of an Arm PrimeCell UART.
    Pl011(&'static Pl011Registers),
    /// Of a Broadcom auxiliary UART.
    MiniUart(&'static MiniUartRegisters),
}

impl AnyRegisters {
    /// Sets the port up, whatever was done with it before. `clock_hz` is as for [`Pl011::new`].
    pub fn open(self, clock_hz: Option<u32>) -> AnyConsole {
        match self {
            Self::Pl011(registers) => AnyConsole::Pl011(Pl011::new(registers, clock_hz)),
            Self::MiniUart(registers) => AnyConsole::MiniUart(MiniUart::new(registers)),
        }
    }
}

/// Whichever port the board has.
pub enum AnyConsole {
    /// An Arm PrimeCell UART.
    Pl011(Pl011),
    /// A Broadcom auxiliary UART.
    MiniUart(MiniUart),
}

impl Console for AnyConsole {
    fn try_put(&mut self, byte: u8) -> bool {
        self.driver().try_put(byte)
    }

    fn is_idle(&self) -> bool {
        match self {
            Self::Pl011(driver) => driver.is_idle(),
            Self::MiniUart(driver) => driver.is_idle(),
        }
    }

    fn try_get(&mut self) -> Option<u8> {
        self.driver().try_get()
    }

    fn enable_receive_interrupt(&mut self) {
        self.driver().enable_receive_interrupt();
    }

    fn acknowledge(&mut self) {
        self.driver().acknowledge();
    }
}

impl AnyConsole {
    fn driver(&mut self) -> &mut dyn Console {
        match self {
            Self::Pl011(driver) => driver,
            Self::MiniUart(driver) => driver,
        }
    }
}

/// The PL011s to try for last words until the tree says where the console is, by where the code runs. `virt` has
/// no RAM below 1 GiB, where a Raspberry Pi's firmware loads the kernel; other loaders there go higher. So the
/// first that identifies itself is meant, or the last, which cannot.
pub fn last_words_uarts(program_counter: PhysAddr) -> &'static [RegisterBlock] {
    const UARTS: &[RegisterBlock] = &[qemu_virt::LAST_WORDS_UART, rpi4::LAST_WORDS_UART];
    if program_counter < qemu_virt::RAM_BASE {
        &UARTS[1..]
    } else {
        UARTS
    }
}

#[cfg(test)]
mod tests {
    use super::last_words_uarts;
    use addr::PhysAddr;

    #[test]
    fn the_last_words_go_where_the_code_runs() {
        let uarts = |at| last_words_uarts(PhysAddr::new(at)).iter().map(|it| it.base.raw());
        assert!(uarts(0x20_0000).eq([0xfe20_1000]));
        assert!(uarts(0x4020_0000).eq([0x0900_0000, 0xfe20_1000]));
    }
}
