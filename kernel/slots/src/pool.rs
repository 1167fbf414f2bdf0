//! A pool each of whose objects belongs to an object of another one: whoever has taken that has them as well, and puts more in.

use crate::mine::{InTurn, Mine, Owner, Taken, Turns};
use crate::{Free, Full, Id, One, Parts, Reserved, Row, Slot};

/// Objects that belong to others. Whoever has it has all of them; while nobody has, each owner's are used, and others come and go, by
/// whoever has the [owner](Belongings).
pub struct Pool<T: 'static> {
    slots: Row<[Slot<T>]>,
    free: One<Free>,
}

/// Where all of a pool is. That alone is no right to use it.
pub struct PoolParts<T: 'static> {
    slots: Parts<[Slot<T>]>,
    free: Parts<Slot<Free>>,
}

impl<T> Clone for PoolParts<T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for PoolParts<T> {}

/// The right to what belongs to objects of another pool that are taken.
pub struct Belongings<'a, T: 'static> {
    slots: &'a Parts<[Slot<T>]>,
    free: InTurn<'a, Free>,
}

/// What belongs to one owner.
pub struct Own<'a, T: 'static> {
    mine: Mine<'a, T>,
    free: InTurn<'a, Free>,
}

/// An object that was taken with what belongs to it. Both are given back when this is dropped.
pub struct TakenWith<'a, 'b, O, T: 'static> {
    object: Taken<'a, O>,
    belongings: &'a mut Belongings<'b, T>,
    owner: Owner,
}

impl<'b, T> Belongings<'b, T> {
    /// An object of that other pool, as soon as nobody else has it, with what belongs to it, unless `id` is stale.
    #[inline(always)] // into what is to be short
    pub fn take<'a, O>(
        &'a mut self,
        owners: &'a mut Turns<'_, O>,
        id: Id<O>,
    ) -> Option<TakenWith<'a, 'b, O, T>> {
        Some(TakenWith {
            object: owners.take(id)?,
            belongings: self,
            owner: Owner::object(id),
        })
    }

    #[inline(always)] // as above
    fn lend(&mut self) -> Belongings<'_, T> {
        Belongings {
            slots: self.slots,
            free: self.free.lend(),
        }
    }

    #[inline(always)] // as above
    fn of(self, owner: Owner) -> Own<'b, T> {
        Own {
            mine: Mine::of(self.slots, owner),
            free: self.free,
        }
    }
}

impl<O, T> TakenWith<'_, '_, O, T> {
    /// The object, and what belongs to it.
    #[inline(always)] // as above
    pub fn each(&mut self) -> (&mut O, Own<'_, T>) {
        (&mut self.object, self.belongings.lend().of(self.owner))
    }
}

impl<T> Own<'_, T> {
    /// The object, unless it is another owner's, or `id` is stale.
    #[inline(always)] // as above
    pub fn get(&self, id: Id<T>) -> Option<&T> {
        self.mine.get(id)
    }

    /// The object for change, unless it is another owner's, or `id` is stale.
    #[inline(always)] // as above
    pub fn get_mut(&mut self, id: Id<T>) -> Option<&mut T> {
        self.mine.get_mut(id)
    }

    /// Reserves slots for `count` objects.
    ///
    /// # Errors
    /// [`Full`] if not as many are available.
    pub fn reserve(&mut self, count: u32) -> Result<Reserved, Full> {
        if count == 0 {
            return Ok(Reserved::NONE);
        }
        self.free.take().reserve(count)
    }

    /// Takes a reservation back.
    pub fn release(&mut self, reserved: Reserved) {
        if reserved.count() > 0 {
            self.free.take().release(reserved);
        }
    }

    /// Puts `value` into a reserved slot. It belongs to this owner. Constant time.
    ///
    /// # Panics
    /// If nothing is left of the reservation, or it was made for another pool.
    #[inline]
    pub fn insert(&mut self, reserved: &mut Reserved, value: T) -> Id<T> {
        let (slots, owner) = self.mine.all();
        let index = self.free.take().take_reserved(reserved, |index| {
            // SAFETY: It is free, and whoever else changes such a one takes those that are, as here.
            unsafe { place(slots, index).as_ref() }.emptied_before()
        });
        // SAFETY: It was just taken, so nobody else has it.
        unsafe { Slot::fill_for(place(slots, index), index, value, owner) }
    }

    /// Ends an object of this owner's where it is; its identifier is stale from now on.
    #[inline]
    pub fn discard(&mut self, id: Id<T>) {
        if self.get(id).is_none() {
            return;
        }
        let (slots, _) = self.mine.all();
        let mut free = self.free.take();
        // SAFETY: It is this owner's, so nobody else uses it, and then among those that are free, which are taken.
        unsafe { Slot::empty_for(place(slots, id.index()), free.first) };
        free.give_back(id.index());
    }
}

/// Where the slot at `index` is, which is one of them.
fn place<T>(slots: &Parts<[Slot<T>]>, index: u32) -> core::ptr::NonNull<Slot<T>> {
    match slots.at(index as usize) {
        Some(place) => place,
        None => panic!("a pool has no slot {index}"),
    }
}

impl<T> Pool<T> {
    /// A pool over `slots`, all of which are emptied, that keeps in `free` which are. Slots beyond 2^32 - 1 are left alone.
    pub fn new(slots: &'static mut [Slot<T>], free: &'static mut Slot<Free>) -> Self {
        let slots = Row::new(slots);
        let free = One::new(free, Free::of(&slots));
        Self { slots, free }
    }

    /// Where it is, for use while nobody has it.
    pub fn parts(&self) -> PoolParts<T> {
        PoolParts {
            slots: *self.slots.parts(),
            free: self.free.parts(),
        }
    }

    /// The objects, each of which [belongs](Owner::object) to an object of another pool.
    #[inline]
    pub fn belongings(&mut self) -> Belongings<'_, T> {
        Belongings {
            slots: self.slots.parts(),
            free: self.free.in_turn(Owner::new(0)),
        }
    }

    /// What belongs to the object of another pool that this names.
    #[inline]
    pub fn own<O>(&mut self, id: Id<O>) -> Own<'_, T> {
        self.belongings().of(Owner::object(id))
    }

    /// How many objects there are.
    pub fn used(&self) -> u32 {
        self.free.used
    }

    /// How many more there can be, apart from those that slots are reserved for.
    pub fn available(&self) -> u32 {
        self.free.available()
    }

    /// For how many objects slots are reserved.
    pub fn reserved(&self) -> u32 {
        self.free.reserved
    }

    /// The object, whoever it belongs to, unless `id` is stale.
    pub fn get(&self, id: Id<T>) -> Option<&T> {
        self.slots.get(id.index() as usize)?.named_by(id)
    }

    /// All objects, by place.
    pub fn iter(&self) -> impl Iterator<Item = (Id<T>, &T)> {
        self.slots
            .iter()
            .zip(0u32..)
            .filter_map(|(slot, index)| slot.at(index))
    }
}

impl<T> PoolParts<T> {
    /// The objects, each of which [belongs](Owner::object) to an object of another pool, for `taker`.
    ///
    /// # Safety
    /// As long as the answer is used, nobody has the pool; that other pool is the only one of which anybody takes objects with
    /// these; and the taker is somebody.
    #[inline]
    pub unsafe fn belongings(&self, taker: Owner) -> Belongings<'_, T> {
        Belongings {
            slots: &self.slots,
            // SAFETY: The caller vouches for it.
            free: unsafe { self.free.in_turn(taker) },
        }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::Pool;
    use crate::{Full, Owner, Reserved, Slot, Slots};
    use std::boxed::Box;
    use std::vec::Vec;

    fn slots<T>(size: usize) -> &'static mut [Slot<T>] {
        (0..size).map(|_| Slot::empty()).collect::<Vec<_>>().leak()
    }

    fn pool(size: usize) -> Pool<u32> {
        Pool::new(slots(size), Box::leak(Box::new(Slot::empty())))
    }

    #[test]
    fn who_takes_an_object_has_what_belongs_to_it_and_nothing_else() {
        let (mut owners, mut pool) = (Slots::new(slots(2)), pool(3));
        let [one, other] = [1, 2].map(|value| owners.insert(value).expect("room"));
        let [a, b] = [one, other].map(|owner| {
            let mut own = pool.own(owner);
            let mut slots = own.reserve(1).expect("room");
            own.insert(&mut slots, 10)
        });
        let (mut belongings, mut turns) = (pool.belongings(), owners.turns(Owner::new(1)));
        let mut taken = belongings.take(&mut turns, one).expect("it is there");
        let (object, mut mine) = taken.each();
        *object += *mine.get(a).expect("it belongs to it");
        *mine.get_mut(a).expect("as above") += 1;
        assert_eq!(mine.get(b), None);
        assert_eq!(mine.get_mut(b), None);
        mine.discard(b);
        drop(taken);
        assert_eq!(
            (owners.get(one), pool.get(a), pool.get(b)),
            (Some(&11), Some(&11), Some(&10))
        );
        owners.remove(other);
        assert!(
            pool.belongings()
                .take(&mut owners.turns(Owner::new(1)), other)
                .is_none()
        );
    }

    #[test]
    fn what_is_reserved_is_there_whatever_others_take_and_what_is_discarded_is_there_again() {
        let mut owners = Slots::new(slots(1));
        let owner = owners.insert(()).expect("room");
        let mut pool = pool(3);
        let mut own = pool.own(owner);
        let mut two = own.reserve(2).expect("room");
        assert_eq!(own.reserve(2), Err(Full));
        let mut one = own.reserve(1).expect("room for one");
        assert_eq!(own.reserve(1), Err(Full));
        let ids = [
            own.insert(&mut two, 1),
            own.insert(&mut one, 2),
            own.insert(&mut two, 3),
        ];
        assert_eq!((one, two), (Reserved::NONE, Reserved::NONE));
        assert_eq!(ids.map(|id| own.get(id).copied()), [Some(1), Some(2), Some(3)]);
        own.discard(ids[1]);
        own.discard(ids[1]);
        assert_eq!(own.get(ids[1]), None);
        let mut again = own.reserve(1).expect("it is free");
        let id = own.insert(&mut again, 4);
        assert_eq!(
            (id.index(), id != ids[1], own.get(id)),
            (ids[1].index(), true, Some(&4))
        );
        own.discard(ids[0]);
        let released = own.reserve(1).expect("it is free");
        own.release(released);
        assert_eq!((pool.used(), pool.available(), pool.reserved()), (2, 1, 0));
        assert_eq!(pool.iter().map(|(_, value)| *value).collect::<Vec<_>>(), [4, 3]);
    }

    #[test]
    fn owners_put_in_and_take_out_at_a_time_and_each_finds_its_own() {
        const EACH: u32 = 2000;
        let mut owners = Slots::new(slots(2));
        let ids = [0, 1].map(|number| owners.insert(number).expect("room"));
        let pool = pool(8);
        let (parts, turns) = (pool.parts(), owners.parts());
        std::thread::scope(|scope| {
            for (owner, taker) in ids.into_iter().zip(1..) {
                scope.spawn(move || {
                    // SAFETY: Nobody has one of the two pools, and nobody takes objects of others with these.
                    let mut belongings = unsafe { parts.belongings(Owner::new(taker)) };
                    // SAFETY: As above.
                    let mut turns = unsafe { turns.turns(Owner::new(taker)) };
                    for round in 0..EACH {
                        let mut taken = belongings.take(&mut turns, owner).expect("it is there");
                        let (_, mut own) = taken.each();
                        let mut reserved = own.reserve(3).expect("there is room for both");
                        let ids = [0; 3].map(|_| own.insert(&mut reserved, round * taker));
                        ids.iter()
                            .for_each(|&id| assert_eq!(own.get(id), Some(&(round * taker))));
                        ids.into_iter().for_each(|id| own.discard(id));
                    }
                });
            }
        });
        assert_eq!((pool.used(), pool.available()), (0, 8));
    }
}
