//! Room for one object, and how an identifier is told from one that is stale.

use crate::mine::Owner;
use crate::{Generation, Id};
use core::hint::unreachable_unchecked;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicU64, Ordering};

/// Room for one object.
pub struct Slot<T> {
    head: Head,
    state: State<T>,
}

/// What is in a slot, and whose that is, in one word: both are compared at once. Not in the object, so that it can be looked at
/// while that is used.
pub(crate) struct Head(AtomicU64);

/// A generation, and whether nothing of it is there yet. While nothing is in a slot, this has [`Self::FREE`], and is no identifier's: so
/// whoever compares it with one need not look at the state as well.
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

    /// What a slot has in which `id` is.
    #[inline(always)] // into what is to be short
    const fn of<T>(id: Id<T>) -> Self {
        Self(id.generation.0.get())
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

impl Head {
    const fn new(mark: Mark, owner: Owner) -> Self {
        Self(AtomicU64::new(Self::word(mark, owner)))
    }

    const fn word(mark: Mark, owner: Owner) -> u64 {
        mark.0 as u64 | (owner.number() as u64) << u32::BITS
    }

    /// Order is the business of whoever hands the pool over.
    #[inline(always)] // into what is to be short
    fn load(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    #[inline(always)] // as above
    fn mark(&self) -> Mark {
        Mark(self.load() as u32)
    }

    /// Whose what is in the slot is.
    #[inline(always)] // as above
    pub(crate) fn owner(&self) -> Owner {
        Owner::numbered((self.load() >> u32::BITS) as u32)
    }

    /// Whether what `id` named is in the slot, and this owner's.
    #[inline(always)] // as above
    pub(crate) fn is<T>(&self, id: Id<T>, owner: Owner) -> bool {
        self.load() == Self::word(Mark::of(id), owner)
    }

    /// Says whose it is: for who has it alone.
    pub(crate) fn give(&self, owner: Owner) {
        self.set(self.mark(), owner);
    }

    /// No identifier names what is in the slot any more: for who has it alone.
    fn forget(&self) {
        self.set(Mark::free(self.mark().generation().next()), Owner::NOBODY);
    }

    /// Says what is in the slot, and whose: for who has it alone.
    fn set(&self, mark: Mark, owner: Owner) {
        self.0.store(Self::word(mark, owner), Ordering::Relaxed);
    }

    /// Waits until what `id` names is nobody's, and makes it `taker`'s: what was done to it before can be seen then. Whether
    /// it is there.
    #[inline(always)] // as above
    #[must_use]
    pub(crate) fn take<T>(&self, id: Id<T>, taker: Owner) -> bool {
        let [nobodys, ours] = [Owner::NOBODY, taker].map(|owner| Self::word(Mark::of(id), owner));
        while let Err(seen) =
            self.0
                .compare_exchange_weak(nobodys, ours, Ordering::Acquire, Ordering::Relaxed)
        {
            if !Mark(seen as u32).is_of(id) {
                return false;
            }
            self.wait(seen);
        }
        true
    }

    /// Looks until there is a chance, so that the holder keeps the cache line to itself.
    #[cold]
    fn wait(&self, seen: u64) {
        while seen >> u32::BITS != Owner::NOBODY.number().into() && self.load() == seen {
            core::hint::spin_loop();
        }
    }

    /// It, which `id` names, is nobody's any more, and who takes it sees all that was done.
    #[inline(always)] // as above
    pub(crate) fn give_back<T>(&self, id: Id<T>) {
        self.0
            .store(Self::word(Mark::of(id), Owner::NOBODY), Ordering::Release);
    }
}

impl<T> Slot<T> {
    /// An empty slot, what providers of memory fill their slices with. It is made where it is to be, which writes a few
    /// bytes.
    #[inline]
    pub const fn empty() -> Self {
        Self {
            head: Head::new(Mark::free(Generation::FIRST), Owner::NOBODY),
            state: State::Free { next: None },
        }
    }

    /// What is in it, and whose.
    #[inline]
    pub(crate) const fn head(&self) -> &Head {
        &self.head
    }

    /// What is in it, at place `index`, and its name.
    #[inline]
    pub(crate) fn at(&self, index: u32) -> Option<(Id<T>, &T)> {
        match &self.state {
            State::Used(value) => Some((Id::new(index, self.head.mark().generation()), value)),
            State::Free { .. } => None,
        }
    }

    /// What is in it, unless that is not what `id` named.
    #[inline]
    pub(crate) fn named_by(&self, id: Id<T>) -> Option<&T> {
        // SAFETY: It was just compared.
        self.head.mark().is_of(id).then(|| unsafe { self.state.used() })
    }

    /// The same for change.
    #[inline]
    pub(crate) fn named_by_mut(&mut self, id: Id<T>) -> Option<&mut T> {
        // SAFETY: As above.
        self.head
            .mark()
            .is_of(id)
            .then(|| unsafe { self.state.used_mut() })
    }

    /// Puts what `make` makes into it, which is empty and at place `index`.
    #[inline(always)] // so that a large value is made where it is to be
    pub(crate) fn fill(&mut self, index: u32, make: impl FnOnce() -> T) -> Id<T> {
        self.state = State::Used(make());
        let id = Id::new(index, self.head.mark().generation());
        self.head.set(Mark::of(id), Owner::NOBODY);
        id
    }

    /// Ends what is in it, which is then nobody's, and notes which slot was emptied before. Answers what was in it.
    pub(crate) fn empty_out(&mut self, next: Option<u32>) -> Option<T> {
        self.head.forget();
        match core::mem::replace(&mut self.state, State::Free { next }) {
            State::Used(value) => Some(value),
            State::Free { .. } => None,
        }
    }

    /// The same for what nobody wants to see any more: it ends where it is, however large it is.
    pub(crate) fn clear(&mut self, next: Option<u32>) {
        self.head.forget();
        self.state = State::Free { next };
    }

    /// Which slot was emptied before it, if it is empty.
    #[inline]
    pub(crate) fn emptied_before(&self) -> Option<u32> {
        match self.state {
            State::Free { next } => next,
            State::Used(_) => None,
        }
    }

    /// What is in `slot`, and whose.
    ///
    /// # Safety
    /// The slot is there for ever, and while nobody has its pool, there is no reference for change to it, but to what is
    /// in it.
    #[inline(always)] // into what is to be short
    pub(crate) unsafe fn head_of<'a>(slot: NonNull<Self>) -> &'a Head {
        // SAFETY: The caller vouches for it.
        unsafe { &(*slot.as_ptr()).head }
    }

    /// The object in `slot`.
    ///
    /// # Safety
    /// As above; nobody has the pool. There is an object, as its head says, and as long as the answer lives, the caller alone uses it.
    #[inline(always)] // as above
    pub(crate) unsafe fn used<'a>(slot: NonNull<Self>) -> &'a mut T {
        // SAFETY: The caller vouches for it.
        let state = unsafe { &mut (*slot.as_ptr()).state };
        // SAFETY: As above.
        unsafe { state.used_mut() }
    }

    /// The object in `slot`, to look at.
    ///
    /// # Safety
    /// As above, but others may look at it as well.
    #[inline(always)] // as above
    pub(crate) unsafe fn seen<'a>(slot: NonNull<Self>) -> &'a T {
        // SAFETY: The caller vouches for it.
        let state = unsafe { &(*slot.as_ptr()).state };
        // SAFETY: As above.
        unsafe { state.used() }
    }

    /// The identifier of what is in `slot`, at place `index`, if something is.
    ///
    /// # Safety
    /// As for [`Self::head_of`].
    pub(crate) unsafe fn id_of(slot: NonNull<Self>, index: u32) -> Option<Id<T>> {
        // SAFETY: The caller vouches for it.
        let mark = unsafe { Self::head_of(slot) }.mark();
        let is_used = mark.0 & Mark::FREE == 0;
        is_used.then(|| Id::new(index, mark.generation()))
    }

    /// Puts `value` into `slot`, which is empty and at place `index`, for `owner`.
    ///
    /// # Safety
    /// It is there for ever, and nobody else uses what is in it. That it is nobody's others may look at meanwhile.
    #[inline(always)] // so that a large value is made where it is to be
    pub(crate) unsafe fn fill_for(slot: NonNull<Self>, index: u32, value: T, owner: Owner) -> Id<T> {
        // SAFETY: The caller vouches for it.
        unsafe { (*slot.as_ptr()).state = State::Used(value) };
        // SAFETY: As above.
        let head = unsafe { Self::head_of(slot) };
        let id = Id::new(index, head.mark().generation());
        head.set(Mark::of(id), owner);
        id
    }

    /// Ends what is in `slot`, which is then nobody's, and notes which slot was emptied before.
    ///
    /// # Safety
    /// As above.
    pub(crate) unsafe fn empty_for(slot: NonNull<Self>, next: Option<u32>) {
        // SAFETY: The caller vouches for it.
        unsafe { Self::head_of(slot) }.forget();
        // SAFETY: As above.
        unsafe { (*slot.as_ptr()).state = State::Free { next } };
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
}

impl<T> State<T> {
    /// # Safety
    /// The slot's mark is an identifier's, which it is from when it is filled to when it is forgotten.
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
