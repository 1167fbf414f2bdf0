//! A pool that several use at a time, while nobody has all of it.
//!
//! There are four ways, of which a pool has one at a time. Each object has an [`Owner`], whom whoever had the pool has
//! said, and who alone uses it ([`Mine`]). Or each is used by whoever takes it, until that one gives it back
//! ([`Turns`]). Or all are looked at by everybody and changed by nobody ([`Common`]). Or each belongs to an object of another
//! pool, and is used by whoever takes that ([`crate::Pool`]).

use crate::row::Parts;
use crate::slot::Head;
use crate::{Id, Slot, Slots};
use core::marker::PhantomData;
use core::ops::{Deref, DerefMut};
use core::ptr::NonNull;

/// Who alone may use an object while nobody has the pool.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Owner(u32);

impl Owner {
    /// The object is nobody's.
    pub const NOBODY: Self = Self(u32::MAX);

    /// The owner with this number.
    ///
    /// # Panics
    /// If it is 2^32 - 1, which is nobody's.
    pub const fn new(number: u32) -> Self {
        assert!(number != u32::MAX, "an owner has a number below 2^32 - 1");
        Self(number)
    }

    /// The object of another pool that this names: what belongs to that is its.
    pub const fn object<T>(id: Id<T>) -> Self {
        Self(id.index())
    }

    /// The one with this number, or nobody.
    pub(crate) const fn numbered(number: u32) -> Self {
        Self(number)
    }

    /// Its number.
    pub const fn number(self) -> u32 {
        self.0
    }
}

/// The objects of a pool that one owner has.
pub struct Mine<'a, T: 'static> {
    /// Not the parts themselves, so that what is to be short has them in registers no longer than it needs them.
    slots: &'a Parts<[Slot<T>]>,
    owner: Owner,
    /// And stays with whoever has it: objects are given to another owner without order.
    lends: PhantomData<(&'a mut T, *const ())>,
}

impl<'a, T> Mine<'a, T> {
    /// Those that `owner` has of these.
    #[inline(always)] // into what is to be short
    pub(crate) fn of(slots: &'a Parts<[Slot<T>]>, owner: Owner) -> Self {
        Self {
            slots,
            owner,
            lends: PhantomData,
        }
    }

    /// All slots, and who this owner is.
    #[inline(always)] // as above
    pub(crate) const fn all(&self) -> (&'a Parts<[Slot<T>]>, Owner) {
        (self.slots, self.owner)
    }

    /// The object, unless it is another owner's, or `id` is stale.
    #[inline(always)] // as above
    pub fn get(&self, id: Id<T>) -> Option<&T> {
        let slot = self.own(id)?;
        // SAFETY: What is in it is this owner's, and who could change it is borrowed: `self`, or the pool.
        Some(unsafe { Slot::seen(slot) })
    }

    /// The object for change, unless it is another owner's, or `id` is stale.
    #[inline(always)] // into what is to be short
    pub fn get_mut(&mut self, id: Id<T>) -> Option<&mut T> {
        let slot = self.own(id)?;
        // SAFETY: What is in it is this owner's, and `self` is borrowed.
        Some(unsafe { Slot::used(slot) })
    }

    /// Two objects for change, unless they are the same, or one is none that [`Self::get_mut`] would find.
    #[inline(always)] // as above
    pub fn pair_mut(&mut self, one: Id<T>, other: Id<T>) -> Option<(&mut T, &mut T)> {
        if one.index() == other.index() {
            return None;
        }
        let (first, second) = (self.own(one)?, self.own(other)?);
        // SAFETY: As above, and it is not the next slot.
        let first = unsafe { Slot::used(first) };
        // SAFETY: As above.
        let second = unsafe { Slot::used(second) };
        Some((first, second))
    }

    /// Gives the object that `id` names to another owner, if it is one of them.
    pub fn give(&mut self, id: Id<T>, owner: Owner) {
        if let Some(slot) = self.own(id) {
            head(slot).give(owner);
        }
    }

    /// Whose the object is in the place that `id` names, of which nothing else is looked at.
    #[inline(always)] // as above
    pub fn owner(&self, id: Id<T>) -> Owner {
        let slot = self.slots.at(id.index() as usize);
        slot.map_or(Owner::NOBODY, |slot| head(slot).owner())
    }

    /// Whether `id` names one of them.
    #[inline(always)] // as above
    pub fn has(&self, id: Id<T>) -> bool {
        self.own(id).is_some()
    }

    /// The slot that `id` names, if what it names is in it, and this owner's.
    #[inline(always)] // as above
    fn own(&self, id: Id<T>) -> Option<NonNull<Slot<T>>> {
        let slot = self.slots.at(id.index() as usize)?;
        head(slot).is(id, self.owner).then_some(slot)
    }
}

/// The objects of a pool, each for whoever takes it.
pub struct Turns<'a, T: 'static> {
    slots: &'a Parts<[Slot<T>]>,
    taker: Owner,
    lends: PhantomData<&'a mut T>,
}

/// An object that was taken, and is given back when this is dropped.
pub struct Taken<'a, T> {
    /// No reference, as it is given back while this is still there.
    object: NonNull<T>,
    lends: PhantomData<&'a mut T>,
    _turn: Turn<'a>,
}

/// Gives back what it is about, and this names.
struct Turn<'a>(&'a Head, Id<()>);

impl<T> Turns<'_, T> {
    /// The object, as soon as nobody else has it, unless `id` is stale. One at a time, so that nobody waits for who
    /// waits for him.
    #[inline(always)] // into what is to be short
    pub fn take(&mut self, id: Id<T>) -> Option<Taken<'_, T>> {
        let slot = self.slots.at(id.index() as usize)?;
        taken(slot, id, self.taker)
    }

    /// The identifier of the object at place `index`, if one is there.
    #[inline]
    pub fn id_at(&self, index: u32) -> Option<Id<T>> {
        let slot = self.slots.at(index as usize)?;
        // SAFETY: It is there for ever, and nobody has the pool. Who takes objects changes whose they are, and nothing else.
        unsafe { Slot::id_of(slot, index) }
    }
}

/// A single object, for whoever takes it.
pub struct InTurn<'a, T: 'static> {
    slot: &'a Parts<Slot<T>>,
    taker: Owner,
    lends: PhantomData<&'a mut T>,
}

impl<'a, T> InTurn<'a, T> {
    /// The object in a slot that is never emptied.
    pub(crate) fn of(slot: &'a Parts<Slot<T>>, taker: Owner) -> Self {
        Self {
            slot,
            taker,
            lends: PhantomData,
        }
    }

    /// The object, as soon as nobody else has it.
    #[inline(always)] // into what is to be short
    pub fn take(&mut self) -> Taken<'_, T> {
        match taken(self.slot.place(), Id::from_parts(0, 0), self.taker) {
            Some(taken) => taken,
            None => panic!("it is always there"),
        }
    }

    /// The same right, for a while.
    #[inline(always)] // as above
    pub fn lend(&mut self) -> InTurn<'_, T> {
        InTurn { ..*self }
    }
}

impl<T> Deref for Taken<'_, T> {
    type Target = T;

    #[inline(always)] // as above
    fn deref(&self) -> &T {
        // SAFETY: It was made of a reference for as long, of which there is no other.
        unsafe { self.object.as_ref() }
    }
}

impl<T> DerefMut for Taken<'_, T> {
    #[inline(always)] // as above
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: As above, and this is borrowed.
        unsafe { self.object.as_mut() }
    }
}

impl Drop for Turn<'_> {
    #[inline(always)] // as above
    fn drop(&mut self) {
        self.0.give_back(self.1);
    }
}

/// What `id` names in `slot`, as soon as nobody else has it.
#[inline(always)] // as above
fn taken<'a, T>(slot: NonNull<Slot<T>>, id: Id<T>, taker: Owner) -> Option<Taken<'a, T>> {
    let head = head(slot);
    if !head.take(id, taker) {
        return None;
    }
    // SAFETY: It was just taken.
    let object = unsafe { Slot::used(slot) };
    Some(Taken {
        object: NonNull::from_mut(object),
        lends: PhantomData,
        _turn: Turn(head, id.elsewhere()),
    })
}

/// What is in `slot`, and whose.
#[inline(always)] // as above
fn head<'a, T>(slot: NonNull<Slot<T>>) -> &'a Head {
    // SAFETY: Parts lead to slots alone, which are there for ever, and nobody has the pool.
    unsafe { Slot::head_of(slot) }
}

/// The objects of a pool, to look at.
pub struct Common<'a, T: 'static> {
    slots: &'a Parts<[Slot<T>]>,
    lends: PhantomData<&'a T>,
}

impl<'a, T> Common<'a, T> {
    /// The object, unless `id` is stale.
    #[inline(always)] // into what is to be short
    pub fn get(&self, id: Id<T>) -> Option<&'a T> {
        // SAFETY: Nobody changes one for as long.
        unsafe { self.slots.all() }.get(id.index() as usize)?.named_by(id)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &'a T> + use<'a, T> {
        // SAFETY: As above.
        let slots = unsafe { self.slots.all() }.iter();
        slots
            .zip(0..)
            .filter_map(|(slot, index)| slot.at(index))
            .map(|(_, object)| object)
    }
}

/// As long as the answer of one of these lives, nobody has the pool, and whoever else uses it does so by the same one of
/// the four ways.
impl<T> Parts<[Slot<T>]> {
    /// The objects that `owner` has.
    ///
    /// # Safety
    /// As above, and nobody else acts as this owner.
    #[inline]
    pub unsafe fn mine(&self, owner: Owner) -> Mine<'_, T> {
        Mine {
            slots: self,
            owner,
            lends: PhantomData,
        }
    }

    /// The objects, none of which anybody has, for whoever takes them; `taker` does.
    ///
    /// # Safety
    /// As above, and the taker is somebody.
    #[inline]
    pub unsafe fn turns(&self, taker: Owner) -> Turns<'_, T> {
        Turns {
            slots: self,
            taker,
            lends: PhantomData,
        }
    }

    /// All objects, to look at.
    ///
    /// # Safety
    /// As above.
    #[inline]
    pub unsafe fn common(&self) -> Common<'_, T> {
        Common {
            slots: self,
            lends: PhantomData,
        }
    }
}

impl<T> Slots<T> {
    /// The objects that `owner` has.
    #[inline]
    pub fn mine(&mut self, owner: Owner) -> Mine<'_, T> {
        // SAFETY: Whoever has the pool lends it for as long.
        unsafe { self.slots.parts().mine(owner) }
    }

    /// The objects that each of two owners has.
    ///
    /// # Panics
    /// If they are the same.
    pub fn both(&mut self, [one, other]: [Owner; 2]) -> [Mine<'_, T>; 2] {
        assert_ne!(one, other, "what one owner has is lent once");
        // SAFETY: As above, and no object has two owners.
        [one, other].map(|owner| unsafe { self.slots.parts().mine(owner) })
    }

    /// The objects, none of which anybody has, for `taker` to take.
    #[inline]
    pub fn turns(&mut self, taker: Owner) -> Turns<'_, T> {
        // SAFETY: As above.
        unsafe { self.slots.parts().turns(taker) }
    }

    /// All objects, to look at.
    #[inline]
    pub fn common(&self) -> Common<'_, T> {
        // SAFETY: Nobody changes one as long as the pool is borrowed.
        unsafe { self.slots.parts().common() }
    }

    /// Where its slots are, for use while nobody has the pool.
    pub fn parts(&self) -> Parts<[Slot<T>]> {
        *self.slots.parts()
    }

    /// Who has the object, unless `id` is stale.
    pub fn owner(&self, id: Id<T>) -> Option<Owner> {
        self.get(id)?;
        self.slots
            .get(id.index() as usize)
            .map(|slot| slot.head().owner())
    }

    /// `owner` has the object from now on, if it is there.
    pub fn give(&mut self, id: Id<T>, owner: Owner) {
        if self.get(id).is_some()
            && let Some(slot) = self.slots.get(id.index() as usize)
        {
            slot.head().give(owner);
        }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::Owner;
    use crate::{Slot, Slots};
    use std::vec::Vec;

    const ONE: Owner = Owner::new(1);
    const TWO: Owner = Owner::new(2);

    fn pool(size: usize) -> Slots<u32> {
        Slots::new((0..size).map(|_| Slot::empty()).collect::<Vec<_>>().leak())
    }

    #[test]
    fn an_owner_finds_what_it_has_and_nothing_else() {
        let mut pool = pool(3);
        let [a, b, c] = [10, 20, 30].map(|value| pool.insert(value).expect("room"));
        pool.give(a, ONE);
        pool.give(b, TWO);
        let mut mine = pool.mine(ONE);
        *mine.get_mut(a).expect("it is ours") += 1;
        assert_eq!(mine.get_mut(b), None);
        assert_eq!(mine.get_mut(c), None);
        assert_eq!(
            (pool.get(a), pool.owner(b), pool.owner(c)),
            (Some(&11), Some(TWO), Some(Owner::NOBODY))
        );
    }

    #[test]
    fn an_owner_gives_what_it_has_to_another_one() {
        let mut pool = pool(2);
        let [a, b] = [10, 20].map(|value| pool.insert(value).expect("room"));
        pool.give(a, ONE);
        pool.give(b, TWO);
        let [mut ones, mut twos] = pool.both([ONE, TWO]);
        ones.give(b, ONE);
        assert!(!ones.has(b) && twos.has(b), "it was not its own");
        ones.give(a, TWO);
        assert_eq!(ones.owner(a), TWO);
        assert_eq!((ones.get_mut(a), twos.get_mut(a)), (None, Some(&mut 10)));
    }

    #[test]
    fn two_objects_of_one_owner_can_be_changed_at_a_time_if_they_are_two() {
        let mut pool = pool(3);
        let [a, b, c] = [10, 20, 30].map(|value| pool.insert(value).expect("room"));
        pool.give(a, ONE);
        pool.give(b, ONE);
        pool.give(c, TWO);
        let mut mine = pool.mine(ONE);
        let (first, second) = mine.pair_mut(a, b).expect("they are two, and ours");
        core::mem::swap(first, second);
        for (one, other) in [(a, a), (a, c), (c, a)] {
            assert_eq!(mine.pair_mut(one, other), None);
        }
        assert_eq!((pool.get(a), pool.get(b)), (Some(&20), Some(&10)));
    }

    #[test]
    fn what_comes_to_a_place_is_not_whose_it_was_before() {
        let mut pool = pool(1);
        let first = pool.insert(1).expect("room");
        pool.give(first, ONE);
        pool.remove(first);
        assert_eq!(pool.owner(first), None);
        assert_eq!(pool.mine(ONE).get_mut(first), None);
        let second = pool.insert(2).expect("room again");
        pool.give(first, ONE);
        assert_eq!(pool.owner(second), Some(Owner::NOBODY));
        assert_eq!(pool.mine(ONE).get_mut(second), None);
        pool.give(second, ONE);
        assert_eq!(pool.mine(ONE).get_mut(first), None);
        assert_eq!(pool.mine(ONE).get_mut(second), Some(&mut 2));
        assert_eq!(
            (pool.common().get(first), pool.common().get(second)),
            (None, Some(&2))
        );
    }

    #[test]
    fn who_takes_an_object_has_it_until_he_gives_it_back() {
        let mut pool = pool(2);
        let (first, second) = (pool.insert(1).expect("room"), pool.insert(2).expect("room"));
        pool.remove(second);
        let mut turns = pool.turns(ONE);
        let mut taken = turns.take(first).expect("it is there");
        *taken += 4;
        assert_eq!(taken._turn.0.owner(), ONE);
        drop(taken);
        assert!(turns.take(second).is_none());
        assert_eq!(
            (pool.owner(first), pool.get(first)),
            (Some(Owner::NOBODY), Some(&5))
        );
        let third = pool.insert(3).expect("the place is free, and nobody's");
        assert!(pool.turns(TWO).take(third).is_some_and(|taken| *taken == 3));
    }

    #[test]
    fn what_several_take_in_turn_none_of_them_misses() {
        const EACH: u32 = 1000;
        let mut pool = pool(1);
        let id = pool.insert(0).expect("room");
        let slots = pool.parts();
        std::thread::scope(|scope| {
            for taker in [ONE, TWO] {
                scope.spawn(move || {
                    for _ in 0..EACH {
                        // SAFETY: Nobody uses the pool meanwhile, and the other thread takes its objects as well.
                        let mut turns = unsafe { slots.turns(taker) };
                        *turns.take(id).expect("it is there") += 1;
                    }
                });
            }
        });
        assert_eq!(pool.get(id), Some(&(2 * EACH)));
    }
}
