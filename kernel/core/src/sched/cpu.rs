//! One CPU as the scheduler sees it: who runs there, who waits for it, what it is prepared for.

use super::time::{ByDeadline, NEVER};
use crate::heap::Heap;
use crate::process::Process;
use crate::thread::{Queue, Thread, ThreadId};
use core::ops::{Index, IndexMut};
use mm::SpaceId;
use slots::{Id, Slots};

/// CPUs that can run the kernel: as many as a GICv2 knows.
pub const MAX_CPUS: usize = 8;

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

    /// Its number.
    #[inline]
    pub const fn index(self) -> usize {
        // The remainder tells the compiler what is so anyhow, and spares it a check of each index.
        self.0 as usize % MAX_CPUS
    }
}

/// What the kernel keeps for one CPU. On cache lines of its own.
#[repr(align(64))]
pub(crate) struct Cpu {
    /// The thread that runs here, or that the kernel works for. This CPU is its home.
    pub current: Option<ThreadId>,
    /// The thread that the machine is prepared for: all that is left is to load its registers.
    pub prepared: Option<ThreadId>,
    /// The thread that trapped last and did not go on at once: the vectors may still be storing its
    /// registers, until this CPU comes to the kernel again.
    pub leaving: Option<ThreadId>,
    /// The thread that this CPU's time is charged to.
    pub charged: Option<ThreadId>,
    /// The process of that thread.
    pub process: Option<Id<Process>>,
    /// The space user addresses are translated in.
    pub active: Option<SpaceId>,
    /// Threads that are ready and have this home.
    pub ready: ReadyQueue,
    /// When the time slice of the current thread ends, in ticks of the system counter; [`NEVER`] while nobody
    /// waits for this CPU.
    pub slice_end: u64,
    /// Threads that have this home and wait until some time.
    pub deadlines: Heap<ByDeadline>,
    /// What the timer is set to.
    pub timer: u64,
    /// Another CPU has alerted this one, which has not looked around since.
    pub alerted: bool,
}

impl Cpu {
    /// That has nothing to do.
    const IDLE: Self = Self {
        current: None,
        prepared: None,
        leaving: None,
        charged: None,
        process: None,
        active: None,
        ready: ReadyQueue {
            queue: Queue::EMPTY,
            count: 0,
        },
        slice_end: NEVER,
        deadlines: Heap::EMPTY,
        timer: NEVER,
        alerted: false,
    };

    /// Whether it has nothing to do.
    pub fn is_idle(&self) -> bool {
        self.current.is_none() && self.ready.count == 0
    }

    /// Whether `thread`, which does not run here, may run elsewhere: all of its registers are in memory.
    pub fn lets_go(&self, thread: ThreadId) -> bool {
        self.prepared != Some(thread) && self.leaving != Some(thread)
    }

    /// Threads that want this CPU.
    fn load(&self) -> u32 {
        self.ready.count + u32::from(self.current.is_some())
    }
}

/// A queue that knows its length.
pub(crate) struct ReadyQueue {
    queue: Queue,
    count: u32,
}

impl ReadyQueue {
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub fn queue(&self) -> &Queue {
        &self.queue
    }

    pub fn push(&mut self, threads: &mut Slots<Thread>, thread: ThreadId) {
        self.queue.push(threads, thread);
        self.count += 1;
    }

    pub fn pop(&mut self, threads: &mut Slots<Thread>) -> Option<ThreadId> {
        let first = self.queue.pop(threads)?;
        self.count -= 1;
        Some(first)
    }

    pub fn remove(&mut self, threads: &mut Slots<Thread>, thread: ThreadId) {
        self.queue.remove(threads, thread);
        self.count -= 1;
    }

    /// Whether the count is right. For checks.
    pub fn is_counted(&self, threads: &Slots<Thread>) -> bool {
        self.queue.members(threads).count() == self.count as usize
    }
}

/// All CPUs that run the kernel, and which of them is in it.
pub(crate) struct Cpus {
    all: [Cpu; MAX_CPUS],
    count: usize,
    /// The one that runs this code.
    pub here: CpuId,
}

impl Cpus {
    /// `count` CPUs, one at least and [`MAX_CPUS`] at most, that have nothing to do.
    pub fn new(count: u32) -> Self {
        Self {
            all: [const { Cpu::IDLE }; MAX_CPUS],
            count: (count as usize).clamp(1, MAX_CPUS),
            here: CpuId::BOOT,
        }
    }

    #[inline]
    pub fn this(&mut self) -> &mut Cpu {
        let here = self.here;
        &mut self[here]
    }

    pub fn ids(&self) -> impl Iterator<Item = CpuId> + use<> {
        (0..self.count).filter_map(CpuId::new)
    }

    /// A CPU that has nothing to do.
    pub fn idle(&self) -> Option<CpuId> {
        self.ids().find(|&id| self[id].is_idle())
    }

    /// The first of those that the fewest threads want.
    pub fn least_loaded(&self) -> CpuId {
        self.ids()
            .min_by_key(|&id| self[id].load())
            .unwrap_or(CpuId::BOOT)
    }

    /// The CPU, other than this one, that most threads wait for.
    pub fn longest_queue(&self) -> Option<CpuId> {
        self.ids()
            .filter(|&id| id != self.here && !self[id].ready.is_empty())
            .max_by_key(|&id| self[id].ready.count)
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
