//! Other CPUs as a CPU sees them that shares the kernel with them, and what it [shows](Shown) them.

use super::shown::{Shown, before_looking};
use super::{Cpu, CpuId};
use crate::here::Here;
use crate::kernel::Kernel;
use crate::platform::{Local, Platform};
use crate::thread::Thread;
use abi::CpuSet;
use abi::process::Priority;

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
        !self.are_none() && others_have(self.all, self.here, above)
    }

    /// The one of them, but for those that were `tried`, where the most important of all waits who are more important than `above`.
    pub fn offering(self, above: Option<Priority>, tried: CpuSet) -> Option<CpuId> {
        let others = self
            .but_for(tried)
            .filter(|(_, shown)| shown.has(above, self.here.index() as u32));
        let most = others.max_by_key(|(_, shown)| shown.waits());
        most.and_then(|(cpu, _)| CpuId::new(cpu as usize))
    }

    /// The one of them, but for those that were `tried`, that would go on with `thread`, if that waited, the soonest.
    pub fn taking(self, thread: &Thread, tried: CpuSet) -> Option<CpuId> {
        let others = self
            .but_for(tried)
            .filter(|&(cpu, shown)| thread.cpus.contains(cpu) && shown.would_take(thread.priority));
        let least = others.min_by_key(|(_, shown)| shown.urgency());
        least.and_then(|(cpu, _)| CpuId::new(cpu as usize))
    }

    /// One of them that has nothing to do, of these `cpus` and not one of those that were `tried`.
    pub fn idle(self, cpus: CpuSet, tried: CpuSet) -> Option<CpuId> {
        let mut others = self.but_for(tried);
        let idle = others.find(|&(cpu, shown)| cpus.contains(cpu) && shown.is_idle());
        idle.and_then(|(cpu, _)| CpuId::new(cpu as usize))
    }

    fn but_for(self, tried: CpuSet) -> impl Iterator<Item = (u32, &'static Shown)> {
        others(self.all, self.here).filter(move |&(cpu, _)| !tried.contains(cpu))
    }

    /// Whether one of them would go on sooner with somebody as important as this, who may run anywhere.
    pub fn would_take_any(self, priority: Priority) -> bool {
        !self.are_none() && others_would_take(self.all, self.here, CpuSet::ALL, priority)
    }

    /// Whether one of them would go on with `thread`, if that waited, sooner than with anybody else.
    #[inline(always)] // as above
    pub fn would_take(self, thread: &Thread) -> bool {
        !self.are_none() && others_would_take(self.all, self.here, thread.cpus, thread.priority)
    }

    /// Whether one of them would go on with `thread` sooner than a CPU of this `urgency`, its home.
    pub fn would_take_from(self, urgency: Option<Priority>, thread: &Thread) -> bool {
        !self.are_none() && others_would_take_from(self, urgency, thread)
    }

    /// Whether somebody who is as important as this would take turns on one of them at least.
    pub fn would_share(self, priority: Priority) -> bool {
        others(self.all, self.here).any(|(_, shown)| shown.would_share(priority))
    }
}

#[inline(never)] // this and the next ones, so that a CPU that is alone does not pay for it
fn others_would_take_from(of: Others, urgency: Option<Priority>, thread: &Thread) -> bool {
    let goes_first = thread.priority.outranks(urgency);
    others(of.all, of.here).any(|(cpu, shown)| {
        let is_better = !goes_first || shown.is_idle();
        is_better && thread.cpus.contains(cpu) && shown.would_take(thread.priority)
    })
}

#[inline(never)]
fn others_have(all: &[Shown], here: CpuId, above: Option<Priority>) -> bool {
    others(all, here).any(|(_, shown)| shown.has(above, here.index() as u32))
}

#[inline(never)]
fn others_would_take(all: &[Shown], here: CpuId, cpus: CpuSet, priority: Priority) -> bool {
    others(all, here).any(|(cpu, shown)| cpus.contains(cpu) && shown.would_take(priority))
}

fn others(all: &[Shown], here: CpuId) -> impl Iterator<Item = (u32, &Shown)> {
    (0..).zip(all).filter(move |&(cpu, _)| cpu != here.index() as u32)
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
}

impl Cpu {
    /// Shows that somebody of this importance `runs` here, and who waits.
    #[inline(always)] // as above
    pub(super) fn show(&self, runs: Option<Priority>, others: Others) {
        if !others.are_none() {
            others.all[others.here.index()].show(runs, self.ready.most());
        }
    }

    /// The same, before others are looked at.
    pub(super) fn show_and_look(&self, runs: Option<Priority>, others: Others) {
        self.show(runs, others);
        before_looking();
    }

    /// Shows that somebody with the second of these priorities goes on in place of one with the first. Whether this CPU is to
    /// [seek](Here::seek): somebody more important waits for another one.
    #[inline(never)] // so that a CPU that is alone does not pay for it
    pub(crate) fn has_to_seek_after(&mut self, [before, runs]: [Priority; 2], others: Others) -> bool {
        if before.outranks(Some(runs)) {
            self.show_and_look(Some(runs), others);
            self.seeks = others.have(Some(runs));
        } else {
            self.show(Some(runs), others);
        }
        self.seeks
    }

    /// Shows that somebody with this priority `runs` while somebody else waits from now on, who may run on these CPUs. Whether
    /// this CPU is to seek: another one would go on with that one.
    #[inline(never)] // as above
    pub(crate) fn has_to_seek_for(
        &mut self,
        (cpus, waits): (CpuSet, Priority),
        runs: Priority,
        others: Others,
    ) -> bool {
        self.show_and_look(Some(runs), others);
        self.seeks |= others_would_take(others.all, others.here, cpus, waits);
        self.seeks
    }

    /// Shows that somebody with this priority `runs`, who may be less important than before, while several may wait here from now on.
    /// Whether this CPU is to seek: one of them or of those that wait elsewhere goes first, or another one may go on with one.
    #[inline(never)] // as above
    pub(crate) fn has_to_seek_of_many(&mut self, runs: Priority, others: Others) -> bool {
        self.seeks |= self.ready.outranks(Some(runs));
        if !others.are_none() {
            self.show_and_look(Some(runs), others);
            let most = self.ready.most();
            self.seeks |= others.have(Some(runs)) || most.is_some_and(|most| others.would_take_any(most));
        }
        self.seeks
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
        let shown = &self.cpus.shown[cpu.index()];
        let (runs, ready) = (self.current_priority(cpu), &self.cpus[cpu].ready);
        let members = ready.members(&self.threads);
        let sets = members.filter_map(|thread| Some(self.threads.get(thread)?.cpus));
        let may_run = sets.fold(CpuSet(0), CpuSet::union);
        self.cpus.is_alone() || shown.is_as(runs, ready.most(), may_run)
    }
}
