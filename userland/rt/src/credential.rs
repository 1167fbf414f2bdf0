//! Who a process is: its user and its groups.

use crate::{Error, Incoming, sys};
use abi::Handle;
use abi::process::GROUP_BYTES;
use alloc::vec::Vec;
use core::fmt;

/// A user, a group and supplementary groups: what permissions are decided by.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Credential {
    /// User.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Supplementary groups, at most [`abi::process::MOST_GROUPS`].
    pub groups: Vec<u32>,
}

impl Credential {
    /// A user and a group.
    pub const fn new(uid: u32, gid: u32) -> Self {
        Self {
            uid,
            gid,
            groups: Vec::new(),
        }
    }

    /// That of a process.
    ///
    /// # Errors
    /// As [`abi::process::ReadCredential`].
    pub fn of(process: Handle) -> Result<Self, Error> {
        let mut incoming = Incoming::new();
        let ids = sys::process::read_credential(process, &mut incoming)?;
        let (groups, rest) = incoming.bytes().as_chunks::<GROUP_BYTES>();
        if !rest.is_empty() {
            return Err(Error::Garbled);
        }
        Ok(Self {
            uid: ids.uid,
            gid: ids.gid,
            groups: groups.iter().copied().map(u32::from_le_bytes).collect(),
        })
    }

    /// Makes it that of a process: this program itself, or a child before its start.
    ///
    /// # Errors
    /// As [`abi::process::SetCredential`].
    pub fn give_to(&self, process: Handle) -> Result<(), Error> {
        let groups: Vec<u8> = self.groups.iter().flat_map(|group| group.to_le_bytes()).collect();
        sys::process::set_credential(process, self.uid, self.gid, &groups)
    }
}

/// As POSIX `id` prints it, without names.
impl fmt::Display for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "uid={} gid={} groups={}", self.uid, self.gid, self.gid)?;
        let others = self.groups.iter().filter(|&&group| group != self.gid);
        others.into_iter().try_for_each(|group| write!(f, ",{group}"))
    }
}

#[cfg(test)]
mod tests {
    use super::Credential;
    use crate::{Error, fake};
    use abi::{Handle, Label, Tag};
    use std::string::ToString;
    use std::vec;

    fn in_groups() -> Credential {
        Credential {
            groups: vec![7, 1 << 31],
            ..Credential::new(1000, 100)
        }
    }

    #[test]
    fn what_is_given_to_a_process_is_what_is_read_of_it() {
        fake::install(|sent, page| {
            assert_eq!(
                (sent[0], sent[1], sent[2], sent[3]),
                (1, 0x118 | 8 << 16, 1000, 100)
            );
            assert_eq!(page.bytes[..8], [7, 0, 0, 0, 0, 0, 0, 0x80]);
            [0; 9]
        });
        assert_eq!(in_groups().give_to(Handle::SELF), Ok(()));
        fake::install(|sent, page| {
            assert_eq!(sent[1], 0x119);
            page.bytes[..8].copy_from_slice(&[7, 0, 0, 0, 0, 0, 0, 0x80]);
            let tag = Tag::new(Label::DONE).with_bytes(8).expect("fits");
            [0, tag.encode(), 1000, 100, 0, 0, 0, 0, 0]
        });
        assert_eq!(Credential::of(Handle::SELF), Ok(in_groups()));
    }

    #[test]
    fn half_a_group_makes_no_sense() {
        fake::install(|_, _| {
            let tag = Tag::new(Label::DONE).with_bytes(6).expect("fits");
            [0, tag.encode(), 0, 0, 0, 0, 0, 0, 0]
        });
        assert_eq!(Credential::of(Handle::SELF), Err(Error::Garbled));
    }

    #[test]
    fn it_prints_as_id_does() {
        assert_eq!(Credential::new(0, 0).to_string(), "uid=0 gid=0 groups=0");
        assert_eq!(
            in_groups().to_string(),
            "uid=1000 gid=100 groups=100,7,2147483648"
        );
    }
}
