//! Handles: process-local names of kernel objects.

use crate::{Errno, request::Word};

/// Names a kernel object for one process: 10 bits of place in its handle table, 22 bits of
/// generation above, so that a closed handle stays dead when its place is used again.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
#[repr(transparent)]
pub struct Handle(u32);

const INDEX_BITS: u32 = 10;

impl Handle {
    /// Names nothing.
    pub const NONE: Self = Self(0);
    /// The process itself.
    pub const SELF: Self = Self(1);
    /// Its memory manager.
    pub const MEMORY: Self = Self(2);
    /// Its console.
    pub const CONSOLE: Self = Self(3);
    /// Whatever its parent chose to give it: an endpoint of the parent, for `init` the system.
    pub const PARENT: Self = Self(4);
    /// Places in a handle table are below this.
    pub const MAX_INDEX: u32 = (1 << INDEX_BITS) - 1;

    /// The handle at `index` in its `generation`-th use. Generations wrap at 2^22.
    pub const fn from_parts(index: u32, generation: u32) -> Self {
        Self((index & Self::MAX_INDEX) | (generation << INDEX_BITS))
    }

    /// A handle as it stands in a register or message page; any value may be tried.
    pub const fn from_raw(raw: u32) -> Self {
        Self(raw)
    }

    /// The raw value.
    pub const fn raw(self) -> u32 {
        self.0
    }

    /// Place in the table.
    pub const fn index(self) -> u32 {
        self.0 & Self::MAX_INDEX
    }

    /// Which use of that place.
    pub const fn generation(self) -> u32 {
        self.0 >> INDEX_BITS
    }
}

impl Word for Handle {
    fn into_word(self) -> u64 {
        self.0.into()
    }

    fn from_word(word: u64) -> Result<Self, Errno> {
        u32::try_from(word).map(Self).map_err(|_| Errno::EBADF)
    }
}

bitflags::bitflags! {
    /// What the holder of a handle may do with it.
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
    pub struct Rights: u32 {
        /// Send messages to the object.
        const CALL = 1;
        /// Receive the messages sent to an endpoint.
        const RECEIVE = 2;
        /// Pass the handle on to others, or derive handles with fewer rights from it.
        const PASS = 4;
        /// Attach a region for reading, and be told about it.
        const READ = 8;
        /// Attach a region for writing, too.
        const WRITE = 16;
        /// Attach a region for executing.
        const EXECUTE = 32;
        /// Change a region as its owner may: `IPC_SET`, `IPC_RMID`, `SHM_LOCK`, or publish it. Interfere with
        /// what a thread does: cancel what it waits for.
        const CONTROL = 64;
        /// Signal an endpoint.
        const SIGNAL = 128;
    }
}

impl Rights {
    /// What an endpoint can be used for.
    pub const ENDPOINT: Self = Self::CALL
        .union(Self::RECEIVE)
        .union(Self::SIGNAL)
        .union(Self::PASS);
    /// What a region can be used for.
    pub const REGION: Self = Self::READ
        .union(Self::WRITE)
        .union(Self::EXECUTE)
        .union(Self::CONTROL)
        .union(Self::PASS);
}

impl Word for Rights {
    fn into_word(self) -> u64 {
        self.bits().into()
    }

    fn from_word(word: u64) -> Result<Self, Errno> {
        u32::try_from(word)
            .ok()
            .and_then(Self::from_bits)
            .ok_or(Errno::EINVAL)
    }
}

/// A mark on a handle to an endpoint that its receiver sees with each message: who sent it, as
/// far as the one who made the handle cares. Signals through such a handle are the mark's bits.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, Default)]
#[repr(transparent)]
pub struct Badge(pub u64);

impl Word for Badge {
    fn into_word(self) -> u64 {
        self.0
    }

    fn from_word(word: u64) -> Result<Self, Errno> {
        Ok(Self(word))
    }
}
