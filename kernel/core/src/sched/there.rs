//! Threads of another CPU, for one that has taken that one's turn besides its own: they come here, or go on there.

use super::others::Others;
use super::shown::Shown;
use crate::here::{Here, There};
use crate::ipc::Direct;
use crate::platform::Local;
use crate::sched::CpuId;
use crate::thread::{State, Thread, ThreadId};
use abi::CpuSet;
use abi::process::Priority;

impl There<'_> {
    /// Lets `thread`, if it waits for something and is at home there, have its home at `to`, if it can go on there and
    /// nobody has to be told.
    pub(crate) fn give(
        &mut self,
        id: ThreadId,
        to: CpuId,
        is_wanted: impl FnOnce(&Thread) -> bool,
    ) -> Option<()> {
        let thread = self.threads.get_mut(id)?;
        let is_let_go = self.cpu.lets_go(id) && self.cpu.current != Some(id);
        // Whom somebody names who has waited for its turn may do anything else by now.
        let can_go = is_let_go && thread.state.waits_for_others() && thread.may_run_on(to);
        if !can_go || !is_wanted(thread) {
            return None;
        }
        thread.home = to;
        self.forget_deadline(id);
        self.threads.give(id, to.owner());
        Some(())
    }

    /// The same for who does not [stay](Self::who_stays) there and has waited until no particular time: it goes on where `to`
    /// [finds](Here::seek) that it does soonest.
    pub(crate) fn let_come(&mut self, id: ThreadId, to: CpuId) -> Option<()> {
        self.give(id, to, |thread| !thread.deadline.is_taken())
    }

    /// The thread, if it is at home there, waits for something, and would go on there sooner than elsewhere.
    pub(crate) fn who_stays(&mut self, thread: ThreadId, shown: &'static [Shown]) -> Option<&mut Thread> {
        let (here, urgency) = (self.id, self.urgency());
        let others = Others::of(here, shown);
        self.who_may_stay(thread)
            .filter(|thread| urgency.is_none() || !others.would_take_from(urgency, thread))
    }

    /// The thread, if it is at home there, waits for something, and may go on there.
    pub(crate) fn who_may_stay(&mut self, thread: ThreadId) -> Option<&mut Thread> {
        let is_current = self.cpu.current == Some(thread);
        let here = self.id;
        self.threads
            .get_mut(thread)
            .filter(|thread| !is_current && thread.state.waits_for_others() && thread.may_run_on(here))
    }

    /// Shows what is so there.
    pub(super) fn show(&mut self, shown: &'static [Shown]) {
        let runs = self.current_priority();
        self.cpu.show(runs, Others::of(self.id, shown));
    }

    /// Shows on which CPUs those may run who wait there, if they are not too many to look at.
    pub(super) fn narrow(&mut self, shown: &'static [Shown]) {
        let mut cpus = CpuSet(0);
        let mut seen = 0;
        self.cpu.ready.find(&mut self.threads, None, |_, thread| {
            (cpus, seen) = (cpus.union(thread.cpus), seen + 1);
            None::<()>
        });
        if seen == self.cpu.ready.count() {
            shown[self.id.index()].narrow(cpus);
        }
    }

    /// How important the thread is that runs there; `None` if none does.
    fn current_priority(&mut self) -> Option<Priority> {
        let current = self.cpu.current?;
        self.threads.get_mut(current).map(|current| current.priority)
    }

    /// How important the most important thread is that runs there or waits; `None` if the CPU is idle.
    pub(super) fn urgency(&mut self) -> Option<Priority> {
        let runs = self.current_priority();
        self.cpu.urgency(runs)
    }

    /// Lets `thread`, which is at home there and in no queue, wait for its turn. Whether that CPU is to look around.
    fn make_ready(&mut self, id: ThreadId, shown: &'static [Shown]) -> bool {
        self.forget_deadline(id);
        if let Some(thread) = self.threads.get_mut(id) {
            thread.state = State::Ready;
        }
        self.cpu.ready.push(&mut self.threads, id);
        self.has_to_look(id, shown)
    }

    /// Lets `thread`, which is at home there, be as important as this at least. Whether that CPU is to look around.
    fn raise(&mut self, id: ThreadId, priority: Priority, shown: &'static [Shown]) -> bool {
        let waits = self.cpu.raise(&mut self.threads, id, priority);
        if waits {
            return self.has_to_look(id, shown);
        }
        self.show(shown);
        false
    }

    /// Shows what is so there, where `thread` waits for its turn. Whether that CPU is to look around.
    fn has_to_look(&mut self, id: ThreadId, shown: &'static [Shown]) -> bool {
        let (runs, others) = (self.current_priority(), Others::of(self.id, shown));
        self.cpu.show_and_look(runs, others);
        let thread = self.threads.get_mut(id);
        let goes_elsewhere = thread.is_some_and(|thread| others.would_take(thread));
        goes_elsewhere || self.cpu.ready.outranks(runs) || self.cpu.needs_slice()
    }
}

impl<L: Local> Here<'_, L> {
    /// Lets `thread`, which has its answer and is in no queue, go on there.
    pub(crate) fn wake_there(&mut self, there: &mut There<'_>, thread: ThreadId) {
        if there.make_ready(thread, self.shown) {
            self.alert(there);
        }
    }

    /// Lets `thread`, which is at home there, be as important as this at least.
    pub(crate) fn raise_there(&mut self, there: &mut There<'_>, thread: ThreadId, priority: Priority) {
        if there.raise(thread, priority, self.shown) {
            self.alert(there);
        }
    }

    /// Lets that CPU look around before anybody goes on there.
    pub(super) fn alert(&mut self, there: &mut There<'_>) {
        if !core::mem::replace(&mut there.cpu.alerted, true) {
            self.local.alert(there.id);
        }
    }

    /// What is asked for is about `thread`, which is none of this CPU's.
    #[inline(always)] // so that this CPU's part is not in memory for it
    pub(crate) fn elsewhere(&self, thread: ThreadId) -> Option<Direct<L::Place>> {
        self.home_of(thread).map(Direct::At)
    }

    /// The other CPU that `thread` is at home on, if it is.
    #[inline(always)] // as above
    pub(crate) fn home_of(&self, thread: ThreadId) -> Option<CpuId> {
        let cpu = CpuId::new(self.threads.owner(thread).number() as usize)?;
        (cpu != self.id).then_some(cpu)
    }
}
