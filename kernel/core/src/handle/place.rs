//! One place of a handle table, as CPUs see it that use it at the same time.
//!
//! What is there is said in three words, which cannot be read or written at once. The first one says which use of the place it
//! is, and changes whenever what is in the others is not so any more. So who finds it the same before and after has read what
//! belongs together, and who exchanges it for that of the next use has taken out what was there, and nobody else has.

use super::{Capability, Object};
use crate::ipc::Endpoint;
use crate::process::ProcessId;
use abi::{Badge, Rights};
use core::sync::atomic::{AtomicU64, Ordering, fence};
use mm::SpaceId;
use slots::Id;

/// A place: nothing but zeroes when it was never used.
pub(super) struct Place {
    state: AtomicU64,
    object: AtomicU64,
    badge: AtomicU64,
}

/// Which use of a place it is, in the lower half. In the upper one what kind of object is there, none if the place is free, and
/// above that with which rights.
#[derive(Clone, Copy, PartialEq, Eq)]
struct State(u64);

/// What was at a place at one moment. It becomes a capability only where it has to.
#[derive(Clone, Copy)]
pub(crate) struct Found {
    state: State,
    object: u64,
    /// The mark its messages carry.
    pub badge: Badge,
}

/// Generations wrap as they do in [`Handle`](abi::Handle).
const GENERATIONS: u32 = 1 << 22;

const KIND_BITS: u32 = 8;
const KIND_SHIFT: u32 = u32::BITS;
const RIGHTS_SHIFT: u32 = KIND_SHIFT + KIND_BITS;

const _: () = assert!(Rights::all().bits() < 1 << (u64::BITS - RIGHTS_SHIFT));

impl State {
    const fn free(generation: u32) -> Self {
        Self(generation as u64)
    }

    fn taken(generation: u32, kind: u8, rights: Rights) -> Self {
        let (kind, rights) = (u64::from(kind), u64::from(rights.bits()));
        Self(u64::from(generation) | kind << KIND_SHIFT | rights << RIGHTS_SHIFT)
    }

    const fn generation(self) -> u32 {
        self.0 as u32
    }

    const fn kind(self) -> u8 {
        (self.0 >> KIND_SHIFT) as u8
    }

    const fn rights(self) -> Rights {
        Rights::from_bits_retain((self.0 >> RIGHTS_SHIFT) as u32)
    }

    /// When what is there is gone.
    const fn next(self) -> Self {
        Self::free((self.generation() + 1) % GENERATIONS)
    }
}

impl Found {
    /// What may be done to the object; nothing, if there is none.
    #[inline(always)] // this and the next ones, into what is to be short
    pub const fn rights(self) -> Rights {
        self.state.rights()
    }

    /// The endpoint, if it is one.
    #[inline(always)]
    pub fn endpoint(self) -> Option<Id<Endpoint>> {
        self.of_kind(Object::ENDPOINT)
    }

    /// The address space, if it is a memory manager.
    #[inline(always)]
    pub fn memory(self) -> Option<SpaceId> {
        self.of_kind(Object::MEMORY)
    }

    /// The process, if it is one.
    #[inline(always)]
    pub fn process(self) -> Option<ProcessId> {
        self.of_kind(Object::PROCESS)
    }

    #[inline(always)]
    fn of_kind<T>(self, kind: u8) -> Option<Id<T>> {
        if self.state.kind() == kind {
            Id::from_bits(self.object)
        } else {
            None
        }
    }

    /// What it stands for, if there is anything.
    #[inline]
    pub fn capability(self) -> Option<Capability> {
        Some(Capability {
            object: Object::from_words(self.state.kind(), self.object)?,
            rights: self.rights(),
            badge: self.badge,
        })
    }
}

impl Place {
    /// One that was never used.
    pub const fn free() -> Self {
        Self {
            state: AtomicU64::new(State::free(0).0),
            object: AtomicU64::new(0),
            badge: AtomicU64::new(0),
        }
    }

    /// What is there in this use of the place: no object, if it is free.
    #[inline(always)] // into what is to be short
    pub fn find(&self, generation: u32) -> Option<Found> {
        let state = State(self.state.load(Ordering::Acquire));
        if state.generation() != generation {
            return None;
        }
        let found = self.read(state);
        // What was read is older than what is read next: whoever writes here has changed the state before.
        fence(Ordering::Acquire);
        (self.state.load(Ordering::Relaxed) == state.0).then_some(found)
    }

    /// What is there, for whom nobody disturbs.
    pub fn get(&self) -> Option<Capability> {
        self.read(self.state()).capability()
    }

    #[inline(always)] // as above
    fn read(&self, state: State) -> Found {
        Found {
            state,
            object: self.object.load(Ordering::Relaxed),
            badge: Badge(self.badge.load(Ordering::Relaxed)),
        }
    }

    /// Which use of it this is.
    pub fn generation(&self) -> u32 {
        self.state().generation()
    }

    fn state(&self) -> State {
        State(self.state.load(Ordering::Relaxed))
    }

    /// Puts something there, for whoever alone may do that. Answers which use of the place it is.
    pub fn put(&self, capability: Capability) -> u32 {
        let (object, generation) = (capability.object, self.generation());
        // Who reads these words sees also that what was there before is gone.
        self.object.store(object.which(), Ordering::Release);
        self.badge.store(capability.badge.0, Ordering::Release);
        let state = State::taken(generation, object.kind(), capability.rights);
        self.state.store(state.0, Ordering::Release);
        generation
    }

    /// Takes out what was [found](Self::find) there. Whether it was there still.
    pub fn take(&self, found: Found) -> bool {
        let (acquire, relaxed) = (Ordering::AcqRel, Ordering::Relaxed);
        let (found, next) = (found.state.0, found.state.next().0);
        self.state.compare_exchange(found, next, acquire, relaxed).is_ok()
    }

    /// The same for whom nobody disturbs, whatever is there.
    pub fn vacate(&self) -> Option<Capability> {
        let found = self.read(self.state());
        let capability = found.capability()?;
        self.take(found).then_some(capability)
    }

    /// It is free, and handles are as stale here as at `other`.
    pub fn follow(&mut self, other: &Self) {
        *self.state.get_mut() = State::free(other.generation()).0;
    }

    /// It is free, and no handle from before names what comes here.
    pub fn pass_over(&mut self) {
        *self.state.get_mut() = self.state().next().0;
    }
}
