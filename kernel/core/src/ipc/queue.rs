//! Messages that wait until somebody receives them, and who does, while CPUs share the kernel.
//!
//! Whoever has taken an endpoint has the queue there as well, whosever the threads in it are: so a message queues with nothing
//! but its sender's CPU and the endpoint. To receive it takes the turn of the CPU that its sender is at home at. Whom it
//! lends something to is one of these CPUs' as well. As in [`direct`](super::direct),
//! nothing is decided that the long way does not decide in the same way, all checks come first, and nothing has happened if one
//! of them says no.

use super::Endpoint;
use super::lent::Loan;
use super::waits::stay_here;
use crate::fault::Fault;
use crate::handler::FaultHandler;
use crate::here::{Here, There};
use crate::ipc::Direct;
use crate::message::Message;
use crate::platform::Local;
use crate::process::{Process, ProcessId};
use crate::thread::{State, Thread, ThreadId};
use abi::process::FaultKind;
use abi::{Arrival, Badge, Handle, Label, Operation, Rights, Tag, Words6};
use addr::Frame;
use slots::{Common, Id, Mine};

/// Where a message goes, and with whose mark.
type Target = (Id<Endpoint>, Badge);

impl<L: Local> Here<'_, L> {
    /// Serves a trap of the running thread that sends where nobody waits, sends what wants no answer, receives what has waited, or answers who
    /// was taken along.
    #[inline(never)] // as is what it calls, so that there is one of each
    pub(super) fn serve_in_turn(
        &mut self,
        there: Option<&mut There<'_>>,
        operation: Operation,
        handle: u64,
        message: Option<Message<'_>>,
    ) -> Direct<L::Place> {
        let handle = u32::try_from(handle).ok().map(Handle::from_raw);
        let served = handle.and_then(|handle| self.try_in_turn(there, operation, handle, message));
        served.unwrap_or(Direct::Not)
    }

    fn try_in_turn(
        &mut self,
        there: Option<&mut There<'_>>,
        operation: Operation,
        handle: Handle,
        message: Option<Message<'_>>,
    ) -> Option<Direct<L::Place>> {
        match operation {
            Operation::Call => {
                let (caller, target) = self.sending_to(handle)?;
                match there {
                    Some(there) => self.call_there(there, (caller, target), message?),
                    None => self.queue(None, (caller, target), Arrival::Call, Some(message?)),
                }
            }
            Operation::Send => {
                let (sender, target) = self.sending_to(handle)?;
                self.send(there, (sender, target), message?)
            }
            Operation::Receive => self.receive_what_waits(there, handle),
            Operation::Reply if handle != Handle::NONE => self.reply_to(there, handle, message?),
            Operation::ReplyReceive | Operation::Reply | Operation::Signal | Operation::Yield => None,
        }
    }

    /// Lets the fault of the running thread, which was not [told](Self::tell_handler) at once, wait until its handler receives it.
    pub fn queue_fault(&mut self, fault: Fault) -> Direct<L::Place> {
        self.try_to_queue_fault(fault).unwrap_or(Direct::Not)
    }

    fn try_to_queue_fault(&mut self, fault: Fault) -> Option<Direct<L::Place>> {
        let (thread, process) = (self.cpu.current?, self.cpu.process?);
        let FaultHandler { endpoint, badge } = self.processes.get(process)?.fault_handler?;
        // Who would have to receive its own fault waits for itself.
        let serves_itself = self.endpoints.take(endpoint)?.server == Some(thread);
        if serves_itself || fault.kind == FaultKind::Hardware {
            return None;
        }
        let goes_on = self.queue(None, (thread, (endpoint, badge)), Arrival::Fault, None)?;
        if matches!(goes_on, Direct::At(_)) {
            // To lend it what it needs takes more.
            return None;
        }
        self.thread(thread).fault = Some(fault);
        Some(goes_on)
    }

    /// Whether this handle can receive.
    pub(super) fn can_receive(&mut self, handle: u64) -> bool {
        self.receiving_by(handle).is_some()
    }

    fn receiving_by(&mut self, handle: u64) -> Option<Id<Endpoint>> {
        let handle = u32::try_from(handle).ok().map(Handle::from_raw);
        self.endpoint_to_receive(handle?)
    }

    /// Whether something waits where this handle can receive. Then an answer given there is not the end of it.
    pub(super) fn has_something_for(&mut self, handle: u64) -> bool {
        self.receiving_by(handle)
            .and_then(|endpoint| self.endpoints.take(endpoint))
            .is_some_and(|endpoint| endpoint.has_anything())
    }

    fn sending_to(&mut self, handle: Handle) -> Option<(ThreadId, Target)> {
        let (sender, process) = (self.cpu.current?, self.cpu.process?);
        let handles = &self.processes.get(process)?.handles;
        Some((sender, handles.endpoint(handle, Rights::CALL)?))
    }

    fn endpoint_to_receive(&mut self, handle: Handle) -> Option<Id<Endpoint>> {
        let handles = &self.processes.get(self.cpu.process?)?.handles;
        let (endpoint, _) = handles.endpoint(handle, Rights::RECEIVE)?;
        Some(endpoint)
    }

    /// `sender`, which runs, waits until somebody receives at the endpoint, where nobody does just now. Its message, if it has not
    /// faulted, goes where it will be found.
    fn queue(
        &mut self,
        mut there: Option<&mut There<'_>>,
        (sender, (id, badge)): (ThreadId, Target),
        arrival: Arrival,
        message: Option<Message<'_>>,
    ) -> Option<Direct<L::Place>> {
        let mut endpoint = self.endpoints.take(id)?;
        if endpoint.receiving == 0 || !endpoint.receivers.is_empty() {
            return None;
        }
        let priority = self.threads.get_mut(sender)?.priority;
        let loan = Loan::at((id, &endpoint), &mut self.threads, there.as_deref_mut(), priority)?;
        if let Loan::Elsewhere(server) = loan {
            drop(endpoint);
            return self.elsewhere(server);
        }
        let next = if self.cpu.ready.is_empty() {
            None
        } else {
            let cpu = &mut *self.cpu;
            Some(cpu.go_to_next((self.id, sender), &mut self.threads, self.local)?)
        };
        endpoint.push_caller(self.cpu.queued, sender, priority);
        drop(endpoint);
        self.thread(sender).state = State::Calling {
            endpoint: id,
            badge,
            arrival,
        };
        if let Some(message) = message {
            let place = self.local.place(sender.index());
            self.local.registers_at(place).set_message(message);
        }
        let goes_on = self.made_way(sender, next).anywhere();
        Some(match loan {
            Loan::To(server, others) => self.lend(there, (server, others), priority, goes_on),
            Loan::Nothing | Loan::Elsewhere(_) => goes_on,
        })
    }

    /// `caller` waits for whoever receives this at once, at home there, and does not come here.
    fn call_there(
        &mut self,
        there: &mut There<'_>,
        (caller, (id, badge)): (ThreadId, Target),
        message: Message<'_>,
    ) -> Option<Direct<L::Place>> {
        let mut endpoint = self.endpoints.take(id)?;
        let Some(server) = endpoint.receivers.first() else {
            // Another caller was first.
            drop(endpoint);
            return self.queue(Some(there), (caller, (id, badge)), Arrival::Call, Some(message));
        };
        if endpoint.receiving == 0 {
            return None;
        }
        let priority = self.threads.get_mut(caller)?.priority;
        let to = there.who_stays(server, self.shown)?;
        if !self.cpu.has_room(&self.processes, to, message.tag) {
            return None;
        }
        let next = if self.cpu.ready.is_empty() {
            None
        } else {
            let cpu = &mut *self.cpu;
            Some(cpu.go_to_next((self.id, caller), &mut self.threads, self.local)?)
        };
        endpoint.receivers.pop(&mut self.cpu.queued);
        to.caller = Some(caller);
        to.lend(priority);
        let page = to.page;
        drop(endpoint);
        self.thread(caller).state = State::AwaitingAnswer { server, endpoint: id };
        self.give(caller, (server, page), message, badge);
        self.wake_there(there, server);
        Some(self.made_way(caller, next).anywhere())
    }

    /// Gives a message that wants no answer to the first who waits to receive, or lets `sender` queue with it.
    fn send(
        &mut self,
        there: Option<&mut There<'_>>,
        (sender, (id, badge)): (ThreadId, Target),
        message: Message<'_>,
    ) -> Option<Direct<L::Place>> {
        let mut endpoint = self.endpoints.take(id)?;
        let Some(receiver) = endpoint.receivers.first() else {
            drop(endpoint);
            return self.queue(there, (sender, (id, badge)), Arrival::Message, Some(message));
        };
        if endpoint.receiving == 0 {
            return None;
        }
        let (done, message) = (Message::empty(Label::DONE), message.arriving(Arrival::Message));
        if let Some(there) = there {
            if let Some(to) = there.who_stays(receiver, self.shown) {
                if !self.cpu.has_room(&self.processes, to, message.tag) {
                    return None;
                }
                endpoint.receivers.pop(&mut self.cpu.queued);
                let page = to.page;
                drop(endpoint);
                self.give(sender, (receiver, page), message, badge);
                self.wake_there(there, receiver);
                return Some(Direct::Stays(self.answer(sender, done)));
            }
            there.let_come(receiver, self.id)?;
        }
        let Some((from, to)) = self.threads.pair_mut(sender, receiver) else {
            drop(endpoint);
            return self.elsewhere(receiver);
        };
        if !stay_here(self.id, from, to) {
            return None;
        }
        if to.deadline.is_taken() {
            return Some(Direct::Awaits(receiver));
        }
        if !self.cpu.has_room(&self.processes, to, message.tag) {
            return None;
        }
        endpoint.receivers.pop(&mut self.cpu.queued);
        let page = to.page;
        drop(endpoint);
        let place = self.give(sender, (receiver, page), message, badge);
        self.answer(sender, done);
        Some(self.let_go_on(sender, (receiver, place)))
    }

    /// Receives what is next of what has waited at the endpoint: its signals, or what its first caller waits with.
    fn receive_what_waits(
        &mut self,
        there: Option<&mut There<'_>>,
        handle: Handle,
    ) -> Option<Direct<L::Place>> {
        let (server, id) = (self.cpu.current?, self.endpoint_to_receive(handle)?);
        let mut endpoint = self.endpoints.take(id)?;
        let thread = self.threads.get_mut(server)?;
        if thread.caller.is_some() {
            return None;
        }
        if endpoint.signals_are_due() {
            let bits = endpoint.take_due_signals()?;
            drop(endpoint);
            return Some(Direct::Stays(self.deliver_signals(server, bits)));
        }
        let (page, first, most) = (
            thread.page,
            endpoint.callers.top()?,
            endpoint.most_of_callers(self.cpu.queued)?,
        );
        // Else it has lent something to another one, who waited here last.
        if endpoint.is_lent(most) && endpoint.server != Some(server) {
            return None;
        }
        let has_loan = thread.priority != thread.own_priority;
        let home = self.threads.owner(first);
        let mut there = there.filter(|there| home == there.id.owner());
        if there.is_none() && home != self.id.owner() {
            drop(endpoint);
            return self.elsewhere(first);
        }
        let caller = find(&mut self.threads, there.as_deref_mut(), first)?;
        let waiting = Waiting::of((first, caller), self.local, &self.processes)?;
        if waiting.arrival == Arrival::Message {
            // It would be taken back now.
            if has_loan {
                return None;
            }
            let goes_on = match there.as_deref_mut() {
                Some(there) => there.who_stays(first, self.shown).is_some(),
                None => {
                    let both = self.threads.pair_mut(server, first);
                    both.is_some_and(|(server, sender)| stay_here(self.id, server, sender))
                }
            };
            if !goes_on {
                return None;
            }
        }
        let (message, badge) = (waiting.message(), waiting.badge);
        if message.tag.handles() > 0 {
            let own = (&mut *self.local, &mut self.threads, &self.processes);
            let sender = (waiting.page, waiting.process);
            if !self.cpu.looks_up(own, sender, message.tag) {
                return None;
            }
        }
        let thread = self.threads.get_mut(server)?;
        if !self.cpu.has_room(&self.processes, thread, message.tag) {
            return None;
        }
        endpoint.take_first_caller(self.cpu.queued);
        drop(endpoint);
        let place = self.local.place(server.index());
        self.local.registers_at(place).set_answer(0, message, badge.0);
        self.cpu.carry(self.local, [waiting.page, page], message.tag);
        let Some(state) = waiting.state_after(server, id) else {
            self.answer(first, Message::empty(Label::DONE));
            return Some(match there {
                Some(there) => {
                    self.wake_there(there, first);
                    Direct::Stays(place)
                }
                None => {
                    self.forget_deadline(first);
                    let place = self.local.place(first.index());
                    self.let_go_on(server, (first, place))
                }
            });
        };
        find(&mut self.threads, there, first)?.state = state;
        let thread = self.thread(server);
        thread.caller = Some(first);
        thread.lend(most);
        let runs = thread.priority;
        self.show(Some(runs));
        Some(Direct::Stays(place))
    }
}

/// What somebody waits with until it is received.
struct Waiting {
    page: Frame,
    process: ProcessId,
    badge: Badge,
    arrival: Arrival,
    tag: Tag,
    words: Words6,
}

impl Waiting {
    /// What `caller` waits with.
    fn of<L: Local>(
        (id, caller): (ThreadId, &Thread),
        local: &mut L,
        processes: &Common<'_, Process>,
    ) -> Option<Self> {
        let State::Calling { badge, arrival, .. } = caller.state else {
            return None;
        };
        let place = local.place(id.index());
        let said = local.registers_at(place);
        let (tag, words) = if arrival == Arrival::Fault {
            let told = caller
                .fault?
                .told(said.pc, processes.get(caller.process)?.pid, caller.number);
            (Message::fault(&told).tag, told)
        } else {
            let words = said.words();
            (
                Message::decode(said.x[1], &words).ok()?.arriving(arrival).tag,
                words,
            )
        };
        Some(Self {
            page: caller.page,
            process: caller.process,
            badge,
            arrival,
            tag,
            words,
        })
    }

    fn message(&self) -> Message<'_> {
        Message {
            tag: self.tag,
            words: &self.words,
        }
    }

    /// What its sender does when `server` has received it at `endpoint`; `None` if it goes on.
    fn state_after(&self, server: ThreadId, endpoint: Id<Endpoint>) -> Option<State> {
        match self.arrival {
            Arrival::Call => Some(State::AwaitingAnswer { server, endpoint }),
            Arrival::Fault => Some(State::Faulted { server, endpoint }),
            Arrival::Message | Arrival::Signals => None,
        }
    }
}

/// A thread that is one of this CPU's, or of the other one whose turn this one has.
fn find<'a>(
    threads: &'a mut Mine<'_, Thread>,
    there: Option<&'a mut There<'_>>,
    id: ThreadId,
) -> Option<&'a mut Thread> {
    match there {
        Some(there) => there.threads.get_mut(id),
        None => threads.get_mut(id),
    }
}
