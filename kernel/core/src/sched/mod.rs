//! Who runs next: round robin with time slices, and the kernel's own work in between.

use crate::kernel::Kernel;
use crate::platform::{Interrupt, Platform};
use crate::process::Stage;
use crate::thread::{State, ThreadId, Work};
use abi::process::End;
use abi::system::MachineEnd;
use addr::Frame;

/// What the CPU does when the kernel is done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Next {
    /// Goes on with this thread.
    Run(u32),
    /// Waits for an interrupt.
    Idle,
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
    /// Decides what the CPU does, and does the kernel's own work on the way, serving interrupts
    /// between its pieces.
    pub fn run(&mut self) -> Next {
        loop {
            if let Some(stop) = self.stop {
                return Next::Stop(stop);
            }
            let Some(thread) = self.pick() else {
                return Next::Idle;
            };
            match self.thread(thread).state {
                State::Working(work) => {
                    self.work(thread, work);
                    if self.platform.interrupt_pending() {
                        self.interrupt();
                    }
                }
                _ => {
                    self.enter(thread);
                    return Next::Run(thread.index());
                }
            }
        }
    }

    /// The thread that goes on, if that is clear without any work: it is the current one, ready.
    /// Otherwise [`Self::run`] has to decide.
    #[inline]
    pub fn at_once(&mut self) -> Option<u32> {
        let thread = self.current?;
        let ready = self.stop.is_none() && matches!(self.thread(thread).state, State::Ready);
        ready.then(|| {
            self.enter(thread);
            thread.index()
        })
    }

    /// The frame of the running thread's message page, for those who play its program.
    pub fn message_frame(&mut self) -> Option<Frame> {
        let thread = self.current?;
        Some(self.thread(thread).page)
    }

    /// Serves every interrupt that waits.
    pub fn interrupt(&mut self) {
        while let Some(interrupt) = self.platform.take_interrupt() {
            match interrupt {
                Interrupt::SliceEnd => {
                    self.slice_runs = false;
                    self.rotate();
                }
                Interrupt::ConsoleInput => self.console_input(),
            }
        }
    }

    /// The running thread goes to the end of the queue.
    pub(crate) fn rotate(&mut self) {
        if let Some(thread) = self.current.take() {
            self.ready.push(&mut self.threads, thread);
        }
    }

    /// Runs `thread`, which is ready and in no queue, in place of the current one, on what is
    /// left of its time slice.
    pub(crate) fn switch_to(&mut self, thread: ThreadId) {
        self.current = Some(thread);
    }

    /// The current thread, or else the next in the queue, on a time slice of its own: what its
    /// predecessor left might be next to nothing, and on purpose. The kernel's work for a thread
    /// takes turns with other threads in the same way.
    fn pick(&mut self) -> Option<ThreadId> {
        if self.current.is_none() {
            self.current = self.ready.pop(&mut self.threads);
            match self.current {
                Some(_) => self.platform.start_slice(),
                None if self.slice_runs => self.platform.stop_slice(),
                None => {}
            }
            self.slice_runs = self.current.is_some();
        }
        self.current
    }

    /// Prepares the machine for `thread`: address space, FP/SIMD.
    #[inline]
    fn enter(&mut self, thread: ThreadId) {
        if self.prepared != Some(thread) {
            self.prepare(thread);
        }
    }

    fn prepare(&mut self, thread: ThreadId) {
        let process = self.process_of(thread).1;
        let (pid, space) = (process.pid, process.space);
        if let Some(space) = space
            && self.active != Some(space)
            && let Some((mmu, tables)) = self.memory.mmu_space_mut(space)
        {
            self.platform.activate(mmu, tables, pid);
            self.active = Some(space);
        }
        self.platform.prepare_thread(thread.index());
        self.prepared = Some(thread);
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
        self.thread(thread).state = match self.process_of(thread).1.stage {
            Stage::Ending(_) => State::Working(Work::Leave),
            _ => State::Ready,
        };
    }
}
