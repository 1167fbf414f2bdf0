//! How important a process is: set by whoever has its handle, within what that one may.

use super::Outcome;
use crate::kernel::Kernel;
use crate::platform::Platform;
use crate::process::{ProcessId, Stage};
use crate::thread::ThreadId;
use abi::Errno;
use abi::process::{Priority, PriorityFacts, SetPriority};

impl<P: Platform> Kernel<P> {
    pub(super) fn set_priority(
        &mut self,
        thread: ThreadId,
        target: ProcessId,
        SetPriority { priority, highest }: SetPriority,
    ) -> Result<Outcome, Errno> {
        let (caller, process) = self.process_of(thread);
        let own_highest = process.highest_priority;
        let is_privileged = self
            .credential_of(caller)
            .is_some_and(|credential| credential.is_privileged());
        let is_too_high = highest.outranks(Some(own_highest)) && !is_privileged;
        if priority.outranks(Some(highest)) || is_too_high {
            return Err(Errno::EPERM);
        }
        self.check_lives_on(target)?;
        self.process(target).highest_priority = highest;
        self.answer(thread, ());
        self.for_each_thread(target, |kernel, changed| {
            kernel.set_own_priority(changed, priority)
        });
        Ok(Outcome::Answered)
    }

    pub(super) fn read_priority(&mut self, thread: ThreadId, target: ProcessId) -> Result<Outcome, Errno> {
        let process = self.process(target);
        let highest = process.highest_priority;
        let threads = process.threads.first();
        let first = threads.filter(|_| process.threads.living() > 0);
        let mut priority = self.thread(first.ok_or(Errno::ESRCH)?).own_priority;
        self.for_each_thread(target, |kernel, thread| {
            let own = kernel.thread(thread).own_priority;
            if own.outranks(Some(priority)) {
                priority = own;
            }
        });
        Ok(self.answer(thread, PriorityFacts { priority, highest }))
    }

    /// The end of `victim` is as important as `killer`, which waits for it.
    pub(super) fn hasten_end(&mut self, killer: ThreadId, victim: ProcessId) {
        let priority = self.thread(killer).priority;
        self.for_each_thread(victim, |kernel, thread| {
            if priority.outranks(Some(kernel.thread(thread).own_priority)) {
                kernel.set_own_priority(thread, priority);
            }
        });
    }

    pub(super) fn set_thread_priority(
        &mut self,
        thread: ThreadId,
        target: ThreadId,
        priority: Priority,
    ) -> Result<Outcome, Errno> {
        let (owner, process) = self.process_of(target);
        if priority.outranks(Some(process.highest_priority)) {
            return Err(Errno::EPERM);
        }
        self.check_lives_on(owner)?;
        self.answer(thread, ());
        self.set_own_priority(target, priority);
        Ok(Outcome::Answered)
    }

    /// Of one whose end is decided nothing can be set any more: how important an end is, is for those to say who wait for it.
    pub(crate) fn check_lives_on(&mut self, process: ProcessId) -> Result<(), Errno> {
        match self.process(process).stage {
            Stage::New | Stage::Alive => Ok(()),
            Stage::Ending(_) | Stage::Ended(_) => Err(Errno::ESRCH),
        }
    }

    /// A new process, the child of that of `parent`, begins as important as `parent`, and on its CPUs.
    pub(crate) fn inherit_scheduling(&mut self, parent: ThreadId, child: ProcessId) {
        let (priority, cpus) = (self.thread(parent).own_priority, self.thread(parent).cpus);
        self.process(child).highest_priority = self.process_of(parent).1.highest_priority;
        self.for_each_thread(child, |kernel, thread| {
            kernel.thread(thread).cpus = cpus;
            kernel.set_own_priority(thread, priority);
        });
    }
}
