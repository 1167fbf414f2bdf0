//! Regions: the kernel objects behind shared memory segments.

mod contents;
mod keys;
mod permission;
mod table;

pub(crate) use contents::{Contents, Emptied, Filled, MOST_PAGES, Published, Unit};
pub use keys::KeyBucket;
pub(crate) use permission::{Ownership, Wanted};
pub(crate) use table::RegionTable;

use crate::frame::Unreachable;
use crate::identity::Seconds;
use crate::limits::Orphans;
use crate::space::SpaceId;
use abi::process::Pid;
use abi::shm::{IpcPerm, SHM_DEST, SHM_LOCKED, ShmId, ShmKey, ShmidDs};
use addr::PageCount;
use slots::Id;
use slots::trie::Below;

/// Names a region, for whoever has a handle to it. User programs know a [`ShmId`] instead.
pub type RegionId = Id<Region>;

/// A region: frames that address spaces attach.
pub struct Region {
    /// What finds it; [`ShmKey::PRIVATE`] if nothing does.
    pub(crate) key: ShmKey,
    pub(crate) ownership: Ownership,
    /// Bytes, as asked for.
    pub(crate) bytes: u64,
    pub(crate) state: RegionState,
    pub(crate) lock: Lock,
    pub(crate) reserve: Reserve,
    pub(crate) times: Times,
    pub(crate) creator: Pid,
    /// The address space it was created in, which may be gone.
    pub(crate) created_in: SpaceId,
    /// Who attached or detached last, [`NOBODY`] if nobody has.
    pub(crate) last_user: Pid,
    /// Attachments whose last translation is not gone yet.
    pub(crate) attached: u32,
    /// How many of these cannot be used any more.
    pub(crate) leaving: u32,
    /// What goes on with them.
    pub(crate) flow: Flow,
    /// Handles that name it.
    pub(crate) handles: u32,
    pub(crate) contents: Contents,
    /// Others with keys of the same hash.
    pub(crate) below: Below<Self>,
    /// The next one that the same address space has to settle, or to take apart.
    pub(crate) next: Option<RegionId>,
}

/// What goes on with a region's attachments: how many are just being made, one for each CPU at most; whether the region has lost one
/// meanwhile; and whether it is among those that some address space has to settle.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Flow(u8);

impl Flow {
    const UNSETTLED: u8 = 0x80;
    const LOST: u8 = 0x40;

    /// Nothing.
    pub const NONE: Self = Self(0);

    /// How many are just being made.
    pub fn attaching(self) -> u8 {
        self.0 & !(Self::UNSETTLED | Self::LOST)
    }

    /// One more is.
    pub fn begin(&mut self) {
        self.0 += 1;
    }

    /// One is made now, or is not. Whether that was the last of them, and one was lost meanwhile.
    pub fn finish(&mut self) -> bool {
        self.0 -= 1;
        let is_lost = self.attaching() == 0 && self.0 & Self::LOST != 0;
        if is_lost {
            self.0 &= !Self::LOST;
        }
        is_lost
    }

    /// One is lost while others are being made.
    pub fn lose(&mut self) {
        self.0 |= Self::LOST;
    }

    /// Whether some address space has to settle the region.
    pub fn is_unsettled(self) -> bool {
        self.0 & Self::UNSETTLED != 0
    }

    /// One has to.
    pub fn unsettle(&mut self) {
        self.0 |= Self::UNSETTLED;
    }

    /// It does.
    pub fn settle(&mut self) {
        self.0 &= !Self::UNSETTLED;
    }
}

/// How far a region's life has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum RegionState {
    /// Found through its handles alone. Goes with the last handle and attachment.
    Unnamed,
    /// Found by key and identifier.
    Live,
    /// Removed while attached (`SHM_DEST`): found by identifier until the last detach.
    Removed,
    /// Found by nobody; its frames are being given back.
    Dead,
}

/// What `SHM_LOCK` says. Nothing is ever swapped out here, so it changes nothing else.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Lock {
    Unlocked,
    Locked,
}

/// Whether a region's frames were promised when it was created.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Reserve {
    /// A touch cannot fail.
    Promised,
    /// `SHM_NORESERVE`: a touch may find no frame.
    OnTouch,
}

/// The times of `shmid_ds`, zero if it never happened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Times {
    pub attach: Seconds,
    pub detach: Seconds,
    pub change: Seconds,
}

/// Proof that no address space has a region attached, hence that no translation leads to its
/// frames: an attachment ends after its invalidation.
pub(crate) struct Unattached(());

impl Unreachable for Unattached {}

/// What `shm_lpid` says before the first `shmat`.
pub(crate) const NOBODY: Pid = Pid(0);

impl Region {
    /// Whether an identifier finds it.
    #[inline]
    pub(crate) fn is_identified(&self) -> bool {
        matches!(self.state, RegionState::Live | RegionState::Removed)
    }

    /// Its pages, those of whole blocks if it consists of these.
    pub(crate) fn pages(&self) -> PageCount {
        self.contents.pages()
    }

    /// The proof that its frames can be given back, if they can.
    pub(crate) fn unattached(&self) -> Option<Unattached> {
        (self.attached == 0).then_some(Unattached(()))
    }

    /// Whether it still has the name it had: whatever keeps it does.
    #[inline]
    pub(crate) fn is_kept(&self, orphans: Orphans) -> bool {
        self.attached > self.leaving
            || match self.state {
                RegionState::Live => self.handles > 0 || orphans != Orphans::Go,
                RegionState::Unnamed | RegionState::Removed => false,
                RegionState::Dead => true,
            }
    }

    /// Whether there is something to be done when an attachment has gone, or is going: about a name that nothing keeps any
    /// more, or all of it.
    #[inline]
    pub(crate) fn may_go(&self, orphans: Orphans) -> bool {
        match self.state {
            RegionState::Unnamed => self.attached == 0 && self.handles == 0,
            RegionState::Live | RegionState::Removed | RegionState::Dead => !self.is_kept(orphans),
        }
    }

    /// Notes that `pid` has attached it.
    pub(crate) fn note_attached(&mut self, pid: Pid, now: Seconds) {
        self.attached += 1;
        self.times.attach = now;
        self.last_user = pid;
    }

    /// What `IPC_STAT` answers.
    pub(crate) fn describe(&self, id: ShmId) -> ShmidDs {
        let Ownership {
            uid,
            gid,
            creator_uid,
            creator_gid,
            mode,
        } = self.ownership;
        let dest = if self.state == RegionState::Live {
            0
        } else {
            SHM_DEST
        };
        let locked = if self.lock == Lock::Locked { SHM_LOCKED } else { 0 };
        ShmidDs {
            shm_perm: IpcPerm {
                key: self.key.0,
                uid: uid.0,
                gid: gid.0,
                cuid: creator_uid.0,
                cgid: creator_gid.0,
                mode: mode.bits() | dest | locked,
                seq: id.sequence() as u16,
                ..IpcPerm::default()
            },
            shm_segsz: self.bytes,
            shm_atime: self.times.attach.0,
            shm_dtime: self.times.detach.0,
            shm_ctime: self.times.change.0,
            shm_cpid: self.creator.0.cast_signed(),
            shm_lpid: self.last_user.0.cast_signed(),
            shm_nattch: self.attached.into(),
            reserved: [0; 2],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Region;
    use slots::Slot;

    /// A byte of it is 4 KiB of every machine with 512 MiB: one that needs more has to say so here.
    #[test]
    fn a_region_and_its_slot_take_three_cache_lines() {
        assert_eq!(size_of::<Slot<Region>>(), 3 * 64);
    }
}
