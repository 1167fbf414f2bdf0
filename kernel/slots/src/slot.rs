//! Room for one object, and how an identifier is told from one that is stale.

use crate::mine::{Owned, Owner};
use crate::{Generation, Id};
use core::hint::unreachable_unchecked;
use core::ptr::NonNull;

/// Room for one object.
pub struct Slot<T> {
    /// Of what is in it. While nothing is, it has [`Mark::FREE`], and is no identifier's: so whoever compares it with one
    /// need not look at the state as well.
    mark: Mark,
    /// Whose what is in it is.
    owned: Owned,
    state: State<T>,
}

/// A generation, and whether nothing of it is there yet.
#[derive(Clone, Copy)]
struct Mark(u32);

enum State<T> {
    Free { next: Option<u32> },
    Used(T),
}

impl Mark {
    /// What no generation has.
    const FREE: u32 = !Generation::ALL;

    const fn free(next: Generation) -> Self {
        Self(next.0.get() | Self::FREE)
    }

    #[inline]
    fn is_of<T>(self, id: Id<T>) -> bool {
        self.0 == id.generation.0.get()
    }

    /// Of what is there, or what will be.
    const fn generation(self) -> Generation {
        Generation::from_number((self.0 & Generation::ALL) - 1)
    }
}

impl<T> Slot<T> {
    /// An empty slot, what providers of memory fill their slices with. It is made where it is to be, which writes a few
    /// bytes.
    #[inline]
    pub const fn empty() -> Self {
        Self {
            mark: Mark::free(Generation::FIRST),
            owned: Owned::by_nobody(),
            state: State::Free { next: None },
        }
    }

    /// Whose what is in it is.
    #[inline]
    pub(crate) const fn owned(&self) -> &Owned {
        &self.owned
    }

    /// What is in it, at place `index`, and its name.
    #[inline]
    pub(crate) fn at(&self, index: u32) -> Option<(Id<T>, &T)> {
        match &self.state {
            State::Used(value) => Some((Id::new(index, self.mark.generation()), value)),
            State::Free { .. } => None,
        }
    }

    /// What is in it, unless that is not what `id` named.
    #[inline]
    pub(crate) fn named_by(&self, id: Id<T>) -> Option<&T> {
        // SAFETY: It was just compared.
        self.mark.is_of(id).then(|| unsafe { self.state.used() })
    }

    /// The same for change.
    #[inline]
    pub(crate) fn named_by_mut(&mut self, id: Id<T>) -> Option<&mut T> {
        // SAFETY: As above.
        self.mark.is_of(id).then(|| unsafe { self.state.used_mut() })
    }

    /// Puts what `make` makes into it, which is empty and at place `index`.
    #[inline(always)] // so that a large value is made where it is to be
    pub(crate) fn fill(&mut self, index: u32, make: impl FnOnce() -> T) -> Id<T> {
        self.state = State::Used(make());
        let id = Id::new(index, self.mark.generation());
        self.mark = Mark(id.generation.0.get());
        id
    }

    /// Ends what is in it, which is then nobody's, and notes which slot was emptied before. Answers what was in it.
    pub(crate) fn empty_out(&mut self, next: Option<u32>) -> Option<T> {
        self.forget();
        match core::mem::replace(&mut self.state, State::Free { next }) {
            State::Used(value) => Some(value),
            State::Free { .. } => None,
        }
    }

    /// The same for what nobody wants to see any more: it ends where it is, however large it is.
    pub(crate) fn clear(&mut self, next: Option<u32>) {
        self.forget();
        self.state = State::Free { next };
    }

    /// No identifier names what is in it any more.
    fn forget(&mut self) {
        self.mark = Mark::free(self.mark.generation().next());
        self.owned.set(Owner::NOBODY);
    }

    /// Which slot was emptied before it, if it is empty.
    #[inline]
    pub(crate) fn emptied_before(&self) -> Option<u32> {
        match self.state {
            State::Free { next } => next,
            State::Used(_) => None,
        }
    }

    /// Whose the object in `slot` is.
    ///
    /// # Safety
    /// The slot is there for ever, and while nobody has its pool, there is no reference for change to it, but to what is
    /// in it.
    #[inline(always)] // into what is to be short
    pub(crate) unsafe fn owned_of<'a>(slot: NonNull<Self>) -> &'a Owned {
        // SAFETY: The caller vouches for it.
        unsafe { &(*slot.as_ptr()).owned }
    }

    /// The object in `slot`, unless `id` is stale.
    ///
    /// # Safety
    /// As above; nobody has the pool, and as long as the answer lives, the caller alone uses what is in the slot.
    #[inline(always)] // as above
    pub(crate) unsafe fn used_by<'a>(slot: NonNull<Self>, id: Id<T>) -> Option<&'a mut T> {
        // SAFETY: The slot is there, and who has the pool alone changes this.
        let mark = unsafe { (*slot.as_ptr()).mark };
        if !mark.is_of(id) {
            return None;
        }
        // SAFETY: The caller vouches for it.
        let state = unsafe { &mut (*slot.as_ptr()).state };
        // SAFETY: The mark was just compared.
        Some(unsafe { state.used_mut() })
    }

    /// The object in `slot`, to look at, unless `id` is stale.
    ///
    /// # Safety
    /// As above, but others may look at it as well.
    #[inline(always)] // as above
    pub(crate) unsafe fn seen_by<'a>(slot: NonNull<Self>, id: Id<T>) -> Option<&'a T> {
        // SAFETY: The caller vouches for it.
        let mark = unsafe { (*slot.as_ptr()).mark };
        if !mark.is_of(id) {
            return None;
        }
        // SAFETY: As above.
        let state = unsafe { &(*slot.as_ptr()).state };
        // SAFETY: The mark was just compared.
        Some(unsafe { state.used() })
    }

    /// The identifier of what is in `slot`, at place `index`, if something is.
    ///
    /// # Safety
    /// It is there for ever, and nobody has the pool or puts something in or takes something out.
    pub(crate) unsafe fn id_of(slot: NonNull<Self>, index: u32) -> Option<Id<T>> {
        // SAFETY: The caller vouches for it.
        let mark = unsafe { (*slot.as_ptr()).mark };
        let is_used = mark.0 & Mark::FREE == 0;
        is_used.then(|| Id::new(index, mark.generation()))
    }

    /// Which slot was emptied before `slot`, if that is empty.
    ///
    /// # Safety
    /// It is there for ever, and nobody else uses what is in it.
    pub(crate) unsafe fn free_after(slot: NonNull<Self>) -> Option<u32> {
        // SAFETY: The caller vouches for it.
        match unsafe { &(*slot.as_ptr()).state } {
            State::Free { next } => *next,
            State::Used(_) => None,
        }
    }

    /// Puts `value` into `slot`, which is empty and at place `index`, for `owner`.
    ///
    /// # Safety
    /// As above. That it is nobody's others may look at meanwhile.
    #[inline(always)] // so that a large value is made where it is to be
    pub(crate) unsafe fn fill_for(slot: NonNull<Self>, index: u32, value: T, owner: Owner) -> Id<T> {
        let slot = slot.as_ptr();
        // SAFETY: The caller vouches for it.
        unsafe { (*slot).state = State::Used(value) };
        // SAFETY: As above.
        let id = Id::new(index, unsafe { (*slot).mark }.generation());
        // SAFETY: As above.
        unsafe { (*slot).mark = Mark(id.generation.0.get()) };
        // SAFETY: As above.
        unsafe { &(*slot).owned }.set(owner);
        id
    }

    /// Ends what is in `slot`, which is then nobody's, and notes which slot was emptied before.
    ///
    /// # Safety
    /// As above.
    pub(crate) unsafe fn empty_for(slot: NonNull<Self>, next: Option<u32>) {
        let slot = slot.as_ptr();
        // SAFETY: The caller vouches for it.
        unsafe { &(*slot).owned }.set(Owner::NOBODY);
        // SAFETY: As above.
        let mark = unsafe { (*slot).mark };
        // SAFETY: As above.
        unsafe { (*slot).mark = Mark::free(mark.generation().next()) };
        // SAFETY: As above.
        unsafe { (*slot).state = State::Free { next } };
    }

    /// What is in it.
    ///
    /// # Safety
    /// It was filled and never emptied.
    #[inline(always)] // as above
    pub(crate) unsafe fn always(&self) -> &T {
        // SAFETY: The caller vouches for it.
        unsafe { self.state.used() }
    }

    /// The same for change.
    ///
    /// # Safety
    /// As above.
    #[inline(always)] // as above
    pub(crate) unsafe fn always_mut(&mut self) -> &mut T {
        // SAFETY: As above.
        unsafe { self.state.used_mut() }
    }

    /// The same in `slot`.
    ///
    /// # Safety
    /// As above and for [`Self::used_by`].
    #[inline(always)] // as above
    pub(crate) unsafe fn used_always<'a>(slot: NonNull<Self>) -> &'a mut T {
        // SAFETY: The caller vouches for it.
        let state = unsafe { &mut (*slot.as_ptr()).state };
        // SAFETY: As above.
        unsafe { state.used_mut() }
    }
}

impl<T> State<T> {
    /// # Safety
    /// The slot's mark is an identifier's, which it is from [`Slot::fill`] to [`Slot::forget`].
    #[inline(always)] // as above
    unsafe fn used(&self) -> &T {
        match self {
            Self::Used(value) => value,
            // SAFETY: The caller vouches for it.
            Self::Free { .. } => unsafe { unreachable_unchecked() },
        }
    }

    /// # Safety
    /// As above.
    #[inline(always)] // as above
    unsafe fn used_mut(&mut self) -> &mut T {
        match self {
            Self::Used(value) => value,
            // SAFETY: The caller vouches for it.
            Self::Free { .. } => unsafe { unreachable_unchecked() },
        }
    }
}
