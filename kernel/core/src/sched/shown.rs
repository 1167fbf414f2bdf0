//! What CPUs that share the kernel show each other: how important is who runs there, and the first of those who wait, and
//! where those may run.
//!
//! A CPU where somebody begins to wait, or where somebody less important goes on than before, shows that first, and looks at
//! what others show then. Of two CPUs that do so at a time one at least sees the other, so nobody waits unseen whom another
//! CPU could go on with. Nothing is done because of what is seen but to look at both with both turns ([exchange](super::exchange)), or to choose
//! with the whole kernel, which knows.
//!
//! Where those who wait may run is not found out anew each time that one begins to: anywhere, it says then. A CPU that has looked at
//! all of them in vain puts it right, so that they bring nobody else there in vain.

use crate::atomic::{AtomicU32, Ordering, fence};
use abi::CpuSet;
use abi::process::Priority;

/// What one CPU shows, on a cache line that is written only when that changes: the urgency of the first who waits
/// in the lowest bits, that of who runs above it, and then a bit for each CPU.
#[repr(align(64))]
pub struct Shown(AtomicU32);

/// How many bits an urgency has.
const URGENCY: u32 = 9;
/// Where the bits of CPUs begin.
const CPUS: u32 = 2 * URGENCY;
/// Those of all.
const ALL_CPUS: u32 = 0xff << CPUS;

/// How many there can be.
pub const SHOWN_CPUS: usize = ALL_CPUS.count_ones() as usize;

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

    /// Who `runs` there, and who comes first of those who wait for it, are as important as this from now on. Those may run
    /// anywhere.
    #[inline]
    pub(super) fn show(&self, runs: Option<Priority>, waits: Option<Priority>) {
        let both = u32::from(Urgency::of(runs).0) << URGENCY | u32::from(Urgency::of(waits).0);
        if self.0.load(Ordering::Relaxed) != ALL_CPUS | both {
            self.0.store(ALL_CPUS | both, Ordering::Relaxed);
        }
    }

    /// Those who wait there may run on these CPUs alone, as has been found out with that CPU's turn.
    pub(super) fn narrow(&self, cpus: CpuSet) {
        let cpus = (cpus.0 as u32) << CPUS & ALL_CPUS;
        let both = self.0.load(Ordering::Relaxed) & !ALL_CPUS;
        self.0.store(cpus | both, Ordering::Relaxed);
    }

    /// Whether it shows that who runs and who comes first of those who wait are as important as this, and that these may run on
    /// `cpus`, and perhaps on more. For checks.
    pub(super) fn is_as(&self, runs: Option<Priority>, waits: Option<Priority>, cpus: CpuSet) -> bool {
        let may_run = |cpu| !cpus.contains(cpu) || self.may_run_on(cpu);
        self.both() == (Urgency::of(runs), Urgency::of(waits))
            && (waits.is_none() || (0..ALL_CPUS.count_ones()).all(may_run))
    }

    /// How important is who runs there, and who comes first of those who wait.
    #[inline]
    fn both(&self) -> (Urgency, Urgency) {
        let urgency = |bits| Urgency((bits & ((1 << URGENCY) - 1)) as u16);
        let both = self.0.load(Ordering::Relaxed);
        (urgency(both >> URGENCY), urgency(both))
    }

    /// Whether one who waits there may run on `cpu`.
    fn may_run_on(&self, cpu: u32) -> bool {
        self.0.load(Ordering::Relaxed) >> CPUS >> cpu & 1 == 1
    }

    /// Whether somebody waits there who is more important than `above`, and may run on `cpu`. Where nobody runs, that one is about
    /// to, and comes only to a CPU that has nothing else to do.
    #[inline]
    pub(super) fn has(&self, above: Option<Priority>, cpu: u32) -> bool {
        let (runs, waits) = self.both();
        let comes = above.is_none() || runs > Urgency::of(None);
        comes && waits > Urgency::of(above) && self.may_run_on(cpu)
    }

    /// How important the first of those who wait there is.
    #[inline]
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

    /// Whether the most important one there is as important as this.
    #[inline]
    pub(super) fn would_share(&self, priority: Priority) -> bool {
        Urgency::of(Some(priority)) == self.urgency()
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
