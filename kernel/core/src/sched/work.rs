//! The kernel's own work for a thread, a piece at a time.
//!
//! Most of it is the memory manager's: a [`Job`], of which a CPU does each piece with that one alone, mostly beside others. What is left then
//! is noted while CPUs share the kernel, and so is the end, if that concerns nobody but the thread. What comes after a fork or
//! the end of a process, and whatever is not a job, has the whole kernel.

use super::Next;
use crate::here::Here;
use crate::kernel::Kernel;
use crate::platform::{Local, MemoryLock, Platform};
use crate::process::Stage;
use crate::thread::{State, ThreadId, Work};
use mm::{Job, Seconds};

impl<L: Local> Here<'_, L> {
    /// The piece of a job that was [asked for](Self::works) is done, and `rest` is left of that. The CPU serves an interrupt then, if
    /// one waits, or [chooses](Self::choose). `false` if nothing has happened, and [`Kernel::stepped`] is to be told.
    ///
    /// # Panics
    /// If it was asked for none.
    #[must_use]
    pub fn stepped(&mut self, rest: Option<Job>) -> bool {
        let Some(thread) = self.cpu.current else {
            panic!("a piece was done of nobody's job");
        };
        let Some(state) = self.after_piece(thread, rest) else {
            return false;
        };
        self.thread(thread).state = state;
        // Nothing else of it is here, so another CPU may take it, and charge it, before this one chooses.
        if matches!(state, State::Ready) && self.cpu.prepared != Some(thread) {
            let now = self.local.rough_ticks();
            self.cpu.charge_nobody(&mut self.threads, now);
        }
        true
    }

    /// What `thread` does after that piece; `None` if that concerns others.
    fn after_piece(&mut self, thread: ThreadId, rest: Option<Job>) -> Option<State> {
        let State::Working(work) = self.thread(thread).state else {
            panic!("a piece was done for a thread that has nothing to finish");
        };
        match (work, rest) {
            (work, Some(rest)) => Some(State::Working(work.with(rest))),
            (Work::Memory(_), None) => self.just_goes_on(thread).then_some(State::Ready),
            (_, None) => None,
        }
    }

    /// Whether `thread`, whose work is done, does not leave, and nobody has waited for that.
    fn just_goes_on(&mut self, thread: ThreadId) -> bool {
        let process = self.thread(thread).process;
        self.processes
            .get(process)
            .is_some_and(|process| !matches!(process.stage, Stage::Ending(_)) && process.deferred.is_empty())
    }

    /// The job of the current thread, if all that is left to be done for that is a piece of it, at this time, with the memory
    /// manager alone. Then [what is left](Self::stepped) is to be said, before anything else.
    #[inline(always)] // so that who has nothing to do with that does not pay for it
    pub fn works(&mut self) -> Option<(Job, Seconds)> {
        // Whoever is charged here is who the CPU is prepared for, if for anybody.
        let charged = self.cpu.charged;
        let current = self.cpu.current.filter(|_| charged == self.cpu.current)?;
        self.works_for(current)
    }

    #[inline(never)]
    fn works_for(&mut self, thread: ThreadId) -> Option<(Job, Seconds)> {
        let cpu = &*self.cpu;
        if !cpu.is_settled() || cpu.needs_slice() {
            return None;
        }
        let job = self.thread(thread).state.job()?;
        Some((job, self.clock.seconds(self.local.rough_ticks())))
    }

    /// The first who waits for this CPU, and no thread runs, has a job, and the CPU is prepared for that from now on. Whether that
    /// is so.
    #[inline(never)] // so that who has none does not pay for it
    pub(super) fn works_for_next(&mut self) -> bool {
        let Some(next) = self.cpu.ready.first().filter(|_| self.cpu.current.is_none()) else {
            return false;
        };
        let has_job = self.thread(next).state.job().is_some();
        if has_job && self.begin_turn_of(next).is_some() {
            self.begin_to_work(next);
        }
        has_job
    }

    /// The kernel works for `thread`, the current one. Whoever this CPU was prepared for meanwhile can go on elsewhere.
    pub(super) fn begin_to_work(&mut self, id: ThreadId) {
        if !self.is_alone() && self.cpu.prepared != Some(id) {
            self.keep_nothing();
        }
        if self.cpu.charged != Some(id) {
            let now = self.local.rough_ticks();
            self.cpu.charge_nobody(&mut self.threads, now);
            self.cpu.charged = Some(id);
            self.thread(id).start_charging(now);
        }
    }
}

impl State {
    /// What the memory manager has to finish before the thread goes on.
    pub(super) const fn job(&self) -> Option<Job> {
        match self {
            Self::Working(work) => work.job(),
            _ => None,
        }
    }
}

impl<P: Platform> Kernel<P> {
    /// The piece that [`Next::Step`] asked for is done, and `rest` is left of the job. Every interrupt that waits is served.
    ///
    /// # Panics
    /// If it did not ask for one.
    pub fn stepped(&mut self, rest: Option<Job>) {
        let Some(thread) = self.running() else {
            panic!("a piece was done of nobody's job");
        };
        match self.thread(thread).state {
            State::Working(work) => self.go_on_with_work(thread, work, rest),
            _ => panic!("a piece was done for a thread that has nothing to finish"),
        }
        self.cpu().chooses = true;
        self.interrupt_if_pending();
    }

    /// Interrupts do not wait longer than a piece of work takes.
    fn interrupt_if_pending(&mut self) {
        if self.platform.interrupt_pending() {
            self.interrupt();
        }
    }

    /// Does a piece of this for the current thread, or says which one is the memory manager's.
    pub(super) fn work(&mut self, thread: ThreadId, work: Work) -> Next {
        match work {
            Work::Memory(job) | Work::Fork(job, _) | Work::Teardown(job) => {
                return Next::Step(job, self.seconds());
            }
            Work::Ask(object) => self.ask_again(thread, object),
            Work::Leave => self.leave(thread),
        }
        self.interrupt_if_pending();
        self.cpu().chooses = true;
        Next::Again
    }

    /// The kernel works for `thread` here. Whoever this CPU was prepared for meanwhile can go on elsewhere.
    pub(super) fn begin_to_work(&mut self, thread: ThreadId) {
        if !self.cpus.is_alone() && self.cpu().prepared != Some(thread) {
            self.keep_nothing();
        }
        self.charge(thread);
    }

    /// Does the first piece of a job for the current thread.
    pub(crate) fn begin_job(&mut self, thread: ThreadId, job: Job) {
        let now = self.seconds();
        let rest = self.memory.step(job, now);
        self.go_on_with_work(thread, Work::Memory(job), rest);
    }

    /// Notes what is left of the memory manager's part of `work`, or does what comes after it.
    fn go_on_with_work(&mut self, thread: ThreadId, work: Work, rest: Option<Job>) {
        if let Some(rest) = rest {
            self.thread(thread).state = State::Working(work.with(rest));
            return;
        }
        match work {
            Work::Fork(_, child) => {
                self.finish_fork(thread, child);
                self.finish_work(thread);
            }
            Work::Teardown(_) => self.finish_end(thread),
            Work::Memory(_) | Work::Ask(_) | Work::Leave => self.finish_work(thread),
        }
    }

    fn finish_work(&mut self, thread: ThreadId) {
        self.thread(thread).state = if self.is_leaving(thread) {
            State::Working(Work::Leave)
        } else {
            State::Ready
        };
        let process = self.thread(thread).process;
        self.resume_deferred(process);
    }
}
