//! Reply: an answer that is given at any time, and by anybody who was passed the right to.
//!
//! A server takes its caller along as a *reply handle*, and is free to receive others meanwhile. The handle
//! needs no object of its own: it names the thread that waits and the number of its call, and how many such
//! handles there are stands in that thread's state. When that state changes, for whatever reason, all of
//! them are stale.

use crate::handle::{Capability, Object};
use crate::kernel::Kernel;
use crate::message::Message;
use crate::object::Outcome;
use crate::platform::Platform;
use crate::thread::{State, Thread, ThreadId};
use abi::{Badge, Errno, Handle, IpcError, Rights};

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
        let waits = named.is_some_and(|caller| caller.reply_handles(capability.badge).is_some());
        waits.then_some(caller).ok_or(IpcError::PeerGone)
    }

    /// Turns the caller that `server` owes an answer into a handle.
    pub(crate) fn take_caller(&mut self, server: ThreadId) -> Result<Outcome, Errno> {
        let caller = self.last_caller(server).map_err(|_| Errno::ESRCH)?;
        if self.process_of(server).1.handles.room() < 1 {
            return Err(Errno::EMFILE);
        }
        self.thread(server).caller = None;
        self.calls_taken += 1;
        let number = Badge(self.calls_taken);
        self.thread(caller).state = State::AwaitingReply { number, handles: 0 };
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
