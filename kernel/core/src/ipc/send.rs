//! Send: a message that no answer comes to.

use crate::handle::Object;
use crate::kernel::Kernel;
use crate::message::Message;
use crate::platform::Platform;
use crate::thread::ThreadId;
use abi::{Arrival, Handle, IpcError, Label, Rights};

impl<P: Platform> Kernel<P> {
    /// Gives `sender`'s message to the first who waits to receive, or queues with it until somebody does.
    /// Either way the sender goes on as soon as it is received.
    ///
    /// # Errors
    /// `handle` is no endpoint, or cannot call; the handles to pass are bad, the receiver has no room for
    /// them, or nobody can ever receive. Then nothing has happened.
    pub(crate) fn send_without_answer(
        &mut self,
        sender: ThreadId,
        handle: Handle,
        message: Message<'_>,
    ) -> Result<(), IpcError> {
        let capability = self.capability(sender, handle, Rights::CALL)?;
        let Object::Endpoint(id) = capability.object else {
            return Err(IpcError::NotPermitted);
        };
        let endpoint = self.endpoint(id);
        if endpoint.receiving == 0 {
            return Err(IpcError::PeerGone);
        }
        let receiver = endpoint.receivers.first();
        self.check_handles(sender, message.tag)?;
        let Some(receiver) = receiver else {
            self.wait_to_be_received(sender, id, capability.badge, message, Arrival::Message);
            return Ok(());
        };
        let arriving = message.arriving(Arrival::Message);
        self.transfer(sender, receiver, arriving, capability.badge)?;
        self.endpoint_receivers_remove(id, receiver);
        self.wake(receiver);
        self.deliver(sender, Message::empty(Label::DONE), abi::Badge(0));
        Ok(())
    }
}
