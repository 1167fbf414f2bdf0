//! On which CPUs threads may run.
//!
//! That is looked at where it is decided who runs where: who becomes ready gets a home among its CPUs, and no CPU takes
//! a thread that may not run there. Who is chosen where it may not run any more is sent away then. What the kernel does
//! for a thread, its end above all, is done at its home, wherever that is.

use super::CpuId;
use super::is_ready;
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
}

impl<P: Platform> Kernel<P> {
    /// The CPUs that run.
    pub(crate) fn running_cpus(&self) -> CpuSet {
        let all = self.cpus.ids().map(|cpu| CpuSet::of(cpu.index() as u32));
        all.fold(CpuSet(0), CpuSet::union)
    }

    /// Lets `thread` run on `cpus` alone. If it is elsewhere, it goes from there, at once if that is possible.
    pub(crate) fn confine(&mut self, id: ThreadId, cpus: CpuSet) {
        let here = self.cpus.here;
        let thread = self.thread(id);
        thread.cpus = cpus;
        let (home, is_ready) = (thread.home, matches!(thread.state, State::Ready));
        if thread.may_run_on(home) || !is_ready {
            return;
        }
        if self.cpus[home].current != Some(id) {
            self.wait_elsewhere(id, home);
        } else if home == here {
            self.cpu().chooses = true;
        } else {
            self.alert(home);
        }
    }

    /// Lets `thread`, which waits for `home`, wait for a CPU that it may run on. If it cannot go yet, `home` sends it
    /// away in its turn.
    fn wait_elsewhere(&mut self, thread: ThreadId, home: CpuId) {
        if self.cpus[home].lets_go(thread) {
            self.cpus[home].ready.remove(&mut self.threads, thread);
            self.make_ready(thread);
        } else {
            self.alert(home);
        }
    }

    /// Whether `thread` may run on `cpu`.
    #[inline]
    pub(super) fn may_run(&self, thread: ThreadId, cpu: CpuId) -> bool {
        self.threads
            .get(thread)
            .is_some_and(|thread| thread.may_run_on(cpu))
    }

    /// Whether `thread`, which was chosen, goes on here, or the kernel with its work.
    pub(super) fn goes_on_here(&self, thread: ThreadId) -> bool {
        !is_ready(&self.threads, thread) || self.may_run(thread, self.cpus.here)
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
