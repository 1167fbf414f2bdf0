//! Waiting for the end of a thread.

use crate::handle::Object;
use crate::kernel::Kernel;
use crate::object::Outcome;
use crate::platform::Platform;
use crate::queue::Queue;
use crate::thread::{State, ThreadId};
use abi::process::End;
use abi::{Errno, Handle, Rights};

impl<P: Platform> Kernel<P> {
    /// Lets `thread`, which runs, wait for the end of `other`, and closes `handle`, which names that, then.
    pub(crate) fn join_and_close(
        &mut self,
        thread: ThreadId,
        other: ThreadId,
        handle: Handle,
    ) -> Result<Outcome, Errno> {
        if !self.names(thread, handle, Object::Thread(other)) {
            return Err(Errno::EBADF);
        }
        self.join(thread, other, handle)
    }

    /// The same with a handle that may name nothing.
    pub(crate) fn join(
        &mut self,
        thread: ThreadId,
        other: ThreadId,
        handle: Handle,
    ) -> Result<Outcome, Errno> {
        if thread == other {
            return Err(Errno::EINVAL);
        }
        if let State::Ended(end) = self.thread(other).state {
            self.close_awaited(thread, handle, Object::Thread(other));
            return Ok(self.answer(thread, end));
        }
        self.thread(thread).state = State::Joining(other, handle);
        self.with_joining(other, |queue, threads| queue.push(threads, thread));
        self.cpu().current = None;
        Ok(Outcome::Waits)
    }

    /// `thread`, which waits for the end of `other`, does not any more.
    pub(super) fn stop_joining(&mut self, thread: ThreadId, other: ThreadId) {
        self.with_joining(other, |queue, threads| queue.remove(threads, thread));
    }

    pub(super) fn tell_joining(&mut self, ended: ThreadId, end: End) {
        let mut goes_on = true;
        while let Some(waiter) = self.with_joining(ended, Queue::pop) {
            if let State::Joining(_, handle) = self.thread(waiter).state {
                self.close_awaited(waiter, handle, Object::Thread(ended));
            }
            self.answer(waiter, end);
            self.follow(waiter, core::mem::take(&mut goes_on));
        }
    }

    /// Closes a handle of `waiter`'s process if it names `ended`: it may name nothing, and siblings may have closed it.
    pub(crate) fn close_awaited(&mut self, waiter: ThreadId, handle: Handle, ended: Object) {
        let (holder, process) = self.process_of(waiter);
        if let Some(capability) = process.handles.remove_named(handle, ended) {
            self.release(holder, capability);
        }
    }

    /// Whether a handle of `holder`'s process names `object`.
    pub(crate) fn names(&mut self, holder: ThreadId, handle: Handle, object: Object) -> bool {
        let named = self.capability(holder, handle, Rights::empty());
        named.is_ok_and(|named| named.object == object)
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
