//! The object that messages meet at, and how it ends.

use crate::heap::{Heap, Kind, Place};
use crate::kernel::Kernel;
use crate::platform::Platform;
use crate::share::Maker;
use crate::thread::{Queue, Thread, ThreadId};
use abi::process::Priority;
use abi::{IpcError, Rights};
use slots::{Id, Slots};

/// Where messages meet. At most one of the queues has anybody in it.
pub struct Endpoint {
    /// Who answers for it.
    pub(crate) maker: Maker,
    /// Bits that were signalled and that nobody has received.
    pub(crate) signals: u64,
    /// Whether signals were received last, while messages waited as well.
    pub(crate) signals_came_last: bool,
    /// Threads whose message nobody has received.
    pub(crate) callers: Heap<ByTurn>,
    /// How many have come to wait so.
    arrivals: u64,
    /// Who waited last for a message here: whom callers wait for as long as nobody does.
    pub(crate) server: Option<ThreadId>,
    /// Threads that wait for a message.
    pub(crate) receivers: Queue,
    /// Handles that name it.
    pub(crate) references: u32,
    /// Of these, handles that can receive.
    pub(crate) receiving: u32,
}

/// The heap that has the callers of an endpoint, the most important first, and of equals who came first.
pub(crate) struct ByTurn;

impl Kind for ByTurn {
    fn place(thread: &Thread) -> &Place {
        &thread.turn
    }

    fn place_mut(thread: &mut Thread) -> &mut Place {
        &mut thread.turn
    }
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
            receivers: Queue::EMPTY,
            references: 0,
            receiving: 0,
        }
    }

    /// `caller` waits here from now on.
    pub(crate) fn push_caller(&mut self, threads: &mut Slots<Thread>, caller: ThreadId) {
        self.arrivals += 1;
        self.insert_caller(threads, caller, self.arrivals);
    }

    /// `caller`, which waits here, has another priority.
    pub(crate) fn reorder_caller(&mut self, threads: &mut Slots<Thread>, caller: ThreadId) {
        let arrival = threads.get(caller).map_or(0, |thread| thread.turn.key());
        self.callers.remove(threads, caller);
        self.insert_caller(threads, caller, arrival);
    }

    fn insert_caller(&mut self, threads: &mut Slots<Thread>, caller: ThreadId, arrival: u64) {
        if let Some(priority) = threads.get(caller).map(|thread| thread.priority) {
            self.callers.insert(threads, caller, turn(priority, arrival));
        }
    }

    /// Whether `caller` waits here with the priority that it has. For checks.
    pub(crate) fn has_in_place(&self, threads: &Slots<Thread>, caller: ThreadId) -> bool {
        let is_right = |thread: &Thread| thread.turn.key() == turn(thread.priority, thread.turn.key());
        threads.get(caller).is_some_and(is_right) && self.callers.is_in_place(threads, caller)
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
        let (first, _) = callers.first(&self.threads)?;
        callers.remove(&mut self.threads, first);
        Some(first)
    }

    fn pop_receiver(&mut self, endpoint: Id<Endpoint>) -> Option<ThreadId> {
        self.endpoints.get_mut(endpoint)?.receivers.pop(&mut self.threads)
    }
}
