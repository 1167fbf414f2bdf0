//! Segments by a handle: shared with whoever gets one, without a name that others could guess.
//!
//! ```no_run
//! use abi::Rights;
//! use core::sync::atomic::Ordering;
//! use rt::shm::Region;
//! use rt::spawn::Command;
//!
//! # fn main() -> Result<(), rt::Failure> {
//! # let file = &[];
//! let region = Region::create(4096)?;
//! let to_read = region.derive(Rights::READ | Rights::PASS)?;
//! Command::new("reader", file).give(5, to_read.handle()).spawn()?;
//! region.attach()?.words()[0].store(5, Ordering::Release);
//! # Ok(())
//! # }
//! ```

use super::attachment::Segment;
use super::{Attachment, ReadOnly, Shm};
use crate::handle::OwnedHandle;
use crate::sys::memory::{region_attach, region_control, region_create, region_open, region_publish};
use crate::sys::process;
use crate::{Error, Incoming};
use abi::shm::{AttachFlags, GetFlags, Mode, ShmCommand, ShmId, ShmKey, ShmidDs};
use abi::{Badge, Handle, Rights};
use zerocopy::{FromBytes, IntoBytes};

/// A segment by a handle, which is closed when this is dropped. One that was never published goes with
/// the last handle and the last attachment.
#[derive(Debug)]
pub struct Region {
    handle: OwnedHandle,
}

impl Region {
    /// Creates one, with all rights.
    ///
    /// # Errors
    /// As [`abi::memory::RegionCreate`].
    pub fn create(bytes: u64) -> Result<Self, Error> {
        let mode = Mode::from_bits(0o600);
        region_create(bytes, GetFlags::empty().with_mode(mode)).map(Self::from_handle)
    }

    /// That of a handle which came in a message, or from the parent.
    pub const fn from_handle(handle: Handle) -> Self {
        Self {
            handle: OwnedHandle::new(handle),
        }
    }

    /// That of an identifier, with these rights.
    ///
    /// # Errors
    /// As [`abi::memory::RegionOpen`].
    pub fn open(segment: Shm, rights: Rights) -> Result<Self, Error> {
        region_open(segment.id(), rights).map(Self::from_handle)
    }

    /// Its handle, to be passed on.
    pub const fn handle(&self) -> Handle {
        self.handle.get()
    }

    /// Another handle to it, with these rights only.
    ///
    /// # Errors
    /// As [`abi::process::Derive`].
    pub fn derive(&self, rights: Rights) -> Result<Self, Error> {
        process::derive(self.handle(), rights, Badge(0)).map(Self::from_handle)
    }

    /// Attaches it for reading and writing, at an address that the kernel chooses.
    ///
    /// # Errors
    /// As [`abi::memory::RegionAttach`]. Its size is asked for, too.
    pub fn attach(&self) -> Result<Attachment, Error> {
        Attachment::new(self, 0)
    }

    /// Attaches it for reading, at an address that the kernel chooses.
    ///
    /// # Errors
    /// As [`abi::memory::RegionAttach`]. Its size is asked for, too.
    pub fn attach_read_only(&self) -> Result<ReadOnly, Error> {
        ReadOnly::new(self)
    }

    /// `IPC_STAT`, and the identifier if it has one.
    ///
    /// # Errors
    /// As [`abi::memory::RegionControl`].
    pub fn stat(&self) -> Result<(ShmidDs, Option<ShmId>), Error> {
        let mut incoming = Incoming::new();
        let id = region_control(self.handle(), ShmCommand::Stat as i32, &[], &mut incoming)?;
        let state = ShmidDs::read_from_bytes(incoming.bytes()).map_err(|_| Error::Garbled)?;
        Ok((state, ShmId::from_raw(id)))
    }

    /// `IPC_SET`: owner, group and mode become those in `state`.
    ///
    /// # Errors
    /// As [`abi::memory::RegionControl`].
    pub fn set(&self, state: &ShmidDs) -> Result<(), Error> {
        let (command, mut incoming) = (ShmCommand::Set as i32, Incoming::new());
        region_control(self.handle(), command, state.as_bytes(), &mut incoming).map(|_| ())
    }

    /// `IPC_RMID`: takes its key and identifier away, if it has any.
    ///
    /// # Errors
    /// As [`abi::memory::RegionControl`].
    pub fn remove(&self) -> Result<(), Error> {
        let (command, mut incoming) = (ShmCommand::Remove as i32, Incoming::new());
        region_control(self.handle(), command, &[], &mut incoming).map(|_| ())
    }

    /// Gives it an identifier, and this key unless it is [`ShmKey::PRIVATE`].
    ///
    /// # Errors
    /// As [`abi::memory::RegionPublish`].
    pub fn publish(&self, key: ShmKey) -> Result<Shm, Error> {
        region_publish(self.handle(), key).map(Shm::from_id)
    }
}

impl Segment for Region {
    fn bytes(&self) -> Result<u64, Error> {
        self.stat().map(|(state, _)| state.shm_segsz)
    }

    fn attach(&self, address: u64, flags: AttachFlags) -> Result<u64, Error> {
        region_attach(self.handle(), address, flags)
    }
}

#[cfg(test)]
mod tests {
    use super::Region;
    use crate::fake;
    use abi::shm::{ShmKey, ShmidDs};
    use abi::{Label, Rights, Tag};
    use std::boxed::Box;
    use std::cell::RefCell;
    use std::rc::Rc;
    use std::vec::Vec;
    use zerocopy::IntoBytes;

    const CREATE: u64 = 0x220;
    const OPEN: u64 = 0x221;
    const ATTACH: u64 = 0x222;
    const CONTROL: u64 = 0x223;
    const PUBLISH: u64 = 0x224;
    const DERIVE: u64 = 0x107;
    const CLOSE: u64 = 0x108;
    const DETACH: u64 = 0x202;

    /// What was asked, and with which handle in the message.
    type Asked = Rc<RefCell<Vec<(u64, u32)>>>;

    /// A kernel that answers with handles 20, 21 and so on, and attaches memory of the host.
    fn kernel() -> Asked {
        let memory: &'static mut [u64; 512] = Box::leak(Box::new([0; 512]));
        let address = memory.as_mut_ptr().expose_provenance() as u64;
        let (asked, mut next) = (Asked::default(), 20);
        let seen = Rc::clone(&asked);
        fake::install(move |sent, page| {
            let (label, handles) = (sent[1] & 0xffff, sent[1] >> 32 & 7);
            let passed = if handles == 1 { page.handles[0] } else { 0 };
            seen.borrow_mut().push((label, passed));
            let done = Tag::new(Label::DONE);
            match label {
                CREATE | OPEN | DERIVE => {
                    page.handles[0] = next;
                    next += 1;
                    [
                        0,
                        done.with_handles(1).expect("one").encode(),
                        0,
                        0,
                        0,
                        0,
                        0,
                        0,
                        0,
                    ]
                }
                ATTACH => [0, 0, address, 0, 0, 0, 0, 0, 0],
                CONTROL => {
                    let state = ShmidDs {
                        shm_segsz: 4096,
                        ..ShmidDs::default()
                    };
                    page.bytes[..112].copy_from_slice(state.as_bytes());
                    let no_identifier = (-1_i64).cast_unsigned();
                    let tag = done.with_bytes(112).expect("fits").encode();
                    [0, tag, no_identifier, 0, 0, 0, 0, 0, 0]
                }
                PUBLISH => [0, 0, 5, 0, 0, 0, 0, 0, 0],
                _ => [0; 9],
            }
        });
        asked
    }

    #[test]
    fn its_handle_goes_along_with_what_is_asked_about_it_and_is_closed_in_the_end() {
        let asked = kernel();
        let region = Region::create(4096).expect("created");
        assert_eq!(
            region.stat().map(|(state, id)| (state.shm_segsz, id)),
            Ok((4096, None))
        );
        drop(region.attach().expect("attached"));
        assert_eq!(region.publish(ShmKey(7)).map(|shm| shm.id().raw()), Ok(5));
        drop(region);
        let expected = [
            (CREATE, 0),
            (CONTROL, 20),
            (CONTROL, 20),
            (ATTACH, 20),
            (DETACH, 0),
            (PUBLISH, 20),
            (CLOSE, 0),
        ];
        assert_eq!(asked.take(), expected);
    }

    #[test]
    fn a_handle_derived_from_it_is_another() {
        let asked = kernel();
        let region = Region::create(1).expect("created");
        let derived = region.derive(Rights::READ | Rights::PASS).expect("fewer rights");
        assert_ne!(derived.handle(), region.handle());
        drop((region, derived));
        assert_eq!(asked.take(), [(CREATE, 0), (DERIVE, 0), (CLOSE, 0), (CLOSE, 0)]);
    }
}
