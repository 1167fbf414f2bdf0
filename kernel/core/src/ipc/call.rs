//! Call: a message to an endpoint, and the wait for its answer.

use super::Endpoint;
use crate::kernel::Kernel;
use crate::message::Message;
use crate::platform::Platform;
use crate::sched::CpuId;
use crate::thread::{State, ThreadId};
use abi::{Arrival, Badge, IpcError};
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
        let Endpoint {
            receiving, receivers, ..
        } = self.endpoint(endpoint);
        if *receiving == 0 {
            return Err(IpcError::PeerGone);
        }
        let receiver = receivers.first();
        self.check_handles(caller, message.tag)?;
        match receiver {
            Some(receiver) => {
                self.transfer(caller, receiver, message, badge)?;
                self.endpoint_receivers_remove(endpoint, receiver);
                let server = receiver;
                let home = self.hand_over(caller, server, State::AwaitingAnswer { server, endpoint });
                self.switch_to(receiver, home);
            }
            None => {
                self.wait_to_be_received(caller, endpoint, badge, message, Arrival::Call);
            }
        }
        Ok(())
    }

    /// `caller` queues with its message.
    pub(crate) fn wait_to_be_received(
        &mut self,
        caller: ThreadId,
        endpoint: Id<Endpoint>,
        badge: Badge,
        message: Message<'_>,
        arrival: Arrival,
    ) {
        self.registers(caller).set_message(message);
        self.queue_to_be_received(caller, endpoint, badge, arrival);
    }

    /// `caller`, which runs, queues with what it has to say already where it will be found.
    pub(crate) fn queue_to_be_received(
        &mut self,
        caller: ThreadId,
        endpoint: Id<Endpoint>,
        badge: Badge,
        arrival: Arrival,
    ) {
        self.thread(caller).state = State::Calling {
            endpoint,
            badge,
            arrival,
        };
        let priority = self.thread(caller).priority;
        let queued = self.queued;
        self.endpoint(endpoint).push_caller(queued, caller, priority);
        self.cpu().current = None;
        if let Some(server) = self.endpoint(endpoint).server {
            self.lend_priority(server, priority);
        }
    }

    /// Gives one thread the message of another, with bytes and handles.
    ///
    /// # Errors
    /// As for [`Kernel::send`]; nothing has been copied then.
    #[inline]
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

    /// `caller` waits for `server`, as `state` says, which has its message now and goes on. Returns the server's
    /// home.
    pub(crate) fn hand_over(&mut self, caller: ThreadId, server: ThreadId, state: State) -> CpuId {
        self.thread(caller).state = state;
        self.forget_deadline(server);
        let priority = self.thread(caller).priority;
        let server = self.thread(server);
        server.caller = Some(caller);
        server.state = State::Ready;
        if priority.outranks(Some(server.priority)) {
            // It is in no queue.
            server.priority = priority;
        }
        server.home
    }

    pub(crate) fn endpoint_receivers_remove(&mut self, endpoint: Id<Endpoint>, thread: ThreadId) {
        if let Some(endpoint) = self.endpoints.get_mut(endpoint) {
            endpoint.receivers.remove(&mut self.queued, thread);
        }
    }
}
