//! Devices that this program drives.
//!
//! Whoever holds the system opens a device and gives its handle to a driver. That maps the registers, and has the
//! interrupt signalled to its endpoint, where it comes like anything else a server receives:
//!
//! ```no_run
//! use abi::{Arrival, Badge, Handle};
//! use rt::Incoming;
//! use rt::device::Device;
//! use rt::ipc::Endpoint;
//!
//! # fn main() -> Result<(), rt::Error> {
//! let (device, _facts) = Device::open(Handle::PARENT, 0)?;
//! let (registers, endpoint) = (device.map()?, Endpoint::create()?);
//! device.listen(endpoint.signaller(Badge(1))?.get())?;
//! loop {
//!     if endpoint.receive(&mut Incoming::new())?.arrival == Arrival::Signals {
//!         let _what_it_wants = registers.read(0x40);
//!         device.acknowledge()?;
//!     }
//! }
//! # }
//! ```

use crate::Error;
use crate::call::{call, call_with, exchange};
use crate::handle::OwnedHandle;
use crate::message::{Incoming, Outgoing};
use abi::Handle;
use abi::device::{Acknowledge, DeviceFacts, Listen, MapRegisters};
use abi::system::OpenDevice;
use core::ptr::{self, NonNull};

/// A device.
#[derive(Debug)]
pub struct Device {
    handle: OwnedHandle,
}

impl Device {
    /// The device with this number, and what it is.
    ///
    /// # Errors
    /// As [`OpenDevice`].
    pub fn open(system: Handle, number: u64) -> Result<(Self, DeviceFacts), Error> {
        let mut incoming = Incoming::new();
        let facts = exchange(system, OpenDevice { number }, Outgoing::NOTHING, &mut incoming)?;
        match *incoming.handles() {
            [handle] => Ok((Self::from_handle(handle), facts)),
            _ => Err(Error::Garbled),
        }
    }

    /// The device behind a handle that came from elsewhere.
    pub const fn from_handle(handle: Handle) -> Self {
        Self {
            handle: OwnedHandle::new(handle),
        }
    }

    /// Its handle.
    pub const fn handle(&self) -> Handle {
        self.handle.get()
    }

    /// Maps its registers, for as long as this program runs.
    ///
    /// # Errors
    /// As [`MapRegisters`].
    pub fn map(&self) -> Result<Registers, Error> {
        let mapped = call(self.handle(), MapRegisters {})?;
        let (address, length) = (usize::try_from(mapped.address), usize::try_from(mapped.length));
        let (Ok(address), Ok(length)) = (address, length) else {
            return Err(Error::Garbled);
        };
        let first = NonNull::new(ptr::with_exposed_provenance_mut(address)).ok_or(Error::Garbled)?;
        if address.is_multiple_of(size_of::<u32>()) {
            Ok(Registers { first, length })
        } else {
            Err(Error::Garbled)
        }
    }

    /// Has its interrupt signalled from now on through `signaller`; then it is masked until it is
    /// [acknowledged](Self::acknowledge).
    ///
    /// # Errors
    /// As [`Listen`].
    pub fn listen(&self, signaller: Handle) -> Result<(), Error> {
        call_with(self.handle(), Listen {}, Outgoing::handles(&[signaller]))
    }

    /// What the interrupt was about has been dealt with: it may come again.
    ///
    /// # Errors
    /// As [`Acknowledge`].
    pub fn acknowledge(&self) -> Result<(), Error> {
        call(self.handle(), Acknowledge {})
    }
}

/// The registers of a device, mapped.
#[derive(Debug)]
pub struct Registers {
    first: NonNull<u32>,
    /// Bytes.
    length: usize,
}

impl Registers {
    /// The first one, for drivers that other crates have.
    pub const fn first(&self) -> *mut u8 {
        self.first.cast().as_ptr()
    }

    /// The 32-bit register `offset` bytes behind the first.
    ///
    /// # Panics
    /// There is none.
    pub fn read(&self, offset: usize) -> u32 {
        // SAFETY: `register` stays inside of what is mapped.
        unsafe { self.register(offset).read_volatile() }
    }

    /// Writes to it.
    ///
    /// # Panics
    /// As [`Self::read`].
    pub fn write(&self, offset: usize, value: u32) {
        // SAFETY: As in `read`. What a write does to the device is the driver's business; none that is handed out
        // to programs reaches memory by itself.
        unsafe { self.register(offset).write_volatile(value) }
    }

    fn register(&self, offset: usize) -> NonNull<u32> {
        let inside = offset.is_multiple_of(size_of::<u32>()) && offset + size_of::<u32>() <= self.length;
        assert!(inside, "the device has no register at {offset:#x}");
        // SAFETY: Inside, as just checked.
        unsafe { self.first.byte_add(offset) }
    }
}

#[cfg(test)]
mod tests {
    use super::Device;
    use crate::{Error, fake};
    use abi::device::{DeviceKind, Listen, MapRegisters};
    use abi::{Handle, Label, Request, Tag};
    use core::mem::ManuallyDrop;
    use std::boxed::Box;

    #[test]
    fn registers_are_reached_where_they_were_mapped_and_nowhere_else() {
        let memory: &'static mut [u32; 3] = Box::leak(Box::new([1, 2, 3]));
        let address = memory.as_mut_ptr().expose_provenance() as u64;
        fake::install(move |sent, _| {
            assert_eq!(sent[..2], [9, MapRegisters::LABEL.0.into()]);
            [0, 0, address, 8, 0, 0, 0, 0, 0]
        });
        let device = ManuallyDrop::new(Device::from_handle(Handle::from_raw(9)));
        let registers = device.map().expect("maps");
        assert_eq!((registers.read(0), registers.read(4)), (1, 2));
        registers.write(4, 7);
        assert_eq!(registers.read(4), 7);
        for outside in [8, 2, 1 << 20] {
            assert!(std::panic::catch_unwind(|| registers.read(outside)).is_err());
        }
    }

    #[test]
    fn a_device_comes_as_a_handle_and_listens_with_another() {
        fake::install(|sent, page| {
            assert_eq!((sent[0], sent[1], sent[2]), (4, 0x414, 3));
            page.handles[0] = 9;
            let tag = Tag::new(Label::DONE).with_handles(1).expect("fits");
            [0, tag.encode(), 1, 48_000_000, 0, 0, 0, 0, 0]
        });
        let (device, facts) = Device::open(Handle::PARENT, 3).expect("opens");
        let device = ManuallyDrop::new(device);
        assert_eq!((facts.kind, facts.clock_hz), (DeviceKind::Pl011, 48_000_000));
        fake::install(|sent, page| {
            let tag = Tag::new(Listen::LABEL).with_handles(1).expect("fits");
            assert_eq!((sent[0], sent[1], page.handles[0]), (9, tag.encode(), 5));
            [0; 9]
        });
        assert_eq!(device.listen(Handle::from_raw(5)), Ok(()));
        fake::install(|_, _| [0, 0, 2, 8, 0, 0, 0, 0, 0]);
        assert_eq!(device.map().err(), Some(Error::Garbled), "registers are aligned");
    }
}
