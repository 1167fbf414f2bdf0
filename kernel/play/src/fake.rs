//! The pretend machine: what the kernel asks of its platform, and what tests see of that.

use crate::gaps::Waits;
use abi::MessagePage;
use abi::process::Pid;
use addr::{Frame, VirtAddr};
use kcore::object::word::AwaitedWords;
use kcore::{CpuId, Guarded, Interrupt, Local, MemoryLock, Platform, Registers};
use mm::mmu::Mmu;
use mm::{Access, Job, MemoryManager, Refused, Seconds, Sharing, SpaceId};
use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::ops::DerefMut;
use std::rc::Rc;

/// What its counter says at first: 100 seconds.
pub const TICKS: u64 = 100_000;
/// How fast it counts, where it counts: time passes when a test says so.
pub(crate) const HERTZ: u32 = 1000;
/// A time slice of the kernel's, in ticks.
pub const SLICE: u64 = HERTZ as u64 / 100;

/// The interrupt of the console.
pub const CONSOLE_INTERRUPT: u32 = 33;

/// The pretend machine's other half: registers, message pages, a console made of strings.
pub struct Fake {
    /// What the kernel has as well: CPUs switch address spaces without its lock.
    pub(crate) memory: Memory,
    /// What the kernel has as well, to be looked at.
    pub(crate) words: Words,
    /// Those of each thread, by its number.
    pub registers: Vec<Registers>,
    /// What is in the frames of message pages.
    pub pages: HashMap<Frame, MessagePage>,
    /// Each CPU's own.
    pub cpus: Vec<FakeCpu>,
    /// The CPU that is in the kernel.
    pub here: usize,
    /// Console input that waits to be read.
    pub typed: VecDeque<u8>,
    /// Interrupts that programs have been let have, and whether each can come now.
    pub device_interrupts: HashMap<u32, bool>,
    /// All console output.
    pub printed: Vec<u8>,
    /// The console takes no more.
    pub console_full: bool,
    /// Threads that have used what [`Platform::forget_thread`] is about.
    pub marked: Vec<bool>,
    /// In which address space each thread runs, as [`Platform::new_thread`] was told.
    pub spaces: Vec<Option<SpaceId>>,
    /// The address space of each thread that has run, for [`Local::activate_again`].
    pub kept: Vec<Option<machine::Kept>>,
    /// Which thread was made a copy of which, as [`Platform::copy_thread`] was told: from, to.
    pub copied: Vec<(u32, u32)>,
    /// What the counter says.
    pub now: Cell<u64>,
    /// For each time the kernel asks for interrupts in the middle of its work, first to last:
    /// whether the time slice has just ended. It never does when the list is empty.
    pub slice_ends: RefCell<VecDeque<bool>>,
}

/// What one CPU has.
#[derive(Default)]
pub struct FakeCpu {
    /// The thread whose program runs.
    pub running: Option<u32>,
    pub interrupts: VecDeque<Interrupt>,
    /// The thread it is prepared for: what that one has in its other registers is in this CPU alone.
    pub prepared: Option<u32>,
    /// When [`Interrupt::Timer`] comes.
    pub timer: Option<u64>,
    /// Whether the kernel has more work to do here at once.
    pub works: bool,
    /// What it does of the memory manager's work, without the kernel.
    pub step: Option<Step>,
    /// What it has taken and left to the whole kernel, which it does not have yet.
    pub left: Option<Interrupt>,
    /// In the middle of what it waits for turns, having given its own back.
    pub(crate) waits: Option<Waits>,
}

/// Where a CPU is with a piece of a job.
#[derive(Clone, Copy, Debug)]
pub enum Step {
    /// Before it.
    Before(Job, Seconds),
    /// After it, with so much left, of which the kernel does not know yet.
    After(Option<Job>),
}

impl FakeCpu {
    /// Whether nothing but an interrupt brings it into the kernel.
    pub fn is_idle(&self) -> bool {
        self.running.is_none() && !self.works
    }

    /// Whether it is idle, and nothing wakes it now.
    pub fn sleeps(&self, now: u64) -> bool {
        self.is_idle() && !self.is_interrupted(now)
    }

    /// Whether an interrupt waits.
    pub(crate) fn is_interrupted(&self, now: u64) -> bool {
        !self.interrupts.is_empty() || self.timer.is_some_and(|timer| timer <= now)
    }

    /// Whether it has anything of this thread's.
    fn has(&self, thread: u32) -> bool {
        self.prepared == Some(thread) || self.running == Some(thread)
    }
}

impl Fake {
    /// The CPU that is in the kernel.
    pub fn cpu(&mut self) -> &mut FakeCpu {
        &mut self.cpus[self.here]
    }

    /// So many ticks pass.
    pub fn let_pass(&self, ticks: u64) {
        self.now.set(self.now.get() + ticks);
    }

    /// No other CPU has anything of this thread's.
    pub(crate) fn assert_nowhere_else(&self, thread: u32) {
        let mut others = self.cpus.iter().enumerate().filter(|(cpu, _)| *cpu != self.here);
        assert!(
            others.all(|(_, cpu)| !cpu.has(thread)),
            "registers of thread {thread} are in another CPU"
        );
    }
}

/// The memory manager, with a lock of its own. To take it twice is a panic.
#[derive(Clone)]
pub struct Memory {
    pub(crate) manager: Rc<RefCell<MemoryManager<machine::Machine>>>,
    /// For each time the kernel takes the lock, first to last: what a program on another CPU touches before that.
    pub(crate) touches: Rc<RefCell<VecDeque<Option<Touch>>>>,
    /// How many of them were served.
    pub(crate) served: Rc<Cell<u64>>,
}

/// A program touches what has no translation, or one that does not allow it.
#[derive(Clone, Copy, Debug)]
pub struct Touch {
    pub(crate) space: SpaceId,
    pub(crate) address: VirtAddr,
    pub(crate) access: Access,
}

impl Touch {
    pub(crate) fn serve(&self, memory: &mut MemoryManager<machine::Machine>) -> Result<(), Refused> {
        memory.sharing().touch(self.space, self.address, self.access)
    }
}

impl Guarded<MemoryManager<machine::Machine>> for Memory {
    fn lock(&mut self) -> impl DerefMut<Target = MemoryManager<machine::Machine>> {
        let touch = self.touches.borrow_mut().pop_front().flatten();
        let mut manager = self.manager.borrow_mut();
        // One that is not served is nothing yet: the kernel is to be asked, and is busy.
        let served = touch.is_some_and(|touch| touch.serve(&mut manager).is_ok());
        self.served.update(|count| count + u64::from(served));
        manager
    }
}

impl MemoryLock<machine::Machine> for Memory {
    fn share<T>(&mut self, act: impl FnOnce(&mut Sharing<'_, machine::Machine>) -> T) -> T {
        act(&mut self.lock().sharing())
    }
}

/// The words that are waited for, with a lock of their own, which is never taken inside the memory manager's. To take it
/// twice is a panic.
#[derive(Clone)]
pub struct Words {
    pub(crate) awaited: Rc<RefCell<AwaitedWords>>,
    pub(crate) memory: Memory,
}

impl Guarded<AwaitedWords> for Words {
    fn lock(&mut self) -> impl DerefMut<Target = AwaitedWords> {
        let is_free = self.memory.manager.try_borrow_mut().is_ok();
        assert!(is_free, "the memory manager's lock is further inside");
        self.awaited.borrow_mut()
    }
}

impl Local for Fake {
    type Place = u32;
    type Mmu = machine::Machine;

    fn place(&self, thread: u32) -> u32 {
        thread
    }

    fn registers_at(&mut self, thread: u32) -> &mut Registers {
        &mut self.registers[thread as usize]
    }

    fn prepare_thread(&mut self, thread: u32, _: u32) {
        self.assert_nowhere_else(thread);
        self.cpu().prepared = Some(thread);
    }

    fn activate(&mut self, mmu: &mut Self::Mmu, space: &mut <Self::Mmu as Mmu>::Space, _: Pid, thread: u32) {
        self.kept[thread as usize] = Some(mmu.run(self.here, space));
    }

    fn activate_again(&mut self, thread: Self::Place) -> bool {
        let kept = self.kept[thread as usize].as_ref();
        let mut memory = self.memory.manager.borrow_mut();
        kept.is_some_and(|kept| memory.mmu_mut().run_again(self.here, kept))
    }

    fn put_away(&mut self) {
        self.cpu().prepared = None;
    }

    fn deactivate(&mut self) {
        self.memory.manager.borrow_mut().mmu_mut().park(self.here);
    }

    fn alert(&mut self, cpu: CpuId) {
        self.cpus[cpu.index()].interrupts.push_back(Interrupt::Alert);
    }

    fn read_message(&mut self, frame: Frame, bytes: usize, handles: usize, to: &mut MessagePage) {
        let page = self.pages.entry(frame).or_insert(MessagePage::EMPTY);
        to.bytes[..bytes].copy_from_slice(&page.bytes[..bytes]);
        to.handles[..handles].copy_from_slice(&page.handles[..handles]);
    }

    fn write_message(&mut self, frame: Frame, bytes: usize, handles: usize, from: &MessagePage) {
        let page = self.pages.entry(frame).or_insert(MessagePage::EMPTY);
        page.bytes[..bytes].copy_from_slice(&from.bytes[..bytes]);
        page.handles[..handles].copy_from_slice(&from.handles[..handles]);
    }

    fn rough_ticks(&self) -> u64 {
        self.now.get()
    }

    fn ticks(&self) -> u64 {
        self.now.get()
    }

    fn set_timer(&mut self, time: u64) {
        self.cpu().timer = Some(time);
    }

    fn unmask_interrupt(&mut self, interrupt: u32) {
        self.device_interrupts.insert(interrupt, true);
    }

    fn take_interrupt(&mut self) -> Option<Interrupt> {
        let now = self.now.get();
        let cpu = self.cpu();
        if cpu.timer.is_some_and(|timer| timer <= now) {
            cpu.timer = None;
            return Some(Interrupt::Timer);
        }
        let next = cpu.interrupts.pop_front();
        if next == Some(Interrupt::Timer) {
            // Whichever way it comes, it does not come again until it is set anew.
            cpu.timer = None;
        }
        next
    }
}

impl Platform for Fake {
    type Part = Self;

    type Memory = Memory;

    type Words = Words;

    fn part(&mut self) -> &mut Self {
        self
    }

    fn new_thread(&mut self, thread: u32, space: SpaceId) {
        assert_eq!(self.spaces[thread as usize].replace(space), None);
    }

    fn forget_thread(&mut self, thread: u32) {
        self.assert_nowhere_else(thread);
        self.kept[thread as usize] = None;
        self.spaces[thread as usize] = None;
        self.marked[thread as usize] = false;
        let prepared = &mut self.cpu().prepared;
        *prepared = prepared.filter(|&prepared| prepared != thread);
    }

    fn copy_thread(&mut self, from: u32, to: u32) {
        self.copied.push((from, to));
    }

    fn asid(&self, _: &<Self::Mmu as Mmu>::Space) -> u32 {
        1
    }

    fn interrupt_pending(&self) -> bool {
        if self.slice_ends.borrow_mut().pop_front().unwrap_or(false) {
            self.let_pass(SLICE);
        }
        self.cpus[self.here].is_interrupted(self.now.get())
    }

    fn let_interrupt_come(&mut self, interrupt: u32) {
        self.device_interrupts.insert(interrupt, true);
    }

    fn take_interrupt_back(&mut self, interrupt: u32) {
        self.device_interrupts.remove(&interrupt);
    }

    fn is_console(&self, interrupt: u32) -> bool {
        interrupt == CONSOLE_INTERRUPT
    }

    fn silence_console(&mut self) {}

    fn console_put(&mut self, byte: u8) -> bool {
        if !self.console_full {
            self.printed.push(byte);
        }
        !self.console_full
    }

    fn console_get(&mut self) -> Option<u8> {
        self.typed.pop_front()
    }
}
