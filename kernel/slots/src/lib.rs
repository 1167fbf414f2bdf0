//! Typed slots in memory that somebody else provides, named by generation-checked identifiers.
//!
//! The pure crates allocate nothing: the kernel image hands each a slice of [`Slot`]s once, and a
//! [`Slots`] pool gives them out. An [`Id`] is an index and a generation, so an identifier that
//! outlived its object finds nothing instead of somebody else's object.
//!
//! Whoever has a pool has all of it. While nobody has, its objects can be used one by one, each by its owner
//! ([`mine`]): that is what the unsafe code of this crate is for, and all of it is there, in [`row`], and in
//! `one`, `pool` and `slot`.
#![no_std]

mod free;
pub mod mine;
mod one;
mod pool;
pub mod row;
mod slot;
pub mod trie;

pub use free::Free;
pub use mine::{Common, InTurn, Mine, Owner, Taken, Turns};
pub use one::{CommonOne, One};
pub use pool::{Belongings, Own, Pool, PoolParts, TakenWith};
pub use row::{Parts, Row};
pub use slot::Slot;

use core::fmt;
use core::marker::PhantomData;
use core::num::NonZeroU32;

/// Names one object in one pool of `T`s.
///
/// A word wide, like `Option` of it: links between objects are most of what objects consist of.
pub struct Id<T> {
    index: u32,
    generation: Generation,
    pool: PhantomData<fn() -> T>,
}

impl<T> Id<T> {
    /// Its place in the pool.
    pub const fn index(self) -> u32 {
        self.index
    }

    /// How often that place was given out before.
    pub const fn generation(self) -> u32 {
        self.generation.number()
    }

    /// Rebuilds an identifier that was taken apart; a wrong one finds nothing.
    pub const fn from_parts(index: u32, generation: u32) -> Self {
        Self::new(index, Generation::from_number(generation))
    }

    /// The same in one word, which is not 0.
    #[inline]
    pub const fn into_bits(self) -> u64 {
        (self.generation.0.get() as u64) << u32::BITS | self.index as u64
    }

    /// The identifier that became these bits; `None` if none did.
    #[inline]
    pub const fn from_bits(bits: u64) -> Option<Self> {
        // Without the mark of a slot that is free.
        match NonZeroU32::new((bits >> u32::BITS) as u32 & Generation::ALL) {
            Some(generation) => Some(Self::new(bits as u32, Generation(generation))),
            None => None,
        }
    }

    /// What is named so in another pool.
    #[inline]
    pub const fn elsewhere<U>(self) -> Id<U> {
        Id::new(self.index, self.generation)
    }

    const fn new(index: u32, generation: Generation) -> Self {
        Self {
            index,
            generation,
            pool: PhantomData,
        }
    }
}

/// How often a place was given out before, and 1. After 2^31 - 1 times it starts over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Generation(NonZeroU32);

impl Generation {
    const FIRST: Self = Self(NonZeroU32::MIN);

    /// The bits that it consists of.
    const ALL: u32 = u32::MAX >> 1;

    /// The highest number is no generation's; it counts as the first.
    const fn from_number(number: u32) -> Self {
        match NonZeroU32::new(number.wrapping_add(1) & Self::ALL) {
            Some(count) => Self(count),
            None => Self::FIRST,
        }
    }

    const fn number(self) -> u32 {
        self.0.get() - 1
    }

    const fn next(self) -> Self {
        Self::from_number(self.0.get())
    }
}

// Derives would ask the same of `T`.
impl<T> Clone for Id<T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for Id<T> {}
impl<T> PartialEq for Id<T> {
    fn eq(&self, other: &Self) -> bool {
        self.index == other.index && self.generation == other.generation
    }
}
impl<T> Eq for Id<T> {}
impl<T> fmt::Debug for Id<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}.{}", self.index(), self.generation())
    }
}

/// No slot is free.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Full;

/// A pool of slots.
pub struct Slots<T: 'static> {
    slots: Row<[Slot<T>]>,
    free: Free,
}

/// The right to put objects into a pool later, however many others do so meanwhile. One that is
/// dropped while not empty is lost to everybody.
#[must_use = "a reservation that is not used or released takes slots away from everybody"]
#[derive(PartialEq, Eq, Debug)]
pub struct Reserved {
    slots: u32,
}

impl Reserved {
    /// For none.
    pub const NONE: Self = Self { slots: 0 };

    /// For how many objects it is.
    pub const fn count(&self) -> u32 {
        self.slots
    }
}

impl<T> Slots<T> {
    /// A pool over `slots`, all of which are emptied. Slots beyond 2^32 - 1 are left alone.
    pub fn new(slots: &'static mut [Slot<T>]) -> Self {
        let slots = Row::new(slots);
        Self {
            free: Free::of(&slots),
            slots,
        }
    }

    /// How many objects there are.
    pub fn used(&self) -> u32 {
        self.free.used
    }

    /// How many there can be.
    pub fn capacity(&self) -> u32 {
        self.free.capacity
    }

    /// How many more there can be, apart from those that slots are reserved for.
    pub fn available(&self) -> u32 {
        self.free.available()
    }

    /// Puts `value` into a free slot. Constant time.
    ///
    /// # Errors
    /// [`Full`] when no slot is free; `value` is dropped.
    #[inline(always)]
    pub fn insert(&mut self, value: T) -> Result<Id<T>, Full> {
        self.insert_with(|| value)
    }

    /// Puts what `make` makes into a free slot: a large value is made where it is to be, as the slot is known before.
    ///
    /// # Errors
    /// [`Full`] when no slot is free; nothing is made then.
    #[inline(always)]
    pub fn insert_with(&mut self, make: impl FnOnce() -> T) -> Result<Id<T>, Full> {
        let index = self
            .free
            .take(|index| self.slots[index as usize].emptied_before())?;
        Ok(self.slots[index as usize].fill(index, make))
    }

    /// Takes an object out; its identifier is stale from now on.
    pub fn remove(&mut self, id: Id<T>) -> Option<T> {
        let next = self.free.first;
        self.vacate(id)?.empty_out(next)
    }

    /// The same for what nobody wants to see any more: it ends where it is, however large it is.
    pub fn discard(&mut self, id: Id<T>) {
        let next = self.free.first;
        if let Some(slot) = self.vacate(id) {
            slot.clear(next);
        }
    }

    /// Counts an object as gone. Its slot is to be emptied, and to lead to the one that was free before.
    fn vacate(&mut self, id: Id<T>) -> Option<&mut Slot<T>> {
        self.get(id)?;
        self.free.give_back(id.index());
        self.slots.get_mut(id.index() as usize)
    }

    /// The object, unless `id` is stale.
    #[inline]
    pub fn get(&self, id: Id<T>) -> Option<&T> {
        self.slots.get(id.index() as usize)?.named_by(id)
    }

    /// The object for change, unless `id` is stale.
    #[inline]
    pub fn get_mut(&mut self, id: Id<T>) -> Option<&mut T> {
        self.slots.get_mut(id.index() as usize)?.named_by_mut(id)
    }

    /// Two objects for change, unless one of the identifiers is stale or they are the same.
    #[inline(always)]
    pub fn pair_mut(&mut self, one: Id<T>, other: Id<T>) -> Option<(&mut T, &mut T)> {
        let places = [one.index() as usize, other.index() as usize];
        let [first, second] = self.slots.get_disjoint_mut(places).ok()?;
        Some((first.named_by_mut(one)?, second.named_by_mut(other)?))
    }

    /// The identifier of the object at place `index`, if one is there.
    pub fn id_at(&self, index: u32) -> Option<Id<T>> {
        self.slots.get(index as usize)?.at(index).map(|(id, _)| id)
    }

    /// All objects, by place.
    pub fn iter(&self) -> impl Iterator<Item = (Id<T>, &T)> {
        self.slots
            .iter()
            .take(self.free.fresh as usize)
            .zip(0u32..)
            .filter_map(|(slot, index)| slot.at(index))
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::{Full, Id, Owner, Slot, Slots};
    use std::vec::Vec;

    fn pool(size: usize) -> Slots<u32> {
        let slots: Vec<Slot<u32>> = (0..size).map(|_| Slot::empty()).collect();
        Slots::new(slots.leak())
    }

    #[test]
    fn a_stale_identifier_finds_nothing_even_when_its_place_is_taken_again() {
        let mut pool = pool(1);
        let first = pool.insert(7).expect("room");
        assert_eq!(pool.remove(first), Some(7));
        let second = pool.insert(8).expect("room again");
        assert_eq!(first.index(), second.index());
        assert_eq!(pool.get(first), None);
        assert_eq!(pool.remove(first), None);
        assert_eq!(pool.get(second), Some(&8));
    }

    #[test]
    fn who_guesses_the_next_identifier_of_a_place_finds_nothing_before_that_is_given_out() {
        let mut pool = pool(1);
        let guesses = [0, 1].map(|generation| Id::from_parts(0, generation));
        for guess in guesses {
            assert_eq!(pool.get(guess), None);
            assert_eq!(pool.get_mut(guess), None);
            assert_eq!(pool.mine(Owner::NOBODY).get_mut(guess), None);
            assert_eq!(pool.common().get(guess), None);
            assert!(pool.turns(Owner::new(1)).take(guess).is_none());
            assert_eq!(pool.insert(7), Ok(guess));
            assert_eq!(pool.remove(guess), Some(7));
        }
    }

    #[test]
    fn what_is_discarded_ends_at_once_and_leaves_its_place() {
        struct Ending(std::rc::Rc<core::cell::Cell<bool>>);
        impl Drop for Ending {
            fn drop(&mut self) {
                self.0.set(true);
            }
        }
        let mut pool: Slots<Ending> = Slots::new(std::vec![Slot::empty()].leak());
        let ended = std::rc::Rc::new(core::cell::Cell::new(false));
        let Ok(first) = pool.insert(Ending(ended.clone())) else {
            panic!("there is room");
        };
        pool.discard(first);
        assert!(ended.get() && pool.get(first).is_none());
        assert_eq!((pool.used(), pool.available()), (0, 1));
        pool.discard(first);
        assert!(pool.insert(Ending(ended)).is_ok_and(|id| id != first));
    }

    #[test]
    fn an_identifier_and_its_absence_take_a_word() {
        assert_eq!((size_of::<Id<u32>>(), size_of::<Option<Id<u32>>>()), (8, 8));
        for index in [0, 1, u32::MAX - 1] {
            let id = Id::<u32>::from_parts(index, 7);
            assert_eq!((id.index(), id.generation()), (index, 7));
        }
        assert_eq!(pool(1).get(Id::from_parts(u32::MAX, 0)), None);
        for (index, generation) in [(0, 0), (3, 7), (u32::MAX, 1 << 30)] {
            let id = Id::<u32>::from_parts(index, generation);
            assert_eq!(Id::from_bits(id.into_bits()), Some(id));
        }
        assert_eq!(Id::<u32>::from_bits(0), None);
        let of_a_free_slot = Id::<u32>::from_bits(1 << 63 | 1 << 32).expect("a generation");
        assert_eq!(pool(1).get(of_a_free_slot), None);
    }

    #[test]
    fn identifiers_are_the_same_if_place_and_generation_are() {
        let [id, same, elsewhere, earlier] = [(3, 7), (3, 7), (4, 7), (3, 6)]
            .map(|(index, generation)| Id::<u32>::from_parts(index, generation));
        assert_eq!(id, same);
        assert!(id != elsewhere && id != earlier);
        assert_eq!(std::format!("{id:?}"), "#3.7");
    }

    #[test]
    fn an_object_can_be_changed_and_its_place_names_it_until_it_is_taken_out() {
        let mut pool = pool(2);
        let first = pool.insert(1).expect("room");
        *pool.get_mut(first).expect("it is there") += 4;
        assert_eq!(
            (pool.get(first), pool.id_at(0), pool.id_at(1)),
            (Some(&5), Some(first), None)
        );
        pool.remove(first);
        assert_eq!((pool.id_at(0), pool.get_mut(first)), (None, None));
        let second = pool.insert(2).expect("room again");
        assert_eq!((pool.id_at(0), pool.get_mut(first)), (Some(second), None));
    }

    #[test]
    fn a_full_pool_says_so_and_loses_nothing() {
        let mut pool = pool(2);
        let a = pool.insert(1).expect("room");
        pool.insert(2).expect("room");
        assert_eq!(pool.insert(3), Err(Full));
        assert_eq!((pool.used(), pool.available()), (2, 0));
        pool.remove(a);
        assert!(pool.insert(3).is_ok());
        assert_eq!(pool.iter().map(|(_, v)| *v).collect::<Vec<_>>(), [3, 2]);
    }

    #[test]
    fn two_objects_can_be_changed_at_a_time_if_they_are_two() {
        let mut pool = pool(3);
        let (a, b) = (pool.insert(1).expect("room"), pool.insert(2).expect("room"));
        if let Some((a, b)) = pool.pair_mut(b, a) {
            core::mem::swap(a, b);
        }
        assert_eq!((pool.get(a), pool.get(b)), (Some(&2), Some(&1)));
        assert_eq!(pool.pair_mut(a, a), None);
        pool.remove(b);
        assert_eq!(pool.pair_mut(a, b), None);
    }
}
