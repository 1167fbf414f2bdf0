//! `shmget`: finds or creates a region.
//!
//! POSIX `shmget`. Where it leaves the order of errors open, the order is Linux's: for an
//! existing key `EEXIST`, then `EINVAL`, then `EACCES`; for a new one with `SHM_HUGETLB` `EINVAL` and `ENOSPC`
//! for its size, then `EINVAL` for that of its blocks, then `EPERM`, then `ENOMEM`.

use crate::identity::{Credential, Seconds};
use crate::manager::{MemoryManager, typed};
use crate::message::{Call, Reply};
use crate::mmu::Mmu;
use crate::region::{
    Contents, Flow, Lock, NOBODY, Ownership, Region, RegionId, RegionState, RegionTable, Reserve, Times,
    Unit, Wanted,
};
use crate::slot::SLOT_PAGES;
use abi::Errno;
use abi::memory::{ShmGet, UserUsage};
use abi::shm::{GetFlags, ShmKey};
use addr::PageCount;

impl<M: Mmu> MemoryManager<M> {
    pub(crate) fn shm_get(&mut self, call: &mut Call<'_>, request: ShmGet) -> Result<Reply, Errno> {
        let ShmGet { key, size, flags } = request;
        let existing = if key == ShmKey::PRIVATE {
            None
        } else {
            self.regions.by_key(key)
        };
        let found = match existing {
            Some(_) if flags.contains(GetFlags::CREAT | GetFlags::EXCL) => return Err(Errno::EEXIST),
            Some(id) => self.find(call, id, request)?,
            None if key == ShmKey::PRIVATE || flags.contains(GetFlags::CREAT) => {
                self.create(call, key, size, flags, RegionState::Live)?
            }
            None => return Err(Errno::ENOENT),
        };
        Ok(Reply::new((RegionTable::identifier(found),)))
    }

    /// An existing region, if it is large enough and grants the mode asked for. A size of 0 and
    /// a mode of 0 ask for nothing.
    fn find(
        &self,
        call: &Call<'_>,
        id: RegionId,
        ShmGet { size, flags, .. }: ShmGet,
    ) -> Result<RegionId, Errno> {
        let region = self.regions.get(id).ok_or(Errno::ENOENT)?;
        if size > region.bytes {
            return Err(Errno::EINVAL);
        }
        if !self.grants(call, region, Wanted::by(flags.mode()))? {
            return Err(Errno::EACCES);
        }
        Ok(id)
    }

    /// A new region, which something finds if it is to be [`RegionState::Live`].
    pub(crate) fn create(
        &mut self,
        call: &Call<'_>,
        key: ShmKey,
        size: u64,
        flags: GetFlags,
        state: RegionState,
    ) -> Result<RegionId, Errno> {
        let identity = self.alive(call.space)?.identity;
        let unit = unit(flags);
        let pages = covering(size, unit)
            .filter(|_| size <= self.limits.shmmax)
            .ok_or(Errno::EINVAL)?;
        self.check_share(&identity.credential, pages)?;
        let all_pages = self.regions.pages().checked_add(pages.get());
        if all_pages.is_none_or(|all| all > self.limits.shmall) || self.regions.found() >= self.limits.shmmni
        {
            return Err(Errno::ENOSPC);
        }
        if unit == Unit::Block {
            check_blocks(flags, &identity.credential)?;
        }
        let reserve = if flags.contains(GetFlags::NORESERVE) {
            Reserve::OnTouch
        } else {
            Reserve::Promised
        };
        let promise = match reserve {
            Reserve::Promised => Contents::promise_of(pages, unit, &mut self.frames)?,
            Reserve::OnTouch => self.frames.promise(0)?,
        };
        if self.regions.is_full() {
            self.frames.release(promise);
            return Err(Errno::ENOSPC);
        }
        let region = Region {
            key,
            ownership: Ownership::of_creator(&identity.credential, flags.mode()),
            bytes: size,
            state,
            lock: Lock::Unlocked,
            reserve,
            times: Times {
                attach: Seconds(0),
                detach: Seconds(0),
                change: call.now,
            },
            creator: identity.pid,
            created_in: call.space,
            last_user: NOBODY,
            attached: 0,
            leaving: 0,
            flow: Flow::NONE,
            handles: 0,
            contents: Contents::new(pages, unit, promise),
            below: [None; 2],
            next: None,
        };
        let id = self.regions.insert(region).map_err(|_| Errno::ENOSPC)?;
        self.accounts.charge(identity.credential.uid, pages.get());
        if let Some(space) = self.spaces.get_mut(typed(call.space)) {
            space.is_creator = true;
        }
        Ok(id)
    }

    /// Whether a user may have one more region, of `pages` pages. User 0 may always.
    fn check_share(&self, credential: &Credential, pages: PageCount) -> Result<(), Errno> {
        let UserUsage {
            segments: regions,
            pages: charged,
        } = self.accounts.usage(credential.uid);
        let too_many = regions >= self.limits.shmusermni
            || charged
                .checked_add(pages.get())
                .is_none_or(|all| all > self.limits.shmuserall);
        let bounded = too_many && !credential.is_privileged();
        if bounded || !self.accounts.is_open_to(credential.uid) {
            return Err(Errno::ENOSPC);
        }
        Ok(())
    }
}

/// What a new region's memory is to come in.
fn unit(flags: GetFlags) -> Unit {
    if flags.contains(GetFlags::HUGETLB) {
        Unit::Block
    } else {
        Unit::Page
    }
}

/// Pages of a region of `bytes` bytes, whose blocks are whole.
fn covering(bytes: u64, unit: Unit) -> Option<PageCount> {
    let pages = PageCount::covering(bytes)?;
    match unit {
        Unit::Page => Some(pages),
        Unit::Block => PageCount::new(pages.get().checked_next_multiple_of(SLOT_PAGES)?),
    }
}

/// Blocks have 2 MiB, and only the privileged may have them: nobody else can use what they take.
fn check_blocks(flags: GetFlags, credential: &Credential) -> Result<(), Errno> {
    if ![0, GetFlags::HUGE_2MB.block_shift()].contains(&flags.block_shift()) {
        return Err(Errno::EINVAL);
    }
    if credential.is_privileged() {
        Ok(())
    } else {
        Err(Errno::EPERM)
    }
}
