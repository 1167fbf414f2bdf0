//! What callers lend to whom they wait for while CPUs share the kernel, where that is more than a word of a thread.
//!
//! A server that receives a call is as important as its caller at least, and one that waits for the next is as important as it is by
//! itself: whoever serves the trap notes that ([`Thread::lend`]). Here is the rest: who queues lends to a server that does
//! something else meanwhile, and a server that goes on after its answer gives back what its caller has lent. What is lent to
//! somebody who waits for others himself is passed on by the whole kernel (`sched/priority.rs`).

use super::{Direct, Endpoint};
use crate::here::{Here, There};
use crate::platform::Local;
use crate::thread::{State, Thread, ThreadId};
use abi::process::Priority;
use slots::{Id, Mine};

/// What somebody lends who begins to wait at an endpoint.
pub(super) enum Loan {
    /// Nothing: nobody serves there who is less important.
    Nothing,
    /// His priority, to this server.
    To(ThreadId),
    /// It is about this server, which is at home on another CPU than those whose turns this one has.
    Elsewhere(ThreadId),
}

impl Loan {
    /// What that is, for one with this priority. `None` if it has to be passed on.
    pub fn at(
        (id, endpoint): (Id<Endpoint>, &Endpoint),
        threads: &mut Mine<'_, Thread>,
        there: Option<&mut There<'_>>,
        priority: Priority,
    ) -> Option<Self> {
        let Some(server) = endpoint.server.filter(|_| endpoint.is_lent(priority)) else {
            return Some(Self::Nothing);
        };
        let theirs = there.and_then(|there| there.threads.get_mut(server));
        let Some(thread) = theirs.or_else(|| threads.get_mut(server)) else {
            return Some(Self::Elsewhere(server));
        };
        if thread.serves != Some(id) || !priority.outranks(Some(thread.priority)) {
            return Some(Self::Nothing);
        }
        (!thread.state.waits_for_somebody()).then_some(Self::To(server))
    }
}

impl State {
    /// Whether it waits until somebody who is known has done something.
    const fn waits_for_somebody(&self) -> bool {
        matches!(
            self,
            Self::AwaitingAnswer { .. } | Self::Faulted { .. } | Self::Calling { .. }
        )
    }
}

impl<L: Local> Here<'_, L> {
    /// Somebody with this `priority`, who has made way for whom `goes_on`, lends it to `server`.
    pub(super) fn lend(
        &mut self,
        there: Option<&mut There<'_>>,
        (server, priority): (ThreadId, Priority),
        goes_on: Direct<L::Place>,
    ) -> Direct<L::Place> {
        if !self.threads.has(server) {
            if let Some(there) = there {
                self.raise_there(there, server, priority);
            }
            return goes_on;
        }
        self.cpu.raise(&mut self.threads, server, priority);
        match self.cpu.current {
            // The server may be the one to go on.
            Some(current) => self.unless_outranked(current, goes_on),
            None => goes_on,
        }
    }

    /// The running thread, which has answered, gives back what its caller has lent, but not what others lend who wait still. What has
    /// become of its trap, which was `served`.
    pub(super) fn give_back(&mut self, served: Direct<L::Place>) -> Direct<L::Place> {
        let Some(server) = self.cpu.current else {
            return served;
        };
        let &mut Thread {
            priority,
            own_priority: own,
            serves,
            ..
        } = self.thread(server);
        if priority == own {
            return served;
        }
        let queue = serves.and_then(|endpoint| self.endpoints.take(endpoint));
        let queue = queue.filter(|endpoint| endpoint.server == Some(server));
        let queued = self.cpu.queued;
        let waits = queue.and_then(|endpoint| endpoint.most_of_callers(queued));
        let thread = self.thread(server);
        thread.priority = own;
        if let Some(waits) = waits {
            thread.lend(waits);
        }
        self.unless_outranked(server, served)
    }
}
