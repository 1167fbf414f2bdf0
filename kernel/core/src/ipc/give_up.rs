//! Waiting that ends before what is waited for has come.

use crate::here::Here;
use crate::kernel::Kernel;
use crate::platform::{Local, Platform};
use crate::thread::{State, ThreadId};
use abi::IpcError;

impl<L: Local> Here<'_, L> {
    /// `thread`, which is at home here, waits for others no longer, as its time has come. `false`, and nothing has happened, if it
    /// may have lent something, which is to be taken back.
    pub(crate) fn time_out(&mut self, thread: ThreadId) -> bool {
        let (state, priority) = {
            let thread = self.thread(thread);
            (thread.state, thread.priority)
        };
        let is_over = match state {
            State::Receiving(endpoint) => self.endpoints.take(endpoint).is_some_and(|mut endpoint| {
                endpoint.receivers.remove(&mut self.cpu.queued, thread);
                true
            }),
            State::Calling { endpoint, .. } => self.endpoints.take(endpoint).is_some_and(|mut endpoint| {
                let is_free = !endpoint.is_lent(priority);
                if is_free {
                    endpoint.callers.remove(self.cpu.queued, thread);
                }
                is_free
            }),
            State::AwaitingAnswer { server, .. } => self
                .threads
                .get_mut(server)
                .is_some_and(|server| server.priority == server.own_priority),
            State::AwaitingReply { .. } => true,
            _ => false,
        };
        if is_over {
            self.refuse(thread, IpcError::TimedOut);
        }
        is_over
    }
}

impl<P: Platform> Kernel<P> {
    /// `thread`, whose trap was served, waits for others no longer than until `deadline`, if it waits.
    pub(crate) fn limit_wait(&mut self, thread: ThreadId, deadline: u64) {
        let state = self.threads.get(thread).map(|thread| thread.state);
        if !state.is_some_and(State::can_give_up) {
            return;
        }
        if deadline > self.platform.ticks() {
            self.wait_until(thread, deadline);
        } else {
            let waited_for = self.stop_waiting(thread, IpcError::TimedOut);
            self.go_on(thread);
            self.take_priority_back(waited_for);
        }
    }

    /// `thread`, which waits for others, does so no longer, and learns why.
    pub(crate) fn give_up(&mut self, thread: ThreadId, why: IpcError) {
        let waited_for = self.stop_waiting(thread, why);
        self.make_ready(thread);
        self.take_priority_back(waited_for);
    }

    /// Who would have woken it finds it nowhere: a server that works for it answers nobody. Answers who had to
    /// do something for it.
    fn stop_waiting(&mut self, thread: ThreadId, why: IpcError) -> Option<ThreadId> {
        let waited_for = self.waited_for(thread);
        self.leave_queue(thread);
        self.refuse(thread, why);
        self.thread(thread).state = State::Ready;
        waited_for
    }

    /// `thread`, which ran until it trapped, goes on, unless the CPU has gone to somebody else meanwhile.
    fn go_on(&mut self, thread: ThreadId) {
        let current = &mut self.cpu().current;
        if current.is_none() {
            *current = Some(thread);
        } else {
            self.make_ready(thread);
        }
    }
}
