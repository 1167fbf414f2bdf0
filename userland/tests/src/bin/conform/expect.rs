//! What the checks are written with.

use abi::Errno;
use abi::shm::{GetFlags, Mode, ShmId, ShmKey, ShmidDs};
use alloc::format;
use core::fmt::Debug;
use core::ops::Deref;
use rt::shm::Shm;
use rt::{Error, Failure, Outcome, sys};

/// Owner may read and write.
pub const RW: Mode = Mode::from_bits(0o600);
/// A page, in bytes.
pub const PAGE: u64 = abi::layout::PAGE_BYTES;
/// A key that no other check uses at the same time.
pub const KEY: ShmKey = ShmKey(0x4752_414e);
/// Create.
pub const CREAT: GetFlags = GetFlags::CREAT.with_mode(RW);
/// Create, and fail if it exists.
pub const EXCL: GetFlags = GetFlags::CREAT.union(GetFlags::EXCL).with_mode(RW);

/// A segment that is removed when the check is over, however that goes.
#[derive(Debug)]
pub struct Temporary(Shm);

impl Temporary {
    /// By `shmget`.
    pub fn get(key: ShmKey, size: u64, flags: GetFlags) -> Result<Self, Error> {
        sys::memory::shm_get(key, size, flags).map(|id| Self(Shm::from_id(id)))
    }

    /// A new one without a key.
    pub fn private(size: u64) -> Result<Self, Error> {
        Self::get(ShmKey::PRIVATE, size, GetFlags::empty().with_mode(RW))
    }

    /// How many attachments it has.
    pub fn attached(&self) -> Result<u64, Error> {
        self.stat().map(|state| state.shm_nattch)
    }
}

impl Deref for Temporary {
    type Target = Shm;

    fn deref(&self) -> &Shm {
        &self.0
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // The check may have removed it.
        self.0.remove().ok();
    }
}

/// Checks that two values are equal.
pub fn equal<T: PartialEq + Debug>(what: &str, found: T, expected: T) -> Outcome {
    holds(found == expected, || {
        format!("{what} is {found:?}, not {expected:?}")
    })
}

/// Checks a condition.
pub fn holds(condition: bool, otherwise: impl FnOnce() -> alloc::string::String) -> Outcome {
    if condition {
        Ok(())
    } else {
        Err(Failure::new(otherwise()))
    }
}

/// Checks that something was refused, and why.
pub fn refused<T: Debug>(what: &str, done: Result<T, Error>, errno: Errno) -> Outcome {
    match done {
        Err(Error::Refused(found)) if found == errno => Ok(()),
        other => Err(Failure::new(format!("{what}: {other:?}, not {errno}"))),
    }
}

/// Checks that an identifier is dead for every use.
pub fn dead(id: ShmId) -> Outcome {
    let shm = Shm::from_id(id);
    refused("IPC_STAT of a dead identifier", shm.stat(), Errno::EINVAL)?;
    refused("IPC_RMID of a dead identifier", shm.remove(), Errno::EINVAL)?;
    refused("shmat of a dead identifier", attach(id, 0), Errno::EINVAL)
}

/// `shmat` without flags.
pub fn attach(id: ShmId, address: u64) -> Result<u64, Error> {
    sys::memory::shm_attach(id, address, abi::shm::AttachFlags::empty())
}

/// `shmdt`.
pub fn detach(address: u64) -> Result<(), Error> {
    sys::memory::shm_detach(address)
}

/// A state without what shmat and shmdt change.
pub fn without_history(state: ShmidDs) -> ShmidDs {
    ShmidDs {
        shm_atime: 0,
        shm_dtime: 0,
        shm_lpid: 0,
        shm_nattch: 0,
        ..state
    }
}

/// An identifier that nothing ever had.
pub fn never_issued() -> ShmId {
    ShmId::from_parts(32767, ShmId::SEQUENCES - 1)
}
