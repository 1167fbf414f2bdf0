//! Who a process is: told to whoever has its handle, changed by user 0.

use super::{Call, Outcome};
use crate::kernel::Kernel;
use crate::platform::{Guarded, Platform};
use crate::process::{ProcessId, Stage};
use crate::thread::ThreadId;
use abi::Errno;
use abi::process::{GROUP_BYTES, MOST_GROUPS, SetCredential, UserAndGroup};
use mm::{Credential, Gid, Uid};

impl<P: Platform> Kernel<P> {
    /// What `process` is, unless it has ended.
    pub(crate) fn credential_of(&mut self, process: ProcessId) -> Option<Credential> {
        let space = self.process(process).space?;
        self.memory.lock().credential(space)
    }

    /// A process that has started changes itself only, so nobody else's requests change their meaning
    /// under way.
    pub(crate) fn set_credential(
        &mut self,
        call: &Call<'_>,
        target: ProcessId,
        wanted: SetCredential,
    ) -> Result<Outcome, Errno> {
        let wanted = self.wanted(wanted, call.tag.bytes())?;
        let (caller, _) = self.process_of(call.thread);
        let may = self
            .credential_of(caller)
            .is_some_and(|own| own.is_privileged() || own == wanted);
        if !may {
            return Err(Errno::EPERM);
        }
        let process = self.process(target);
        let space = process
            .space
            .filter(|_| target == caller || process.stage == Stage::New)
            .ok_or(Errno::EBUSY)?;
        process.user = wanted.uid;
        self.memory.lock().set_credential(space, wanted);
        Ok(self.answer(call.thread, ()))
    }

    pub(crate) fn read_credential(&mut self, thread: ThreadId, target: ProcessId) -> Result<Outcome, Errno> {
        let credential = self.credential_of(target).ok_or(Errno::ESRCH)?;
        let groups = credential.groups();
        for (place, group) in self.message().bytes.chunks_exact_mut(GROUP_BYTES).zip(groups) {
            place.copy_from_slice(&group.0.to_le_bytes());
        }
        let ids = UserAndGroup {
            uid: credential.uid.0,
            gid: credential.gid.0,
        };
        Ok(self.answer_with_bytes(thread, ids, groups.len() * GROUP_BYTES))
    }

    /// The credential that a request and the first `bytes` bytes of its message say.
    fn wanted(&self, SetCredential { uid, gid }: SetCredential, bytes: usize) -> Result<Credential, Errno> {
        let (groups, rest) = self.cpus.this_one().message.bytes[..bytes].as_chunks::<GROUP_BYTES>();
        let mut list = [Gid(0); MOST_GROUPS];
        let list = list.get_mut(..groups.len()).ok_or(Errno::EINVAL)?;
        for (place, group) in list.iter_mut().zip(groups) {
            *place = Gid(u32::from_le_bytes(*group));
        }
        // The value that stands for "leave it" in POSIX `chown`, which no user and no group has.
        let nobody = uid == u32::MAX || gid == u32::MAX || list.contains(&Gid(u32::MAX));
        if nobody || !rest.is_empty() {
            return Err(Errno::EINVAL);
        }
        Credential::new(Uid(uid), Gid(gid))
            .with_groups(list)
            .ok_or(Errno::EINVAL)
    }
}
