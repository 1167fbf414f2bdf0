//! Broadcom's auxiliary UART, the "mini UART" of the Raspberry Pi.
//!
//! The port looks like the data half of a 16550. Its enable bit and its clock belong to other blocks
//! ("BCM2711 ARM Peripherals", chapter "Auxiliaries"): the firmware turns both on (`enable_uart=1`)
//! and sets the baud rate, so the driver leaves that alone.
//! Tried under QEMU's `raspi4b`; unverified on hardware.

use super::Console;
use tock_registers::interfaces::{Readable, Writeable};
use tock_registers::registers::{ReadOnly, ReadWrite, WriteOnly};
use tock_registers::{register_bitfields, register_structs};

register_bitfields! {
    u32,

    /// Interrupts let through. The manual's assignment is known to be wrong; this is a 16550's.
    IER [
        RECEIVE OFFSET(0) NUMBITS(1) [],
        /// Has to accompany the above.
        LINE_STATUS OFFSET(2) NUMBITS(1) []
    ],

    /// FIFO control.
    IIR [
        /// Forget what came in.
        CLEAR_RECEIVE OFFSET(1) NUMBITS(1) []
    ],

    /// Line control.
    LCR [
        SIZE OFFSET(0) NUMBITS(2) [Bits8 = 3]
    ],

    /// Line status.
    LSR [
        DATA_READY OFFSET(0) NUMBITS(1) [],
        /// There is room for a byte.
        TRANSMIT_READY OFFSET(5) NUMBITS(1) [],
        /// The last bit of the last byte is out.
        TRANSMIT_IDLE OFFSET(6) NUMBITS(1) []
    ],

    /// Extra control.
    CNTL [
        RECEIVER OFFSET(0) NUMBITS(1) [],
        TRANSMITTER OFFSET(1) NUMBITS(1) []
    ]
}

register_structs! {
    /// The registers of a mini UART, mapped as device memory.
    pub MiniUartRegisters {
        /// Data.
        (0x00 => io: ReadWrite<u32>),
        /// Interrupt enable.
        (0x04 => ier: ReadWrite<u32, IER::Register>),
        /// FIFO control, when written.
        (0x08 => iir: WriteOnly<u32, IIR::Register>),
        /// Line control.
        (0x0c => lcr: ReadWrite<u32, LCR::Register>),
        (0x10 => _modem_control),
        /// Line status.
        (0x14 => lsr: ReadOnly<u32, LSR::Register>),
        (0x18 => _modem_status),
        /// Extra control.
        (0x20 => cntl: ReadWrite<u32, CNTL::Register>),
        (0x24 => @END),
    }
}

/// A mini UART that is set up: 8 bits, the firmware's baud rate, its interrupts masked.
pub struct MiniUart {
    registers: &'static MiniUartRegisters,
}

impl MiniUart {
    /// Sets the port up.
    pub fn new(registers: &'static MiniUartRegisters) -> Self {
        registers.ier.set(0);
        registers.lcr.write(LCR::SIZE::Bits8);
        registers.iir.write(IIR::CLEAR_RECEIVE::SET);
        registers.cntl.write(CNTL::RECEIVER::SET + CNTL::TRANSMITTER::SET);
        Self { registers }
    }
}

impl Console for MiniUart {
    fn try_put(&mut self, byte: u8) -> bool {
        let ready = self.registers.lsr.is_set(LSR::TRANSMIT_READY);
        if ready {
            self.registers.io.set(u32::from(byte));
        }
        ready
    }

    fn is_idle(&self) -> bool {
        self.registers.lsr.is_set(LSR::TRANSMIT_IDLE)
    }

    fn try_get(&mut self) -> Option<u8> {
        let ready = self.registers.lsr.is_set(LSR::DATA_READY);
        // The upper bits are reserved.
        ready.then(|| self.registers.io.get() as u8)
    }

    fn enable_receive_interrupt(&mut self) {
        self.registers
            .ier
            .write(IER::RECEIVE::SET + IER::LINE_STATUS::SET);
    }

    /// The port has nothing to clear: its interrupt stands exactly as long as there is input.
    fn acknowledge(&mut self) {}
}
