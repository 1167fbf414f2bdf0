//! Waits, yields and signals in one straight line, with the whole kernel: who is woken, or is next on this CPU, goes on
//! at once.
//!
//! As in [`direct`](super::direct), nothing is decided here that the long way does not decide in the same way: all checks
//! come first, and nothing has happened if one of them says no.

use super::{Direct, Endpoint};
use crate::handle::Object;
use crate::kernel::Kernel;
use crate::message::Message;
use crate::platform::Platform;
use crate::thread::{State, ThreadId};
use abi::{Handle, Label, Operation, Rights};
use slots::Id;

impl<P: Platform> Kernel<P> {
    /// Serves a trap of the running thread that has no message, with x0 and x1 as they came, if it is as most are: of
    /// signals x1 is the bits.
    #[inline(always)] // each operation by itself
    pub fn serve_directly(&mut self, operation: Operation, handle: u64, bits: u64) -> Direct<P::Place> {
        let served = match (operation, u32::try_from(handle).map(Handle::from_raw)) {
            (Operation::Yield, _) => self.yield_directly(),
            (Operation::Receive, Ok(handle)) => self.receive_directly(handle),
            (Operation::Signal, Ok(handle)) => self.signal_directly(handle, bits),
            _ => None,
        };
        served.unwrap_or(Direct::Not)
    }

    #[inline(always)]
    fn signal_directly(&mut self, handle: Handle, bits: u64) -> Option<Direct<P::Place>> {
        let cpu = self.cpus.this();
        let (thread, process) = (cpu.current?, cpu.process?);
        let handles = &self.processes.get(process)?.handles;
        let capability = handles.find(handle, Rights::SIGNAL).ok()?;
        let Object::Endpoint(id) = capability.object else {
            return None;
        };
        let endpoint = self.endpoints.get_mut(id)?;
        if endpoint.receiving == 0 {
            return None;
        }
        let bits = capability.signals(bits);
        match endpoint.receivers.first() {
            Some(receiver) => self.wake_directly(thread, (id, bits), receiver),
            None => {
                endpoint.signals |= bits;
                Some(Direct::Stays(self.done_directly(thread)))
            }
        }
    }

    /// Lets `receiver`, which is the first to wait there, take the place of `current`, which has signalled.
    #[inline(always)]
    fn wake_directly(
        &mut self,
        current: ThreadId,
        (id, bits): (Id<Endpoint>, u64),
        receiver: ThreadId,
    ) -> Option<Direct<P::Place>> {
        let here = self.cpus.here;
        if self.goes_on_elsewhere(receiver) {
            return None;
        }
        let (from, to) = self.threads.pair_mut(current, receiver)?;
        let is_ordinary = to.home == here && to.may_run_on(here) && !to.deadline.is_taken();
        if !is_ordinary || !to.priority.outranks(Some(from.priority)) || bits == 0 {
            return None;
        }
        let cpu = self.cpus.this();
        let rest = cpu.rest_of_slice(&self.platform);
        from.rest_of_slice = rest;
        let receivers_rest = to.rest_of_slice.take();
        let endpoint = self.endpoints.get_mut(id)?;
        endpoint.signals_came_last = true;
        endpoint.receivers.take_first(to);
        let place = self.platform.place(receiver.index());
        let signals = [bits, 0, 0, 0, 0, 0];
        self.platform
            .registers_at(place)
            .set_answer(0, Message::signals(&signals), 0);
        let goes_on = cpu.switch(from, (receiver, to, place), &mut self.platform);
        cpu.wait_again(&mut self.threads, current, rest);
        self.done_directly(current);
        self.begin_turn(receivers_rest);
        self.offer(Some(current));
        Some(goes_on)
    }

    #[inline(always)]
    fn receive_directly(&mut self, handle: Handle) -> Option<Direct<P::Place>> {
        let cpu = self.cpus.this();
        let (server, process) = (cpu.current?, cpu.process?);
        let handles = &self.processes.get(process)?.handles;
        let Object::Endpoint(id) = handles.find(handle, Rights::RECEIVE).ok()?.object else {
            return None;
        };
        let endpoint = self.endpoints.get_mut(id)?;
        if !endpoint.callers.is_empty() || endpoint.signals != 0 {
            return None;
        }
        let thread = self.threads.get(server)?;
        if thread.caller.is_some() || thread.priority != thread.own_priority {
            return None;
        }
        if self.is_anybody_wanted_here(self.cpus.this_one().ready.most()) {
            return None;
        }
        let (goes_on, rest) = self.go_to_next(server)?;
        self.begin_turn(rest);
        let endpoint = self.endpoints.get_mut(id)?;
        endpoint.server = Some(server);
        endpoint.receivers.push(&mut self.threads, server);
        let thread = self.thread(server);
        (thread.state, thread.serves) = (State::Receiving(id), Some(id));
        Some(goes_on)
    }

    #[inline(always)]
    fn yield_directly(&mut self) -> Option<Direct<P::Place>> {
        let thread = self.cpus.this().current?;
        let priority = self.threads.get(thread)?.priority;
        if !self.cpus.this().ready.rivals(priority) {
            return Some(Direct::Stays(self.done_directly(thread)));
        }
        // Nobody who could come from elsewhere is more important than this one.
        let (goes_on, rest) = self.go_to_next(thread)?;
        self.done_directly(thread);
        let cpu = self.cpus.this();
        cpu.ready.push(&mut self.threads, thread);
        self.begin_turn(rest);
        self.offer(Some(thread));
        Some(goes_on)
    }

    /// Lets the first who waits for this CPU take the place of `current`, which does not go on. Its turn is to
    /// [begin](Self::begin_turn), with this rest of a time slice. `None`, and nothing has happened, if there is any choice, or work to be done.
    #[inline(always)]
    fn go_to_next(&mut self, current: ThreadId) -> Option<(Direct<P::Place>, Option<u64>)> {
        let (here, cpu) = (self.cpus.here, self.cpus.this_one());
        let next = cpu.ready.first()?;
        let (from, to) = self.threads.pair_mut(current, next)?;
        if !matches!(to.state, State::Ready) || !to.may_run_on(here) {
            return None;
        }
        let cpu = self.cpus.this();
        cpu.ready.take_first(to);
        let rest = to.rest_of_slice.take();
        let place = self.platform.place(next.index());
        let goes_on = cpu.switch(from, (next, to, place), &mut self.platform);
        Some((goes_on, rest))
    }

    /// The place of `thread`, which is told that it is done.
    #[inline(always)]
    fn done_directly(&mut self, thread: ThreadId) -> P::Place {
        let place = self.platform.place(thread.index());
        let nothing = Message::empty(Label::DONE);
        self.platform.registers_at(place).set_answer(0, nothing, 0);
        place
    }
}
