//! Arm PrimeCell Real Time Clock (PL031): what the date is.
//!
//! Names are those of the "PrimeCell Real Time Clock (PL031) Technical Reference Manual" (DDI 0224),
//! chapter "Programmer's Model". The clock has whole seconds and 32 bits of them, so it lasts until 2106.

use tock_registers::interfaces::Readable;
use tock_registers::registers::ReadOnly;
use tock_registers::{register_bitfields, register_structs};

register_bitfields! {
    u32,

    /// Control.
    RTCCR [
        /// The clock runs. 0 after reset.
        START OFFSET(0) NUMBITS(1) []
    ]
}

register_structs! {
    /// The registers of a PL031 that we use, mapped as device memory.
    pub Pl031Registers {
        /// Data: the time, in seconds.
        (0x00 => rtcdr: ReadOnly<u32>),
        (0x04 => _match_and_load),
        /// Control.
        (0x0c => rtccr: ReadOnly<u32, RTCCR::Register>),
        (0x10 => @END),
    }
}

/// Seconds since 1970; `None` if the clock stands still or was never set.
pub fn seconds(registers: &Pl031Registers) -> Option<u32> {
    let runs = registers.rtccr.is_set(RTCCR::START);
    Some(registers.rtcdr.get()).filter(|&seconds| runs && seconds != 0)
}
