//! A short list in place: no heap exists when the tree is read.

use core::fmt;

/// At most `N` values, in order.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct List<T, const N: usize> {
    slots: [Option<T>; N],
    len: usize,
}

/// A list had no room for one more value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Full;

impl<T: Copy, const N: usize> List<T, N> {
    /// A list without values.
    pub const fn new() -> Self {
        Self {
            slots: [None; N],
            len: 0,
        }
    }

    /// How many values there are.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The value at `at`.
    pub fn get(&self, at: usize) -> Option<T> {
        self.slots.get(at).copied().flatten()
    }

    /// The first value.
    pub fn first(&self) -> Option<T> {
        self.get(0)
    }

    /// The values in order.
    pub fn iter(&self) -> impl Iterator<Item = T> {
        self.slots.iter().map_while(|slot| *slot)
    }

    /// Adds `value` at the end.
    ///
    /// # Errors
    /// [`Full`] if there are `N` already; the list is then as before.
    pub(crate) fn push(&mut self, value: T) -> Result<(), Full> {
        self.insert(self.len, value)
    }

    /// Puts `value` before the one at `at` (at the end, if `at` is past it).
    ///
    /// # Errors
    /// [`Full`] if there are `N` already; the list is then as before.
    pub(crate) fn insert(&mut self, at: usize, value: T) -> Result<(), Full> {
        if self.len == N {
            return Err(Full);
        }
        let at = at.min(self.len);
        self.slots.copy_within(at..self.len, at + 1);
        self.slots[at] = Some(value);
        self.len += 1;
        Ok(())
    }

    /// Puts `value` in the place of the one at `at`, if there is one.
    pub(crate) fn replace(&mut self, at: usize, value: T) {
        if let Some(slot) = self.slots[..self.len].get_mut(at) {
            *slot = Some(value);
        }
    }

    /// Takes the value at `at` out, and closes the gap.
    pub(crate) fn remove(&mut self, at: usize) -> Option<T> {
        let value = self.get(at)?;
        self.slots.copy_within(at + 1..self.len, at);
        self.len -= 1;
        self.slots[self.len] = None;
        Some(value)
    }
}

impl<T: Copy, const N: usize> Default for List<T, N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Copy + fmt::Debug, const N: usize> fmt::Debug for List<T, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::{Full, List};
    use std::vec::Vec;

    fn list(values: &[u8]) -> List<u8, 3> {
        let mut list = List::new();
        for value in values {
            list.push(*value).expect("room");
        }
        list
    }

    #[test]
    fn values_keep_their_order_through_insert_and_remove() {
        let mut it = list(&[1, 3]);
        it.insert(1, 2).expect("room");
        assert_eq!(it.iter().collect::<Vec<_>>(), [1, 2, 3]);
        assert_eq!(it.remove(0), Some(1));
        assert_eq!(it.iter().collect::<Vec<_>>(), [2, 3]);
        assert_eq!((it.len(), it.get(2), it.remove(2)), (2, None, None));
        it.replace(1, 9);
        it.replace(2, 8);
        assert_eq!(it.iter().collect::<Vec<_>>(), [2, 9]);
    }

    #[test]
    fn a_full_list_refuses_and_stays_as_it_is() {
        let mut it = list(&[1, 2, 3]);
        assert_eq!(it.push(4), Err(Full));
        assert_eq!(it, list(&[1, 2, 3]));
    }
}
