//! Messages that are served in one straight line: words that go to a thread that waits for them, a fault that its handler
//! waits for, the word that a thread that has faulted is to go on, and questions that a field answers.
//!
//! Most messages are of this kind, and cost what this costs. CPUs serve them at the same time, each with its [`Here`],
//! and nothing is locked but the endpoint. Nothing is decided here that [`Kernel::send`],
//! [`Kernel::reply_receive`] and the objects do not decide in the same way: all checks come first, and whatever else
//! there is to be done or said is left to them. Nothing has happened then.

use super::Endpoint;
use crate::fault::Fault;
use crate::handle::{Capability, is_about_handles};
use crate::here::{Here, There};
#[cfg(doc)]
use crate::kernel::Kernel;
use crate::message::Message;
use crate::object::memory::is_answered_with_a_handle;
use crate::object::word::is_about_words;
use crate::platform::{Local, MemoryLock};
use crate::sched::{Cpu, CpuId};
use crate::thread::{State, Thread, ThreadId};
use abi::process::{FaultKind, Identify, Pid, Priority};
use abi::{Badge, Handle, Label, Operation, Request, Rights, Tag, Words, Words6};
use addr::Frame;
use mm::SpaceId;
use slots::Id;

/// What became of a trap.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direct<Place> {
    /// The thread that trapped goes on. This is its place.
    Stays(Place),
    /// Another one goes on, with this place, as soon as what the first one has left in the CPU is stored. Nobody else
    /// comes to the kernel before. It has waited in a trap, but for who goes on after a receive or a yield.
    Runs(Place),
    /// The same, and it may have been interrupted anywhere: there is something in all of its registers.
    Resumes(Place),
    /// The current thread is to go on, or whoever goes on sooner. The CPU has to be prepared for it first, or something is to be finished before:
    /// that is found out when all registers are stored.
    Enters,
    /// Nothing yet: this thread's call is for the kernel object behind this handle to [answer](Kernel::ask_directly).
    Asks(ThreadId, Capability),
    /// The same, and for the memory manager, which acts for this address space, to
    /// [answer](Here::ask_memory_directly) while CPUs share the kernel.
    AsksMemory(ThreadId, SpaceId),
    /// The same, and about words of memory that are waited for, to be [answered](Here::ask_about_words) as well.
    AsksAboutWords(ThreadId, SpaceId),
    /// Nothing yet: it is about handles of its own process, which [come or go](Here::ask_about_handles).
    AsksAboutHandles,
    /// Nothing yet: it is about a thread that is at home on this other CPU, and to be [served](Here::serve_with) with that
    /// one's turn.
    At(CpuId),
    /// Nothing yet: this thread, which is to go on, has waited until some time, and [that](Here::serve_with) is to be forgotten.
    Awaits(ThreadId),
    /// The caller has its answer, and the thread that trapped is to [receive](Here::serve_with) what waits already.
    Receives,
    /// Nothing, and it is to be [served](Kernel::serve_at_length) at length; or, if it is that already,
    /// [`Kernel::run`] says who goes on.
    Not,
}

/// What a trap is served with.
pub(super) enum Reach<'a, 'b> {
    /// The CPU's own turn, in one straight line.
    Short,
    /// The CPU's own turn.
    Own,
    /// This other CPU's turn besides.
    Both(&'a mut There<'b>),
}

impl Reach<'_, '_> {
    #[inline(always)] // this and the next, into what is to be short
    const fn is_both(&self) -> bool {
        matches!(self, Self::Both(_))
    }

    #[inline(always)]
    pub(super) const fn is_short(&self) -> bool {
        matches!(self, Self::Short)
    }
}

/// In place of a reply handle: the caller of the message received last is answered.
const NOBODYS: u64 = Handle::NONE.raw() as u64;

/// What somebody waits with for whoever receives it.
enum Sent<'a> {
    /// A message that wants an answer.
    Call(Message<'a>),
    /// What a thread of the process with this number has done.
    Fault(Fault, Pid),
}

impl Sent<'_> {
    /// What comes with it besides words.
    #[inline(always)] // into what is to be short
    const fn tag(&self) -> Tag {
        match self {
            Self::Call(message) => message.tag,
            Self::Fault(..) => Tag::new(Label::DONE),
        }
    }
}

impl<Place: Copy> Direct<Place> {
    /// The same, when who goes on may have been interrupted anywhere.
    #[inline(always)] // into what is to be short
    pub(crate) fn anywhere(self) -> Self {
        match self {
            Self::Runs(place) => Self::Resumes(place),
            other => other,
        }
    }
}

impl<L: Local> Here<'_, L> {
    /// Serves a trap of the running thread, with x0, x1 and x2 to x7 as they came, if it is as most are. Of the
    /// saved registers of that thread only x0 to x8 are touched, and none of them is looked at.
    #[inline(always)] // each operation by itself, with the words in registers
    pub fn serve(&mut self, operation: Operation, handle: u64, tag: u64, words: &Words6) -> Direct<L::Place> {
        self.serve_message(Reach::Short, operation, handle, tag, of_words(tag, words))
    }

    /// The same if its message has bytes or handles, or is not received at once or was not, or with the turn of another CPU.
    #[inline(never)] // so that there is one of it
    pub fn serve_with(
        &mut self,
        memory: &mut impl MemoryLock<L::Mmu>,
        mut there: Option<&mut There<'_>>,
        operation: Operation,
        handle: u64,
        tag: u64,
        words: &Words6,
    ) -> Direct<L::Place> {
        let message = Message::decode(tag, words).ok();
        if has_message(operation)
            && message.is_some_and(|Message { tag, .. }| tag.handles() > 0 && !self.looks_up(tag))
        {
            return Direct::Not;
        }
        if operation == Operation::ReplyReceive && self.has_something_for(handle) {
            return self.answer_first(memory, there, tag, message);
        }
        // Who was answered before may have to go elsewhere.
        let seeks = self.cpu.seeks;
        let served = self.serve_in_time((memory, there.as_deref_mut()), (operation, handle), tag, message);
        match served {
            // The caller, as it mostly is then, may not come here, and goes on where it is.
            Direct::Not
                if operation == Operation::ReplyReceive && there.is_some() && self.can_receive(handle) =>
            {
                self.answer_first(memory, there, tag, message)
            }
            Direct::Stays(_) | Direct::Runs(_) | Direct::Resumes(_) | Direct::Enters if seeks => {
                self.cpu.seeks = true;
                Direct::Enters
            }
            // It may be what another trap has begun.
            Direct::Runs(place) if operation == Operation::Receive => Direct::Resumes(place),
            _ => served,
        }
    }

    /// Answers, as the first of two steps: the server goes on, and [receives](Direct::Receives) by a trap of its own as it were.
    fn answer_first(
        &mut self,
        memory: &mut impl MemoryLock<L::Mmu>,
        there: Option<&mut There<'_>>,
        tag: u64,
        message: Option<Message<'_>>,
    ) -> Direct<L::Place> {
        match self.serve_in_time((memory, there), (Operation::Reply, NOBODYS), tag, message) {
            Direct::Stays(_) | Direct::Enters => Direct::Receives,
            other => other,
        }
    }

    /// Serves it, when who is to go on waits no longer until some time.
    fn serve_in_time(
        &mut self,
        (memory, mut there): (&mut impl MemoryLock<L::Mmu>, Option<&mut There<'_>>),
        (operation, handle): (Operation, u64),
        tag: u64,
        message: Option<Message<'_>>,
    ) -> Direct<L::Place> {
        let mut forgotten = None;
        loop {
            let reach = there.as_deref_mut().map_or(Reach::Own, Reach::Both);
            let mut served = self.serve_message(reach, operation, handle, tag, message);
            if matches!(served, Direct::AsksAboutHandles) {
                let words = message.map_or(&[0; 6], |message| message.words);
                return self.change_handles(memory, there, tag, words);
            }
            if matches!(served, Direct::Not) {
                served = self.serve_in_turn(there.as_deref_mut(), operation, handle, message);
            }
            self.settle(memory, &served);
            if (operation, handle) == (Operation::Reply, NOBODYS)
                && matches!(served, Direct::Stays(_) | Direct::Enters)
            {
                served = self.give_back(served);
            }
            match (served, forgotten) {
                (Direct::Awaits(thread), None) => {
                    forgotten = self.deadline(thread).map(|deadline| (thread, deadline));
                    self.forget_deadline(thread);
                }
                // Others show something else by now.
                (Direct::Not | Direct::At(_) | Direct::Awaits(_), Some((thread, deadline))) => {
                    self.wait_until(thread, deadline);
                    return Direct::Not;
                }
                _ => return served,
            }
        }
    }

    #[inline(always)] // as above
    fn serve_message(
        &mut self,
        reach: Reach<'_, '_>,
        operation: Operation,
        handle: u64,
        tag: u64,
        message: Option<Message<'_>>,
    ) -> Direct<L::Place> {
        let served = match (operation, u32::try_from(handle).map(Handle::from_raw)) {
            // It looks at no other register.
            (Operation::Yield, _) if !reach.is_both() => self.yield_directly(),
            (Operation::Call, Ok(handle)) => self.call_directly(reach, handle, tag, message),
            (Operation::Receive, Ok(handle)) if !reach.is_both() => self.receive_directly(handle),
            (Operation::ReplyReceive, Ok(handle)) => self.reply_directly(reach, handle, message),
            (Operation::Reply, Ok(Handle::NONE)) => self.answer_directly(reach, message),
            (Operation::Signal, Ok(handle)) => self.signal_directly(reach, handle, tag),
            _ => None,
        };
        served.unwrap_or(Direct::Not)
    }

    #[inline(always)]
    fn call_directly(
        &mut self,
        reach: Reach<'_, '_>,
        handle: Handle,
        tag: u64,
        message: Option<Message<'_>>,
    ) -> Option<Direct<L::Place>> {
        let cpu = &*self.cpu;
        let (caller, process) = (cpu.current?, cpu.process?);
        let own = self.processes.get(process)?;
        let found = own.handles.find_with(handle, Rights::CALL)?;
        if let Some(endpoint) = found.endpoint() {
            return self.send_directly(reach, caller, (endpoint, found.badge), Sent::Call(message?));
        }
        let label = Label(tag as u16);
        if let Some(space) = found.memory() {
            if is_about_words(label) {
                return Some(Direct::AsksAboutWords(caller, space));
            }
            if is_answered_with_a_handle(label) {
                return Some(Direct::AsksAboutHandles);
            }
            return Some(Direct::AsksMemory(caller, space));
        }
        if found.process() == Some(process) {
            if tag == Identify::LABEL.0.into() {
                return Some(self.identify_directly(caller, own.pid));
            }
            if is_about_handles(label) {
                return Some(Direct::AsksAboutHandles);
            }
        }
        Some(Direct::Asks(caller, found.capability()?))
    }

    /// Tells whoever handles that what the running thread has done, all of whose registers are stored, if it is as most
    /// faults are: somebody waits for it, and goes on in the thread's place.
    #[inline(always)] // into what has the fault in registers
    pub fn tell_handler(&mut self, there: Option<&mut There<'_>>, fault: Fault) -> Direct<L::Place> {
        self.fault_directly(there.map_or(Reach::Short, Reach::Both), fault)
            .unwrap_or(Direct::Not)
    }

    #[inline(always)]
    fn fault_directly(&mut self, reach: Reach<'_, '_>, fault: Fault) -> Option<Direct<L::Place>> {
        let (thread, process) = (self.cpu.current?, self.cpu.process?);
        let own = self.processes.get(process)?;
        let handler = own.fault_handler?;
        if fault.kind == FaultKind::Hardware {
            return None;
        }
        let to = (handler.endpoint, handler.badge);
        self.send_directly(reach, thread, to, Sent::Fault(fault, own.pid))
    }

    /// `caller` waits for whoever receives this at once.
    #[inline(always)]
    fn send_directly(
        &mut self,
        reach: Reach<'_, '_>,
        caller: ThreadId,
        (id, badge): (Id<Endpoint>, Badge),
        sent: Sent<'_>,
    ) -> Option<Direct<L::Place>> {
        let (is_short, is_both, tag) = (reach.is_short(), reach.is_both(), sent.tag());
        let mut endpoint = self.endpoints.take(id)?;
        let receiver = endpoint.receivers.first()?;
        if endpoint.receiving == 0 {
            return None;
        }
        if let Reach::Both(there) = reach {
            let cpu = &mut *self.cpu;
            there.give(receiver, self.id, |to| cpu.has_room(&self.processes, to, tag))?;
        }
        let Some((from, to)) = self.threads.pair_mut(caller, receiver) else {
            drop(endpoint);
            return self.elsewhere(receiver);
        };
        if !to.may_run_on(self.id) {
            return None;
        }
        if to.deadline.is_taken() {
            return (!is_short).then_some(Direct::Awaits(receiver));
        }
        if !is_both && !self.cpu.has_room(&self.processes, to, tag) {
            return None;
        }
        let place = self.local.place(receiver.index());
        match sent {
            Sent::Call(message) => {
                self.local.registers_at(place).set_answer(0, message, badge.0);
                self.cpu.carry(self.local, [from.page, to.page], message.tag);
                from.state = State::AwaitingAnswer {
                    server: receiver,
                    endpoint: id,
                };
            }
            Sent::Fault(fault, pid) => {
                let stopped = self.local.place(caller.index());
                let pc = self.local.registers_at(stopped).pc;
                let told = fault.told(pc, pid, from.number);
                self.local
                    .registers_at(place)
                    .set_answer(0, Message::fault(&told), badge.0);
                from.fault = Some(fault);
                from.state = State::Faulted {
                    server: receiver,
                    endpoint: id,
                };
            }
        }
        to.caller = Some(caller);
        // So nobody who waits for this CPU is more important.
        to.lend(from.priority);
        endpoint.receivers.pop(&mut self.cpu.queued);
        let priorities = [from.priority, to.priority];
        let goes_on = self.cpu.switch(from, (receiver, to, place), self.local);
        drop(endpoint);
        Some(self.switched(priorities, goes_on))
    }

    #[inline(always)]
    fn reply_directly(
        &mut self,
        reach: Reach<'_, '_>,
        handle: Handle,
        message: Option<Message<'_>>,
    ) -> Option<Direct<L::Place>> {
        let (message, is_short, is_both) = (message?, reach.is_short(), reach.is_both());
        let (server, process) = (self.cpu.current?, self.cpu.process?);
        let handles = &self.processes.get(process)?.handles;
        let (id, _) = handles.endpoint(handle, Rights::RECEIVE)?;
        let mut endpoint = self.endpoints.take(id)?;
        if endpoint.has_anything() {
            return None;
        }
        let from = self.threads.get_mut(server)?;
        let caller = from.caller?;
        if let Reach::Both(there) = reach {
            let cpu = &mut *self.cpu;
            there.give(caller, self.id, |to| {
                !cpu.ready.outranks(Some(to.priority))
                    && to.state.is_answered_by(server, message.tag.label())
                    && cpu.has_room(&self.processes, to, message.tag)
            })?;
        }
        let Some((from, to)) = self.threads.pair_mut(server, caller) else {
            drop(endpoint);
            return self.elsewhere(caller);
        };
        if self.cpu.ready.outranks(Some(to.priority)) {
            return None;
        }
        let place = self.local.place(caller.index());
        if !to.may_run_on(self.id) || !to.state.is_answered_by(server, message.tag.label()) {
            return None;
        }
        if to.deadline.is_taken() {
            return (!is_short).then_some(Direct::Awaits(caller));
        }
        if !is_both && !self.cpu.has_room(&self.processes, to, message.tag) {
            return None;
        }
        let resolves_fault = to.forgets_fault();
        if !resolves_fault {
            self.local.registers_at(place).set_answer(0, message, 0);
            self.cpu.carry(self.local, [from.page, to.page], message.tag);
        }
        from.caller = None;
        (from.state, from.serves) = (State::Receiving(id), Some(id));
        endpoint.is_served_by(server, from.own_priority);
        let priorities = [from.priority, to.priority];
        // Nobody waits for it any more.
        from.priority = from.own_priority;
        let goes_on = self.cpu.switch(from, (caller, to, place), self.local);
        endpoint.receivers.push(&mut self.cpu.queued, server);
        drop(endpoint);
        let goes_on = self.switched(priorities, goes_on);
        if resolves_fault {
            // So that an answer to a call does not pay for it.
            core::hint::cold_path();
            return Some(goes_on.anywhere());
        }
        Some(goes_on)
    }

    /// `goes_on`, when who waits and who runs now have these priorities. Of equals there is nothing to be shown.
    #[inline(always)]
    pub(crate) fn switched(
        &mut self,
        priorities: [Priority; 2],
        goes_on: Direct<L::Place>,
    ) -> Direct<L::Place> {
        let [before, runs] = priorities;
        if before == runs || self.is_alone() {
            return goes_on;
        }
        self.unless_others_wait(priorities, goes_on)
    }

    #[inline(always)]
    fn identify_directly(&mut self, caller: ThreadId, own: Pid) -> Direct<L::Place> {
        let message = Message {
            tag: Tag::new(Label::DONE),
            words: &(own,).into_words(),
        };
        Direct::Stays(self.answer(caller, message))
    }
}

/// A message, if it has neither bytes nor handles: then its tag is a label.
#[inline(always)]
fn of_words(tag: u64, words: &Words6) -> Option<Message<'_>> {
    let tag = Tag::new(Label(u16::try_from(tag).ok()?));
    Some(Message { tag, words })
}

/// Whether a trap that is not [served](Here::serve) at once may be [served](Here::serve_with) while CPUs share the kernel all the
/// same: its message has bytes or handles, or queues, or one has queued before, or who is to go on waits until some time.
pub fn may_share(operation: Operation, tag: u64) -> bool {
    operation != Operation::Yield && (!has_message(operation) || Tag::decode(tag).is_ok())
}

/// Whether a trap of this kind has something to say besides where to.
const fn has_message(operation: Operation) -> bool {
    use Operation::{Call, Reply, ReplyReceive, Send};
    matches!(operation, Call | Send | ReplyReceive | Reply)
}

impl Thread {
    /// Whether it has faulted. It is to go on now, and unlike who waited in a trap it has something in all of its registers.
    #[inline(always)] // into what is to be short
    pub(super) fn forgets_fault(&mut self) -> bool {
        let has_faulted = matches!(self.state, State::Faulted { .. });
        if has_faulted {
            self.fault = None;
        }
        has_faulted
    }
}

impl Cpu {
    /// Copies the bytes that `tag` announces from one message page to another one.
    #[inline(always)] // into what has none
    pub(super) fn carry<L: Local>(&mut self, local: &mut L, [from, to]: [Frame; 2], tag: Tag) {
        if tag.bytes() > 0 {
            local.read_message(from, tag.bytes(), 0, &mut self.message);
            local.write_message(to, tag.bytes(), 0, &self.message);
        }
    }

    /// `to`, the thread with this place, which has its message, runs in place of `from`, whose registers the vectors
    /// have still to store.
    #[inline(always)]
    pub(crate) fn switch<L: Local>(
        &mut self,
        from: &mut Thread,
        (thread, to, place): (ThreadId, &mut Thread, L::Place),
        local: &mut L,
    ) -> Direct<L::Place> {
        let now = local.rough_ticks();
        from.stop_charging(now);
        to.state = State::Ready;
        (self.current, self.charged) = (Some(thread), None);
        // Before it is prepared another CPU may take it, and charge it.
        if self.prepare(local, (thread, to, place)) {
            to.start_charging(now);
            self.charged = Some(thread);
            Direct::Runs(place)
        } else {
            Direct::Enters
        }
    }
}
