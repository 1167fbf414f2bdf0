//! Messages that are served in one straight line: words that go to a thread that waits for them on this CPU,
//! signals that nobody waits for, and questions that a field answers.
//!
//! Most messages are of this kind, and cost what this costs. Nothing is decided here that [`Kernel::send`],
//! [`Kernel::reply_receive`] and the objects do not decide in the same way: all checks come first, and whatever else
//! there is to be done or said is left to them. Nothing has happened then.

use super::Endpoint;
use crate::handle::{Capability, Object};
use crate::kernel::Kernel;
use crate::message::Message;
use crate::platform::Platform;
use crate::process::ProcessId;
use crate::thread::{State, Thread, ThreadId};
use abi::process::Identify;
use abi::{Badge, Handle, Label, Operation, Request, Rights, Tag, Words, Words6};
use slots::Id;

/// What became of a trap.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direct<Place> {
    /// The thread with this place goes on.
    Runs(Place),
    /// The current thread goes on, when the CPU is [prepared](Kernel::prepare_current) for it.
    Enters,
    /// Nothing yet: this thread's call is for the kernel object behind this handle to [answer](Kernel::ask_directly).
    Asks(ThreadId, Capability),
    /// Nothing, and it is to be [served](Kernel::serve_at_length) at length; or, of a yield, that the kernel has
    /// [work](Kernel::run) to do.
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
        // Without bytes and handles, the tag is a label; of signals it is the bits.
        let served = match (u32::try_from(handle), u16::try_from(tag)) {
            (Ok(handle), _) if matches!(operation, Operation::Signal) => {
                self.signal_directly(Handle::from_raw(handle), tag)
            }
            (Ok(handle), Ok(label)) => {
                let (handle, tag) = (Handle::from_raw(handle), Tag::new(Label(label)));
                match operation {
                    Operation::Call => self.call_directly(handle, Message { tag, words }),
                    Operation::ReplyReceive => self.reply_directly(handle, Message { tag, words }),
                    _ => None,
                }
            }
            _ => None,
        };
        served.unwrap_or(Direct::Not)
    }

    #[inline(always)]
    fn call_directly(&mut self, handle: Handle, message: Message<'_>) -> Option<Direct<P::Place>> {
        let cpu = self.cpus.this();
        let (caller, process) = (cpu.current?, cpu.process?);
        let handles = &self.processes.get(process)?.handles;
        let capability = handles.find(handle, Rights::CALL).ok()?;
        match capability.object {
            Object::Endpoint(endpoint) => self.send_directly(caller, endpoint, capability.badge, message),
            Object::Process(process) if message.tag.label() == Identify::LABEL => {
                self.identify_directly(caller, process)
            }
            _ => Some(Direct::Asks(caller, capability)),
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
        let here = self.cpus.here;
        let endpoint = self.endpoints.get_mut(id)?;
        let receiver = endpoint.receivers.first()?;
        let (from, to) = self.threads.pair_mut(caller, receiver)?;
        if to.home != here || to.deadline.is_taken() || endpoint.receiving == 0 {
            return None;
        }
        // Nobody who waits for this CPU is more important than the caller.
        if from.priority.outranks(Some(to.priority)) {
            return None;
        }
        let now = self.platform.rough_ticks();
        from.stop_charging(now);
        to.start_charging(now);
        self.cpus.this().charged = Some(receiver);
        let place = self.platform.place(receiver.index());
        self.platform.registers_at(place).set_answer(0, message, badge.0);
        let behind = endpoint.receivers.take_first(to);
        from.state = State::AwaitingAnswer {
            server: receiver,
            endpoint: id,
        };
        to.state = State::Ready;
        to.caller = Some(caller);
        let &mut Thread { space, process, .. } = to;
        if let Some(behind) = behind {
            self.thread(behind).comes_first();
        }
        Some(self.go_on_with((receiver, place), caller, (space, process)))
    }

    #[inline(always)]
    fn reply_directly(&mut self, handle: Handle, message: Message<'_>) -> Option<Direct<P::Place>> {
        let cpu = self.cpus.this();
        let (server, process) = (cpu.current?, cpu.process?);
        let handles = &self.processes.get(process)?.handles;
        let Object::Endpoint(id) = handles.find(handle, Rights::RECEIVE).ok()?.object else {
            return None;
        };
        let here = self.cpus.here;
        let endpoint = self.endpoints.get_mut(id)?;
        if !endpoint.callers.is_empty() || endpoint.signals != 0 {
            return None;
        }
        let caller = self.threads.get(server)?.caller?;
        let (from, to) = self.threads.pair_mut(server, caller)?;
        let keeps_priority = from.priority == from.own_priority && from.serves == Some(id);
        if !keeps_priority || self.cpus.this().ready.outranks(Some(to.priority)) {
            return None;
        }
        let waits = matches!(to.state, State::AwaitingAnswer { server: awaited, .. } if awaited == server);
        if !waits || to.home != here || to.deadline.is_taken() {
            return None;
        }
        let now = self.platform.rough_ticks();
        from.stop_charging(now);
        to.start_charging(now);
        self.cpus.this().charged = Some(caller);
        let place = self.platform.place(caller.index());
        self.platform.registers_at(place).set_answer(0, message, 0);
        from.caller = None;
        from.state = State::Receiving(id);
        to.state = State::Ready;
        let &mut Thread { space, process, .. } = to;
        endpoint.server = Some(server);
        endpoint.receivers.push(&mut self.threads, server);
        Some(self.go_on_with((caller, place), server, (space, process)))
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
        if endpoint.receiving == 0 || !endpoint.receivers.is_empty() {
            return None;
        }
        endpoint.signals |= capability.signals(bits);
        let place = self.platform.place(thread.index());
        let nothing = Message::empty(Label::DONE);
        self.platform.registers_at(place).set_answer(0, nothing, 0);
        Some(Direct::Runs(place))
    }

    /// `thread` runs in place of `trapped`, whose registers the vectors have still to store.
    #[inline(always)]
    pub(crate) fn go_on_with(
        &mut self,
        (thread, place): (ThreadId, P::Place),
        trapped: ThreadId,
        (space, process): (mm::SpaceId, ProcessId),
    ) -> Direct<P::Place> {
        let cpu = self.cpus.this();
        (cpu.current, cpu.leaving) = (Some(thread), Some(trapped));
        if cpu.active != Some(space) {
            if !self.platform.activate_again(place) {
                return Direct::Enters;
            }
            cpu.active = Some(space);
        }
        if !self.platform.needs_no_preparation(thread.index(), place) {
            return Direct::Enters;
        }
        (cpu.prepared, cpu.process) = (Some(thread), Some(process));
        Direct::Runs(place)
    }

    #[inline(always)]
    fn identify_directly(&mut self, caller: ThreadId, process: ProcessId) -> Option<Direct<P::Place>> {
        let words = (self.processes.get(process)?.pid,).into_words();
        let message = Message {
            tag: Tag::new(Label::DONE),
            words: &words,
        };
        let place = self.platform.place(caller.index());
        self.platform.registers_at(place).set_answer(0, message, 0);
        Some(Direct::Runs(place))
    }
}
