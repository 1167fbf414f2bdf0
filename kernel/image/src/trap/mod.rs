//! From an exception to the portable kernel, and back to the thread that goes on.
//!
//! The vectors come here in two ways. Most traps (`svc #1`) are served with the message in the
//! argument registers, and the thread's other registers stay where they are ([`in_place`]). All other exceptions have every register
//! saved first ([`exceptions`]): [`faults`], [`interrupts`], and traps that are not as most are. Here is what they have in
//! common: the kernel as a whole, or a CPU's part of it, and who goes on.

mod exceptions;
mod faults;
mod in_place;
mod instructions;
mod interrupts;
mod stop;
mod until;

use crate::cpus;
use crate::machine::{Machine, Memory, MemoryInside, SharedMemory, Threads, WordsLock};
use aarch64::cpu::{self, PerCpu};
use aarch64::exception::{self, system_error};
use aarch64::mmu::Hardware;
use aarch64::sync::{Held, Lock, Shared, Sharing, Whole, level};
use boards::Board;
use core::ops::DerefMut;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicBool, Ordering};
use interrupts::{interrupted, stepped};
use kcore::here::{self, Here, There};
use kcore::object::device::Device;
use kcore::object::word::AwaitedWords;
use kcore::sched::{Search, Sought};
use kcore::{Kernel, Local, MemoryLock, Nested, Next, Registers};
use mm::{Ahead, Job, Seconds};
use slots::Slot;
use spin::Once;
use stop::end;

/// All of the kernel's state but the memory manager: one CPU's as a whole, or shared by all (docs/concurrency.md).
static KERNEL: Shared<TheKernel, Parts, level::Kernel> = Shared::new(None);

/// The kernel, when there is one.
type TheKernel = Option<&'static mut Kernel<Machine>>;
/// All of it.
type WholeKernel<'a> = Whole<'a, TheKernel, Parts, level::Kernel>;
/// A CPU's share of it.
type SharedKernel<'a> = Sharing<'a, TheKernel, Parts, level::Kernel>;

/// What leads a CPU that shares the kernel to its part of it.
struct Parts {
    kernel: here::Parts,
    threads: Threads,
}

/// The memory manager, when there are programs.
static MEMORY: Once<&'static SharedMemory> = Once::new();

/// The devices that programs drive.
static DEVICES: Once<slots::Parts<[Slot<Device>]>> = Once::new();

/// The words that threads wait for.
static WORDS: Once<WordsLock> = Once::new();

/// Whether calls are shown as they happen. Set once, before there is a program.
static SHOWS_CALLS: AtomicBool = AtomicBool::new(false);

/// Chooses how traps come in: bootarg `shortcut=no` has all of them come the long way, as tests do to show
/// that it makes no difference; so does `trace=calls`, which shows them.
pub fn choose_way(board: &Board) {
    let shows_calls = board.options().option("trace") == Some("calls");
    SHOWS_CALLS.store(shows_calls, Ordering::Relaxed);
    let no_shortcuts = board.options().option("shortcut") == Some("no");
    NO_SHORTCUTS.store(shows_calls || no_shortcuts, Ordering::Relaxed);
}

static NO_SHORTCUTS: AtomicBool = AtomicBool::new(false);

/// Has a lock around the words that threads wait for, the same for all CPUs.
pub fn guard_words(words: AwaitedWords) -> &'static WordsLock {
    WORDS.call_once(|| Lock::new(words))
}

/// Runs the first thread. Never comes back: from here on there are only exceptions.
pub fn run(kernel: &'static mut Kernel<Machine>, memory: &'static SharedMemory) -> ! {
    // The first program shall not answer for what boot did to a device.
    if let Some(syndrome) = system_error::take_pending() {
        panic!("the memory system reported an error during boot (syndrome {syndrome:#x})");
    }
    MEMORY.call_once(|| memory);
    with_memory(|memory| memory.give_spares(cpus::spares()));
    let parts = |cpu| Parts {
        kernel: kernel.parts(cpu),
        // SAFETY: The CPU uses it while it shares the kernel.
        threads: unsafe { kernel.platform.threads().again() },
    };
    DEVICES.call_once(|| kernel.devices());
    let mut held = Held::nothing();
    let (mut whole, _) = KERNEL.whole(&mut held);
    whole.narrow(PerCpu::count(), parts);
    *whole = Some(kernel);
    drop(whole);
    cpus::open();
    begin(|_| ())
}

/// Runs threads on this CPU, which is not the first. Never comes back either.
pub fn run_other() -> ! {
    begin(|kernel| kernel.platform.join())
}

/// Does `first` and runs a thread, when there is one for this CPU.
fn begin(first: impl FnOnce(&mut Kernel<Machine>)) -> ! {
    if NO_SHORTCUTS.load(Ordering::Relaxed) {
        exception::take_no_shortcuts();
    }
    let next = through_kernel(first);
    // SAFETY: `next` are registers of a thread, as `through_kernel` promises; boot is over, and
    // nothing on the stack is needed any more.
    unsafe { exception::resume(next.as_ptr()) }
}

/// Called by the vectors, and for faults, when it takes more to find out who goes on, all registers being saved now.
#[unsafe(no_mangle)]
extern "C" fn kernel_continue() -> *mut Registers {
    let mut held = Held::nothing();
    // SAFETY: The function that the vectors have called for this trap has kept it, and answered nobody; for a fault this is
    // that function's end.
    let (mut sharing, held) = unsafe { KERNEL.kept(PerCpu::current().id(), &mut held) };
    let goes_on = if here(&mut sharing).sleeps() {
        // Not with its turn.
        drop(sharing);
        GoesOn::Nobody
    } else {
        // Nobody has the whole kernel before this CPU is in the address space that it may have switched to.
        cpu::synchronise_context();
        match here(&mut sharing).goes_on() {
            Some(place) => GoesOn::Thread(place.registers()),
            None => find_out(sharing, Locks(held)),
        }
    };
    some_thread(goes_on).as_ptr()
}

/// Finds out who goes on, when all registers are stored.
#[inline(always)] // into the way of what has all registers stored
fn find_out(mut sharing: SharedKernel<'_>, locks: Locks<'_>) -> GoesOn {
    if let Some((job, now)) = here(&mut sharing).works() {
        GoesOn::Job(job, now)
    } else if here(&mut sharing).seeks() {
        seek(sharing, locks)
    } else if here(&mut sharing).is_to_activate() {
        enter_anew(sharing, locks)
    } else {
        decide(sharing.into_whole().0)
    }
}

/// The same, when the address space of who goes on is to be activated.
#[inline(never)] // so that who goes on in a space that is known does not pay for it
fn enter_anew(mut sharing: SharedKernel<'_>, mut locks: Locks<'_>) -> GoesOn {
    let entered = here(&mut sharing).enters_anew(&mut locks.memory());
    // As in `kernel_continue`.
    cpu::synchronise_context();
    match entered {
        Some(place) => GoesOn::Thread(place.registers()),
        None if here(&mut sharing).seeks() => seek(sharing, locks),
        None => decide(sharing.into_whole().0),
    }
}

/// The same, when somebody may wait for the wrong CPU: with that one's turn besides the own, as far as that goes.
#[inline(never)] // so that whoever need not does not pay for it
fn seek(mut sharing: SharedKernel<'_>, mut locks: Locks<'_>) -> GoesOn {
    let mut search = Search::begin();
    loop {
        let sought = here(&mut sharing).seek(&mut search);
        // Nobody has the whole kernel before this CPU is in the address space that it may have switched to.
        cpu::synchronise_context();
        match sought {
            Sought::Thread(place) => return GoesOn::Thread(place.registers()),
            Sought::Job(job, now) => return GoesOn::Job(job, now),
            // Whom the CPU was prepared for before may go on elsewhere then.
            Sought::Enters => {
                here(&mut sharing).enters_anew(&mut locks.memory());
            }
            Sought::Nobody => return GoesOn::Nobody,
            Sought::With(other) => {
                let mut both = sharing.with(other);
                let (own, theirs) = both.each();
                here(own).exchange(&mut there(theirs), &mut search);
                sharing = both.into_own();
            }
            Sought::Open => return decide(sharing.into_whole().0),
        }
    }
}

/// This CPU's part of the kernel.
#[inline(always)] // as above
fn here<'a>(sharing: &'a mut SharedKernel<'_>) -> Here<'a, Threads> {
    let id = sharing.cpu();
    let Parts {
        kernel,
        threads: local,
    } = sharing.part();
    // SAFETY: As long as `sharing`, which is borrowed, is there, nobody has the whole kernel. Others who share it come
    // here, too, each as another CPU, so these are the only ones for this CPU.
    let cpu = unsafe { kernel.cpu.only() };
    // SAFETY: As above.
    let threads = unsafe { kernel.threads.mine(id.owner()) };
    // SAFETY: As above.
    let processes = unsafe { kernel.processes.common() };
    // SAFETY: As above.
    let endpoints = unsafe { kernel.endpoints.turns(id.owner()) };
    Here {
        id,
        shown: &kernel.shown,
        cpu,
        clock: kernel.clock,
        local,
        threads,
        processes,
        endpoints,
    }
}

/// The part of another CPU, whose turn this one has.
fn there<'a>(theirs: &'a mut SharedKernel<'_>) -> There<'a> {
    let id = theirs.cpu();
    let kernel = &theirs.part().kernel;
    // SAFETY: As long as `theirs`, which is borrowed, is there, nobody has the whole kernel, and that CPU does not share it.
    let cpu = unsafe { kernel.cpu.only() };
    // SAFETY: As above.
    let threads = unsafe { kernel.threads.mine(id.owner()) };
    There { id, cpu, threads }
}

/// What a CPU that shares the kernel has locks for.
struct Locks<'a>(Held<'a, level::Kernel>);

impl Nested<Hardware> for Locks<'_> {
    #[inline]
    fn words(&mut self) -> (impl DerefMut<Target = AwaitedWords>, impl MemoryLock<Hardware>) {
        let (words, held) = words_lock().lock(&mut self.0);
        (words, MemoryInside::new(memory(), held))
    }

    #[inline]
    fn memory(&mut self) -> impl MemoryLock<Hardware> {
        MemoryInside::new(memory(), self.0.lend())
    }
}

/// Does something to the memory manager, with no lock but that one's.
fn with_memory<T>(act: impl FnOnce(&mut Memory) -> T) -> T {
    let mut held = Held::nothing();
    act(&mut memory().whole(&mut held).0)
}

/// Does something with what this CPU has of the memory manager, whatever others do in it meanwhile.
#[inline(always)] // into what is to be short
fn beside_others<T>(act: impl FnOnce(&mut mm::Sharing<'_, Hardware>) -> T) -> T {
    MemoryInside::new(memory(), Held::nothing()).share(act)
}

fn devices() -> &'static slots::Parts<[Slot<Device>]> {
    match DEVICES.get() {
        Some(devices) => devices,
        None => panic!("a program runs, and the kernel is not shared yet"),
    }
}

#[inline]
fn memory() -> &'static SharedMemory {
    match MEMORY.get() {
        Some(memory) => memory,
        None => panic!("a program runs, and there is no memory manager yet"),
    }
}

#[inline]
fn words_lock() -> &'static WordsLock {
    match WORDS.get() {
        Some(words) => words,
        None => panic!("a program runs, and there are no words yet that it could wait for"),
    }
}

/// Does `first`, then decides who goes on, sleeping while nobody can. The registers returned belong
/// to a thread that runs from now on: they are the vectors' until its next exception.
#[inline]
fn through_kernel(first: impl FnOnce(&mut Kernel<Machine>)) -> NonNull<Registers> {
    some_thread(after(first))
}

#[inline]
fn some_thread(goes_on: GoesOn) -> NonNull<Registers> {
    match goes_on {
        GoesOn::Thread(registers) => registers,
        other => in_the_end(other),
    }
}

/// Works and sleeps until a thread goes on.
#[inline(never)] // so that a short trap does not pay for it
fn in_the_end(mut goes_on: GoesOn) -> NonNull<Registers> {
    loop {
        goes_on = match goes_on {
            GoesOn::Thread(registers) => return registers,
            GoesOn::Job(job, now) => {
                let rest = MemoryInside::new(memory(), Held::nothing()).step(job, now);
                stepped(rest)
            }
            GoesOn::Kernel => {
                cpus::let_others_in();
                after(|_| ())
            }
            GoesOn::Nobody => {
                // A step at a time, so that others get the lock in between.
                if beside_others(|memory| memory.zero_ahead()) == Ahead::Done {
                    cpu::wait_for_interrupt();
                }
                interrupted()
            }
        }
    }
}

/// Who goes on, on this CPU.
enum GoesOn {
    Thread(NonNull<Registers>),
    /// A thread, when this is done, or another one after a piece of it.
    Job(Job, Seconds),
    /// With more work, when CPUs that wait for the lock have had a chance.
    Kernel,
    Nobody,
}

/// Takes the lock, does `first`, and decides who goes on.
#[inline]
fn after(first: impl FnOnce(&mut Kernel<Machine>)) -> GoesOn {
    let mut held = Held::nothing();
    let (mut whole, _) = KERNEL.whole(&mut held);
    first(kernel(&mut whole));
    decide(whole)
}

#[inline]
fn decide(mut whole: WholeKernel<'_>) -> GoesOn {
    let kernel = kernel(&mut whole);
    let next = kernel.run();
    kernel.show();
    match next {
        Next::Run(thread) => {
            cpu::synchronise_context();
            GoesOn::Thread(kernel.platform.place(thread).registers())
        }
        Next::Step(job, now) => GoesOn::Job(job, now),
        Next::Again => GoesOn::Kernel,
        Next::Idle => GoesOn::Nobody,
        Next::Stop(stop) => end(stop, &kernel.log),
    }
}

/// The kernel, entered by this CPU.
#[inline]
fn kernel<'a>(whole: &'a mut WholeKernel<'_>) -> &'a mut Kernel<Machine> {
    match whole.as_mut() {
        Some(kernel) => kernel.on(PerCpu::current().id()),
        None => panic!("a program runs, and there is no kernel yet"),
    }
}
