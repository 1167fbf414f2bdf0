//! How important threads are: by themselves, and for others.
//!
//! A thread has a priority of its own, and that of the most important thread that waits for it if that is
//! higher: for its answer, or until it receives. So whoever waits for something is never kept from it by
//! others that are less important. What is lent so is passed on by a thread that waits itself, and taken back as
//! soon as the wait is over, however it ends.

use crate::kernel::Kernel;
use crate::platform::Platform;
use crate::thread::{State, ThreadId};
use abi::process::Priority;

/// How far higher priority is passed on from one who waits to the next in one go. Who is further away gets to know
/// with the next change. What was lent is taken back however far it went.
pub(crate) const LONGEST_CHAIN: usize = 16;

impl<P: Platform> Kernel<P> {
    /// `thread` is that important by itself from now on.
    pub fn set_own_priority(&mut self, thread: ThreadId, priority: Priority) {
        self.thread(thread).own_priority = priority;
        let serves = self.thread(thread).serves;
        if let Some(endpoint) = serves.and_then(|endpoint| self.endpoints.get_mut(endpoint))
            && endpoint.server == Some(thread)
        {
            endpoint.servers_own = priority;
        }
        self.settle_priority(thread);
    }

    /// Somebody waits for `thread` from now on, or does not any more, or its own priority is another one: it,
    /// and whom it waits for itself, become as important as they are to be.
    pub(crate) fn settle_priority(&mut self, thread: ThreadId) {
        let mut next = Some(thread);
        let mut raised = 0;
        for _ in 0..self.threads.capacity() {
            let Some(thread) = next.filter(|&thread| self.threads.get(thread).is_some()) else {
                return;
            };
            let priority = self.due_priority(thread);
            if priority == self.thread(thread).priority {
                return;
            }
            raised += usize::from(priority.outranks(Some(self.thread(thread).priority)));
            if raised > LONGEST_CHAIN {
                return;
            }
            self.change_priority(thread, priority);
            next = self.waited_for(thread);
        }
    }

    /// The same, where `thread` need only be looked at if it is less important than `priority`.
    #[inline]
    pub(crate) fn lend_priority(&mut self, thread: ThreadId, priority: Priority) {
        if priority.outranks(self.threads.get(thread).map(|thread| thread.priority)) {
            self.settle_priority(thread);
        }
    }

    /// The same, where `thread` need only be looked at if it has something that it has been lent.
    #[inline]
    pub(crate) fn take_priority_back(&mut self, thread: Option<ThreadId>) {
        if let Some(id) = thread
            && let Some(thread) = self.threads.get(id)
            && thread.priority != thread.own_priority
        {
            self.settle_priority(id);
        }
    }

    /// Who has to do something before `thread` goes on, if that is known.
    pub(crate) fn waited_for(&self, thread: ThreadId) -> Option<ThreadId> {
        match self.threads.get(thread)?.state {
            State::AwaitingAnswer { server, .. } | State::Faulted { server, .. } => Some(server),
            State::Calling { endpoint, .. } => self.endpoints.get(endpoint)?.server,
            _ => None,
        }
    }

    /// The highest of its own and those of the ones that wait for it.
    pub(crate) fn due_priority(&self, id: ThreadId) -> Priority {
        let Some(thread) = self.threads.get(id) else {
            return Priority::LEAST;
        };
        let waits = |other: ThreadId| self.waited_for(other) == Some(id);
        let caller = thread.caller.filter(|&caller| waits(caller));
        let queue = thread.serves.and_then(|endpoint| self.endpoints.get(endpoint));
        let queued = queue.and_then(|endpoint| endpoint.callers.top());
        let queued = queued.filter(|&caller| waits(caller));
        let lenders = caller.into_iter().chain(queued);
        let lent = lenders.filter_map(|lender| self.threads.get(lender).map(|lender| lender.priority));
        lent.fold(thread.own_priority, |most, lent| {
            if lent.outranks(Some(most)) { lent } else { most }
        })
    }

    /// `thread` has another priority from now on, also where it waits.
    fn change_priority(&mut self, id: ThreadId, priority: Priority) {
        let is_current = self.is_current(id);
        let (state, home) = (self.thread(id).state, self.thread(id).home);
        match state {
            State::Ready | State::Working(_) if !is_current => {
                self.cpus[home].ready.remove(&mut self.threads, id);
                self.thread(id).priority = priority;
                self.make_ready(id);
            }
            State::Ready | State::Working(_) => {
                self.thread(id).priority = priority;
                self.notice_less(home);
            }
            State::Calling { endpoint, .. } => {
                self.thread(id).priority = priority;
                if let Some(endpoint) = self.endpoints.get_mut(endpoint) {
                    endpoint.reorder_caller(self.queued, id, priority);
                }
            }
            _ => self.thread(id).priority = priority,
        }
    }
}
