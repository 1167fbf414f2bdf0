//! How much there may be of everything.

use crate::region::MOST_PAGES;
use addr::GRANULE;

/// Limits. The first four have the names they have in `IPC_INFO`; the next two are for each user but 0.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Segments. Never more than there are slots for.
    pub shmmni: u32,
    /// Bytes of a segment. Never more than 512 GiB.
    pub shmmax: u64,
    /// Pages of all segments together.
    pub shmall: u64,
    /// Attachments of a process.
    pub shmseg: u32,
    /// Segments that a user has created.
    pub shmusermni: u32,
    /// Pages of these.
    pub shmuserall: u64,
    /// What becomes of segments that nobody uses.
    pub orphans: Orphans,
    /// Mappings of a process, attachments and their remains included.
    pub mappings: u32,
}

impl Limits {
    /// Limits that only the memory of the machine makes smaller.
    pub const WIDEST: Self = Self {
        shmmni: u32::MAX,
        shmmax: u64::MAX,
        shmall: u64::MAX,
        shmseg: u32::MAX,
        shmusermni: u32::MAX,
        shmuserall: u64::MAX,
        orphans: Orphans::Stay,
        mappings: u32::MAX,
    };

    /// The same, as far as identifiers and tables reach.
    pub(crate) fn within(self, region_slots: u32) -> Self {
        let identifiers = 1 << abi::shm::ShmId::INDEX_BITS;
        Self {
            shmmni: self.shmmni.min(region_slots).min(identifiers),
            shmmax: self.shmmax.min(MOST_PAGES * GRANULE),
            ..self
        }
    }
}

/// What becomes of segments that nobody has attached: the values of Linux's `shm_rmid_forced`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u64)]
pub enum Orphans {
    /// They stay until they are removed, as POSIX wants.
    Stay = 0,
    /// They go with their last attachment, or with their creator if they were never attached.
    Go = 1,
}

impl Orphans {
    /// What a value of the switch stands for.
    pub const fn decode(value: u64) -> Option<Self> {
        match value {
            0 => Some(Self::Stay),
            1 => Some(Self::Go),
            _ => None,
        }
    }
}
