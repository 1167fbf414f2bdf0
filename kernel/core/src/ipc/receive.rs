//! Receive, and reply-and-receive.

use super::Endpoint;
use crate::handle::Object;
use crate::kernel::Kernel;
use crate::message::Message;
use crate::platform::Platform;
use crate::sched::CpuId;
use crate::thread::{State, ThreadId};
use abi::{Badge, Handle, IpcError, Rights};
use slots::Id;

impl<P: Platform> Kernel<P> {
    /// Takes the first message that waits at the endpoint, or waits for one. A caller that
    /// `server` has not answered learns that no answer will come.
    ///
    /// # Errors
    /// `handle` is no endpoint, or cannot receive.
    #[inline(never)] // so that calls do not pay for its stack frame
    pub(crate) fn receive(&mut self, server: ThreadId, handle: Handle) -> Result<(), IpcError> {
        let endpoint = self.endpoint_to_receive(server, handle)?;
        self.abandon_caller(server);
        self.take_or_wait(server, endpoint);
        Ok(())
    }

    /// Answers the caller of the last message, then receives. The CPU goes straight back to the
    /// caller if no other message waits.
    ///
    /// # Errors
    /// As for [`Self::receive`]; or nobody is to be answered, or the caller has no room for the
    /// handles. Then the caller still waits, and may be answered otherwise.
    #[inline(never)] // as for `receive`
    pub(crate) fn reply_receive(
        &mut self,
        server: ThreadId,
        handle: Handle,
        message: Message<'_>,
    ) -> Result<(), IpcError> {
        let endpoint = self.endpoint_to_receive(server, handle)?;
        self.check_handles(server, message.tag)?;
        let caller = self.thread(server).caller.ok_or(IpcError::NoCaller)?;
        let answered = if self.waits_for(caller, server) {
            self.transfer(server, caller, message, Badge(0))?;
            let caller = self.thread(caller);
            caller.state = State::Ready;
            Some(caller.home)
        } else {
            None
        };
        self.thread(server).caller = None;
        self.take_or_wait(server, endpoint);
        if let Some(home) = answered {
            self.resume_after_answer(caller, home);
        }
        Ok(())
    }

    /// Lets the caller of `server` know that no answer will come.
    pub(crate) fn abandon_caller(&mut self, server: ThreadId) {
        if let Some(caller) = self.thread(server).caller.take()
            && self.waits_for(caller, server)
        {
            self.refuse(caller, IpcError::PeerGone);
            self.wake(caller);
        }
    }

    fn endpoint_to_receive(&mut self, thread: ThreadId, handle: Handle) -> Result<Id<Endpoint>, IpcError> {
        match self.capability(thread, handle, Rights::RECEIVE)?.object {
            Object::Endpoint(endpoint) => Ok(endpoint),
            _ => Err(IpcError::NotPermitted),
        }
    }

    /// Whether `caller` still waits for `server`: it may have been killed since.
    fn waits_for(&self, caller: ThreadId, server: ThreadId) -> bool {
        matches!(self.threads.get(caller), Some(thread) if matches!(thread.state, State::AwaitingAnswer(s) if s == server))
    }

    fn take_or_wait(&mut self, server: ThreadId, endpoint: Id<Endpoint>) {
        while let Some(caller) = self.pop_caller(endpoint) {
            match self.take(server, caller) {
                Ok(()) => return,
                Err(error) => {
                    self.refuse(caller, error);
                    self.wake(caller);
                }
            }
        }
        self.thread(server).state = State::Receiving(endpoint);
        if let Some(endpoint) = self.endpoints.get_mut(endpoint) {
            endpoint.receivers.push(&mut self.threads, server);
        }
        self.cpu().current = None;
    }

    /// Receives the message of `caller`, which has left the endpoint's queue.
    fn take(&mut self, server: ThreadId, caller: ThreadId) -> Result<(), IpcError> {
        let State::Calling { badge, .. } = self.thread(caller).state else {
            panic!("{caller:?} queues at an endpoint without calling");
        };
        let registers = self.registers(caller);
        let (tag, words) = (registers.x[1], registers.words());
        let message = Message::decode(tag, &words)?;
        self.transfer(caller, server, message, badge)?;
        self.hand_over(caller, server);
        Ok(())
    }

    fn resume_after_answer(&mut self, caller: ThreadId, home: CpuId) {
        if self.cpu().current.is_none() {
            self.switch_to(caller, home);
        } else {
            self.make_ready(caller);
        }
    }
}
