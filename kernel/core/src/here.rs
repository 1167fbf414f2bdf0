//! What a CPU uses of the kernel while others use it as well.
//!
//! Two things may be: one CPU has all of the [`Kernel`], or each has its [`Here`], and one may have another's part as well
//! ([`There`]) while that one is outside. In the second, nobody begins or ends anything: no process, thread or endpoint; and
//! [handles](crate::handle) come and go without a lock. So a CPU looks things up without asking anybody, changes what it keeps for itself and the threads at home there,
//! and of all else only an endpoint at a time, which it takes. That is enough for most messages ([`ipc`](crate::ipc)), and
//! with what it shares of the memory manager for most requests to that ([`object::memory`](crate::object::memory)).
//! docs/concurrency.md has the whole picture.

use crate::clock::Clock;
use crate::ipc::Endpoint;
use crate::kernel::{Kernel, gone};
use crate::message::Message;
use crate::object::device::Device;
use crate::platform::{Local, Platform};
use crate::process::Process;
use crate::sched::{Cpu, CpuId, Shown};
use crate::thread::{Thread, ThreadId};
use abi::{IpcError, Label, Tag, Words6};
use slots::{Common, Mine, Slot, Turns};

/// A CPU's part of the kernel.
pub struct Here<'a, L: Local> {
    /// Which CPU it is.
    pub id: CpuId,
    /// What each CPU shows. Not the slice itself, so that what is to be short has it in registers no longer than it needs it.
    pub shown: &'a &'static [Shown],
    /// What is kept for it.
    pub cpu: &'a mut Cpu,
    /// What time it is, with the machine's counter.
    pub clock: &'static Clock,
    /// What it has of the machine.
    pub local: &'a mut L,
    /// Threads that have it as their home.
    pub threads: Mine<'a, Thread>,
    /// All processes.
    pub processes: Common<'a, Process>,
    /// All endpoints.
    pub endpoints: Turns<'a, Endpoint>,
}

/// What another CPU has of the kernel, whose turn this one has taken as well: so nothing happens there meanwhile. It may be on
/// its way from its own turn to more of them: then registers of its current thread, which is ready, are in it alone.
pub struct There<'a> {
    /// Which CPU it is.
    pub id: CpuId,
    /// What is kept for it.
    pub cpu: &'a mut Cpu,
    /// Threads that have it as their home.
    pub threads: Mine<'a, Thread>,
}

/// Where all of a CPU's is, for whoever makes a [`Here`] of it, which is the image's business: there it is known which CPU
/// this is, and that nobody has the kernel.
#[derive(Clone, Copy)]
pub struct Parts {
    /// What each CPU shows.
    pub shown: &'static [Shown],
    /// The clock.
    pub clock: &'static Clock,
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
    /// Whether there is no other CPU.
    #[inline(always)] // into what is to be short
    pub(crate) fn is_alone(&self) -> bool {
        self.others().are_none()
    }

    /// The thread that runs, or that the kernel works for.
    ///
    /// # Panics
    /// If it is not at home here.
    #[inline(always)] // so that this is not in memory for it
    pub(crate) fn thread(&mut self, thread: ThreadId) -> &mut Thread {
        match self.threads.get_mut(thread) {
            Some(thread) => thread,
            None => gone(thread),
        }
    }

    /// Puts an answer in place for that thread, which has this place.
    #[inline]
    pub(crate) fn answer(&mut self, thread: ThreadId, message: Message<'_>) -> L::Place {
        let place = self.local.place(thread.index());
        self.local.registers_at(place).set_answer(0, message, 0);
        place
    }

    /// The same with the first `bytes` bytes of the CPU's copy.
    #[inline]
    pub(crate) fn answer_with_bytes(&mut self, thread: ThreadId, bytes: usize, words: &Words6) {
        let mut tag = Tag::new(Label::DONE);
        if bytes > 0 {
            let page = self.thread(thread).page;
            self.local.write_message(page, bytes, 0, &self.cpu.message);
            tag = tag.with_bytes(bytes).unwrap_or(tag);
        }
        self.answer(thread, Message { tag, words });
    }

    /// Tells that thread that its message did not arrive, or none came.
    pub(crate) fn refuse(&mut self, thread: ThreadId, error: IpcError) {
        let place = self.local.place(thread.index());
        let registers = self.local.registers_at(place);
        registers.set_answer(error as u64, Message::empty(Label::DONE), 0);
    }
}

/// What of the kernel has a lock of its own: the words that are waited for, and the memory manager.
pub type Locks<'a, P> = (&'a mut <P as Platform>::Words, &'a mut <P as Platform>::Memory);

impl<P: Platform> Kernel<P> {
    /// Where `cpu` finds what it needs to share the kernel.
    pub fn parts(&self, cpu: CpuId) -> Parts {
        Parts {
            shown: self.cpus.shown,
            clock: self.facts.clock,
            cpu: self.cpus.part(cpu),
            threads: self.threads.parts(),
            processes: self.processes.parts(),
            endpoints: self.endpoints.parts(),
        }
    }

    /// The same for the CPU that has all of the kernel.
    pub fn here(&mut self) -> Here<'_, P::Part> {
        self.here_and_locks().0
    }

    /// Where devices are, which are common.
    pub fn devices(&self) -> slots::Parts<[Slot<Device>]> {
        self.devices.parts()
    }

    /// What the CPU that has all of the kernel has of it, and what `other`, another one, has.
    pub fn here_and_there(&mut self, other: CpuId) -> (Here<'_, P::Part>, There<'_>) {
        let (here, there, _) = self.here_there_and_locks(other);
        (here, there)
    }

    /// The same, and what has a lock of its own.
    pub fn here_there_and_locks(&mut self, other: CpuId) -> (Here<'_, P::Part>, There<'_>, Locks<'_, P>) {
        let id = self.cpus.here;
        let (cpu, theirs, shown) = self.cpus.this_and(other);
        let [threads, others] = self.threads.both([id, other].map(CpuId::owner));
        let here = Here {
            id,
            shown,
            cpu,
            clock: self.facts.clock,
            local: self.platform.part(),
            threads,
            processes: self.processes.common(),
            endpoints: self.endpoints.turns(id.owner()),
        };
        let there = There {
            id: other,
            cpu: theirs,
            threads: others,
        };
        (here, there, (&mut self.words, &mut self.memory))
    }

    /// What this CPU has, and what has a lock of its own.
    pub fn here_and_locks(&mut self) -> (Here<'_, P::Part>, Locks<'_, P>) {
        let (here, locks, _) = self.here_and_all();
        (here, locks)
    }

    /// What this CPU has, and the devices, which are common.
    pub fn here_and_devices(&mut self) -> (Here<'_, P::Part>, Common<'_, Device>) {
        let (here, _, devices) = self.here_and_all();
        (here, devices)
    }

    fn here_and_all(&mut self) -> (Here<'_, P::Part>, Locks<'_, P>, Common<'_, Device>) {
        let id = self.cpus.here;
        let (cpu, shown) = self.cpus.this_and_shown();
        let here = Here {
            id,
            shown,
            cpu,
            clock: self.facts.clock,
            local: self.platform.part(),
            threads: self.threads.mine(id.owner()),
            processes: self.processes.common(),
            endpoints: self.endpoints.turns(id.owner()),
        };
        (here, (&mut self.words, &mut self.memory), self.devices.common())
    }
}
