//! Who runs next: round robin with time slices, and the kernel's own work in between.
//!
//! Each thread has a home, the CPU that it runs on, and waits for in that CPU's queue. It gets another
//! home when that one lets it go (`Cpu::lets_go`): because another CPU has nothing to do, or because it
//! is sent a message, or an answer, there.

mod account;
mod cpu;
mod time;

pub(crate) use cpu::{Cpu, Cpus};
pub use cpu::{CpuId, MAX_CPUS};
#[cfg(test)]
pub(crate) use time::ByDeadline;
pub(crate) use time::NEVER;

use crate::ipc::Direct;
use crate::kernel::Kernel;
use crate::platform::{Interrupt, Platform};
use crate::thread::{State, Thread, ThreadId, Work};
use abi::process::End;
use abi::system::MachineEnd;
use mm::SpaceId;
use slots::Slots;

/// What a CPU does next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Next {
    /// Goes on with this thread.
    Run(u32),
    /// Waits for an interrupt.
    Idle,
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
        (cpu.leaving, cpu.alerted) = (None, false);
        if let Some(stop) = self.stop {
            return Next::Stop(stop);
        }
        let Some(thread) = self.pick() else {
            self.keep_nothing();
            return Next::Idle;
        };
        match self.thread(thread).state {
            State::Working(work) => {
                self.charge(thread);
                self.work(thread, work);
                if self.platform.interrupt_pending() {
                    self.interrupt();
                }
                Next::Again
            }
            _ => {
                self.enter(thread);
                Next::Run(thread.index())
            }
        }
    }

    /// The thread that goes on, if that is clear without any work: it is the current one, ready.
    /// Otherwise [`Self::run`] has to decide.
    ///
    /// Unless it is the one whose trap was served, the registers of that one need not be in memory yet: no
    /// other CPU takes it before this one has come to the kernel again.
    #[inline]
    pub(crate) fn at_once(&mut self) -> Option<u32> {
        let cpu = self.cpus.this();
        let trapped = cpu.prepared;
        if let Some(thread) = cpu.current
            && self.stop.is_none()
            && is_ready(&self.threads, thread)
        {
            if trapped != Some(thread) {
                cpu.leaving = trapped;
                self.prepare(thread);
            }
            return Some(thread.index());
        }
        cpu.leaving = trapped;
        None
    }

    /// Serves every interrupt that waits.
    pub fn interrupt(&mut self) {
        while let Some(interrupt) = self.platform.take_interrupt() {
            match interrupt {
                Interrupt::Timer => self.timer(),
                Interrupt::ConsoleInput => self.console_input(),
                // Whoever takes interrupts runs afterwards, and looks around then.
                Interrupt::Alert => {}
            }
        }
        self.restore_timer();
    }

    /// Does a bounded step of what can be done before it is needed: for a CPU on which nobody goes on.
    /// Answers whether there is more.
    pub fn use_idle_time(&mut self) -> mm::Ahead {
        self.memory.zero_ahead()
    }

    /// Lets others run in place of the running thread, as [`Operation::Yield`](abi::Operation::Yield) asks. Answers
    /// as [`Self::serve_directly`] does.
    #[inline]
    pub fn yield_directly(&mut self) -> Direct<P::Place> {
        let Some(trapped) = self.running() else {
            return Direct::Not;
        };
        self.yield_cpu(trapped);
        match self.pick_next() {
            Some(next) if next == trapped => Direct::Runs(self.platform.place(next.index())),
            Some(next) if is_ready(&self.threads, next) => {
                let &mut Thread { space, process, .. } = self.thread(next);
                let place = self.platform.place(next.index());
                self.charge(next);
                self.go_on_with((next, place), trapped, (space, process))
            }
            _ => {
                self.cpu().leaving = Some(trapped);
                Direct::Not
            }
        }
    }

    /// Puts the answer to a yield in place, and lets others run in place of `thread`, which runs.
    pub(crate) fn yield_cpu(&mut self, thread: ThreadId) {
        self.answer(thread, ());
        self.rotate();
    }

    /// The running thread goes to the end of the queue.
    pub(crate) fn rotate(&mut self) {
        let cpu = self.cpus.this();
        if let Some(thread) = cpu.current.take() {
            cpu.ready.push(&mut self.threads, thread);
        }
    }

    /// Runs `thread`, which is ready, in no queue, and at home at `home`, in place of the current one, on what
    /// is left of its time slice.
    #[inline]
    pub(crate) fn switch_to(&mut self, thread: ThreadId, home: CpuId) {
        if home == self.cpus.here {
            self.cpu().current = Some(thread);
        } else {
            self.fetch(thread, home);
        }
    }

    /// The same for one with another home. If that does not let it go, it goes on there in its turn.
    #[cold]
    fn fetch(&mut self, thread: ThreadId, home: CpuId) {
        if self.cpus[home].lets_go(thread) {
            self.thread(thread).home = self.cpus.here;
            self.cpu().current = Some(thread);
        } else {
            self.cpu().current = None;
            self.make_ready(thread);
        }
    }

    /// Lets `thread`, which is in no queue and does not run, wait for its turn: at home, or on a CPU that has
    /// nothing to do.
    pub(crate) fn make_ready(&mut self, thread: ThreadId) {
        let home = self.thread(thread).home;
        let stays = self.cpus[home].is_idle() || !self.cpus[home].lets_go(thread);
        let to = self.cpus.idle().filter(|_| !stays).unwrap_or(home);
        self.thread(thread).home = to;
        self.cpus[to].ready.push(&mut self.threads, thread);
        self.notice(to);
    }

    /// Somebody waits for `cpu` from now on: it looks around if it has nothing to do, or is not going to stop
    /// by itself.
    fn notice(&mut self, cpu: CpuId) {
        let runs_alone = self.cpus[cpu].slice_end == NEVER;
        if cpu != self.cpus.here {
            if runs_alone {
                self.alert(cpu);
            }
        } else if runs_alone && self.cpus[cpu].current.is_some() {
            self.start_slice();
        }
    }

    /// Whether `thread` is the current one of its home.
    pub(crate) fn is_current(&self, thread: ThreadId) -> bool {
        let home = self.threads.get(thread).map(|thread| thread.home);
        home.is_some_and(|home| self.cpus[home].current == Some(thread))
    }

    /// Takes `thread`, which runs on `home`, another CPU, and has work to do now, out of its program: that CPU
    /// is alerted, and does the work in its turn. It does not let the thread go before.
    pub(crate) fn interrupt_running(&mut self, thread: ThreadId, home: CpuId) {
        let cpu = &mut self.cpus[home];
        cpu.current = None;
        cpu.ready.push(&mut self.threads, thread);
        self.alert(home);
    }

    /// Lets `cpu` look around, if it is not this one, which will anyhow.
    pub(crate) fn alert(&mut self, cpu: CpuId) {
        if cpu != self.cpus.here && !core::mem::replace(&mut self.cpus[cpu].alerted, true) {
            self.platform.alert(cpu);
        }
    }

    /// The current thread, or else the next that waits, on a time slice of its own: what its
    /// predecessor left might be next to nothing, and on purpose. The kernel's work for a thread
    /// takes turns with other threads in the same way.
    #[inline]
    fn pick(&mut self) -> Option<ThreadId> {
        match self.cpu().current {
            Some(current) => {
                self.limit_slice();
                Some(current)
            }
            None => self.pick_next(),
        }
    }

    /// A slice begins if somebody waits for this CPU and none runs.
    fn limit_slice(&mut self) {
        let cpu = self.cpu();
        if cpu.slice_end == NEVER && !cpu.ready.is_empty() {
            self.start_slice();
        }
    }

    fn pick_next(&mut self) -> Option<ThreadId> {
        let own = self.cpus.this().ready.pop(&mut self.threads);
        let next = own.or_else(|| self.steal());
        let cpu = self.cpus.this();
        cpu.current = next;
        cpu.slice_end = NEVER;
        if !cpu.ready.is_empty() {
            self.start_slice();
            self.share();
        }
        next
    }

    /// Takes a thread that waits elsewhere. The CPU that most wait for need not have one that it lets go: then
    /// this one stays idle until it is alerted.
    fn steal(&mut self) -> Option<ThreadId> {
        /// One that is prepared, and one that is leaving.
        const MOST_KEPT: usize = 2;
        let from = self.cpus.longest_queue()?;
        let from = &mut self.cpus[from];
        let waiting = from.ready.queue().members(&self.threads);
        let thread = waiting.take(MOST_KEPT + 1).find(|&thread| from.lets_go(thread))?;
        from.ready.remove(&mut self.threads, thread);
        self.thread(thread).home = self.cpus.here;
        Some(thread)
    }

    /// Somebody waits for this CPU: one that has nothing to do may take them.
    fn share(&mut self) {
        if let Some(idle) = self.cpus.idle() {
            self.alert(idle);
        }
    }

    /// An idle CPU has nothing of anybody: who ran here last can go on anywhere, and an address space that ends is
    /// active nowhere but where its thread takes it apart.
    fn keep_nothing(&mut self) {
        let cpu = self.cpu();
        let (active, prepared) = (cpu.active.take(), cpu.prepared.take());
        if active.is_some() {
            self.platform.deactivate(self.memory.mmu_mut());
        }
        if prepared.is_some() {
            self.platform.put_away();
        }
        self.charge_nobody();
    }

    /// Prepares the machine for the current thread, and answers its place.
    ///
    /// # Panics
    /// If there is none.
    pub fn prepare_current(&mut self) -> P::Place {
        let Some(thread) = self.cpu().current else {
            panic!("nobody is to go on");
        };
        self.prepare(thread);
        self.platform.place(thread.index())
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

    fn prepare(&mut self, thread: ThreadId) {
        let &mut Thread { space, process, .. } = self.thread(thread);
        let place = self.platform.place(thread.index());
        let cpu = self.cpus.this();
        (cpu.prepared, cpu.process) = (Some(thread), Some(process));
        if cpu.active != Some(space) {
            cpu.active = Some(space);
            if !self.platform.activate_again(self.memory.mmu_mut(), place) {
                self.activate(thread, space);
            }
        }
        self.platform.prepare_thread(thread.index());
        self.charge(thread);
    }

    #[cold]
    fn activate(&mut self, thread: ThreadId, space: SpaceId) {
        let pid = self.process_of(thread).1.pid;
        match self.memory.mmu_space_mut(space) {
            Some((mmu, tables)) => self.platform.activate(mmu, tables, pid, thread.index()),
            None => panic!("{thread:?} is to run in a space that is gone"),
        }
    }

    /// Does one piece.
    fn work(&mut self, thread: ThreadId, work: Work) {
        match work {
            Work::Memory(job) => match self.step(job) {
                Some(job) => self.thread(thread).state = State::Working(Work::Memory(job)),
                None => self.finish_work(thread),
            },
            Work::Fork(job, child) => match self.step(job) {
                Some(job) => self.thread(thread).state = State::Working(Work::Fork(job, child)),
                None => {
                    self.finish_fork(thread, child);
                    self.finish_work(thread);
                }
            },
            Work::Ask(object) => self.ask_again(thread, object),
            Work::Leave => self.leave(thread),
            Work::Teardown(job) => match self.step(job) {
                Some(job) => self.thread(thread).state = State::Working(Work::Teardown(job)),
                None => self.finish_end(thread),
            },
        }
    }

    fn step(&mut self, job: mm::Job) -> Option<mm::Job> {
        let now = self.seconds();
        self.memory.step(job, now)
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

/// Whether `thread` waits for nothing but a CPU, and the kernel has nothing to do for it.
#[inline]
fn is_ready(threads: &Slots<Thread>, thread: ThreadId) -> bool {
    threads
        .get(thread)
        .is_some_and(|thread| matches!(thread.state, State::Ready))
}
