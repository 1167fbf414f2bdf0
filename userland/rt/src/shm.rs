//! Shared memory: segments, and attachments that detach when they are dropped.
//!
//! ```no_run
//! use abi::shm::{Mode, ShmKey};
//! use core::sync::atomic::Ordering;
//! use rt::shm::Shm;
//!
//! # fn main() -> Result<(), rt::Error> {
//! let segment = Shm::create(ShmKey(1234), 4096, Mode::from_bits(0o600))?;
//! let attachment = segment.attach()?;
//! attachment.words()[0].store(5, Ordering::Release);
//! # Ok(())
//! # }
//! ```
//!
//! A [`Region`] is a segment by a handle, which needs no name.
//!
//! Other processes may change what is attached at any time, so there is no `&[u8]` of it: words
//! are atomics, and bytes are copied.

mod attachment;
mod list;
mod region;

pub use attachment::{Attachment, ReadOnly};
pub use list::{Segments, limits, segments, totals};
pub use region::Region;

use crate::sys::memory::{shm_attach, shm_command, shm_control, shm_get};
use crate::{Error, Incoming};
use abi::shm::{AttachFlags, GetFlags, Mode, ShmCommand, ShmId, ShmKey, ShmidDs};
use attachment::Segment;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// A shared memory segment, by its identifier. It outlives this value, and all processes, until
/// it is [removed](Self::remove).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Shm {
    id: ShmId,
}

impl Shm {
    /// Creates the segment with this key; for [`ShmKey::PRIVATE`], one more without a key.
    ///
    /// # Errors
    /// As [`abi::memory::ShmGet`], with `IPC_CREAT | IPC_EXCL`.
    pub fn create(key: ShmKey, bytes: u64, mode: Mode) -> Result<Self, Error> {
        let flags = GetFlags::CREAT | GetFlags::EXCL;
        shm_get(key, bytes, flags.with_mode(mode)).map(Self::from_id)
    }

    /// Finds the segment with this key, of so many bytes at least, or creates it.
    ///
    /// # Errors
    /// As [`abi::memory::ShmGet`], with `IPC_CREAT`.
    pub fn open_or_create(key: ShmKey, bytes: u64, mode: Mode) -> Result<Self, Error> {
        shm_get(key, bytes, GetFlags::CREAT.with_mode(mode)).map(Self::from_id)
    }

    /// Finds the segment with this key, whatever its size.
    ///
    /// # Errors
    /// As [`abi::memory::ShmGet`], without any flag.
    pub fn open(key: ShmKey) -> Result<Self, Error> {
        shm_get(key, 0, GetFlags::empty()).map(Self::from_id)
    }

    /// The segment with this identifier.
    pub const fn from_id(id: ShmId) -> Self {
        Self { id }
    }

    /// Its identifier.
    pub const fn id(self) -> ShmId {
        self.id
    }

    /// Attaches it for reading and writing, at an address that the kernel chooses.
    ///
    /// # Errors
    /// As [`abi::memory::ShmAttach`].
    pub fn attach(self) -> Result<Attachment, Error> {
        Attachment::new(&self, 0)
    }

    /// Attaches it for reading and writing at `address`, where nothing may be yet.
    ///
    /// # Errors
    /// As [`abi::memory::ShmAttach`].
    pub fn attach_at(self, address: u64) -> Result<Attachment, Error> {
        Attachment::new(&self, address)
    }

    /// Attaches it for reading, at an address that the kernel chooses.
    ///
    /// # Errors
    /// As [`abi::memory::ShmAttach`].
    pub fn attach_read_only(self) -> Result<ReadOnly, Error> {
        ReadOnly::new(&self)
    }

    /// `IPC_STAT`.
    ///
    /// # Errors
    /// As [`abi::memory::ShmControl`].
    pub fn stat(self) -> Result<ShmidDs, Error> {
        read_structure(self.id.raw(), ShmCommand::Stat).map(|(state, _)| state)
    }

    /// `IPC_SET`: owner, group and mode become those in `state`.
    ///
    /// # Errors
    /// As [`abi::memory::ShmControl`].
    pub fn set(self, state: &ShmidDs) -> Result<(), Error> {
        self.control(ShmCommand::Set, state.as_bytes())
    }

    /// `IPC_RMID`: it goes when nobody has it attached any more.
    ///
    /// # Errors
    /// As [`abi::memory::ShmControl`].
    pub fn remove(self) -> Result<(), Error> {
        self.control(ShmCommand::Remove, &[])
    }

    fn control(self, command: ShmCommand, outgoing: &[u8]) -> Result<(), Error> {
        shm_command(self.id.raw(), command as i32, outgoing).map(|_| ())
    }
}

impl Segment for Shm {
    fn bytes(&self) -> Result<u64, Error> {
        self.stat().map(|state| state.shm_segsz)
    }

    fn attach(&self, address: u64, flags: AttachFlags) -> Result<u64, Error> {
        shm_attach(self.id, address, flags)
    }
}

/// What a command of `shmctl` that reads a structure returns: that, and the value.
fn read_structure<T>(id: i32, command: ShmCommand) -> Result<(T, u64), Error>
where
    T: FromBytes + KnownLayout + Immutable,
{
    let mut incoming = Incoming::new();
    let value = shm_control(id, command as i32, &[], &mut incoming)?;
    let structure = T::read_from_bytes(incoming.bytes()).map_err(|_| Error::Garbled)?;
    Ok((structure, value))
}

#[cfg(test)]
mod tests {
    use super::Shm;
    use crate::fake;
    use abi::shm::{Mode, ShmKey};
    use std::cell::Cell;
    use std::rc::Rc;

    const CREAT: u64 = 0o1000;
    const EXCL: u64 = 0o2000;

    #[test]
    fn whether_a_segment_is_there_already_matters_only_to_who_says_so() {
        let asked = Rc::new(Cell::new([0; 3]));
        let seen = Rc::clone(&asked);
        fake::install(move |sent, _| {
            seen.set([sent[2], sent[3], sent[4]]);
            [0; 9]
        });
        let (key, mode) = (ShmKey(7), Mode::from_bits(0o640));
        assert!(Shm::create(key, 5000, mode).is_ok());
        assert_eq!(asked.get(), [7, 5000, CREAT | EXCL | 0o640]);
        assert!(Shm::open_or_create(key, 5000, mode).is_ok());
        assert_eq!(asked.get(), [7, 5000, CREAT | 0o640]);
        assert!(Shm::open(key).is_ok());
        assert_eq!(asked.get(), [7, 0, 0]);
    }
}
