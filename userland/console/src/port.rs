//! The serial port, an Arm PrimeCell UART (PL011): bytes are moved by the `arm_pl011` crate, which does not know the
//! interrupt mask. Names are those of the "PrimeCell UART (PL011) Technical Reference Manual" (DDI 0183).

use arm_pl011::Pl011Uart;
use rt::device::Registers;

/// Interrupt mask set/clear.
const IMSC: usize = 0x38;
/// The receive FIFO is filled to its mark.
const RXIM: u32 = 1 << 4;
/// The transmit FIFO is emptied to its mark.
const TXIM: u32 = 1 << 5;
/// There is input, and no more came for a while.
const RTIM: u32 = 1 << 6;

/// The port. The line is as the kernel has set it up.
pub struct Port {
    registers: Registers,
    uart: Pl011Uart,
}

impl Port {
    /// Opens it, whatever a driver before has left behind.
    pub fn open(registers: Registers) -> Self {
        let mut uart = Pl011Uart::new(registers.first());
        uart.init();
        let port = Self { registers, uart };
        port.want_interrupts(false);
        port
    }

    /// Has it raise its interrupt when there is input, and, if `room_wanted`, when there is room for output.
    pub fn want_interrupts(&self, room_wanted: bool) {
        let room = if room_wanted { TXIM } else { 0 };
        self.registers.write(IMSC, RXIM | RTIM | room);
    }

    /// Ends the interrupt. Input that comes afterwards raises it anew, so it is to be read after this.
    pub fn end_interrupt(&mut self) {
        self.uart.ack_interrupts();
    }

    /// Sends a byte, if there is room for it.
    #[must_use]
    pub fn try_put(&mut self, byte: u8) -> bool {
        self.uart.try_putchar(byte)
    }

    /// The next byte that came in.
    pub fn try_get(&mut self) -> Option<u8> {
        self.uart.getchar()
    }
}
