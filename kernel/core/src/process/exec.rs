//! `exec`: a process becomes another one, which has been prepared as a child is.
//!
//! The two exchange all that makes up a program: threads, address space, handles, name. So the
//! caller's process has a thread that has not started, and the prepared one has the thread that
//! called and its siblings, with all that the caller was. That one ends, as processes do; when nothing is left of it,
//! the new thread starts. There is no moment at which anything is half one and half the other, and what
//! can fail has failed before in user space, while the program was being prepared.

use super::{Process, ProcessId, Stage};
use crate::handle::Object;
use crate::kernel::Kernel;
use crate::object::{Call, Outcome};
use crate::platform::{Guarded, Platform};
use crate::thread::{EndAnswer, State, ThreadId};
use abi::process::{Become, End};
use abi::{Errno, Handle, Rights};

impl<P: Platform> Kernel<P> {
    pub(crate) fn become_prepared(
        &mut self,
        call: &Call<'_>,
        own: ProcessId,
        request: Become,
    ) -> Result<Outcome, Errno> {
        let prepared = self.prepared_process(call)?;
        self.settle_accounts(own);
        let new = self.exchange(own, prepared)?;
        let Become {
            entry,
            stack,
            word0,
            word1,
            word2,
            word3,
        } = request;
        let words = [word0, word1, word2, word3, 0, 0];
        self.write_message(new, call.tag.bytes(), 0);
        self.prepare_start(new, entry, stack, words, call.tag.bytes());
        self.thread(new).state = State::WaitingEnd(prepared, EndAnswer::Nothing);
        if let Some(process) = self.processes.get_mut(prepared) {
            process.waiters.push(&mut self.threads, new);
        }
        debug_assert_eq!(
            self.thread(call.thread).process,
            prepared,
            "the caller goes with what it was"
        );
        self.end_process(prepared, End::Killed);
        Ok(Outcome::Waits)
    }

    /// The process that came along, if it can be started.
    fn prepared_process(&mut self, call: &Call<'_>) -> Result<ProcessId, Errno> {
        if call.tag.handles() != 1 {
            return Err(Errno::EINVAL);
        }
        let handle = Handle::from_raw(self.message().handles[0]);
        let capability = self
            .capability(call.thread, handle, Rights::CALL)
            .map_err(crate::object::process::bad_handle)?;
        let Object::Process(prepared) = capability.object else {
            return Err(Errno::EBADF);
        };
        match self.process(prepared).stage {
            Stage::New => Ok(prepared),
            _ => Err(Errno::EBUSY),
        }
    }

    /// Exchanges what makes up the programs of two processes. Answers the thread that was `prepared`'s.
    fn exchange(&mut self, own: ProcessId, prepared: ProcessId) -> Result<ThreadId, Errno> {
        let (one, other) = self.processes.pair_mut(own, prepared).ok_or(Errno::EBUSY)?;
        let new = other.threads.first().ok_or(Errno::EBUSY)?;
        let (old_space, new_space) = (one.space, other.space);
        one.exchange_program(other);
        // What it was given that named itself is what named the prepared process.
        let renamed = one
            .handles
            .rename(Object::Process(prepared), Object::Process(own));
        one.references.add(renamed);
        other.references.take(renamed);
        if let Some((old, new)) = old_space.zip(new_space) {
            self.memory.lock().succeed(old, new);
        }
        self.adopt_threads(own);
        self.adopt_threads(prepared);
        Ok(new)
    }

    /// Tells the threads in a process's list whose they are.
    fn adopt_threads(&mut self, process: ProcessId) {
        let mut next = self.process(process).threads.first();
        while let Some(thread) = next {
            let thread = self.thread(thread);
            thread.process = process;
            next = thread.sibling;
        }
    }
}

impl Process {
    fn exchange_program(&mut self, other: &mut Self) {
        core::mem::swap(&mut self.threads, &mut other.threads);
        core::mem::swap(&mut self.deferred, &mut other.deferred);
        core::mem::swap(&mut self.space, &mut other.space);
        core::mem::swap(&mut self.handles, &mut other.handles);
        core::mem::swap(&mut self.name, &mut other.name);
    }
}
