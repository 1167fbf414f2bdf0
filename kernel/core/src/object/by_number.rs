//! What whoever holds the system may do to a process of which it has no handle but the number.

use super::Outcome;
use crate::kernel::Kernel;
use crate::platform::{Guarded, Platform};
use crate::process::ProcessId;
use crate::thread::ThreadId;
use abi::Errno;
use abi::process::Pid;
use abi::system::NextMapping;
use addr::VirtAddr;

impl<P: Platform> Kernel<P> {
    pub(super) fn kill_by_number(&mut self, thread: ThreadId, pid: Pid) -> Result<Outcome, Errno> {
        let process = self.process_with_number(pid)?;
        if process == self.thread(thread).process {
            return Err(Errno::EINVAL);
        }
        if self.first_process == Some(process) {
            return Err(Errno::EPERM);
        }
        self.kill(thread, process)
    }

    pub(super) fn next_mapping(&mut self, thread: ThreadId, next: NextMapping) -> Result<Outcome, Errno> {
        let process = self.process_with_number(next.pid)?;
        let space = self.process(process).space.ok_or(Errno::ENOENT)?;
        let address = VirtAddr::new(next.address);
        let mapping = self
            .memory
            .lock()
            .next_mapping(space, address)
            .ok_or(Errno::ENOENT)?;
        Ok(self.answer(thread, mapping))
    }

    pub(super) fn count_ticks_by_number(&mut self, thread: ThreadId, pid: Pid) -> Result<Outcome, Errno> {
        let process = self.process_with_number(pid)?;
        let ticks = self.ticks_of(process);
        Ok(self.answer(thread, (ticks,)))
    }

    fn process_with_number(&self, pid: Pid) -> Result<ProcessId, Errno> {
        let found = self.processes.iter().find(|(_, process)| process.pid == pid);
        found.map(|(id, _)| id).ok_or(Errno::ESRCH)
    }
}
