//! What callers lend to whom they wait for while CPUs share the kernel, where that is more than a word of a thread.
//!
//! A server that receives a call is as important as its caller at least, and one that waits for the next is as important as it is by
//! itself: whoever serves the trap notes that ([`Thread::lend`]). Here is the rest: who queues lends to a server that does
//! something else meanwhile, and that one to whom it waits for itself; and a server that goes on after its answer gives back what its
//! caller has lent. Somebody who waits in another queue has a place there by his priority, and gets another one with the whole
//! kernel (`sched/priority.rs`).

use super::{Direct, Endpoint};
use crate::here::{Here, There};
use crate::platform::Local;
use crate::sched::LONGEST_CHAIN;
use crate::thread::{State, Thread, ThreadId};
use abi::process::Priority;
use slots::{Id, Mine};

/// What somebody lends who begins to wait at an endpoint.
pub(super) enum Loan {
    /// Nothing: nobody serves there who is less important.
    Nothing,
    /// His priority, to this server, and to as many others as it waits for, each for the next one.
    To(ThreadId, usize),
    /// It is about this one, which is at home on another CPU than those whose turns this one has.
    Elsewhere(ThreadId),
}

impl Loan {
    /// What that is, for one with this priority. `None` if it takes the whole kernel to say or to pass it on.
    pub fn at(
        (id, endpoint): (Id<Endpoint>, &Endpoint),
        threads: &mut Mine<'_, Thread>,
        mut there: Option<&mut There<'_>>,
        priority: Priority,
    ) -> Option<Self> {
        let Some(server) = endpoint.server.filter(|_| endpoint.is_lent(priority)) else {
            return Some(Self::Nothing);
        };
        let mut next = server;
        for others in 0..LONGEST_CHAIN {
            let theirs = there.as_deref_mut().and_then(|there| there.threads.get_mut(next));
            let Some(thread) = theirs.or_else(|| threads.get_mut(next)) else {
                return Some(Self::Elsewhere(next));
            };
            let is_lent = priority.outranks(Some(thread.priority));
            if others == 0 && (thread.serves != Some(id) || !is_lent) {
                return Some(Self::Nothing);
            }
            if !is_lent {
                return Some(Self::To(server, others - 1));
            }
            // It has a place in a queue by its priority.
            if matches!(thread.state, State::Calling { .. }) {
                return None;
            }
            match thread.state.answered_by() {
                Some(server) => next = server,
                None => return Some(Self::To(server, others)),
            }
        }
        None
    }
}

impl State {
    /// Who has to answer it.
    const fn answered_by(&self) -> Option<ThreadId> {
        match self {
            Self::AwaitingAnswer { server, .. } | Self::Faulted { server, .. } => Some(*server),
            _ => None,
        }
    }
}

impl<L: Local> Here<'_, L> {
    /// Somebody with this `priority`, who has made way for whom `goes_on`, lends it to `server`, and that one to as many `others`.
    pub(super) fn lend(
        &mut self,
        mut there: Option<&mut There<'_>>,
        (server, others): (ThreadId, usize),
        priority: Priority,
        goes_on: Direct<L::Place>,
    ) -> Direct<L::Place> {
        let (mut next, mut is_own) = (Some(server), false);
        for _ in 0..=others {
            let Some(id) = next else { break };
            let theirs = there
                .as_deref_mut()
                .filter(|there| self.home_of(id) == Some(there.id));
            if let Some(there) = theirs {
                next = there
                    .threads
                    .get_mut(id)
                    .and_then(|thread| thread.state.answered_by());
                self.raise_there(there, id, priority);
            } else {
                next = self.thread(id).state.answered_by();
                self.cpu.raise(&mut self.threads, id, priority);
                is_own = true;
            }
        }
        match self.cpu.current {
            // One of these may be the one to go on.
            Some(current) if is_own => self.unless_outranked(current, goes_on),
            _ => goes_on,
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
