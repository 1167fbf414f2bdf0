//! What CPUs that share the kernel show each other: how important is who runs there, and the first of those who wait.
//!
//! A CPU where somebody begins to wait, or where somebody less important goes on than before, shows that first, and looks at
//! what others show then. Of two CPUs that do so at a time one at least sees the other, so nobody waits unseen whom another
//! CPU could go on with. Nothing is done because of what is seen but to look at both with both turns ([exchange](super::exchange)), or to choose
//! with the whole kernel, which knows.

use crate::atomic::{AtomicU32, Ordering, fence};
use abi::process::Priority;

/// What one CPU shows, on a cache line that is written only when that changes.
#[repr(align(64))]
pub struct Shown(AtomicU32);

/// How important somebody is, if there is somebody.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Urgency(u16);

impl Urgency {
    #[inline]
    fn of(priority: Option<Priority>) -> Self {
        Self(priority.map_or(0, |priority| u16::from(priority.0) + 1))
    }
}

impl Shown {
    /// That it has nothing to do.
    pub const fn idle() -> Self {
        Self(AtomicU32::new(0))
    }

    /// Who `runs` there, and who comes first of those who wait for it, are as important as this from now on.
    #[inline]
    pub(super) fn show(&self, runs: Option<Priority>, waits: Option<Priority>) {
        let both = u32::from(Urgency::of(runs).0) << u16::BITS | u32::from(Urgency::of(waits).0);
        if self.0.load(Ordering::Relaxed) != both {
            self.0.store(both, Ordering::Relaxed);
        }
    }

    /// Whether it shows the same as another one. For checks.
    pub(super) fn is_as(&self, other: &Self) -> bool {
        self.both() == other.both()
    }

    /// How important is who runs there, and who comes first of those who wait.
    #[inline]
    fn both(&self) -> (Urgency, Urgency) {
        let both = self.0.load(Ordering::Relaxed);
        (Urgency((both >> u16::BITS) as u16), Urgency(both as u16))
    }

    /// Whether somebody waits there who is more important than `above`.
    #[inline]
    pub(super) fn has(&self, above: Option<Priority>) -> bool {
        self.both().1 > Urgency::of(above)
    }

    /// How important the first of those who wait there is.
    pub(super) fn waits(&self) -> Urgency {
        self.both().1
    }

    /// How important the most important one there is.
    pub(super) fn urgency(&self) -> Urgency {
        let (runs, waits) = self.both();
        runs.max(waits)
    }

    /// Whether nobody runs there.
    #[inline]
    pub(super) fn is_idle(&self) -> bool {
        self.both() == (Urgency::of(None), Urgency::of(None))
    }

    /// Whether nobody there is more important than this.
    #[inline]
    pub(super) fn would_share(&self, priority: Priority) -> bool {
        Urgency::of(Some(priority)) >= self.urgency()
    }

    /// Whether somebody who is as important as this would go on there sooner than all others.
    #[inline]
    pub(super) fn would_take(&self, priority: Priority) -> bool {
        Urgency::of(Some(priority)) > self.urgency()
    }
}

/// Comes between what a CPU shows and its look at others: what it shows is seen by each whose own it does not see.
#[inline]
pub(super) fn before_looking() {
    // No weaker order keeps a load from coming before a store.
    fence(Ordering::SeqCst);
}
