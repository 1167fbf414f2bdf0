//! On which CPUs threads may run.
//!
//! That is looked at where it is decided who runs where: who becomes ready gets a home among its CPUs, and no CPU takes
//! a thread that may not run there. Who is chosen where it may not run any more is sent away then. What the kernel does
//! for a thread, its end above all, is done at its home, wherever that is.

use super::CpuId;
use crate::kernel::Kernel;
use crate::platform::Platform;
use crate::thread::{State, Thread, ThreadId};
use abi::CpuSet;

impl Thread {
    /// Whether it may run on `cpu`.
    #[inline]
    pub(crate) fn may_run_on(&self, cpu: CpuId) -> bool {
        self.cpus.contains(cpu.index() as u32)
    }

    /// Whether it can go on on its home, this CPU: what the kernel does for it is done at home as well.
    #[inline]
    pub(super) fn goes_on_at_home(&self, home: CpuId) -> bool {
        self.may_run_on(home) || !matches!(self.state, State::Ready)
    }
}

impl<P: Platform> Kernel<P> {
    /// The CPUs that run.
    pub(crate) fn running_cpus(&self) -> CpuSet {
        let all = self.cpus.ids().map(|cpu| CpuSet::of(cpu.index() as u32));
        all.fold(CpuSet(0), CpuSet::union)
    }

    /// Lets `thread` run on `cpus` alone. If it is elsewhere, it goes from there, at once if that is possible.
    pub(crate) fn confine(&mut self, id: ThreadId, cpus: CpuSet) {
        let thread = self.thread(id);
        thread.cpus = cpus;
        let (home, state) = (thread.home, thread.state);
        match state {
            State::Ready | State::Working(_) if self.cpus[home].current != Some(id) => self.place_anew(id),
            State::Ready if !self.may_run(id, home) => self.alert(home),
            _ => {}
        }
    }

    /// Whether `thread` may run on `cpu`.
    #[inline]
    pub(super) fn may_run(&self, thread: ThreadId, cpu: CpuId) -> bool {
        self.threads
            .get(thread)
            .is_some_and(|thread| thread.may_run_on(cpu))
    }

    /// Whether `thread`, which waits or was chosen, can go on on `cpu`: what the kernel does for it is done at home as well.
    pub(crate) fn goes_on_at(&self, thread: ThreadId, cpu: CpuId) -> bool {
        self.threads
            .get(thread)
            .is_some_and(|it| it.may_run_on(cpu) || it.home == cpu && it.goes_on_at_home(cpu))
    }

    /// `thread`, the current one, may not run here: it waits elsewhere, and this CPU keeps nothing of it.
    #[cold]
    pub(super) fn send_away(&mut self, thread: ThreadId) {
        let cpu = self.cpu();
        cpu.current = None;
        if cpu.prepared == Some(thread) {
            self.keep_nothing();
        }
        self.make_ready(thread);
    }
}
