//! What CPUs that share the kernel show each other: how important is who runs there, and the first of those who wait.
//!
//! A CPU where somebody begins to wait, or where somebody less important goes on than before, shows that first, and looks at
//! what others show then. Of two CPUs that do so at a time one at least sees the other, so nobody waits unseen whom another
//! CPU could go on with. Nothing is done because of what is seen but to choose with the whole kernel, which knows.

use super::{Cpu, CpuId};
use crate::here::Here;
use crate::kernel::Kernel;
use crate::platform::{Local, Platform};
use crate::thread::Thread;
use abi::process::Priority;
use core::sync::atomic::{AtomicU32, Ordering, fence};

/// What one CPU shows, on a cache line that is written only when that changes.
#[repr(align(64))]
pub struct Shown(AtomicU32);

/// How important somebody is, if there is somebody.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Urgency(u16);

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
    fn show(&self, runs: Option<Priority>, waits: Option<Priority>) {
        let both = u32::from(Urgency::of(runs).0) << u16::BITS | u32::from(Urgency::of(waits).0);
        if self.0.load(Ordering::Relaxed) != both {
            self.0.store(both, Ordering::Relaxed);
        }
    }

    /// How important is who runs there, and who comes first of those who wait.
    #[inline]
    fn both(&self) -> (Urgency, Urgency) {
        let both = self.0.load(Ordering::Relaxed);
        (Urgency((both >> u16::BITS) as u16), Urgency(both as u16))
    }

    /// Whether somebody waits there who is more important than `above`.
    #[inline]
    fn has(&self, above: Option<Priority>) -> bool {
        self.both().1 > Urgency::of(above)
    }

    /// Whether somebody who is as important as this would go on there sooner than all others.
    #[inline]
    fn would_take(&self, priority: Priority) -> bool {
        let (runs, waits) = self.both();
        Urgency::of(Some(priority)) > runs.max(waits)
    }
}

/// What a CPU sees of the others.
#[derive(Clone, Copy)]
pub(crate) struct Others {
    all: &'static [Shown],
    here: CpuId,
}

impl Others {
    /// What `here` sees of the others.
    #[inline(always)] // into what is to be short
    pub const fn of(here: CpuId, all: &'static [Shown]) -> Self {
        Self { all, here }
    }

    /// Whether there are none.
    #[inline(always)] // into what is to be short
    pub fn are_none(self) -> bool {
        self.all.len() == 1
    }

    /// Whether somebody who is more important than `above` waits for one of them.
    #[inline(always)] // as above
    pub fn have(self, above: Option<Priority>) -> bool {
        !self.are_none() && self.any(|_, shown| shown.has(above))
    }

    /// Whether one of them would go on with `thread`, if that waited, sooner than with anybody else.
    #[inline(always)] // as above
    pub fn would_take(self, thread: &Thread) -> bool {
        let (cpus, priority) = (thread.cpus, thread.priority);
        !self.are_none() && self.any(|cpu, shown| cpus.contains(cpu) && shown.would_take(priority))
    }

    #[inline(never)] // so that a CPU that is alone does not pay for it
    fn any(self, is_one: impl Fn(u32, &Shown) -> bool) -> bool {
        let here = self.here.index() as u32;
        (0..)
            .zip(self.all)
            .any(|(cpu, shown)| cpu != here && is_one(cpu, shown))
    }
}

impl<L: Local> Here<'_, L> {
    /// What this CPU sees of others.
    #[inline(always)] // as above
    pub(crate) fn others(&self) -> Others {
        Others::of(self.id, self.shown)
    }

    /// Shows that somebody of this importance `runs` here, and who waits.
    #[inline(always)] // as above
    pub(crate) fn show(&self, runs: Option<Priority>) {
        self.cpu.show(runs, self.others());
    }

    /// The same, if somebody waits from now on who did not, or goes on who is less important than who did before: then
    /// others are to be looked at as they are from now on.
    #[inline(always)] // as above
    pub(crate) fn show_and_look(&self, runs: Option<Priority>) -> Others {
        let others = self.others();
        self.cpu.show_and_look(runs, others);
        others
    }
}

impl Cpu {
    /// Shows that somebody of this importance `runs` here, and who waits.
    #[inline(always)] // as above
    fn show(&self, runs: Option<Priority>, others: Others) {
        if !others.are_none() {
            others.all[others.here.index()].show(runs, self.ready.most());
        }
    }

    /// The same, before others are looked at.
    #[inline(always)] // as above
    pub(super) fn show_and_look(&self, runs: Option<Priority>, others: Others) {
        if !others.are_none() {
            self.show(runs, others);
            // What is stored before it is seen by whoever's stores are not seen behind it.
            fence(Ordering::SeqCst);
        }
    }
}

impl<P: Platform> Kernel<P> {
    /// Shows what is so on each CPU now, before others share the kernel again.
    #[inline]
    pub fn show(&mut self) {
        if !self.cpus.is_alone() {
            self.show_all();
        }
    }

    #[inline(never)] // as above
    fn show_all(&self) {
        for (cpu, shown) in self.cpus.ids().zip(self.cpus.shown) {
            shown.show(self.current_priority(cpu), self.cpus[cpu].ready.most());
        }
    }

    /// Whether a CPU shows what is so. For checks.
    pub(crate) fn is_as_shown(&self, cpu: CpuId) -> bool {
        let so = Shown::idle();
        so.show(self.current_priority(cpu), self.cpus[cpu].ready.most());
        self.cpus.is_alone() || so.both() == self.cpus.shown[cpu.index()].both()
    }
}
