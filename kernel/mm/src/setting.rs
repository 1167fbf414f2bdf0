//! Limits and switches, read by everybody and changed by user 0, and what users have.

use crate::identity::Uid;
use crate::limits::{Limits, Orphans};
use crate::manager::MemoryManager;
use crate::message::{Call, Reply};
use crate::mmu::Mmu;
use abi::Errno;
use abi::memory::{ChangeShmSetting, CountShmUser, ReadShmSetting};
use abi::shm::ShmSetting;

impl<M: Mmu> MemoryManager<M> {
    pub(crate) fn read_setting(&self, ReadShmSetting { setting }: ReadShmSetting) -> Reply {
        Reply::new((self.limits.get(setting),))
    }

    /// What exists already is not touched by lower limits. But orphans that are to go from now on go now.
    pub(crate) fn change_setting(
        &mut self,
        call: &Call<'_>,
        request: ChangeShmSetting,
    ) -> Result<Reply, Errno> {
        let ChangeShmSetting { setting, value } = request;
        if !self.alive(call.space)?.identity.credential.is_privileged() {
            return Err(Errno::EPERM);
        }
        let changed = self.limits.with(setting, value)?;
        self.set_limits(changed);
        if setting == ShmSetting::ShmRmidForced {
            self.begin_search(call.space);
        }
        Ok(Reply::after((), self.sweep(call.space, call.now)))
    }

    pub(crate) fn count_user(&self, CountShmUser { uid }: CountShmUser) -> Reply {
        Reply::new(self.accounts.usage(Uid(uid)))
    }
}

impl Limits {
    fn get(&self, setting: ShmSetting) -> u64 {
        match setting {
            ShmSetting::Shmmni => self.shmmni.into(),
            ShmSetting::Shmmax => self.shmmax,
            ShmSetting::Shmall => self.shmall,
            ShmSetting::Shmseg => self.shmseg.into(),
            ShmSetting::Shmusermni => self.shmusermni.into(),
            ShmSetting::Shmuserall => self.shmuserall,
            ShmSetting::ShmRmidForced => self.orphans as u64,
        }
    }

    /// The same with another value for one of them; a count that is too high is as high as can be.
    ///
    /// # Errors
    /// `EINVAL` a switch has no such value.
    pub fn with(mut self, setting: ShmSetting, value: u64) -> Result<Self, Errno> {
        let count = u32::try_from(value).unwrap_or(u32::MAX);
        match setting {
            ShmSetting::Shmmni => self.shmmni = count,
            ShmSetting::Shmmax => self.shmmax = value,
            ShmSetting::Shmall => self.shmall = value,
            ShmSetting::Shmseg => self.shmseg = count,
            ShmSetting::Shmusermni => self.shmusermni = count,
            ShmSetting::Shmuserall => self.shmuserall = value,
            ShmSetting::ShmRmidForced => self.orphans = Orphans::decode(value).ok_or(Errno::EINVAL)?,
        }
        Ok(self)
    }
}
