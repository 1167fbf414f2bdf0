//! On whose behalf a request is made.

use abi::process::{MOST_GROUPS, Pid};

/// A user.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Uid(pub u32);

impl Uid {
    /// The one for whom permissions are no obstacle.
    pub const ROOT: Self = Self(0);
}

/// A group.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Gid(pub u32);

/// What permissions are decided by. The ids are the effective ones.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Credential {
    /// User.
    pub uid: Uid,
    /// Group.
    pub gid: Gid,
    /// Supplementary groups; those behind the first `group_count` are 0.
    groups: [Gid; MOST_GROUPS],
    group_count: u8,
}

impl Credential {
    /// The user for whom no permission bit counts.
    pub const ROOT: Self = Self::new(Uid(0), Gid(0));

    /// A user and a group.
    pub const fn new(uid: Uid, gid: Gid) -> Self {
        Self {
            uid,
            gid,
            groups: [Gid(0); MOST_GROUPS],
            group_count: 0,
        }
    }

    /// The same with these supplementary groups; `None` if there are more than [`MOST_GROUPS`].
    pub fn with_groups(self, groups: &[Gid]) -> Option<Self> {
        let mut with = Self::new(self.uid, self.gid);
        with.groups.get_mut(..groups.len())?.copy_from_slice(groups);
        with.group_count = u8::try_from(groups.len()).ok()?;
        Some(with)
    }

    /// Its supplementary groups.
    pub fn groups(&self) -> &[Gid] {
        &self.groups[..usize::from(self.group_count)]
    }

    /// Whether permissions are no obstacle (POSIX "appropriate privileges").
    pub fn is_privileged(&self) -> bool {
        self.uid == Uid::ROOT
    }

    /// Whether `group` is the effective or a supplementary one.
    pub fn is_member_of(&self, group: Gid) -> bool {
        self.gid == group || self.groups().contains(&group)
    }
}

/// A process, as far as memory is concerned.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Identity {
    /// What it may do.
    pub credential: Credential,
    /// What appears as creator, or as the last to attach or detach.
    pub pid: Pid,
}

/// A time as POSIX `time_t`: seconds since the epoch.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Seconds(pub i64);
