//! `shmctl`: reads and changes what is known about a region, and removes it.
//!
//! POSIX `shmctl` for `IPC_STAT`, `IPC_SET` and `IPC_RMID`; the other commands as in Linux, as is
//! the order of errors: a bad command or a negative identifier first, then for `IPC_SET` a
//! missing structure, then an unknown identifier.

use crate::identity::{Gid, Uid};
use crate::manager::MemoryManager;
use crate::message::{Call, Reply};
use crate::mmu::Mmu;
use crate::region::{Lock, RegionId, RegionTable, Wanted};
use crate::subject::Subject;
use abi::memory::{RegionControl, ShmControl};
use abi::shm::{Mode, ShmCommand, ShmId, ShmInfoLimits, ShmInfoTotals, ShmidDs};
use abi::{Errno, Words};
use zerocopy::{FromBytes, IntoBytes, KnownLayout};

impl<M: Mmu> MemoryManager<M> {
    pub(crate) fn shm_control(&mut self, call: &mut Call<'_>, request: ShmControl) -> Result<Reply, Errno> {
        let id = ShmId::from_raw(request.id.0).ok_or(Errno::EINVAL)?;
        match ShmCommand::decode(request.command)? {
            ShmCommand::StatIndex => self.stat_index(call, id),
            ShmCommand::StatAny => self.stat_any(call, id),
            ShmCommand::Limits => self.report_limits(call),
            ShmCommand::Totals => self.report_totals(call),
            command => self.control(call, Subject::Named(id), command),
        }
    }

    pub(crate) fn region_control(
        &mut self,
        call: &mut Call<'_>,
        request: RegionControl,
    ) -> Result<Reply, Errno> {
        let held = call.region_passed()?;
        self.control(call, held, ShmCommand::decode(request.command)?)
    }

    /// A command about one region, however that is found.
    fn control(
        &mut self,
        call: &mut Call<'_>,
        subject: Subject,
        command: ShmCommand,
    ) -> Result<Reply, Errno> {
        match command {
            ShmCommand::Stat => self.stat(call, subject),
            ShmCommand::Set => self.set(call, subject),
            ShmCommand::Remove => self.remove(call, subject),
            ShmCommand::Lock => self.lock(call, subject, Lock::Locked),
            ShmCommand::Unlock => self.lock(call, subject, Lock::Unlocked),
            ShmCommand::StatIndex | ShmCommand::StatAny | ShmCommand::Limits | ShmCommand::Totals => {
                Err(Errno::EINVAL)
            }
        }
    }

    /// Answers 0, or the identifier to who has a handle, who may not know it.
    fn stat(&self, call: &mut Call<'_>, subject: Subject) -> Result<Reply, Errno> {
        let region = self.accessible(call, subject, Wanted::READ)?;
        let word = match subject {
            Subject::Named(_) => 0,
            Subject::Held(..) => self.identifier_of(region),
        };
        self.answer_stat(call, region, word)
    }

    /// Takes an index for the identifier, and answers the identifier.
    fn stat_index(&self, call: &mut Call<'_>, id: ShmId) -> Result<Reply, Errno> {
        let found = self.regions.by_index(id.index()).ok_or(Errno::EINVAL)?;
        let region = self.regions.get(found).ok_or(Errno::EINVAL)?;
        if !self.grants(call, region, Wanted::READ)? {
            return Err(Errno::EACCES);
        }
        self.answer_stat(call, found, self.identifier_of(found))
    }

    /// The same without asking for permission.
    fn stat_any(&self, call: &mut Call<'_>, id: ShmId) -> Result<Reply, Errno> {
        let region = self.regions.by_index(id.index()).ok_or(Errno::EINVAL)?;
        self.answer_stat(call, region, self.identifier_of(region))
    }

    fn answer_stat(&self, call: &mut Call<'_>, id: RegionId, word: i32) -> Result<Reply, Errno> {
        let region = self.regions.get(id).ok_or(Errno::EINVAL)?;
        answer(call, (word,), region.describe(RegionTable::identifier(id)))
    }

    /// What programs can name a region by, -1 if that would find nothing.
    fn identifier_of(&self, region: RegionId) -> i32 {
        let id = RegionTable::identifier(region);
        self.regions.by_identifier(id).map_or(-1, |_| id.raw())
    }

    /// Takes owner, group and mode from the message's bytes and nothing else.
    fn set(&mut self, call: &mut Call<'_>, subject: Subject) -> Result<Reply, Errno> {
        let bytes = call.message.bytes.get(..call.bytes).ok_or(Errno::EFAULT)?;
        let (wanted, _) = ShmidDs::read_from_prefix(bytes).map_err(|_| Errno::EFAULT)?;
        let found = self.controlled(call, subject)?;
        let wanted = wanted.shm_perm;
        // The value that POSIX `chown` takes for "leave it", which no user and no group has.
        if wanted.uid == u32::MAX || wanted.gid == u32::MAX {
            return Err(Errno::EINVAL);
        }
        let region = self.regions.get_mut(found).ok_or(Errno::EINVAL)?;
        region.ownership.uid = Uid(wanted.uid);
        region.ownership.gid = Gid(wanted.gid);
        region.ownership.mode = Mode::from_bits(wanted.mode);
        region.times.change = call.now;
        Ok(Reply::new((0,)))
    }

    /// Removes a region: at once if nobody has it attached, else with its last attachment. Its
    /// key is free in both cases. Those who have handles keep what they have.
    fn remove(&mut self, call: &mut Call<'_>, subject: Subject) -> Result<Reply, Errno> {
        let region = self.controlled(call, subject)?;
        self.regions.retire(region);
        self.settle_region(call.space, region);
        Ok(Reply::after((0,), self.sweep(call.space, call.now)))
    }

    /// Nothing is ever swapped out, so this only shows in the mode.
    fn lock(&mut self, call: &Call<'_>, subject: Subject, lock: Lock) -> Result<Reply, Errno> {
        let region = self.controlled(call, subject)?;
        if let Some(region) = self.regions.get_mut(region) {
            region.lock = lock;
        }
        Ok(Reply::new((0,)))
    }

    fn report_limits(&mut self, call: &mut Call<'_>) -> Result<Reply, Errno> {
        let limits = &*self.limits;
        let report = ShmInfoLimits {
            shmmax: limits.shmmax,
            shmmin: 1,
            shmmni: limits.shmmni.into(),
            shmseg: limits.shmseg.into(),
            shmall: limits.shmall,
            ..ShmInfoLimits::default()
        };
        answer(call, (u64::from(self.regions.highest_index()),), report)
    }

    fn report_totals(&mut self, call: &mut Call<'_>) -> Result<Reply, Errno> {
        let report = ShmInfoTotals {
            used_ids: self.regions.identified().cast_signed(),
            shm_tot: self.regions.pages(),
            shm_rss: self.frames.in_regions(),
            ..ShmInfoTotals::default()
        };
        answer(call, (u64::from(self.regions.highest_index()),), report)
    }
}

/// An answer with a structure in the message's bytes. Every byte of it is written, padding too.
#[inline]
fn answer<T: Structure>(call: &mut Call<'_>, words: impl Words, structure: T) -> Result<Reply, Errno> {
    let (place, _) = T::mut_from_prefix(&mut call.message.bytes).map_err(|_| Errno::EFAULT)?;
    *place = structure;
    Ok(Reply::with_bytes(words, size_of::<T>()))
}

/// What bytes can be made of, and be made of bytes.
trait Structure: FromBytes + IntoBytes + KnownLayout {}

impl<T: FromBytes + IntoBytes + KnownLayout> Structure for T {}
