//! What a CPU uses of the kernel while others use it as well.
//!
//! Two things may be: one CPU has all of the [`Kernel`], or each has its [`Here`]. In the second, nobody begins or ends
//! anything: no process, thread, endpoint or handle. So a CPU looks things up without asking anybody, changes what it
//! keeps for itself and the threads at home there, and of all else only an endpoint at a time, which it takes. That
//! is enough for most messages ([`ipc`](crate::ipc)), and with the memory manager's lock for most requests to that
//! ([`object::memory`](crate::object::memory)). docs/concurrency.md has the whole picture.

use crate::clock::Clock;
use crate::ipc::Endpoint;
use crate::kernel::{Kernel, gone};
use crate::message::Message;
use crate::platform::{Local, Platform};
use crate::process::Process;
use crate::sched::{Cpu, CpuId};
use crate::thread::{Thread, ThreadId};
use abi::{Label, Tag, Words6};
use slots::{Common, Mine, Slot, Turns};

/// A CPU's part of the kernel.
pub struct Here<'a, L: Local> {
    /// Which CPU it is.
    pub id: CpuId,
    /// Whether there is no other.
    pub is_alone: bool,
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

/// Where all of a CPU's is, for whoever makes a [`Here`] of it, which is the image's business: there it is known which CPU
/// this is, and that nobody has the kernel.
#[derive(Clone, Copy)]
pub struct Parts {
    /// Whether there is no other CPU.
    pub is_alone: bool,
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
}

impl<P: Platform> Kernel<P> {
    /// Where `cpu` finds what it needs to share the kernel.
    pub fn parts(&self, cpu: CpuId) -> Parts {
        Parts {
            is_alone: self.cpus.is_alone(),
            clock: self.facts.clock,
            cpu: self.cpus.part(cpu),
            threads: self.threads.parts(),
            processes: self.processes.parts(),
            endpoints: self.endpoints.parts(),
        }
    }

    /// The same for the CPU that has all of the kernel.
    pub fn here(&mut self) -> Here<'_, P::Part> {
        self.here_and_memory().0
    }

    /// The same, and the memory manager.
    pub fn here_and_memory(&mut self) -> (Here<'_, P::Part>, &mut P::Memory) {
        let id = self.cpus.here;
        let here = Here {
            id,
            is_alone: self.cpus.is_alone(),
            cpu: self.cpus.this(),
            clock: self.facts.clock,
            local: self.platform.part(),
            threads: self.threads.mine(id.owner()),
            processes: self.processes.common(),
            endpoints: self.endpoints.turns(id.owner()),
        };
        (here, &mut self.memory)
    }
}
