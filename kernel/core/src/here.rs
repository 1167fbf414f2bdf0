//! What a CPU uses of the kernel while others use it as well.
//!
//! Two things may be: one CPU has all of the [`Kernel`], or each has its [`Here`]. In the second, nobody begins or ends
//! anything: no process, thread, endpoint or handle. So a CPU looks things up without asking anybody, changes what it
//! keeps for itself and the threads at home there, and of all else only an endpoint at a time, which it takes. That
//! is enough for most messages ([`ipc`](crate::ipc)). docs/concurrency.md has the whole picture.

use crate::ipc::Endpoint;
use crate::kernel::{Kernel, gone};
use crate::platform::{Local, Platform};
use crate::process::Process;
use crate::sched::{Cpu, CpuId};
use crate::thread::{Thread, ThreadId};
use slots::{Common, Mine, Slot, Turns};

/// A CPU's part of the kernel.
pub struct Here<'a, L: Local> {
    /// Which CPU it is.
    pub id: CpuId,
    /// What is kept for it.
    pub cpu: &'a mut Cpu,
    /// What it has of the machine.
    pub local: &'a mut L,
    /// Threads that have it as their home.
    pub threads: Mine<'a, Thread>,
    /// All processes.
    pub processes: Common<'a, Process>,
    /// All endpoints.
    pub endpoints: Turns<'a, Endpoint>,
}

/// Where all of a CPU's is, for whoever makes a [`Here`] of it, which is the image's business: there it is known which CPU
/// this is, and that nobody has the kernel.
#[derive(Clone, Copy)]
pub struct Parts {
    /// What is kept for it.
    pub cpu: slots::Parts<Cpu>,
    /// Threads, each owned by its home.
    pub threads: slots::Parts<[Slot<Thread>]>,
    /// Processes, which are common.
    pub processes: slots::Parts<[Slot<Process>]>,
    /// Endpoints, taken in turn.
    pub endpoints: slots::Parts<[Slot<Endpoint>]>,
}

impl<L: Local> Here<'_, L> {
    /// The thread that runs, or that the kernel works for.
    ///
    /// # Panics
    /// If it is not at home here.
    pub(crate) fn thread(&mut self, thread: ThreadId) -> &mut Thread {
        match self.threads.get_mut(thread) {
            Some(thread) => thread,
            None => gone(thread),
        }
    }
}

impl<P: Platform> Kernel<P> {
    /// Where `cpu` finds what it needs to share the kernel.
    pub fn parts(&self, cpu: CpuId) -> Parts {
        Parts {
            cpu: self.cpus.part(cpu),
            threads: self.threads.parts(),
            processes: self.processes.parts(),
            endpoints: self.endpoints.parts(),
        }
    }

    /// The same for the CPU that has all of the kernel.
    pub fn here(&mut self) -> Here<'_, P::Part> {
        let id = self.cpus.here;
        Here {
            id,
            cpu: self.cpus.this(),
            local: self.platform.part(),
            threads: self.threads.mine(id.owner()),
            processes: self.processes.common(),
            endpoints: self.endpoints.turns(id.owner()),
        }
    }
}
