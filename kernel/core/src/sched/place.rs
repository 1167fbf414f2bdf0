//! Where threads wait for a CPU: where they go on soonest.
//!
//! What holds between any two traps, once every CPU that was told to has looked around: nobody who waits for a CPU is
//! more important than what any of those runs that the thread may run on. So there are two times to look. Who
//! begins to wait, or waits and becomes more important, may run on other CPUs, or is let go by its CPU, is placed:
//! with whoever runs somebody less important ([`Kernel::make_ready`], [`Kernel::place_anew`]). And a CPU whose thread
//! stops or becomes less important takes whoever waits elsewhere and is more important than all it has
//! ([`Kernel::steal`]).
//!
//! Until a CPU has chosen, who is next there may change. So it looks at whoever waits elsewhere then as well, and who waits
//! for it and is not next any more is placed anew ([`Kernel::offer_passed_over`]).
//!
//! Equals take turns on the CPU that they wait for. Who waits there behind somebody more important for a time slice, or two, goes
//! to a CPU where they are the most important ([`Kernel::spread`]).

use super::CpuId;
use super::ready::MOST_LOOKED_AT;
use crate::kernel::Kernel;
use crate::platform::Platform;
use crate::thread::{State, ThreadId};
use abi::process::Priority;

impl<P: Platform> Kernel<P> {
    /// Lets `thread`, which is in no queue and does not run, wait for its turn, where that comes soonest.
    pub(crate) fn make_ready(&mut self, thread: ThreadId) {
        let to = self.choose_home(thread);
        self.wait_for(thread, to);
    }

    fn wait_for(&mut self, thread: ThreadId, cpu: CpuId) {
        self.set_home(thread, cpu);
        self.cpus[cpu].ready.push(&mut self.threads, thread);
        self.notice(cpu);
    }

    /// `thread`, which waits for its home, may go on sooner elsewhere, or not at home any more.
    pub(super) fn place_anew(&mut self, thread: ThreadId) {
        let (home, to) = (self.thread(thread).home, self.choose_home(thread));
        if to != home {
            self.cpus[home].ready.remove(&mut self.threads, thread);
            self.wait_for(thread, to);
        }
    }

    /// This CPU is not prepared any more for whom it was `before`: that one may wait, and go on elsewhere.
    #[inline]
    pub(crate) fn offer(&mut self, before: Option<ThreadId>) {
        if !self.cpus.is_alone()
            && let Some(thread) = before
        {
            self.offer_to_others(thread);
        }
    }

    #[inline(never)] // so that one CPU alone does not pay for its stack frame
    fn offer_to_others(&mut self, id: ThreadId) {
        let (here, cpu) = (self.cpus.here, self.cpus.this_one());
        let waits = self.threads.get(id).is_some_and(|thread| {
            thread.home == here && matches!(thread.state, State::Ready | State::Working(_))
        });
        if waits && cpu.current != Some(id) {
            self.place_anew(id);
            // If it is not let go yet, it is offered once more when this CPU has chosen.
            let home = self.thread(id).home;
            self.cpu().chooses |= !self.goes_on_at(id, home);
        }
    }

    /// This CPU has chosen. Who was to be next here may not be: somebody more important has come meanwhile, or who runs
    /// has become as important. Each such goes where it goes on sooner.
    pub(super) fn offer_passed_over(&mut self) {
        if !self.cpus.is_alone() {
            while let Some(thread) = self.passed_over() {
                self.place_anew(thread);
            }
        }
    }

    fn passed_over(&self) -> Option<ThreadId> {
        let here = self.cpus.here;
        let others = self.cpus.ids().filter(|&id| id != here);
        let least = others
            .map(|id| self.urgency(id))
            .min_by_key(|it| it.map(Priority::index))?;
        let waiting = self.first_waiting(here);
        let mut wanted = waiting.take_while(|(_, priority)| priority.outranks(least));
        wanted
            .find(|&(thread, _)| self.goes_on_elsewhere(thread))
            .map(|(thread, _)| thread)
    }

    /// Whether `thread`, which is at home here, goes on sooner on another CPU.
    #[inline]
    pub(crate) fn goes_on_elsewhere(&self, thread: ThreadId) -> bool {
        !self.cpus.is_alone() && self.choose_home(thread) != self.cpus.here
    }

    /// Where `thread` goes on soonest, of the CPUs that it may run on: at home rather than elsewhere, and where nobody
    /// runs rather than in place of somebody less important.
    fn choose_home(&self, thread: ThreadId) -> CpuId {
        if self.cpus.is_alone() {
            return self.cpus.here;
        }
        let Some((home, priority)) = self.threads.get(thread).map(|it| (it.home, it.priority)) else {
            return self.cpus.here;
        };
        let may_stay = self.may_run(thread, home);
        if !self.cpus[home].lets_go(thread) || may_stay && self.cpus[home].is_idle() {
            return home;
        }
        let urgency = |id| self.urgency(id);
        let possible = self.cpus.ids().filter(|&id| self.may_run(thread, id));
        let least = possible.min_by_key(|&id| urgency(id).map(Priority::index));
        let least = least.unwrap_or(home);
        if !may_stay {
            return least;
        }
        let is_better = urgency(least).is_none() || !priority.outranks(urgency(home));
        if is_better && priority.outranks(urgency(least)) {
            least
        } else {
            home
        }
    }

    /// How important the most important thread is that runs on `cpu` or waits for it; `None` if it is idle.
    fn urgency(&self, cpu: CpuId) -> Option<Priority> {
        self.cpus[cpu].urgency(self.current_priority(cpu))
    }

    /// How important the thread is that runs on `cpu`; `None` if none does.
    pub(crate) fn current_priority(&self, cpu: CpuId) -> Option<Priority> {
        let current = self.cpus[cpu].current?;
        self.threads.get(current).map(|thread| thread.priority)
    }

    /// Somebody waits for `cpu` from now on: it looks around if nobody runs there, or somebody less important, or
    /// somebody who is not going to stop by himself.
    pub(super) fn notice(&mut self, id: CpuId) {
        let current = self.current_priority(id);
        let cpu = &mut self.cpus[id];
        let is_outranked = cpu.ready.outranks(current);
        let needs_slice = cpu.needs_slice();
        if id != self.cpus.here {
            if is_outranked || needs_slice {
                self.alert(id);
            }
        } else if is_outranked {
            self.cpu().chooses = true;
        } else if needs_slice {
            self.here().start_slice(None);
        }
    }

    /// Who runs on `cpu` is less important than before: it looks around if somebody waits who is more important now.
    pub(super) fn notice_less(&mut self, id: CpuId) {
        let current = self.current_priority(id);
        if self.cpus[id].ready.outranks(current) || self.is_anybody_wanted(id, current) {
            self.alert(id);
        }
    }

    /// Takes `thread`, which runs on `home`, another CPU, and has work to do now, out of its program: that CPU
    /// is alerted, and does the work in its turn. It does not let the thread go before.
    pub(crate) fn interrupt_running(&mut self, thread: ThreadId, home: CpuId) {
        let cpu = &mut self.cpus[home];
        cpu.current = None;
        cpu.ready.push(&mut self.threads, thread);
        self.alert(home);
    }

    /// Lets `cpu` look around before anybody goes on there.
    pub(crate) fn alert(&mut self, id: CpuId) {
        let is_here = id == self.cpus.here;
        let cpu = &mut self.cpus[id];
        cpu.chooses |= is_here;
        if !core::mem::replace(&mut cpu.alerted, true) && !is_here {
            self.platform.alert(id);
        }
    }

    /// Whether somebody waits for another CPU who can come, and goes first if nobody that is more important than
    /// `priority` goes on here.
    #[inline]
    pub(crate) fn is_anybody_wanted_here(&self, priority: Option<Priority>) -> bool {
        !self.cpus.is_alone() && self.is_anybody_wanted(self.cpus.here, priority)
    }

    fn is_anybody_wanted(&self, cpu: CpuId, above: Option<Priority>) -> bool {
        self.offers(cpu, above).next().is_some()
    }

    /// Takes a thread that waits elsewhere and is more important than all that wait here.
    #[inline(never)] // as above
    pub(super) fn steal(&mut self) -> Option<ThreadId> {
        let (here, most) = (self.cpus.here, self.cpus.this_one().ready.most());
        let offers = self.offers(here, most);
        let (from, thread, _) =
            offers.max_by_key(|&(id, _, priority)| (priority.index(), self.cpus[id].ready.count()))?;
        self.cpus[from].ready.remove(&mut self.threads, thread);
        self.set_home(thread, here);
        Some(thread)
    }

    /// The first one of each other CPU's that is more important than `above` and can go on on `cpu`.
    fn offers(
        &self,
        cpu: CpuId,
        above: Option<Priority>,
    ) -> impl Iterator<Item = (CpuId, ThreadId, Priority)> {
        let others = self.cpus.ids().filter(move |&id| id != cpu);
        let outranks = move |most: Priority| most.outranks(above);
        let wanted = others.filter(move |&id| self.cpus[id].ready.most().is_some_and(outranks));
        wanted.filter_map(move |id| {
            let mut waiting = self
                .first_waiting(id)
                .take_while(move |&(_, priority)| outranks(priority));
            let (thread, priority) =
                waiting.find(|&(thread, _)| self.cpus[id].lets_go(thread) && self.may_run(thread, cpu))?;
            Some((id, thread, priority))
        })
    }

    /// Those who wait for `cpu`, the first first: as many as are looked at to find one that can go elsewhere.
    pub(crate) fn first_waiting(&self, cpu: CpuId) -> impl Iterator<Item = (ThreadId, Priority)> {
        let waiting = self.cpus[cpu].ready.in_order(&self.threads).take(MOST_LOOKED_AT);
        waiting.filter_map(|id| Some((id, self.threads.get(id)?.priority)))
    }

    /// Time has passed. If somebody waits here for more important ones, and could take turns with others elsewhere, the
    /// first such goes there.
    pub(super) fn spread(&mut self) {
        if !self.cpus.is_alone()
            && let Some((thread, taker)) = self.behind_others()
        {
            self.cpus.this().ready.remove(&mut self.threads, thread);
            self.wait_for(thread, taker);
        }
    }

    fn behind_others(&self) -> Option<(ThreadId, CpuId)> {
        let urgency = self.urgency(self.cpus.here)?;
        let mut waiting = self.first_waiting(self.cpus.here);
        waiting.find_map(|(thread, priority)| {
            let taker = urgency
                .outranks(Some(priority))
                .then(|| self.taker(thread, priority));
            Some((thread, taker??))
        })
    }

    /// Another CPU that `thread` may run on, and which has nobody more important; of several the one with least to do.
    fn taker(&self, thread: ThreadId, priority: Priority) -> Option<CpuId> {
        let here = self.cpus.here;
        let is_possible = |&id: &CpuId| {
            let is_outranked = self
                .urgency(id)
                .is_some_and(|urgency| urgency.outranks(Some(priority)));
            id != here && !is_outranked && self.may_run(thread, id)
        };
        let possible = self.cpus.ids().filter(is_possible);
        let possible = possible.filter(|_| self.cpus[here].lets_go(thread));
        possible.min_by_key(|&id| (self.urgency(id).map(Priority::index), self.cpus[id].load()))
    }
}
