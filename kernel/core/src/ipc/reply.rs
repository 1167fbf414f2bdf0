//! Reply: an answer that is given at any time, and by anybody who was passed the right to.
//!
//! A server takes its caller along as a *reply handle*, and is free to receive others meanwhile. The handle
//! needs no object of its own: it names the thread that waits and the number of its call, and how many such
//! handles there are stands in that thread's state. When that state changes, for whatever reason, all of
//! them are stale.

use super::Direct;
use super::waits::stay_here;
use crate::handle::{Capability, Left, Object, Whose};
use crate::here::{Here, There};
use crate::kernel::Kernel;
use crate::message::Message;
use crate::object::Outcome;
use crate::platform::{Local, Platform};
use crate::thread::{State, Thread, ThreadId};
use abi::{Badge, Errno, Handle, IpcError, Label, Rights};

impl<L: Local> Here<'_, L> {
    /// Answers the caller that the reply handle names, while CPUs share the kernel: it is at home here, or on the other CPU whose turn
    /// this one has, and so is nobody else's to answer meanwhile.
    pub(super) fn reply_to(
        &mut self,
        there: Option<&mut There<'_>>,
        handle: Handle,
        message: Message<'_>,
    ) -> Option<Direct<L::Place>> {
        let (server, process) = (self.cpu.current?, self.cpu.process?);
        let handles = &self.processes.get(process)?.handles;
        let capability = handles.find(handle, Rights::CALL).ok()?;
        let Object::Reply(caller) = capability.object else {
            return None;
        };
        let done = Message::empty(Label::DONE);
        if let Some(there) = there {
            // It may do anything else by now, and only who waits comes here.
            if !there
                .threads
                .get_mut(caller)?
                .goes_on_with_reply(capability.badge)
            {
                return None;
            }
            if let Some(to) = there.who_stays(caller, self.shown) {
                if !self.cpu.has_room(&self.processes, to, message.tag) {
                    return None;
                }
                let page = to.page;
                handles.remove(handle)?;
                self.give(server, (caller, page), message, Badge(0));
                self.wake_there(there, caller);
                return Some(Direct::Stays(self.answer(server, done)));
            }
            there.let_come(caller, self.id)?;
        }
        let Some((from, to)) = self.threads.pair_mut(server, caller) else {
            return self.elsewhere(caller);
        };
        if !to.goes_on_with_reply(capability.badge) || !stay_here(self.id, from, to) {
            return None;
        }
        if to.deadline.is_taken() {
            return Some(Direct::Awaits(caller));
        }
        if !self.cpu.has_room(&self.processes, to, message.tag) {
            return None;
        }
        let page = to.page;
        // Not released: it is as stale as all others as soon as the caller goes on.
        handles.remove(handle)?;
        let place = self.give(server, (caller, page), message, Badge(0));
        self.answer(server, done);
        Some(self.let_go_on(server, (caller, place)))
    }

    /// Turns the caller that `server`, which runs, owes an answer into a handle, while CPUs share the kernel.
    pub(crate) fn take_caller(
        &mut self,
        there: Option<&mut There<'_>>,
        server: ThreadId,
    ) -> Result<Direct<L::Place>, Left<L>> {
        let process = self.own_process().ok_or(Direct::Not)?;
        let caller = self.thread(server).caller.ok_or(Direct::Not)?;
        let place = process.handles.claim().ok_or(Direct::Not)?;
        let waits = match self.whose(there, caller) {
            Whose::Ours(caller) => caller,
            Whose::At(cpu) => return Err(Direct::At(cpu)),
            Whose::Nobodys => return Err(Direct::Not),
        };
        let owed = matches!(waits.state, State::AwaitingAnswer { server: owes, .. } if owes == server);
        if !owed {
            return Err(Direct::Not);
        }
        let number = waits.is_taken_along();
        waits.retain_reply(number);
        self.thread(server).caller = None;
        let handle = place.put(Capability::to_reply(caller, number));
        let stays = Direct::Stays(self.answer_with_handle(server, handle));
        Ok(self.give_back(stays))
    }
}

impl<P: Platform> Kernel<P> {
    /// Answers the caller that the reply handle names, which is closed then; or, without one, the caller of
    /// the message that `server` has received last.
    ///
    /// # Errors
    /// `handle` is no reply handle; nobody is to be answered; the caller waits no longer, or has no room for
    /// the handles. Then everything is as before.
    pub(crate) fn reply(
        &mut self,
        server: ThreadId,
        handle: Handle,
        message: Message<'_>,
    ) -> Result<(), IpcError> {
        let caller = if handle == Handle::NONE {
            self.last_caller(server)?
        } else {
            self.caller_behind(server, handle)?
        };
        let goes_on = self.give_answer(server, caller, message)?;
        if handle == Handle::NONE {
            self.thread(server).caller = None;
        } else {
            // Not released: it is as stale as all others as soon as the caller goes on.
            self.process_of(server).1.handles.remove(handle);
        }
        if goes_on {
            self.wake(caller);
        }
        self.answer(server, ());
        self.take_priority_back(Some(server));
        Ok(())
    }

    fn last_caller(&mut self, server: ThreadId) -> Result<ThreadId, IpcError> {
        let caller = self.thread(server).caller.ok_or(IpcError::NoCaller)?;
        let waits = self.waits_for(caller, server);
        waits.then_some(caller).ok_or(IpcError::PeerGone)
    }

    fn caller_behind(&mut self, server: ThreadId, handle: Handle) -> Result<ThreadId, IpcError> {
        let capability = self.capability(server, handle, Rights::CALL)?;
        let Object::Reply(caller) = capability.object else {
            return Err(IpcError::NoCaller);
        };
        let named = self.threads.get_mut(caller);
        let waits = named.is_some_and(|caller| caller.awaits_reply(capability.badge));
        waits.then_some(caller).ok_or(IpcError::PeerGone)
    }

    /// Turns the caller that `server` owes an answer into a handle.
    pub(crate) fn take_caller(&mut self, server: ThreadId) -> Result<Outcome, Errno> {
        let caller = self.last_caller(server).map_err(|_| Errno::ESRCH)?;
        if self.process_of(server).1.handles.room() < 1 {
            return Err(Errno::EMFILE);
        }
        self.thread(server).caller = None;
        let number = self.thread(caller).is_taken_along();
        self.take_priority_back(Some(server));
        Ok(self.answer_with_handles(server, (), [Capability::to_reply(caller, number)]))
    }

    pub(crate) fn retain_reply(&mut self, caller: ThreadId, number: Badge) {
        if let Some(caller) = self.threads.get_mut(caller) {
            caller.retain_reply(number);
        }
    }

    /// When the last reply handle goes without an answer, there will be none.
    pub(crate) fn release_reply(&mut self, caller: ThreadId, number: Badge) {
        if let Some(waits) = self.threads.get_mut(caller)
            && !waits.release_reply_unless_last(number)
        {
            self.disappoint(caller, IpcError::PeerGone);
        }
    }
}

impl Thread {
    /// Whoever owes it an answer makes it wait for whoever has a reply handle, of which there is none yet. Answers which of its
    /// calls that were taken along it is.
    fn is_taken_along(&mut self) -> Badge {
        self.calls_taken += 1;
        let number = Badge(self.calls_taken);
        self.state = State::AwaitingReply { number, handles: 0 };
        number
    }

    /// Whether it waits for the answer to its call with this number, and has nothing else to be decided about: a reply to who has
    /// faulted may end it.
    fn goes_on_with_reply(&mut self, number: Badge) -> bool {
        self.fault.is_none() && self.awaits_reply(number)
    }

    /// Whether it waits for the answer to its call with this number.
    fn awaits_reply(&mut self, number: Badge) -> bool {
        self.reply_handles(number).is_some()
    }

    /// One more reply handle to its call with this number.
    pub(crate) fn retain_reply(&mut self, number: Badge) {
        if let Some(handles) = self.reply_handles(number) {
            *handles += 1;
        }
    }

    /// One reply handle fewer, unless that is the last one and it waits for its answer.
    pub(crate) fn release_reply_unless_last(&mut self, number: Badge) -> bool {
        match self.reply_handles(number) {
            Some(1) => false,
            Some(handles) => {
                *handles -= 1;
                true
            }
            None => true,
        }
    }

    /// How many reply handles there are to its call with this number; `None` if it does not wait for the answer any more.
    fn reply_handles(&mut self, call: Badge) -> Option<&mut u32> {
        match &mut self.state {
            State::AwaitingReply { number, handles } if *number == call => Some(handles),
            _ => None,
        }
    }
}
