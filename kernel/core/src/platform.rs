//! What the portable kernel asks of the machine it runs on.

use crate::Registers;
use crate::object::word::AwaitedWords;
use crate::sched::CpuId;
use abi::MessagePage;
use abi::process::Pid;
use addr::Frame;
use core::ops::DerefMut;
use mm::mmu::Mmu;
use mm::{Job, MemoryManager, Seconds, Sharing, SpaceId, Stepped};

/// What a CPU does with the machine for itself and for threads at home there, whatever others do meanwhile. The machine
/// cannot check that a number or a place is such a thread's: that is the kernel's business.
pub trait Local {
    /// Where the machine keeps what it keeps of a thread: found once, used more often.
    type Place: Copy;

    /// Its translation tables.
    type Mmu: Mmu;

    /// The place of thread number `thread`, the same for ever.
    fn place(&self, thread: u32) -> Self::Place;

    /// Where the thread with this place keeps its registers while it does not run.
    fn registers_at(&mut self, place: Self::Place) -> &mut Registers;

    /// Puts in place what else the machine keeps for thread number `thread` (FP/SIMD registers), which has this
    /// place and runs next on this CPU; another ran before, whose own are put away.
    fn prepare_thread(&mut self, thread: u32, place: Self::Place);

    /// Makes `space`, that of `process`, the one that user addresses are translated in. It is the one of the thread with this place
    /// for all its life, so this may be kept for [`Self::activate_again`].
    fn activate(
        &mut self,
        mmu: &mut Self::Mmu,
        space: &mut <Self::Mmu as Mmu>::Space,
        process: Pid,
        place: Self::Place,
    );

    /// Makes the address space active that [`Self::activate`] has made so for the thread with this place, if what
    /// was kept then still holds; `false` if not, and nothing has happened.
    #[must_use]
    fn activate_again(&mut self, place: Self::Place) -> bool;

    /// Puts what this CPU holds of the thread it was prepared for (FP/SIMD registers) where every CPU finds it.
    fn put_away(&mut self);

    /// Leaves whatever space is active on this CPU.
    fn deactivate(&mut self);

    /// Lets [`Interrupt::Alert`] come on `cpu`, which is another one.
    fn alert(&mut self, cpu: CpuId);

    /// Copies the first `bytes` bytes and `handles` handles of the message page in `frame`. The
    /// program may change them meanwhile, so what is looked at is the copy.
    fn read_message(&mut self, frame: Frame, bytes: usize, handles: usize, to: &mut MessagePage);

    /// Copies the first `bytes` bytes and `handles` handles of `from` into the message page in
    /// `frame`.
    fn write_message(&mut self, frame: Frame, bytes: usize, handles: usize, from: &MessagePage);

    /// The system counter as programs read it, or as it was some instructions ago.
    fn rough_ticks(&self) -> u64;

    /// The system counter as programs read it.
    fn ticks(&self) -> u64;

    /// Lets [`Interrupt::Timer`] come on this CPU when [`Self::ticks`] says `time`, which may have passed. What
    /// was set before is forgotten, and so is its interrupt if nobody has taken that yet.
    fn set_timer(&mut self, time: u64);

    /// Lets [`Interrupt::Device`] of this number, which has come and is masked since, come once more.
    fn unmask_interrupt(&mut self, interrupt: u32);

    /// Takes the next interrupt that waits for this CPU, if one does. It does not come again before it is served.
    fn take_interrupt(&mut self) -> Option<Interrupt>;
}

/// A machine, as the CPU that runs this code has it: implemented by the image with the architecture layer, and by a fake for tests.
pub trait Platform: Local {
    /// What of it a CPU has that [shares](crate::here) the kernel.
    type Part: Local<Place = Self::Place, Mmu = Self::Mmu>;

    /// The memory manager, behind locks of its own: touches are served without the kernel's.
    type Memory: MemoryLock<Self::Mmu>;

    /// The words of memory that somebody waits for, behind a lock of their own, which is taken before the memory manager's.
    type Words: Guarded<AwaitedWords>;

    /// What of it this CPU would have.
    fn part(&mut self) -> &mut Self::Part;

    /// The registers of thread number `thread`.
    fn registers(&mut self, thread: u32) -> &mut Registers {
        let place = self.place(thread);
        self.registers_at(place)
    }

    /// Takes note that thread number `thread` is new, and runs in `space` as long as it lives: so its touches are
    /// served without asking the kernel which one that is.
    fn new_thread(&mut self, thread: u32, space: SpaceId);

    /// Forgets what the machine keeps for thread number `thread` (FP/SIMD registers, address space), which will not
    /// run any more; no other CPU is prepared for it. The next thread of that number must find none of it. Its registers may
    /// hold anything from now on, and the vectors may still write to them: the kernel gives those that a thread begins with.
    fn forget_thread(&mut self, thread: u32);

    /// Gives thread number `to`, which has not started, a copy of what else the machine keeps for thread
    /// number `from` (FP/SIMD registers), wherever that is just now.
    fn copy_thread(&mut self, from: u32, to: u32);

    /// The ASID that `space` has now, 0 if none.
    fn asid(&self, space: &<Self::Mmu as Mmu>::Space) -> u32;

    /// Whether an interrupt waits to be taken. Cheap.
    fn interrupt_pending(&self) -> bool;

    /// Lets [`Interrupt::Device`] of this number come, once; later ones are [let](Local::unmask_interrupt) each by itself.
    fn let_interrupt_come(&mut self, interrupt: u32);

    /// Lets it not come any more. The console's is the kernel's again, and comes.
    fn take_interrupt_back(&mut self, interrupt: u32);

    /// Whether it is the console's.
    fn is_console(&self, interrupt: u32) -> bool;

    /// Lets the console's device not ask for its interrupt any more, before more is received.
    fn silence_console(&mut self);

    /// Sends a byte to the console's device; `false` if it cannot take one just now.
    fn console_put(&mut self, byte: u8) -> bool;

    /// Takes a byte that the console's device has received.
    fn console_get(&mut self) -> Option<u8>;
}

/// Something behind a lock that is taken inside the kernel's.
pub trait Guarded<T> {
    /// Takes the lock until the answer is dropped, and waits for it if another CPU has it. It is not given back
    /// between two calls of the answer's methods, so what is to be one step takes it once.
    fn lock(&mut self) -> impl DerefMut<Target = T>;
}

impl<T, G: Guarded<T>> Guarded<T> for &mut G {
    #[inline]
    fn lock(&mut self) -> impl DerefMut<Target = T> {
        G::lock(self)
    }
}

/// The memory manager, of which one CPU has all, or each what it uses of it.
pub trait MemoryLock<M: Mmu>: Guarded<MemoryManager<M>> {
    /// Does something with what this CPU has of it, beside others, as soon as nobody has all of it.
    fn share<T>(&mut self, act: impl FnOnce(&mut Sharing<'_, M>) -> T) -> T;

    /// Does a bounded piece of a job: beside others if that will do. Answers what is left.
    #[inline(never)] // so that requests without do not pay for it
    fn step(&mut self, job: Job, now: Seconds) -> Option<Job> {
        if job.needs_whole() {
            return self.lock().step(job, now);
        }
        match self.share(|memory| memory.step(job, now)) {
            Stepped::Wholly => None,
            Stepped::Partly => Some(job),
            Stepped::NeedsWhole(left) => self.lock().go_on(job, left, now),
        }
    }
}

impl<M: Mmu, L: MemoryLock<M>> MemoryLock<M> for &mut L {
    #[inline]
    fn share<T>(&mut self, act: impl FnOnce(&mut Sharing<'_, M>) -> T) -> T {
        L::share(self, act)
    }
}

/// What is taken inside the kernel's lock: the words that are waited for, and inside of these, or alone, the memory manager.
pub trait Nested<M: Mmu> {
    /// Takes the words; with them comes the way to the memory manager.
    fn words(&mut self) -> (impl DerefMut<Target = AwaitedWords>, impl MemoryLock<M>);

    /// The way to the memory manager alone.
    fn memory(&mut self) -> impl MemoryLock<M>;
}

/// For whoever has all of the kernel: nobody else has the words then, so no order could make anybody wait for ever.
impl<M: Mmu, W: Guarded<AwaitedWords>, L: MemoryLock<M>> Nested<M> for (&mut W, &mut L) {
    #[inline]
    fn words(&mut self) -> (impl DerefMut<Target = AwaitedWords>, impl MemoryLock<M>) {
        (self.0.lock(), &mut *self.1)
    }

    #[inline]
    fn memory(&mut self) -> impl MemoryLock<M> {
        &mut *self.1
    }
}

/// An interrupt the portable kernel knows what to do with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Interrupt {
    /// The time has come that the timer was set to. It does not come again until that is set anew.
    Timer,
    /// A device wants something; its interrupt, which has this number, is masked now.
    Device(u32),
    /// Another CPU wants this one to look around.
    Alert,
}
