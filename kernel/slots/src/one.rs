//! A single object that one has for himself, or several in turn.

use crate::mine::{InTurn, Owner};
use crate::{Parts, Row, Slot};
use core::ops::{Deref, DerefMut};

/// An object for ever. Whoever has this has it; its [`Parts`] lead those to it who take it in turn while nobody has.
pub struct One<T: 'static>(Row<Slot<T>>);

impl<T> One<T> {
    /// `object`, kept in `slot`.
    pub fn new(slot: &'static mut Slot<T>, object: T) -> Self {
        *slot = Slot::empty();
        slot.fill(0, || object);
        Self(Row::new(slot))
    }

    /// The object, for `taker` to take.
    #[inline]
    pub fn in_turn(&mut self, taker: Owner) -> InTurn<'_, T> {
        InTurn::of(self.0.parts(), taker)
    }

    /// The object, to look at.
    #[inline]
    pub fn common(&self) -> CommonOne<'_, T> {
        CommonOne(self.0.parts())
    }

    /// Where it is, for use while nobody has it.
    pub fn parts(&self) -> Parts<Slot<T>> {
        *self.0.parts()
    }
}

impl<T> Deref for One<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: `new` has filled it, and nobody empties it.
        unsafe { self.0.always() }
    }
}

impl<T> DerefMut for One<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: As above.
        unsafe { self.0.always_mut() }
    }
}

impl<T> Parts<Slot<T>> {
    /// The object of a [`One`], for `taker` to take.
    ///
    /// # Safety
    /// They are those of a `One`, and the taker is somebody. As long as the answer is used, nobody has that `One`.
    #[inline]
    pub unsafe fn in_turn(&self, taker: Owner) -> InTurn<'_, T> {
        InTurn::of(self, taker)
    }

    /// The object of a [`One`], to look at.
    ///
    /// # Safety
    /// As above, and nobody takes it either.
    #[inline]
    pub unsafe fn common(&self) -> CommonOne<'_, T> {
        CommonOne(self)
    }
}

/// A single object, to look at.
pub struct CommonOne<'a, T: 'static>(&'a Parts<Slot<T>>);

impl<T> CommonOne<'_, T> {
    /// The object.
    #[inline]
    pub fn get(&self) -> &T {
        // SAFETY: Nobody changes it for as long.
        let slot = unsafe { self.0.place().as_ref() };
        // SAFETY: It is a `One`'s.
        unsafe { slot.always() }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::One;
    use crate::{Owner, Slot};
    use std::boxed::Box;

    #[test]
    fn a_single_object_is_had_or_taken_in_turn() {
        const EACH: u32 = 1000;
        let mut one = One::new(Box::leak(Box::new(Slot::empty())), 7);
        *one += 1;
        *one.in_turn(Owner::new(1)).take() += 1;
        assert_eq!((*one, *one.common().get()), (9, 9));
        let parts = one.parts();
        std::thread::scope(|scope| {
            for taker in [1, 2] {
                scope.spawn(move || {
                    // SAFETY: Nobody uses it otherwise meanwhile.
                    let mut turn = unsafe { parts.in_turn(Owner::new(taker)) };
                    for _ in 0..EACH {
                        *turn.lend().take() += 1;
                    }
                });
            }
        });
        assert_eq!(*one, 9 + 2 * EACH);
    }
}
