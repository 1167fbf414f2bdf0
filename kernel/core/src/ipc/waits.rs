//! Waits, yields and signals in one straight line: who is woken, or is next on this CPU, goes on at once.
//!
//! A CPU that shares the kernel lets the next thread that waits for it go on in place of one that waits or yields, if that
//! is as important: whoever waits elsewhere, and could come, is not more important than the one was
//! (docs/decisions/0049-equals-take-turns-wherever-they-wait.md). To find out more takes the whole kernel, as does waking
//! somebody. As in [`direct`](super::direct), nothing is decided here that the long way does not decide in the same way:
//! all checks come first, and nothing has happened if one of them says no.

use super::{Direct, Endpoint};
use crate::handle::Object;
use crate::here::Here;
use crate::kernel::Kernel;
use crate::message::Message;
use crate::platform::{Local, Platform};
use crate::sched::{Cpu, CpuId};
use crate::thread::{State, Thread, ThreadId};
use abi::{Handle, Label, Rights};
use slots::{Id, Mine};

/// A signal of the running thread.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Signal {
    from: ThreadId,
    to: Id<Endpoint>,
    bits: u64,
}

impl<L: Local> Here<'_, L> {
    #[inline(always)]
    pub(super) fn signal_directly(&mut self, handle: Handle, bits: u64) -> Option<Direct<L::Place>> {
        let (from, process) = (self.cpu.current?, self.cpu.process?);
        let handles = &self.processes.get(process)?.handles;
        let capability = handles.find(handle, Rights::SIGNAL).ok()?;
        let Object::Endpoint(to) = capability.object else {
            return None;
        };
        let bits = capability.signals(bits);
        let mut endpoint = self.endpoints.take(to)?;
        if endpoint.receiving == 0 {
            return None;
        }
        if let Some(receiver) = endpoint.receivers.first() {
            return Some(Direct::Wakes(Signal { from, to, bits }, receiver));
        }
        endpoint.signals |= bits;
        drop(endpoint);
        Some(Direct::Stays(self.answer(from, Message::empty(Label::DONE))))
    }

    #[inline(always)]
    pub(super) fn receive_directly(&mut self, handle: Handle) -> Option<Direct<L::Place>> {
        let (server, process) = (self.cpu.current?, self.cpu.process?);
        let handles = &self.processes.get(process)?.handles;
        let Object::Endpoint(id) = handles.find(handle, Rights::RECEIVE).ok()?.object else {
            return None;
        };
        let mut endpoint = self.endpoints.take(id)?;
        if !endpoint.callers.is_empty() || endpoint.signals != 0 {
            return None;
        }
        // Whoever would be in front of the server is to be told so.
        if endpoint
            .receivers
            .last()
            .is_some_and(|last| !self.threads.has(last))
        {
            return None;
        }
        let is_alone = self.is_alone;
        let (goes_on, rest) =
            self.cpu
                .go_to_next((self.id, server), &mut self.threads, self.local, |from, to| {
                    let is_ordinary = from.caller.is_none() && from.priority == from.own_priority;
                    is_ordinary && (is_alone || from.priority == to.priority)
                })?;
        endpoint.server = Some(server);
        endpoint.receivers.push(&mut self.threads, server);
        drop(endpoint);
        let thread = self.thread(server);
        (thread.state, thread.serves) = (State::Receiving(id), Some(id));
        self.begin_turn(rest);
        Some(goes_on)
    }

    #[inline(always)]
    pub(super) fn yield_directly(&mut self) -> Option<Direct<L::Place>> {
        let thread = self.cpu.current?;
        let priority = self.threads.get_mut(thread)?.priority;
        let done = Message::empty(Label::DONE);
        if !self.cpu.ready.rivals(priority) {
            return Some(Direct::Stays(self.answer(thread, done)));
        }
        let (is_alone, here) = (self.is_alone, self.id);
        let (goes_on, rest) =
            self.cpu
                .go_to_next((here, thread), &mut self.threads, self.local, |from, to| {
                    // Then it waits for this CPU as well as that one does, which could not go on sooner elsewhere.
                    let waits_here = from.may_run_on(here) && to.cpus.contains_all(from.cpus);
                    is_alone || waits_here && from.priority == to.priority
                })?;
        self.answer(thread, done);
        self.cpu.ready.push(&mut self.threads, thread);
        self.begin_turn(rest);
        Some(goes_on)
    }
}

impl Cpu {
    /// Lets the first who waits for this CPU, `here`, take the place of `current`, which does not go on. Its turn is to
    /// [begin](Here::begin_turn), with this rest of a time slice. `None`, and nothing has happened, if there is work to be
    /// done, or they do not take turns in this way.
    #[inline(always)]
    fn go_to_next<L: Local>(
        &mut self,
        (here, current): (CpuId, ThreadId),
        threads: &mut Mine<'_, Thread>,
        local: &mut L,
        take_turns: impl FnOnce(&Thread, &Thread) -> bool,
    ) -> Option<(Direct<L::Place>, Option<u64>)> {
        let next = self.ready.first()?;
        let (from, to) = threads.pair_mut(current, next)?;
        if !matches!(to.state, State::Ready) || !to.may_run_on(here) || !take_turns(from, to) {
            return None;
        }
        self.ready.take_first(to);
        let rest = to.rest_of_slice.take();
        let place = local.place(next.index());
        Some((self.switch(from, (next, to, place), local), rest))
    }
}

impl<P: Platform> Kernel<P> {
    /// Wakes `receiver`, which [`Here::serve`] has found to wait for `signal`: it takes the place of the running thread.
    /// [`Direct::Not`] if it is not as most are: then nothing has happened, and the signal is to be
    /// [served](Self::serve_at_length) at length.
    #[inline(always)] // as above
    pub fn wake_directly(&mut self, signal: Signal, receiver: ThreadId) -> Direct<P::Place> {
        self.try_to_wake(signal, receiver).unwrap_or(Direct::Not)
    }

    #[inline(always)]
    fn try_to_wake(&mut self, signal: Signal, receiver: ThreadId) -> Option<Direct<P::Place>> {
        // Who made way would be another CPU's before its registers are stored.
        if self.goes_on_elsewhere(receiver) || self.would_go_elsewhere(signal.from) {
            return None;
        }
        let here = self.cpus.here;
        let (from, to) = self.threads.pair_mut(signal.from, receiver)?;
        let is_ordinary = to.home == here && to.may_run_on(here) && !to.deadline.is_taken();
        if !is_ordinary || !to.priority.outranks(Some(from.priority)) || signal.bits == 0 {
            return None;
        }
        let cpu = self.cpus.this();
        let rest = cpu.rest_of_slice(&self.platform);
        from.rest_of_slice = rest;
        let receivers_rest = to.rest_of_slice.take();
        let endpoint = self.endpoints.get_mut(signal.to)?;
        endpoint.signals_came_last = true;
        endpoint.receivers.take_first(to);
        let place = self.platform.place(receiver.index());
        let signals = [signal.bits, 0, 0, 0, 0, 0];
        let registers = self.platform.registers_at(place);
        registers.set_answer(0, Message::signals(&signals), 0);
        let goes_on = cpu.switch(from, (receiver, to, place), &mut self.platform);
        cpu.wait_again(&mut self.threads, signal.from, rest);
        let mut here = self.here();
        here.answer(signal.from, Message::empty(Label::DONE));
        here.begin_turn(receivers_rest);
        Some(goes_on)
    }
}
