//! One CPU as the scheduler sees it: who runs there, who waits for it, what it is prepared for.

use super::ready::ReadyQueue;
use super::shown::{SHOWN_CPUS, Shown};
use super::time::NEVER;
use crate::handle::Capability;
use crate::heap::Heap;
use crate::ipc::Places;
use crate::platform::Local;
use crate::process::Process;
use crate::queue::Queued;
use crate::thread::{State, Thread, ThreadId, Threads};
use abi::process::Priority;
use abi::{MAX_HANDLES, MessagePage};
use core::ops::{Index, IndexMut};
use mm::SpaceId;
use slots::{Id, Owner, Parts, Row};

/// CPUs that can run the kernel: as many as a GICv2 knows.
pub const MAX_CPUS: usize = 8;

const _: () = assert!(MAX_CPUS == SHOWN_CPUS, "each can be shown");

/// A CPU that runs the kernel, counted from 0 in the order in which they were started.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct CpuId(u8);

impl CpuId {
    /// The one that boots.
    pub const BOOT: Self = Self(0);

    /// The CPU with this number; `None` if there cannot be one.
    pub const fn new(number: usize) -> Option<Self> {
        if number < MAX_CPUS {
            Some(Self(number as u8))
        } else {
            None
        }
    }

    /// What owns the threads whose home it is.
    #[inline]
    pub const fn owner(self) -> Owner {
        Owner::new(self.index() as u32)
    }

    /// Its number.
    #[inline]
    pub const fn index(self) -> usize {
        // The remainder tells the compiler what is so anyhow, and spares it the check of an index where there are as many.
        self.0 as usize % MAX_CPUS
    }
}

/// What the kernel keeps for one CPU. On cache lines of its own: what most traps look at is on the first.
#[repr(C, align(64))]
pub struct Cpu {
    /// This CPU is to [look around](crate::Kernel::alert), and has not since: somebody who waits elsewhere may go on here.
    pub(crate) alerted: bool,
    /// The current thread may not be the one that goes on: [`Kernel::run`](crate::Kernel::run) has to choose.
    pub(crate) chooses: bool,
    /// Others [show](super::Shown) that somebody may wait in the wrong place: this CPU is to [seek](crate::Here::seek) before
    /// anybody goes on.
    pub(crate) seeks: bool,
    /// The thread that runs here, or that the kernel works for. This CPU is its home.
    pub(crate) current: Option<ThreadId>,
    /// The thread that the machine is prepared for: all that is left is to load its registers.
    pub(crate) prepared: Option<ThreadId>,
    /// The thread that this CPU's time is charged to.
    pub(crate) charged: Option<ThreadId>,
    /// The process of the thread that the machine is prepared for.
    pub(crate) process: Option<Id<Process>>,
    /// The space user addresses are translated in.
    pub(crate) active: Option<SpaceId>,
    /// When the time slice of the current thread ends, in ticks of the system counter; [`NEVER`] while nobody
    /// waits for this CPU.
    pub(crate) slice_end: u64,
    /// What the timer is set to.
    pub(crate) timer: u64,
    /// Where threads have their places in queues at endpoints and for words.
    pub(crate) queued: Queued,
    /// Threads that are ready and have this home.
    pub(crate) ready: ReadyQueue,
    /// Threads that have this home and wait until some time.
    pub(crate) deadlines: Heap,
    /// What of the message that is served here is not in registers: a copy, which no program can change any more. Only
    /// as much of it counts as the message's tag says.
    pub(crate) message: MessagePage,
    /// What the handles in that copy stand for, as many as the tag says.
    pub(crate) passed: [Option<Capability>; MAX_HANDLES],
    /// Where they go, as soon as it is known who receives them.
    pub(crate) places: Option<Places>,
    /// How many this thread has woken that wait for a word, while others are at home on further CPUs.
    pub(crate) woken: Option<(ThreadId, u32)>,
}

impl Cpu {
    /// One that has nothing to do.
    pub const fn idle() -> Self {
        Self {
            current: None,
            prepared: None,
            charged: None,
            process: None,
            active: None,
            queued: &[],
            ready: ReadyQueue::EMPTY,
            slice_end: NEVER,
            deadlines: Heap::EMPTY,
            timer: NEVER,
            alerted: false,
            chooses: false,
            seeks: false,
            message: MessagePage::EMPTY,
            passed: [None; MAX_HANDLES],
            places: None,
            woken: None,
        }
    }

    /// Prepares the machine for `thread`, which has this place: address space, FP/SIMD. Unless that address space has
    /// to be activated anew: then nothing has happened, and the answer is `false`.
    #[inline(always)] // into what has a message in registers
    pub(crate) fn prepare<L: Local>(
        &mut self,
        local: &mut L,
        (id, thread, place): (ThreadId, &Thread, L::Place),
    ) -> bool {
        if self.active != Some(thread.space) {
            if !local.activate_again(place) {
                return false;
            }
            self.active = Some(thread.space);
        }
        local.prepare_thread(id.index(), place);
        (self.prepared, self.process) = (Some(id), Some(thread.process));
        true
    }

    /// `thread`, one of these that are at home here, is as important as this at least, also where it waits for the CPU. Whether it does.
    pub(crate) fn raise(&mut self, threads: &mut impl Threads, id: ThreadId, priority: Priority) -> bool {
        let is_current = self.current == Some(id);
        let Some(thread) = threads.find(id) else {
            return false;
        };
        let waits = !is_current && matches!(thread.state, State::Ready | State::Working(_));
        if waits {
            self.ready.remove(threads, id);
        }
        if let Some(thread) = threads.find(id) {
            thread.lend(priority);
        }
        if waits {
            self.ready.push(threads, id);
        }
        waits
    }

    /// `thread`, which had to make way for somebody more important with this `rest` of its time slice, waits before its
    /// equals, if there is a rest.
    #[inline(always)] // so that whose threads these are is not in memory for it
    pub(crate) fn wait_again(&mut self, threads: &mut impl Threads, thread: ThreadId, rest: Option<u64>) {
        match rest {
            Some(0) => self.ready.push(threads, thread),
            _ => self.ready.push_first(threads, thread),
        }
    }

    /// How many `thread` has woken so far of those that its request is about.
    pub(crate) fn take_woken(&mut self, thread: ThreadId) -> u32 {
        let woken = self.woken.take().filter(|&(waker, _)| waker == thread);
        woken.map_or(0, |(_, count)| count)
    }

    /// Whether the thread that runs would keep others from their turn. Of those who are less important as well: it may
    /// be on the time slice of one of them, for whom it works.
    pub(crate) fn needs_slice(&self) -> bool {
        self.slice_end == NEVER && !self.ready.is_empty()
    }

    /// Whether it goes on as it is until something happens there.
    pub(crate) fn is_settled(&self) -> bool {
        !self.alerted && !self.chooses && !self.seeks
    }

    /// How important the most important thread is that runs here, as important as this, or waits; `None` if the CPU is idle.
    pub(super) fn urgency(&self, runs: Option<Priority>) -> Option<Priority> {
        if self.ready.outranks(runs) {
            self.ready.most()
        } else {
            runs
        }
    }

    /// Whether it has nothing to do.
    pub(crate) fn is_idle(&self) -> bool {
        self.current.is_none() && self.ready.is_empty()
    }

    /// Whether `thread`, which does not run here, may run elsewhere: all of its registers are in memory. Of who has just
    /// made way in a straight line they are not, so that one is not [offered](crate::Kernel::offer) before.
    pub(crate) fn lets_go(&self, thread: ThreadId) -> bool {
        self.prepared != Some(thread)
    }

    /// Threads that want this CPU.
    pub(crate) fn load(&self) -> u32 {
        self.ready.count() + u32::from(self.current.is_some())
    }
}

/// All CPUs that run the kernel, and which of them is in it.
pub(crate) struct Cpus {
    all: Row<[Cpu]>,
    /// What each of those that run shows.
    pub shown: &'static [Shown],
    /// The one that runs this code.
    pub here: CpuId,
}

impl Cpus {
    /// As many as there are, one at least, each of which shows what it shows in `shown`.
    pub fn new(all: &'static mut [Cpu], shown: &'static [Shown], queued: Queued) -> Self {
        for cpu in &mut *all {
            cpu.queued = queued;
        }
        Self {
            shown: &shown[..all.len()],
            all: Row::new(all),
            here: CpuId::BOOT,
        }
    }

    #[inline]
    pub fn this(&mut self) -> &mut Cpu {
        let here = self.here;
        &mut self[here]
    }

    /// The same, to look at.
    #[inline]
    pub fn this_one(&self) -> &Cpu {
        &self[self.here]
    }

    /// The same, and what each shows.
    #[inline]
    pub fn this_and_shown(&mut self) -> (&mut Cpu, &&'static [Shown]) {
        (&mut self.all[self.here.index()], &self.shown)
    }

    /// The same, with another one between the two.
    ///
    /// # Panics
    /// If that is the same.
    pub fn this_and(&mut self, other: CpuId) -> (&mut Cpu, &mut Cpu, &&'static [Shown]) {
        match self.all.get_disjoint_mut([self.here.index(), other.index()]) {
            Ok([this, other]) => (this, other, &self.shown),
            Err(_) => panic!("{other:?} is to be another CPU"),
        }
    }

    /// Whether the one that runs this code is the only one.
    #[inline]
    pub fn is_alone(&self) -> bool {
        self.shown.len() == 1
    }

    /// Where `cpu` is.
    pub fn part(&self, cpu: CpuId) -> Parts<Cpu> {
        self.all.parts().element(cpu.index())
    }

    pub fn ids(&self) -> impl Iterator<Item = CpuId> + use<> {
        (0..self.shown.len()).filter_map(CpuId::new)
    }

    /// The first of those that the fewest threads want.
    pub fn least_loaded(&self) -> CpuId {
        self.ids()
            .min_by_key(|&id| self[id].load())
            .unwrap_or(CpuId::BOOT)
    }
}

impl Index<CpuId> for Cpus {
    type Output = Cpu;

    #[inline]
    fn index(&self, cpu: CpuId) -> &Cpu {
        &self.all[cpu.index()]
    }
}

impl IndexMut<CpuId> for Cpus {
    #[inline]
    fn index_mut(&mut self, cpu: CpuId) -> &mut Cpu {
        &mut self.all[cpu.index()]
    }
}
