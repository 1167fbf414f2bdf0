//! Data that one uses as a whole, or several in parts.

use core::ops::{Deref, DerefMut};
use core::ptr::NonNull;

/// A slice for ever. Whoever has it has all of it; its [`Parts`] lead to single elements while nobody has.
pub struct Row<T: ?Sized + 'static>(Parts<T>);

impl<T: ?Sized> Row<T> {
    /// Of these elements.
    pub fn new(elements: &'static mut T) -> Self {
        Self(Parts(NonNull::from_mut(elements)))
    }

    /// Where its elements are.
    pub const fn parts(&self) -> &Parts<T> {
        &self.0
    }
}

impl<T: ?Sized> Deref for Row<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: It was made of a reference for ever, and nobody else has one: parts are used while nobody has the
        // row, as whoever asks for them vouches.
        unsafe { self.0.0.as_ref() }
    }
}

impl<T: ?Sized> DerefMut for Row<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: As above, and the row is borrowed for change.
        unsafe { self.0.0.as_mut() }
    }
}

/// Where the elements of a [`Row`] are. That alone is no right to use any.
pub struct Parts<T: ?Sized + 'static>(NonNull<T>);

impl<T: ?Sized> Clone for Parts<T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T: ?Sized> Copy for Parts<T> {}

// SAFETY: It is an address. Who uses an element on another CPU needs the element to be `Send`.
unsafe impl<T: ?Sized + Send> Send for Parts<T> {}
// SAFETY: As above; and a reference to a row, which is as good as one to its elements, needs them to be `Sync`.
unsafe impl<T: ?Sized + Send + Sync> Sync for Parts<T> {}

impl<T> Parts<T> {
    /// Where the element is.
    #[inline]
    pub(crate) fn place(&self) -> NonNull<T> {
        self.0
    }

    /// The element, for change.
    ///
    /// # Safety
    /// As long as the answer lives, nobody else uses it, or has the row.
    #[inline]
    pub unsafe fn only<'a>(mut self) -> &'a mut T {
        // SAFETY: It lives for ever; the caller vouches for the rest.
        unsafe { self.0.as_mut() }
    }
}

impl<T> Parts<[T]> {
    /// Where the element at `index` is.
    ///
    /// # Panics
    /// If there is none.
    #[inline]
    pub fn element(self, index: usize) -> Parts<T> {
        match self.at(index) {
            Some(element) => Parts(element),
            None => panic!("there is no element {index}"),
        }
    }

    /// All elements, to look at.
    ///
    /// # Safety
    /// As long as the answer lives, nobody changes one.
    #[inline]
    pub(crate) unsafe fn all<'a>(self) -> &'a [T] {
        // SAFETY: The slice lives for ever; the caller vouches for the rest.
        unsafe { self.0.as_ref() }
    }

    /// Where the element at `index` is, if there is one.
    #[inline]
    pub(crate) fn at(self, index: usize) -> Option<NonNull<T>> {
        if index >= self.0.len() {
            return None;
        }
        // SAFETY: Within the slice, as just checked.
        Some(unsafe { self.0.cast::<T>().add(index) })
    }
}
