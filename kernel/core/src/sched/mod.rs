//! Who runs next: round robin with time slices, and the kernel's own work in between.
//!
//! Each thread has a home, the CPU that it runs on, and waits for in that CPU's queue. It gets another
//! home when that one lets it go (`Cpu::lets_go`): because another CPU has nothing to do, or because it
//! is sent a message, or an answer, there, or woken by one that waits instead.

mod account;
mod activate;
mod affinity;
mod choose;
mod cpu;
mod exchange;
mod interrupt;
mod next;
mod others;
mod place;
mod priority;
mod ready;
mod shown;
mod sleep;
mod there;
mod time;
mod work;

pub(crate) use cpu::Cpus;
pub use cpu::{Cpu, CpuId, MAX_CPUS};
pub use exchange::{Search, Sought};
pub use interrupt::Interrupted;
pub(crate) use priority::LONGEST_CHAIN;
pub use shown::Shown;
pub(crate) use time::{DeadlinesOf, NEVER};

use crate::ipc::Direct;
use crate::kernel::{Kernel, existing};
use crate::platform::Platform;
use crate::thread::{State, Thread, ThreadId};
use abi::process::End;
use abi::system::MachineEnd;
use slots::Slots;

/// What a CPU does next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Next {
    /// Goes on with this thread.
    Run(u32),
    /// Waits for an interrupt.
    Idle,
    /// Does a piece of this job, at this time, with the memory manager alone; then the kernel is to be told what is
    /// left, by a CPU that [shares](crate::Here::stepped) it or [not](Kernel::stepped), before anything else.
    Step(mm::Job, mm::Seconds),
    /// Comes back at once, with more work of the kernel's: other CPUs that wait for it go first.
    Again,
    /// Nothing: the system ends.
    Stop(Stop),
}

/// Why the system ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stop {
    /// Somebody who may said so, with this status.
    ShutDown(MachineEnd, u32),
    /// The first process ended, which it must not.
    FirstEnded(End),
}

impl<P: Platform> Kernel<P> {
    /// Decides what this CPU does, or does a piece of the kernel's own work. All registers of the thread
    /// that ran here are in memory.
    pub fn run(&mut self) -> Next {
        let cpu = self.cpu();
        let (is_open, before) = (!cpu.is_settled(), cpu.prepared);
        (cpu.alerted, cpu.chooses, cpu.seeks) = (false, false, false);
        if let Some(stop) = self.stop {
            return Next::Stop(stop);
        }
        let clear = if is_open { None } else { self.clear() };
        let Some(thread) = clear.or_else(|| self.pick(is_open)) else {
            self.keep_nothing();
            return Next::Idle;
        };
        if is_open {
            self.offer_passed_over();
        }
        match self.thread(thread).state {
            State::Working(work) => {
                self.begin_to_work(thread);
                self.offer(before);
                self.work(thread, work)
            }
            _ => {
                self.enter(thread);
                self.offer(before);
                Next::Run(thread.index())
            }
        }
    }

    /// The current thread, if it goes on as it is, on the time slice that it has, or that begins now.
    #[inline]
    fn clear(&mut self) -> Option<ThreadId> {
        let current = self
            .cpu()
            .current
            .filter(|&thread| is_ready(&self.threads, thread))?;
        self.limit_slice();
        Some(current)
    }

    /// Who goes on after a trap was served, if that is clear without any work: the current thread, ready.
    /// Otherwise [`Self::run`] has to decide.
    ///
    /// Unless it is the one whose trap was served, the registers of that one need not be in memory yet: the lock
    /// is not given back before they are.
    #[inline]
    pub(crate) fn at_once(&mut self) -> Direct<P::Place> {
        let cpu = self.cpus.this();
        let trapped = cpu.prepared;
        match cpu.current {
            Some(thread) if cpu.chooses || cpu.seeks || !is_ready(&self.threads, thread) => Direct::Not,
            Some(thread) if trapped == Some(thread) => Direct::Stays(self.platform.place(thread.index())),
            // Whose trap was served waits for something, or is gone: it is nobody's to take, nor is its place, before all is stored.
            Some(thread) => {
                self.prepare(thread);
                Direct::Runs(self.platform.place(thread.index()))
            }
            None => Direct::Not,
        }
    }

    /// Puts the answer to a yield in place, and lets others run in place of `thread`, which runs, if anybody takes turns
    /// with it.
    pub(crate) fn yield_cpu(&mut self, thread: ThreadId) {
        self.answer(thread, ());
        let priority = self.thread(thread).priority;
        if self.cpu().ready.rivals(priority) {
            self.rotate();
        }
    }

    /// The running thread goes to the end of the queue, so that others run.
    pub fn rotate(&mut self) {
        let cpu = self.cpus.this();
        if let Some(thread) = cpu.current.take() {
            cpu.ready.push(&mut self.threads, thread);
            self.offer(Some(thread));
        }
    }

    /// Lets `thread`, which has waited and is in no queue, go on: in place of the current one, if that waits now.
    #[inline]
    pub(crate) fn resume(&mut self, id: ThreadId) {
        let thread = self.thread(id);
        thread.state = State::Ready;
        let home = thread.home;
        if self.cpu().current.is_none() {
            self.switch_to(id, home);
        } else {
            self.make_ready(id);
        }
    }

    /// Runs `thread`, which is ready, in no queue, and at home at `home`, in place of the current one, on what
    /// is left of its time slice. If somebody more important waits, here or elsewhere, `thread` waits for its turn.
    #[inline]
    pub(crate) fn switch_to(&mut self, thread: ThreadId, home: CpuId) {
        let (priority, may_run) = (self.thread(thread).priority, self.may_run(thread, self.cpus.here));
        let cpu = self.cpus.this();
        let is_outranked_here = cpu.ready.outranks(Some(priority));
        cpu.current = None;
        let is_next = may_run && !is_outranked_here && !self.is_anybody_wanted_here(Some(priority));
        if home == self.cpus.here && is_next {
            self.cpu().current = Some(thread);
        } else if is_next && self.cpus[home].lets_go(thread) {
            self.fetch(thread);
        } else {
            self.make_ready(thread);
        }
    }

    /// `thread` runs on `cpu` from now on, or waits for it: that one alone uses it while CPUs [share](crate::here) the
    /// kernel.
    pub(crate) fn set_home(&mut self, thread: ThreadId, cpu: CpuId) {
        self.thread(thread).home = cpu;
        self.threads.give(thread, cpu.owner());
    }

    #[cold]
    fn fetch(&mut self, thread: ThreadId) {
        self.set_home(thread, self.cpus.here);
        self.cpu().current = Some(thread);
    }

    /// Whether `thread` is the current one of its home.
    pub(crate) fn is_current(&self, thread: ThreadId) -> bool {
        let home = self.threads.get(thread).map(|thread| thread.home);
        home.is_some_and(|home| self.cpus[home].current == Some(thread))
    }

    /// The current thread, unless somebody more important waits, or else the next that waits, on a time slice
    /// of its own: what its predecessor left might be next to nothing, and on purpose. The kernel's work for a
    /// thread takes turns with other threads in the same way. While the choice `is_open`, somebody who waits elsewhere may
    /// be more important.
    fn pick(&mut self, is_open: bool) -> Option<ThreadId> {
        loop {
            let chosen = self.choose(is_open)?;
            if self.goes_on_at(chosen, self.cpus.here) {
                return Some(chosen);
            }
            self.send_away(chosen);
        }
    }

    #[inline]
    fn choose(&mut self, is_open: bool) -> Option<ThreadId> {
        let Some(current) = self.cpu().current else {
            return self.pick_next();
        };
        let priority = self.thread(current).priority;
        let is_outranked = self.cpu().ready.outranks(Some(priority));
        if is_outranked || is_open && self.is_anybody_wanted_here(Some(priority)) {
            self.make_way(current);
            return self.pick_next();
        }
        self.limit_slice();
        Some(current)
    }

    /// `current` waits again, and has the rest of its time slice later.
    fn make_way(&mut self, current: ThreadId) {
        let cpu = self.cpus.this();
        let rest = cpu.rest_of_slice(&self.platform);
        cpu.current = None;
        cpu.wait_again(&mut self.threads, current, rest);
        self.thread(current).rest_of_slice = rest;
        self.offer(Some(current));
    }

    /// A slice begins if somebody waits for this CPU and none runs.
    fn limit_slice(&mut self) {
        if self.cpu().needs_slice() {
            self.here().start_slice(None);
        }
    }

    fn pick_next(&mut self) -> Option<ThreadId> {
        let next = if self.cpus.is_alone() { None } else { self.steal() };
        let next = next.or_else(|| self.cpus.this().ready.pop(&mut self.threads));
        let cpu = self.cpus.this();
        (cpu.current, cpu.slice_end, cpu.chooses) = (next, NEVER, false);
        if let Some(thread) = next {
            let rest = self.thread(thread).rest_of_slice.take();
            self.here().begin_turn(rest);
        }
        next
    }

    /// Prepares the machine for `thread`: address space, FP/SIMD.
    #[inline]
    fn enter(&mut self, thread: ThreadId) {
        if self.cpu().prepared != Some(thread) {
            self.prepare(thread);
        } else {
            self.charge(thread);
        }
    }

    fn prepare(&mut self, id: ThreadId) {
        let now = self.charge_nobody();
        self.cpu().charged = Some(id);
        let place = self.platform.place(id.index());
        let Self {
            cpus,
            threads,
            platform,
            ..
        } = self;
        let thread = existing(threads, id);
        thread.start_charging(now);
        let (space, process) = (thread.space, thread.process);
        if !cpus.this().prepare(platform, (id, thread, place)) {
            let pid = existing(&mut self.processes, process).pid;
            activate::activate(&mut self.platform, &mut self.memory, (id, space, pid));
            self.cpu().active = Some(space);
            self.prepare(id);
        }
    }
}

/// Whether `thread` waits for nothing but a CPU, and the kernel has nothing to do for it.
#[inline]
fn is_ready(threads: &Slots<Thread>, thread: ThreadId) -> bool {
    threads
        .get(thread)
        .is_some_and(|thread| matches!(thread.state, State::Ready))
}
