//! `shmctl`: reads and changes what is known about a region, and removes it.
//!
//! POSIX `shmctl` for `IPC_STAT`, `IPC_SET` and `IPC_RMID`; the other commands as in Linux, as is
//! the order of errors: a bad command or a negative identifier first, then for `IPC_SET` a
//! missing structure, then an unknown identifier.

use crate::identity::{Gid, Uid};
use crate::manager::MemoryManager;
use crate::message::{Call, Reply};
use crate::mmu::Mmu;
use crate::region::{Lock, Region, RegionId, RegionState, RegionTable, Wanted};
use abi::memory::ShmControl;
use abi::shm::{Mode, ShmCommand, ShmId, ShmInfoLimits, ShmInfoTotals, ShmidDs};
use abi::{Errno, Words};
use zerocopy::{FromBytes, Immutable, IntoBytes};

impl<M: Mmu> MemoryManager<M> {
    pub(crate) fn shm_control(&mut self, call: &mut Call<'_>, request: ShmControl) -> Result<Reply, Errno> {
        let id = ShmId::from_raw(request.id.0).ok_or(Errno::EINVAL)?;
        match ShmCommand::decode(request.command)? {
            ShmCommand::Stat => self.stat(call, id),
            ShmCommand::StatIndex => self.stat_index(call, id),
            ShmCommand::StatAny => self.stat_any(call, id),
            ShmCommand::Set => self.set(call, id),
            ShmCommand::Remove => self.remove(call, id),
            ShmCommand::Lock => self.lock(call, id, Lock::Locked),
            ShmCommand::Unlock => self.lock(call, id, Lock::Unlocked),
            ShmCommand::Limits => self.report_limits(call),
            ShmCommand::Totals => self.report_totals(call),
        }
    }

    fn stat(&self, call: &mut Call<'_>, id: ShmId) -> Result<Reply, Errno> {
        let region = self.find_region(id)?;
        self.check_readable(call, region)?;
        Ok(self.answer_stat(call, region, 0))
    }

    /// Takes an index for the identifier, and answers the identifier.
    fn stat_index(&self, call: &mut Call<'_>, id: ShmId) -> Result<Reply, Errno> {
        let region = self.regions.by_index(id.index()).ok_or(Errno::EINVAL)?;
        self.check_readable(call, region)?;
        Ok(self.answer_stat(call, region, identifier(region)))
    }

    /// The same without asking for permission.
    fn stat_any(&self, call: &mut Call<'_>, id: ShmId) -> Result<Reply, Errno> {
        let region = self.regions.by_index(id.index()).ok_or(Errno::EINVAL)?;
        Ok(self.answer_stat(call, region, identifier(region)))
    }

    fn check_readable(&self, call: &Call<'_>, id: RegionId) -> Result<(), Errno> {
        let credential = &self.alive(call.space)?.identity.credential;
        let region = self.regions.get(id).ok_or(Errno::EINVAL)?;
        if region.ownership.grants(credential, Wanted::READ) {
            Ok(())
        } else {
            Err(Errno::EACCES)
        }
    }

    fn answer_stat(&self, call: &mut Call<'_>, id: RegionId, word: u64) -> Reply {
        let described = self
            .regions
            .get(id)
            .map(|region| region.describe(RegionTable::identifier(id)));
        answer(call, (word,), &described.unwrap_or_default())
    }

    /// Takes owner, group and mode from the message's bytes and nothing else.
    fn set(&mut self, call: &mut Call<'_>, id: ShmId) -> Result<Reply, Errno> {
        let bytes = call.message.bytes.get(..call.bytes).ok_or(Errno::EFAULT)?;
        let (wanted, _) = ShmidDs::read_from_prefix(bytes).map_err(|_| Errno::EFAULT)?;
        let now = call.now;
        let region = self.controlled(call, id)?;
        let wanted = wanted.shm_perm;
        // The value that POSIX `chown` takes for "leave it", which no user and no group has.
        if wanted.uid == u32::MAX || wanted.gid == u32::MAX {
            return Err(Errno::EINVAL);
        }
        region.ownership.uid = Uid(wanted.uid);
        region.ownership.gid = Gid(wanted.gid);
        region.ownership.mode = Mode::from_bits(wanted.mode);
        region.times.change = now;
        Ok(Reply::new((0,)))
    }

    /// Removes a region: at once if nobody has it attached, else with its last attachment. Its
    /// key is free in both cases.
    fn remove(&mut self, call: &mut Call<'_>, id: ShmId) -> Result<Reply, Errno> {
        let region = self.controlled(call, id)?;
        let unattached = region.attached == 0;
        if !unattached {
            region.state = RegionState::Removed;
        }
        let region = self.find_region(id)?;
        if unattached {
            self.kill_region(call.space, region);
        } else {
            self.regions.forget_key(region);
        }
        Ok(Reply::after((0,), self.sweep(call.space, call.now)))
    }

    /// Nothing is ever swapped out, so this only shows in the mode.
    fn lock(&mut self, call: &Call<'_>, id: ShmId, lock: Lock) -> Result<Reply, Errno> {
        self.controlled(call, id)?.lock = lock;
        Ok(Reply::new((0,)))
    }

    fn report_limits(&mut self, call: &mut Call<'_>) -> Result<Reply, Errno> {
        let limits = self.limits;
        let report = ShmInfoLimits {
            shmmax: limits.shmmax,
            shmmin: 1,
            shmmni: limits.shmmni.into(),
            shmseg: limits.shmseg.into(),
            shmall: limits.shmall,
            ..ShmInfoLimits::default()
        };
        Ok(answer(call, (u64::from(self.regions.highest_index()),), &report))
    }

    fn report_totals(&mut self, call: &mut Call<'_>) -> Result<Reply, Errno> {
        let report = ShmInfoTotals {
            used_ids: self.regions.identified().cast_signed(),
            shm_tot: self.regions.pages(),
            shm_rss: self.shared_present,
            ..ShmInfoTotals::default()
        };
        Ok(answer(call, (u64::from(self.regions.highest_index()),), &report))
    }

    fn find_region(&self, id: ShmId) -> Result<RegionId, Errno> {
        self.regions.by_identifier(id).ok_or(Errno::EINVAL)
    }

    /// A region that the caller may change: as its owner, its creator, or user 0.
    fn controlled(&mut self, call: &Call<'_>, id: ShmId) -> Result<&mut Region, Errno> {
        let credential = self.alive(call.space)?.identity.credential;
        let found = self.find_region(id)?;
        let region = self.regions.get_mut(found).ok_or(Errno::EINVAL)?;
        if region.ownership.may_control(&credential) {
            Ok(region)
        } else {
            Err(Errno::EPERM)
        }
    }
}

fn identifier(region: RegionId) -> u64 {
    RegionTable::identifier(region).raw().cast_unsigned().into()
}

/// An answer with a structure in the message's bytes. Every byte of it is written, padding too.
fn answer<T: IntoBytes + Immutable>(call: &mut Call<'_>, words: impl Words, structure: &T) -> Reply {
    let bytes = structure.as_bytes();
    call.message.bytes[..bytes.len()].copy_from_slice(bytes);
    Reply::with_bytes(words, bytes.len())
}
