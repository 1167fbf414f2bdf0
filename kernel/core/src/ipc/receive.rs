//! Receive, and reply-and-receive.

use super::Endpoint;
use crate::handle::Object;
use crate::kernel::Kernel;
use crate::message::Message;
use crate::platform::Platform;
use crate::thread::{State, ThreadId};
use abi::{Arrival, Badge, Handle, IpcError, Rights};
use slots::Id;

impl<P: Platform> Kernel<P> {
    /// Takes the first message that waits at the endpoint, or its signals, or waits for either. A caller
    /// that `server` has not answered learns that no answer will come.
    ///
    /// # Errors
    /// `handle` is no endpoint, or cannot receive.
    #[inline(never)] // so that calls do not pay for its stack frame
    pub(crate) fn receive(&mut self, server: ThreadId, handle: Handle) -> Result<(), IpcError> {
        let endpoint = self.endpoint_to_receive(server, handle)?;
        self.abandon_caller(server);
        if self.goes_on(server) {
            self.take_or_wait(server, endpoint);
            self.take_priority_back(Some(server));
        }
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
        let answered = self.waits_for(caller, server) && self.give_answer(server, caller, message)?;
        self.thread(server).caller = None;
        if !self.goes_on(server) {
            self.take_priority_back(Some(server));
            return Ok(());
        }
        self.take_or_wait(server, endpoint);
        self.take_priority_back(Some(server));
        if answered {
            // Not before: who is ready is current or in a queue whenever priorities change.
            self.resume(caller);
        }
        Ok(())
    }

    /// Gives `caller`, which waits for `server`, its answer. Whether it is to go on: an answer to a fault may end it.
    pub(crate) fn give_answer(
        &mut self,
        server: ThreadId,
        caller: ThreadId,
        message: Message<'_>,
    ) -> Result<bool, IpcError> {
        if self.thread(caller).fault.is_some() {
            return Ok(self.resolve_fault(caller, message.tag.label()));
        }
        self.transfer(server, caller, message, Badge(0))?;
        self.forget_deadline(caller);
        Ok(true)
    }

    /// Whether `server`, which runs, does so still: it may have been a thread of the process that it has ended.
    fn goes_on(&mut self, server: ThreadId) -> bool {
        matches!(self.thread(server).state, State::Ready)
    }

    /// Lets the caller of `server` know that no answer will come.
    pub(crate) fn abandon_caller(&mut self, server: ThreadId) {
        if let Some(caller) = self.thread(server).caller.take()
            && self.waits_for(caller, server)
        {
            self.disappoint(caller, IpcError::PeerGone);
            self.take_priority_back(Some(server));
        }
    }

    /// The same if the caller's message came through an endpoint that nobody can receive from any more, now
    /// that `server` has closed its handle: who does that will not answer either.
    pub(crate) fn abandon_caller_of_closed(&mut self, server: ThreadId, closed: Object) {
        let Some(caller) = self.thread(server).caller else {
            return;
        };
        let state = self.threads.get(caller).map(|thread| thread.state);
        let Some(State::AwaitingAnswer { endpoint, .. } | State::Faulted { endpoint, .. }) = state else {
            return;
        };
        let receiving = self
            .endpoints
            .get(endpoint)
            .map_or(0, |endpoint| endpoint.receiving);
        if closed == Object::Endpoint(endpoint) && receiving == 0 {
            self.abandon_caller(server);
        }
    }

    fn endpoint_to_receive(&mut self, thread: ThreadId, handle: Handle) -> Result<Id<Endpoint>, IpcError> {
        match self.capability(thread, handle, Rights::RECEIVE)?.object {
            Object::Endpoint(endpoint) => Ok(endpoint),
            _ => Err(IpcError::NotPermitted),
        }
    }

    /// Whether `caller` still waits for `server`: it may have been killed since.
    pub(crate) fn waits_for(&self, caller: ThreadId, server: ThreadId) -> bool {
        let awaited = match self.threads.get(caller).map(|caller| caller.state) {
            Some(State::AwaitingAnswer { server, .. } | State::Faulted { server, .. }) => Some(server),
            _ => None,
        };
        awaited == Some(server)
    }

    fn take_or_wait(&mut self, server: ThreadId, endpoint: Id<Endpoint>) {
        if let Some(bits) = self.endpoint(endpoint).take_due_signals() {
            return self.deliver_signals(server, bits);
        }
        while let Some(caller) = self.pop_caller(endpoint) {
            let taken = self.take(server, caller, endpoint);
            if let Err(error) = taken {
                self.disappoint(caller, error);
            }
            // The caller has lent its priority to whoever waited here last, perhaps another thread.
            let usual = self.endpoint(endpoint).server;
            self.take_priority_back(usual);
            if taken.is_ok() {
                return;
            }
        }
        // If all messages were refused, it is the signals' turn after all.
        if let Some(bits) = self.endpoint(endpoint).take_due_signals() {
            return self.deliver_signals(server, bits);
        }
        self.thread(server).state = State::Receiving(endpoint);
        self.thread(server).serves = Some(endpoint);
        let own = self.thread(server).own_priority;
        if let Some(endpoint) = self.endpoints.get_mut(endpoint) {
            endpoint.is_served_by(server, own);
            endpoint.receivers.push(&mut self.queued, server);
        }
        self.cpu().current = None;
    }

    /// Receives the message of `caller`, which has left the endpoint's queue.
    fn take(&mut self, server: ThreadId, caller: ThreadId, endpoint: Id<Endpoint>) -> Result<(), IpcError> {
        let State::Calling { badge, arrival, .. } = self.thread(caller).state else {
            panic!("{caller:?} queues at an endpoint without calling");
        };
        if arrival == Arrival::Fault {
            self.hand_fault_over(caller, server, (endpoint, badge));
            return Ok(());
        }
        let registers = self.registers(caller);
        let (tag, words) = (registers.x[1], registers.words());
        let message = Message::decode(tag, &words)?.arriving(arrival);
        self.transfer(caller, server, message, badge)?;
        if arrival == Arrival::Call {
            self.hand_over(caller, server, State::AwaitingAnswer { server, endpoint });
        } else {
            self.answer(caller, ());
            self.wake(caller);
        }
        Ok(())
    }
}
