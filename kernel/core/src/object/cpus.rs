//! On which CPUs threads may run: set by whoever has a handle of them, or of their process.

use super::{Call, Outcome};
use crate::kernel::Kernel;
use crate::platform::Platform;
use crate::process::ProcessId;
use crate::thread::ThreadId;
use abi::process::CpuFacts;
use abi::{CpuSet, Errno};

impl<P: Platform> Kernel<P> {
    pub(super) fn set_cpus(
        &mut self,
        thread: ThreadId,
        target: ProcessId,
        cpus: CpuSet,
    ) -> Result<Outcome, Errno> {
        let cpus = self.running_among(cpus)?;
        self.check_lives_on(target)?;
        self.answer(thread, ());
        self.for_each_thread(target, |kernel, confined| kernel.confine(confined, cpus));
        Ok(Outcome::Answered)
    }

    pub(super) fn read_cpus(&mut self, thread: ThreadId, target: ProcessId) -> Result<Outcome, Errno> {
        self.check_lives_on(target)?;
        let is_own = self.thread(thread).process == target;
        let first = self.process(target).threads.first();
        let of = if is_own { Some(thread) } else { first };
        let facts = self.cpu_facts(of.ok_or(Errno::ESRCH)?);
        Ok(self.answer(thread, facts))
    }

    pub(super) fn set_thread_cpus(
        &mut self,
        call: &Call<'_>,
        target: ThreadId,
        cpus: CpuSet,
    ) -> Result<Outcome, Errno> {
        self.check_control(call, target)?;
        let cpus = self.running_among(cpus)?;
        self.answer(call.thread, ());
        self.confine(target, cpus);
        Ok(Outcome::Answered)
    }

    pub(super) fn read_thread_cpus(&mut self, thread: ThreadId, target: ThreadId) -> Result<Outcome, Errno> {
        if self.thread(target).has_ended() {
            return Err(Errno::ESRCH);
        }
        let facts = self.cpu_facts(target);
        Ok(self.answer(thread, facts))
    }

    /// Those of `cpus` that run; all if those are all that run, so that whoever may run anywhere has the same set.
    fn running_among(&self, cpus: CpuSet) -> Result<CpuSet, Errno> {
        let running = self.running_cpus();
        match cpus.intersection(running) {
            some if some.is_empty() => Err(Errno::EINVAL),
            some if some == running => Ok(CpuSet::ALL),
            some => Ok(some),
        }
    }

    fn cpu_facts(&mut self, thread: ThreadId) -> CpuFacts {
        let running = self.running_cpus();
        let thread = self.thread(thread);
        CpuFacts {
            cpus: thread.cpus.intersection(running),
            cpu: thread.home.index() as u32,
        }
    }
}
