//! The object that messages meet at, and how it ends.

use crate::heap::Heap;
use crate::kernel::Kernel;
use crate::platform::Platform;
use crate::queue::{Queue, Queued};
use crate::share::Maker;
use crate::thread::ThreadId;
use abi::process::Priority;
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
    /// Threads whose message nobody has received, the most important first, and of equals who came first.
    pub(crate) callers: Heap,
    /// How many have come to wait so.
    arrivals: u64,
    /// Who waited last for a message here: whom callers wait for as long as nobody does.
    pub(crate) server: Option<ThreadId>,
    /// How important that one is by itself: callers who are not more so lend it nothing.
    pub(crate) servers_own: Priority,
    /// Threads that wait for a message.
    pub(crate) receivers: Queue,
    /// Handles that name it.
    pub(crate) references: u32,
    /// Of these, handles that can receive.
    pub(crate) receiving: u32,
}

/// Bits of a key that say who came first: what is above them is the priority, lowest for the highest.
const ARRIVAL_BITS: u32 = 56;

fn turn(priority: Priority, arrival: u64) -> u64 {
    let arrival = arrival & ((1 << ARRIVAL_BITS) - 1);
    u64::from(u8::MAX - priority.0) << ARRIVAL_BITS | arrival
}

impl Endpoint {
    /// One that no handle names yet.
    pub(crate) const fn new(maker: Maker) -> Self {
        Self {
            maker,
            signals: 0,
            signals_came_last: false,
            callers: Heap::EMPTY,
            arrivals: 0,
            server: None,
            servers_own: Priority::LEAST,
            receivers: Queue::EMPTY,
            references: 0,
            receiving: 0,
        }
    }

    /// One more handle names it, with these rights.
    pub(crate) fn retain(&mut self, rights: Rights) {
        self.references += 1;
        self.receiving += u32::from(rights.contains(Rights::RECEIVE));
    }

    /// One handle with these rights fewer names it, and of them one fewer can receive.
    fn release(&mut self, rights: Rights) {
        self.references -= 1;
        self.receiving -= u32::from(rights.contains(Rights::RECEIVE));
    }

    /// The same, unless none would be left that can receive: then nobody's wait there ends, nor does the endpoint.
    pub(crate) fn release_unless_last(&mut self, rights: Rights) -> bool {
        let stays = self.receiving > u32::from(rights.contains(Rights::RECEIVE));
        if stays {
            self.release(rights);
        }
        stays
    }

    /// `thread`, which is as important as this by itself, waits here for messages from now on.
    #[inline(always)] // into what is to be short
    pub(crate) fn is_served_by(&mut self, thread: ThreadId, own: Priority) {
        (self.server, self.servers_own) = (Some(thread), own);
    }

    /// Whether a caller that is that important lends something to whom it waits for.
    pub(crate) fn is_lent(&self, priority: Priority) -> bool {
        self.server.is_some() && priority.outranks(Some(self.servers_own))
    }

    /// `caller`, which is that important, waits here from now on.
    pub(crate) fn push_caller(&mut self, places: Queued, caller: ThreadId, priority: Priority) {
        self.arrivals += 1;
        self.callers.insert(places, caller, turn(priority, self.arrivals));
    }

    /// `caller`, which waits here, has this priority from now on.
    pub(crate) fn reorder_caller(&mut self, places: Queued, caller: ThreadId, priority: Priority) {
        let arrival = places[caller.index() as usize].key();
        self.callers.remove(places, caller);
        self.callers.insert(places, caller, turn(priority, arrival));
    }

    /// The first of the callers waits here no more.
    pub(crate) fn take_first_caller(&mut self, places: Queued) {
        if let Some(first) = self.callers.top() {
            self.callers.remove(places, first);
            // Then signals that wait are next.
            self.signals_came_last &= self.signals == 0;
        }
    }

    /// Whether there is anything to receive.
    pub(crate) const fn has_anything(&self) -> bool {
        self.signals != 0 || !self.callers.is_empty()
    }

    /// How important the first of the callers is.
    pub(crate) fn most_of_callers(&self, places: Queued) -> Option<Priority> {
        let first = self.callers.top()?;
        Some(Priority(
            u8::MAX - (places[first.index() as usize].key() >> ARRIVAL_BITS) as u8,
        ))
    }

    /// Whether `caller` waits here with this priority. For checks.
    pub(crate) fn has_in_place(&self, places: Queued, caller: ThreadId, priority: Priority) -> bool {
        let key = places[caller.index() as usize].key();
        key == turn(priority, key) && self.callers.is_in_place(places, caller)
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
        self.endpoint(id).retain(rights);
    }

    /// When the last handle that can receive goes, those who wait for an answer get none, and those threads
    /// of its holder that wait for a message get none either.
    pub(crate) fn release_endpoint(&mut self, id: Id<Endpoint>, rights: Rights) {
        let endpoint = self.endpoint(id);
        endpoint.release(rights);
        let (receiving, references) = (endpoint.receiving, endpoint.references);
        if receiving == 0 {
            self.stop_listening(id);
            while let Some(caller) = self.pop_caller(id) {
                self.disappoint(caller, IpcError::PeerGone);
            }
            while let Some(receiver) = self.pop_receiver(id) {
                self.refuse(receiver, IpcError::BadHandle);
                self.wake(receiver);
            }
            let server = self.endpoint(id).server;
            self.take_priority_back(server);
        }
        if references == 0 {
            self.endpoints.remove(id);
        }
    }

    pub(crate) fn pop_caller(&mut self, endpoint: Id<Endpoint>) -> Option<ThreadId> {
        let callers = &mut self.endpoints.get_mut(endpoint)?.callers;
        let first = callers.top()?;
        callers.remove(self.queued, first);
        Some(first)
    }

    fn pop_receiver(&mut self, endpoint: Id<Endpoint>) -> Option<ThreadId> {
        self.endpoints.get_mut(endpoint)?.receivers.pop(&mut self.queued)
    }
}
