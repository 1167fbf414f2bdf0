//! The object that messages meet at, and how it ends.

use crate::kernel::Kernel;
use crate::platform::Platform;
use crate::share::Maker;
use crate::thread::{Queue, ThreadId};
use abi::{IpcError, Rights};
use slots::Id;

/// Where messages meet. At most one of the queues has anybody in it.
pub struct Endpoint {
    /// Who answers for it.
    pub(crate) maker: Maker,
    /// Bits that were signalled and that nobody has received.
    pub(crate) signals: u64,
    /// Whether signals were received last, while messages waited as well.
    pub(crate) signals_came_last: bool,
    /// Threads whose message nobody has received.
    pub(crate) callers: Queue,
    /// Threads that wait for a message.
    pub(crate) receivers: Queue,
    /// Handles that name it.
    pub(crate) references: u32,
    /// Of these, handles that can receive.
    pub(crate) receiving: u32,
}

impl Endpoint {
    /// One that no handle names yet.
    pub(crate) const fn new(maker: Maker) -> Self {
        Self {
            maker,
            signals: 0,
            signals_came_last: false,
            callers: Queue::EMPTY,
            receivers: Queue::EMPTY,
            references: 0,
            receiving: 0,
        }
    }
}

impl<P: Platform> Kernel<P> {
    pub(crate) fn endpoint(&mut self, endpoint: Id<Endpoint>) -> &mut Endpoint {
        match self.endpoints.get_mut(endpoint) {
            Some(endpoint) => endpoint,
            None => panic!("a handle names an endpoint that is gone: {endpoint:?}"),
        }
    }

    pub(crate) fn retain_endpoint(&mut self, id: Id<Endpoint>, rights: Rights) {
        let endpoint = self.endpoint(id);
        endpoint.references += 1;
        endpoint.receiving += u32::from(rights.contains(Rights::RECEIVE));
    }

    /// When the last handle that can receive goes, those who wait for an answer get none, and those threads
    /// of its holder that wait for a message get none either.
    pub(crate) fn release_endpoint(&mut self, id: Id<Endpoint>, rights: Rights) {
        let endpoint = self.endpoint(id);
        endpoint.references -= 1;
        endpoint.receiving -= u32::from(rights.contains(Rights::RECEIVE));
        let (receiving, references) = (endpoint.receiving, endpoint.references);
        if receiving == 0 {
            while let Some(caller) = self.pop_caller(id) {
                self.refuse(caller, IpcError::PeerGone);
                self.wake(caller);
            }
            while let Some(receiver) = self.pop_receiver(id) {
                self.refuse(receiver, IpcError::BadHandle);
                self.wake(receiver);
            }
        }
        if references == 0 {
            self.endpoints.remove(id);
        }
    }

    pub(crate) fn pop_caller(&mut self, endpoint: Id<Endpoint>) -> Option<ThreadId> {
        self.endpoints.get_mut(endpoint)?.callers.pop(&mut self.threads)
    }

    fn pop_receiver(&mut self, endpoint: Id<Endpoint>) -> Option<ThreadId> {
        self.endpoints.get_mut(endpoint)?.receivers.pop(&mut self.threads)
    }
}
