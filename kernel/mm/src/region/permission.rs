//! Who may do what to a region: owner, group and other bits against a credential.
//!
//! POSIX XSH 2.7 "XSI Interprocess Communication", IPC permissions: the first class that fits
//! decides alone, so an owner without rights is refused even if others have them.

use crate::identity::{Credential, Gid, Uid};
use abi::Rights;
use abi::shm::Mode;

/// Owner, creator and mode.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Ownership {
    pub uid: Uid,
    pub gid: Gid,
    pub creator_uid: Uid,
    pub creator_gid: Gid,
    pub mode: Mode,
}

/// What somebody wants of a region: bits 4, 2, 1 as in one digit of a mode.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Wanted(u32);

impl Wanted {
    pub const READ: Self = Self(4);
    pub const READ_WRITE: Self = Self(6);
    pub const READ_EXECUTE: Self = Self(5);

    /// What a handle with these rights is for.
    pub fn of(rights: Rights) -> Self {
        let bit = |right, bit| if rights.contains(right) { bit } else { 0 };
        Self(bit(Rights::READ, 4) | bit(Rights::WRITE, 2) | bit(Rights::EXECUTE, 1))
    }

    /// Whether a handle with these rights is for all of it.
    pub fn is_within(self, rights: Rights) -> bool {
        self.0 & !Self::of(rights).0 == 0
    }

    /// What the mode bits of `shmget` ask for: all three digits count alike.
    pub fn by(mode: Mode) -> Self {
        let bits = mode.bits();
        Self((bits | bits >> 3 | bits >> 6) & 7)
    }
}

impl Ownership {
    /// Of something that `credential` creates.
    pub fn of_creator(credential: &Credential, mode: Mode) -> Self {
        let Credential { uid, gid, .. } = *credential;
        Self {
            uid,
            gid,
            creator_uid: uid,
            creator_gid: gid,
            mode,
        }
    }

    /// Whether all that is wanted is granted.
    #[inline]
    pub fn grants(&self, credential: &Credential, wanted: Wanted) -> bool {
        let digit = if self.is_owner_or_creator(credential) {
            6
        } else if credential.is_member_of(self.gid) || credential.is_member_of(self.creator_gid) {
            3
        } else {
            0
        };
        let granted = self.mode.bits() >> digit & 7;
        credential.is_privileged() || wanted.0 & !granted == 0
    }

    /// Whether `credential` may change or remove it. The mode does not matter.
    pub fn may_control(&self, credential: &Credential) -> bool {
        credential.is_privileged() || self.is_owner_or_creator(credential)
    }

    fn is_owner_or_creator(&self, credential: &Credential) -> bool {
        credential.uid == self.uid || credential.uid == self.creator_uid
    }
}
