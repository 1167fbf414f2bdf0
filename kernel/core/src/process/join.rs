//! Waiting for the end of a thread.

use crate::kernel::Kernel;
use crate::object::Outcome;
use crate::platform::Platform;
use crate::thread::{Queue, State, ThreadId};
use abi::Errno;
use abi::process::End;

impl<P: Platform> Kernel<P> {
    /// Lets `thread`, which runs, wait for the end of `other`.
    pub(crate) fn join(&mut self, thread: ThreadId, other: ThreadId) -> Result<Outcome, Errno> {
        if thread == other {
            return Err(Errno::EINVAL);
        }
        if let State::Ended(end) = self.thread(other).state {
            return Ok(self.answer(thread, end));
        }
        self.thread(thread).state = State::Joining(other);
        self.with_joining(other, |queue, threads| queue.push(threads, thread));
        self.cpu().current = None;
        Ok(Outcome::Waits)
    }

    /// `thread`, which waits for the end of `other`, does not any more.
    pub(super) fn stop_joining(&mut self, thread: ThreadId, other: ThreadId) {
        self.with_joining(other, |queue, threads| queue.remove(threads, thread));
    }

    pub(super) fn tell_joining(&mut self, ended: ThreadId, end: End) {
        while let Some(waiter) = self.with_joining(ended, Queue::pop) {
            self.answer(waiter, end);
            self.follow(waiter);
        }
    }

    /// Does something with the queue of those who wait for the end of `thread`. It is taken out meanwhile, for
    /// it is itself among the threads that it links.
    fn with_joining<T>(
        &mut self,
        thread: ThreadId,
        change: impl FnOnce(&mut Queue, &mut slots::Slots<crate::thread::Thread>) -> T,
    ) -> T {
        let mut queue = core::mem::take(&mut self.thread(thread).waiters);
        let changed = change(&mut queue, &mut self.threads);
        self.thread(thread).waiters = queue;
        changed
    }
}
