//! CPUs that share the kernel exchange threads, two of them at a time.
//!
//! What others show says that somebody may wait in the wrong place. So a CPU takes the turn of that one besides its own, and
//! both are looked at as they are: the first who waits there and goes on here sooner comes here, or the first who waits here and
//! goes on there sooner goes there. If neither is so, the two have nothing to exchange before one of them changes, and whoever does so
//! shows it and looks at the other.
//!
//! These are the steps in which [`Kernel::run`](crate::Kernel::run) chooses with the whole kernel, which still decides whatever is more
//! than that.

use super::Cpu;
use crate::here::{Here, There};
use crate::platform::Local;
use crate::sched::CpuId;
use crate::thread::{Thread, ThreadId, Threads};
use abi::CpuSet;
use abi::process::Priority;
use mm::{Job, Seconds};
use slots::Mine;

/// How often a CPU takes another one's turn before it has the whole kernel choose.
const MOST_EXCHANGES: u32 = 16;

/// Who goes on, as a CPU finds out that shares the kernel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sought<Place> {
    /// The thread with this place.
    Thread(Place),
    /// One for which it [works](Here::works).
    Job(Job, Seconds),
    /// The current one, when the CPU has [activated](Here::enters_anew) its address space.
    Enters,
    /// Nobody, until an interrupt comes.
    Nobody,
    /// It is to [exchange](Here::exchange) threads with this other CPU, whose turn it takes, and then to seek on.
    With(CpuId),
    /// [`Kernel::run`](crate::Kernel::run) is to say who does.
    Open,
}

/// What a CPU knows that seeks.
pub struct Search {
    /// Whether it has chosen since somebody has come or gone, and shows that.
    has_chosen: bool,
    /// CPUs that it has nothing to exchange with since.
    tried: CpuSet,
    exchanges: u32,
}

impl Search {
    /// One that knows nothing yet.
    pub const fn begin() -> Self {
        Self {
            has_chosen: false,
            tried: CpuSet(0),
            exchanges: 0,
        }
    }
}

impl<L: Local> Here<'_, L> {
    /// Whether this CPU is to [seek](Self::seek) who goes on. If not, and that is not clear, [`Kernel::run`](crate::Kernel::run) is
    /// to say it.
    #[inline]
    pub fn seeks(&self) -> bool {
        let is_left = self.cpu.current.is_none() && !self.is_alone();
        (self.cpu.seeks || self.cpu.alerted || is_left) && !self.cpu.chooses
    }

    /// Finds out who goes on, as somebody may wait in the wrong place. All registers are in memory.
    pub fn seek(&mut self, search: &mut Search) -> Sought<L::Place> {
        let partner = if self.cpu.alerted || !search.has_chosen {
            self.look_anew(search)
        } else {
            self.partner(search.tried)
        };
        let sought = match partner {
            _ if self.cpu.chooses || search.exchanges == MOST_EXCHANGES => Sought::Open,
            Some(other) => Sought::With(other),
            None => self.found(),
        };
        if matches!(sought, Sought::Enters) {
            // Whom it was prepared for before may go anywhere then.
            search.tried = CpuSet(0);
        }
        search.exchanges += 1;
        self.cpu.chooses |= matches!(sought, Sought::Open);
        sought
    }

    /// Chooses, and looks for somebody to exchange threads with; or that before, if nobody has to make way here then.
    fn look_anew(&mut self, search: &mut Search) -> Option<CpuId> {
        (self.cpu.alerted, search.has_chosen) = (false, false);
        let idle = self.yields_to(search.tried);
        if idle.is_none() {
            (search.has_chosen, search.tried) = (true, CpuSet(0));
            self.choose_or_fall_asleep();
        }
        idle.or_else(|| self.partner(search.tried))
    }

    /// The CPU with nothing to do, as it shows, on which who would go on here in place of somebody else goes on instead.
    pub(super) fn yields_to(&mut self, tried: CpuSet) -> Option<CpuId> {
        let (others, runs) = (self.others(), self.current_priority()?);
        if !self.cpu.ready.outranks(Some(runs)) {
            return None;
        }
        let first = self.cpu.ready.first()?;
        if !self.cpu.is_done_with(first) {
            return None;
        }
        others.idle(self.thread(first).cpus, tried)
    }

    fn choose_or_fall_asleep(&mut self) {
        self.choose_here();
        if self.cpu.is_idle() {
            self.falls_asleep();
        }
    }

    /// Another CPU where somebody waits, as it shows, who goes on here sooner; or which would go on sooner with somebody who waits
    /// here.
    fn partner(&mut self, tried: CpuSet) -> Option<CpuId> {
        let (others, urgency) = (self.others(), self.urgency());
        others.offering(urgency, tried).or_else(|| self.taker(tried))
    }

    /// Another CPU which, as it shows, would go on sooner with somebody who waits here.
    pub(super) fn taker(&mut self, tried: CpuSet) -> Option<CpuId> {
        let (others, cpu) = (self.others(), &*self.cpu);
        let most = cpu.ready.most()?;
        if !others.would_take_any(most) {
            return None;
        }
        cpu.ready.find(&mut self.threads, None, |id, thread| {
            others.taking(thread, tried).filter(|_| cpu.lets_go(id))
        })
    }

    /// Nobody waits in the wrong place.
    fn found(&mut self) -> Sought<L::Place> {
        self.cpu.seeks = false;
        if self.cpu.is_idle() {
            return Sought::Nobody;
        }
        match (self.goes_on(), self.works()) {
            (Some(place), _) => Sought::Thread(place),
            (None, Some((job, now))) => Sought::Job(job, now),
            (None, None) if self.is_to_activate() => Sought::Enters,
            (None, None) => Sought::Open,
        }
    }

    /// Exchanges a thread with the other CPU, if one of those who wait goes on sooner that way.
    pub fn exchange(&mut self, there: &mut There<'_>, search: &mut Search) {
        // Somebody has changed what is here meanwhile, so it looks anew first.
        if self.cpu.alerted {
            return;
        }
        if self.take_from(there).or_else(|| self.give_to(there)).is_none() {
            search.tried = search.tried.union(CpuSet::of(there.id.index() as u32));
            there.narrow(self.shown);
            return;
        }
        let runs = self.current_priority();
        self.show(runs);
        there.show(self.shown);
        search.has_chosen = false;
    }

    fn take_from(&mut self, there: &mut There<'_>) -> Option<()> {
        let above = self.urgency();
        let theirs = (&mut *there.cpu, &mut there.threads);
        let own = (self.id, &mut *self.cpu, &mut self.threads);
        move_first(theirs, own, above)
    }

    fn give_to(&mut self, there: &mut There<'_>) -> Option<()> {
        let above = there.urgency();
        let own = (&mut *self.cpu, &mut self.threads);
        let theirs = (there.id, &mut *there.cpu, &mut there.threads);
        move_first(own, theirs, above)?;
        self.alert(there);
        Some(())
    }
}

/// Lets the first of `threads`, who waits for the CPU `from`, is more important than `above` and can go on on the other one,
/// wait for that one.
fn move_first(
    (from, threads): (&mut Cpu, &mut Mine<'_, Thread>),
    (to, cpu, theirs): (CpuId, &mut Cpu, &mut Mine<'_, Thread>),
    above: Option<Priority>,
) -> Option<()> {
    let first = from.ready.find(threads, above, |id, thread| {
        (from.is_done_with(id) && thread.may_run_on(to)).then_some(id)
    })?;
    from.ready.remove(threads, first);
    threads.find(first)?.home = to;
    threads.give(first, to.owner());
    cpu.ready.push(theirs, first);
    Some(())
}

impl Cpu {
    /// Whether it has nothing of `thread`, which waits for it, and no time is charged to that one here.
    fn is_done_with(&self, thread: ThreadId) -> bool {
        self.lets_go(thread) && self.charged != Some(thread)
    }
}
