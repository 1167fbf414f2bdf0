//! Call: a message to an endpoint, and the wait for its answer.

use super::Endpoint;
use crate::kernel::Kernel;
use crate::message::Message;
use crate::platform::Platform;
use crate::thread::{State, ThreadId};
use abi::{Badge, IpcError};
use slots::Id;

impl<P: Platform> Kernel<P> {
    /// Sends `caller`'s message to `endpoint`. If somebody waits there, the CPU
    /// goes straight to them; else the caller queues.
    ///
    /// # Errors
    /// The caller's handles to pass are bad, the receiver has no room for them, or nobody can
    /// ever receive. Then nothing has happened.
    pub(crate) fn send(
        &mut self,
        caller: ThreadId,
        endpoint: Id<Endpoint>,
        badge: Badge,
        message: Message<'_>,
    ) -> Result<(), IpcError> {
        if !self.has_receiver(endpoint) {
            return Err(IpcError::PeerGone);
        }
        self.check_handles(caller, message.tag)?;
        match self.endpoint(endpoint).receivers.first() {
            Some(receiver) => {
                self.transfer(caller, receiver, message, badge)?;
                self.endpoint_receivers_remove(endpoint, receiver);
                self.await_answer(caller, receiver);
                self.thread(receiver).state = State::Ready;
                self.switch_to(receiver);
            }
            None => {
                self.registers(caller).set_message(message);
                self.thread(caller).state = State::Calling { endpoint, badge };
                self.endpoint_callers_push(endpoint, caller);
                self.current = None;
            }
        }
        Ok(())
    }

    /// Gives one thread the message of another, with bytes and handles.
    ///
    /// # Errors
    /// As for [`Kernel::send`]; nothing has been copied then.
    pub(crate) fn transfer(
        &mut self,
        from: ThreadId,
        to: ThreadId,
        message: Message<'_>,
        badge: Badge,
    ) -> Result<(), IpcError> {
        if !message.is_in_registers() {
            self.transfer_page(from, to, message.tag)?;
        }
        self.deliver(to, message, badge);
        Ok(())
    }

    /// `caller` waits for `server`, which has its message now.
    pub(crate) fn await_answer(&mut self, caller: ThreadId, server: ThreadId) {
        self.thread(caller).state = State::AwaitingAnswer(server);
        self.thread(server).caller = Some(caller);
    }

    fn endpoint_receivers_remove(&mut self, endpoint: Id<Endpoint>, thread: ThreadId) {
        if let Some(endpoint) = self.endpoints.get_mut(endpoint) {
            endpoint.receivers.remove(&mut self.threads, thread);
        }
    }

    fn endpoint_callers_push(&mut self, endpoint: Id<Endpoint>, thread: ThreadId) {
        if let Some(endpoint) = self.endpoints.get_mut(endpoint) {
            endpoint.callers.push(&mut self.threads, thread);
        }
    }
}
