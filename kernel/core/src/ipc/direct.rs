//! Traps that are served in one straight line: words that go to a thread that waits for them on this CPU, signals
//! that nobody or somebody more important waits for, a wait or a yield that lets the next thread of this CPU go on, and
//! questions that a field answers.
//!
//! Most traps are of this kind, and cost what this costs. Nothing is decided here that [`Kernel::send`],
//! [`Kernel::reply_receive`] and the objects do not decide in the same way: all checks come first, and whatever else
//! there is to be done or said is left to them. Nothing has happened then.

use super::Endpoint;
use crate::handle::{Capability, Object};
use crate::kernel::Kernel;
use crate::message::Message;
use crate::platform::Platform;
use crate::sched::{Cpu, NEVER, Turn};
use crate::thread::{State, Thread, ThreadId};
use abi::process::{Identify, Pid};
use abi::{Badge, Handle, Label, Operation, Request, Rights, Tag, Words, Words6};
use slots::Id;

/// What became of a trap.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direct<Place> {
    /// The thread that trapped goes on. This is its place.
    Stays(Place),
    /// Another one goes on, with this place, as soon as what the first one has left in the CPU is stored. Nobody else
    /// comes to the kernel before.
    Runs(Place),
    /// The same of the current thread, when the CPU is [prepared](Kernel::prepare_current) for it.
    Enters,
    /// Nothing yet: this thread's call is for the kernel object behind this handle to [answer](Kernel::ask_directly).
    Asks(ThreadId, Capability, Tag),
    /// Nothing, and it is to be [served](Kernel::serve_at_length) at length; or, if it is that already,
    /// [`Kernel::run`] says who goes on.
    Not,
}

impl<P: Platform> Kernel<P> {
    /// Serves a trap of the running thread, with x0, x1 and x2 to x7 as they came, if it is as most are. Of the
    /// saved registers of that thread only x0 to x8 are touched, and none of them is looked at.
    #[inline(always)] // each operation by itself, with the words in registers
    pub fn serve_directly(
        &mut self,
        operation: Operation,
        handle: u64,
        tag: u64,
        words: &Words6,
    ) -> Direct<P::Place> {
        let served = match u32::try_from(handle).map(Handle::from_raw) {
            Ok(handle) => match operation {
                Operation::Call => self.call_directly(handle, tag, words),
                Operation::ReplyReceive => {
                    of_words(tag, words).and_then(|message| self.reply_directly(handle, message))
                }
                Operation::Receive => self.receive_directly(handle),
                // Of signals it is the bits.
                Operation::Signal => self.signal_directly(handle, tag),
                Operation::Yield => self.yield_directly(),
                _ => None,
            },
            Err(_) => None,
        };
        served.unwrap_or(Direct::Not)
    }

    #[inline(always)]
    fn call_directly(&mut self, handle: Handle, tag: u64, words: &Words6) -> Option<Direct<P::Place>> {
        let cpu = self.cpus.this();
        let (caller, process) = (cpu.current?, cpu.process?);
        let own = self.processes.get(process)?;
        let capability = own.handles.find(handle, Rights::CALL).ok()?;
        match capability.object {
            Object::Endpoint(endpoint) => {
                let message = of_words(tag, words)?;
                self.send_directly(caller, endpoint, capability.badge, message)
            }
            Object::Process(asked) if asked == process && tag == Identify::LABEL.0.into() => {
                let pid = own.pid;
                Some(self.identify_directly(caller, pid))
            }
            _ => Some(Direct::Asks(caller, capability, Tag::decode(tag).ok()?)),
        }
    }

    #[inline(always)]
    fn send_directly(
        &mut self,
        caller: ThreadId,
        id: Id<Endpoint>,
        badge: Badge,
        message: Message<'_>,
    ) -> Option<Direct<P::Place>> {
        let (here, cpu) = (self.cpus.here, self.cpus.this());
        let endpoint = self.endpoints.get_mut(id)?;
        let receiver = endpoint.receivers.first()?;
        let (from, to) = self.threads.pair_mut(caller, receiver)?;
        if to.home != here || !to.may_run_on(here) || to.deadline.is_taken() || endpoint.receiving == 0 {
            return None;
        }
        // Nobody who waits for this CPU is more important than the caller.
        if from.priority.outranks(Some(to.priority)) {
            return None;
        }
        let place = self.platform.place(receiver.index());
        self.platform.registers_at(place).set_answer(0, message, badge.0);
        from.state = State::AwaitingAnswer {
            server: receiver,
            endpoint: id,
        };
        to.caller = Some(caller);
        let behind = endpoint.receivers.take_first(to);
        let goes_on = cpu.switch(from, (receiver, to, place), &mut self.platform);
        if let Some(behind) = behind {
            self.thread(behind).comes_first();
        }
        Some(goes_on)
    }

    #[inline(always)]
    fn reply_directly(&mut self, handle: Handle, message: Message<'_>) -> Option<Direct<P::Place>> {
        let (here, cpu) = (self.cpus.here, self.cpus.this());
        let (server, process) = (cpu.current?, cpu.process?);
        let handles = &self.processes.get(process)?.handles;
        let Object::Endpoint(id) = handles.find(handle, Rights::RECEIVE).ok()?.object else {
            return None;
        };
        let endpoint = self.endpoints.get_mut(id)?;
        if !endpoint.callers.is_empty() || endpoint.signals != 0 {
            return None;
        }
        let caller = self.threads.get(server)?.caller?;
        let (from, to) = self.threads.pair_mut(server, caller)?;
        let keeps_priority = from.priority == from.own_priority && from.serves == Some(id);
        if !keeps_priority || cpu.ready.outranks(Some(to.priority)) {
            return None;
        }
        // Nobody who waits for another CPU is more important than the server.
        if from.priority.outranks(Some(to.priority)) {
            return None;
        }
        let waits = matches!(to.state, State::AwaitingAnswer { server: awaited, .. } if awaited == server);
        if !waits || to.home != here || !to.may_run_on(here) || to.deadline.is_taken() {
            return None;
        }
        let place = self.platform.place(caller.index());
        self.platform.registers_at(place).set_answer(0, message, 0);
        from.caller = None;
        from.state = State::Receiving(id);
        endpoint.server = Some(server);
        let goes_on = cpu.switch(from, (caller, to, place), &mut self.platform);
        endpoint.receivers.push(&mut self.threads, server);
        Some(goes_on)
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
        if self.would_be_taken(current) {
            return None;
        }
        let here = self.cpus.here;
        let (from, to) = self.threads.pair_mut(current, receiver)?;
        let is_ordinary = to.home == here && to.may_run_on(here) && !to.deadline.is_taken();
        if !is_ordinary || !to.priority.outranks(Some(from.priority)) || bits == 0 {
            return None;
        }
        let cpu = self.cpus.this();
        let rest = cpu.rest_of_slice(&self.platform);
        from.rest_of_slice = rest;
        let endpoint = self.endpoints.get_mut(id)?;
        endpoint.signals_came_last = true;
        let behind = endpoint.receivers.take_first(to);
        let place = self.platform.place(receiver.index());
        let signals = [bits, 0, 0, 0, 0, 0];
        self.platform
            .registers_at(place)
            .set_answer(0, Message::signals(&signals), 0);
        let goes_on = cpu.switch(from, (receiver, to, place), &mut self.platform);
        // Nobody who waits is as important.
        (cpu.slice_end, cpu.chooses) = (NEVER, false);
        cpu.wait_again(&mut self.threads, current, rest);
        self.done_directly(current);
        if let Some(behind) = behind {
            self.thread(behind).comes_first();
        }
        self.share();
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
        let (goes_on, turn) = self.go_to_next(server)?;
        self.begin_turn(turn);
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
            return None;
        }
        let (goes_on, turn) = self.go_to_next(thread)?;
        self.done_directly(thread);
        let cpu = self.cpus.this();
        cpu.ready.push(&mut self.threads, thread);
        self.begin_turn(turn);
        self.share();
        Some(goes_on)
    }

    /// Lets the first who waits for this CPU take the place of `current`, which does not go on, and whose turn
    /// [begins](Self::begin_turn) then. `None`, and nothing has happened, if there is any choice, or work to be done.
    #[inline(always)]
    fn go_to_next(&mut self, current: ThreadId) -> Option<(Direct<P::Place>, Turn)> {
        let (here, cpu) = (self.cpus.here, self.cpus.this_one());
        let next = cpu.ready.first()?;
        if self.is_anybody_wanted_here(cpu.ready.most()) {
            return None;
        }
        let (from, to) = self.threads.pair_mut(current, next)?;
        if !matches!(to.state, State::Ready) || !to.may_run_on(here) {
            return None;
        }
        let cpu = self.cpus.this();
        let behind = cpu.ready.take_first(to);
        let turn = Turn::of(to);
        let place = self.platform.place(next.index());
        let goes_on = cpu.switch(from, (next, to, place), &mut self.platform);
        if let Some(behind) = behind {
            self.thread(behind).comes_first();
        }
        Some((goes_on, turn))
    }

    /// The place of `thread`, which is told that it is done.
    #[inline(always)]
    fn done_directly(&mut self, thread: ThreadId) -> P::Place {
        let place = self.platform.place(thread.index());
        let nothing = Message::empty(Label::DONE);
        self.platform.registers_at(place).set_answer(0, nothing, 0);
        place
    }

    #[inline(always)]
    fn identify_directly(&mut self, caller: ThreadId, own: Pid) -> Direct<P::Place> {
        let message = Message {
            tag: Tag::new(Label::DONE),
            words: &(own,).into_words(),
        };
        let place = self.platform.place(caller.index());
        self.platform.registers_at(place).set_answer(0, message, 0);
        Direct::Stays(place)
    }
}

/// A message, if it has neither bytes nor handles: then its tag is a label.
#[inline(always)]
fn of_words(tag: u64, words: &Words6) -> Option<Message<'_>> {
    let tag = Tag::new(Label(u16::try_from(tag).ok()?));
    Some(Message { tag, words })
}

impl Cpu {
    /// `to`, the thread with this place, which has its message, runs in place of `from`, whose registers the vectors
    /// have still to store.
    #[inline(always)]
    fn switch<P: Platform>(
        &mut self,
        from: &mut Thread,
        (thread, to, place): (ThreadId, &mut Thread, P::Place),
        platform: &mut P,
    ) -> Direct<P::Place> {
        let now = platform.rough_ticks();
        from.stop_charging(now);
        to.start_charging(now);
        to.state = State::Ready;
        (self.current, self.charged) = (Some(thread), Some(thread));
        if self.prepare(platform, (thread, to, place)) {
            Direct::Runs(place)
        } else {
            Direct::Enters
        }
    }
}
