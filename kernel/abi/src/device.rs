//! What a device is asked, by the program that drives it.

use crate::request::{numbered, requests, words};

requests! {
    /// A request to a device. Whoever holds the system gives devices out
    /// ([`OpenDevice`](crate::system::OpenDevice)).
    DeviceRequest {
        /// Maps the device's registers in the caller's address space: device memory (Device-nGnRE), to be read
        /// and written, never executed. Answers the address of the first register, and how many bytes of
        /// registers there are. It is a mapping like any other, and so inherited by a copy of the process.
        ///
        /// `ENOMEM`, `EMFILE` as for a map request; `ESRCH` the caller's process ends.
        MapRegisters = 0x600 {} -> Registers;
        /// From now on the device's interrupt is signalled to the endpoint whose handle is the one of the message:
        /// the bits of its badge, or bit 0 if it has none. An interrupt that was signalled is masked until
        /// `Acknowledge`. When nobody can receive at the endpoint any more, the interrupt is nobody's, or the
        /// kernel's own again if that had a use for it. Who was signalled before is not any more.
        ///
        /// `EINVAL` not one handle; `EBADF` no endpoint; `EPERM` the handle is not one to signal with; `EPIPE` nobody
        /// can receive there; `ENOENT` the device has no interrupt.
        Listen = 0x601 {} -> ();
        /// The interrupt may come again: what it was about has been dealt with.
        ///
        /// `EINVAL` nobody listens to it.
        Acknowledge = 0x602 {} -> ();
    }
}

words! {
    /// Where a device's registers are.
    Registers {
        /// Address of the first.
        address: u64,
        /// Bytes.
        length: u64,
    }
}

words! {
    /// A device.
    DeviceFacts {
        /// What it is.
        kind: DeviceKind,
        /// The frequency of its clock, in Hz; 0 if that is not known.
        clock_hz: u32,
    }
}

/// What a device is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u64)]
pub enum DeviceKind {
    /// A serial port, an Arm PrimeCell UART (PL011): the console's.
    Pl011 = 1,
}

numbered!(DeviceKind: Pl011);
