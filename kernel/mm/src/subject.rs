//! Which region a request is about, and whether the caller may.
//!
//! By its identifier, a region's mode decides against the caller's credential. By a handle, the handle's
//! rights decide: whoever made it was asked then.

use crate::identity::Credential;
use crate::manager::MemoryManager;
use crate::message::Call;
use crate::mmu::Mmu;
use crate::region::{Region, RegionId, RegionTable, Wanted};
use crate::sharing::Regions;
use abi::shm::ShmId;
use abi::{Errno, Rights};
use slots::Taken;

/// Which region a request is about.
#[derive(Clone, Copy)]
pub(crate) enum Subject {
    /// The one that this identifier finds, if any.
    Named(ShmId),
    /// One that the caller has a handle to, which keeps it.
    Held(RegionId, Rights),
}

impl Regions<'_> {
    /// The region, which is taken, if it grants the access to whoever has this credential.
    ///
    /// # Errors
    /// `EINVAL` there is none; `EACCES` it does not.
    #[inline]
    pub(crate) fn accessible(
        &mut self,
        subject: Subject,
        credential: &Credential,
        wanted: Wanted,
    ) -> Result<(RegionId, Taken<'_, Region>), Errno> {
        let id = match subject {
            Subject::Named(id) => self
                .at(id.index())
                .filter(|&at| RegionTable::identifier(at) == id),
            Subject::Held(held, _) => Some(held),
        };
        let id = id.ok_or(Errno::EINVAL)?;
        let (region, _) = self.take(id).ok_or(Errno::EINVAL)?;
        subject.check(&region, credential, wanted)?;
        Ok((id, region))
    }
}

impl Subject {
    /// Whether this region, which it is, grants the access to whoever has this credential.
    ///
    /// # Errors
    /// `EINVAL` an identifier finds it no longer; `EACCES` it does not.
    #[inline]
    fn check(self, region: &Region, credential: &Credential, wanted: Wanted) -> Result<(), Errno> {
        let granted = match self {
            Self::Named(_) if !region.is_identified() => return Err(Errno::EINVAL),
            Self::Named(_) => region.ownership.grants(credential, wanted),
            Self::Held(_, rights) => wanted.is_within(rights),
        };
        if granted { Ok(()) } else { Err(Errno::EACCES) }
    }
}

impl<M: Mmu> MemoryManager<M> {
    /// The region, if it grants the access.
    ///
    /// # Errors
    /// `EINVAL` there is none; `EACCES` it does not.
    #[inline]
    pub(crate) fn accessible(
        &self,
        call: &Call<'_>,
        subject: Subject,
        wanted: Wanted,
    ) -> Result<RegionId, Errno> {
        let found = match subject {
            Subject::Named(id) => self.find_region(id)?,
            Subject::Held(held, _) => held,
        };
        let region = self.regions.get(found).ok_or(Errno::EINVAL)?;
        let credential = &self.alive(call.space)?.identity.credential;
        subject.check(region, credential, wanted)?;
        Ok(found)
    }

    /// The region, if the caller may change it: as its owner, its creator, or user 0, or by its handle.
    ///
    /// # Errors
    /// `EINVAL` there is none; `EPERM` it may not.
    pub(crate) fn controlled(&self, call: &Call<'_>, subject: Subject) -> Result<RegionId, Errno> {
        let (found, may) = match subject {
            Subject::Named(id) => {
                let found = self.find_region(id)?;
                let region = self.regions.get(found).ok_or(Errno::EINVAL)?;
                let credential = &self.alive(call.space)?.identity.credential;
                (found, region.ownership.may_control(credential))
            }
            Subject::Held(held, rights) => (held, rights.contains(Rights::CONTROL)),
        };
        if may { Ok(found) } else { Err(Errno::EPERM) }
    }

    /// Whether a region's mode grants the access to whoever calls.
    #[inline]
    pub(crate) fn grants(&self, call: &Call<'_>, region: &Region, wanted: Wanted) -> Result<bool, Errno> {
        let credential = &self.alive(call.space)?.identity.credential;
        Ok(region.ownership.grants(credential, wanted))
    }

    fn find_region(&self, id: ShmId) -> Result<RegionId, Errno> {
        self.regions.by_identifier(id).ok_or(Errno::EINVAL)
    }
}
