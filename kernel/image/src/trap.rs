//! From an exception to the portable kernel, and back to the thread that goes on.
//!
//! The vectors come here in two ways. Most traps (`svc #1`) are served with the message in the
//! argument registers, and the thread's other registers stay where they are ([`kernel_call`], [`kernel_receive`],
//! [`kernel_reply`], [`kernel_reply_receive`], [`kernel_yield`], [`kernel_signal`]). All other exceptions have every register
//! saved first ([`kernel_trap`]).

use crate::console::say;
use crate::cpus;
use crate::exit;
use crate::machine::{self, Machine, Memory, MemoryLock, Place, Threads, WordsLock};
use aarch64::cpu::{self, PerCpu};
use aarch64::exception::syndrome::{self, Cause};
use aarch64::exception::{self, Kind, TrapEnd, system_error};
use aarch64::mmu::direct_map;
use aarch64::sync::{Held, Lock, Meanwhile, Shared, Sharing, Whole, level};
use abi::process::{End, FaultKind};
use abi::{Operation, Words6};
use addr::VirtAddr;
use boards::Board;
use core::fmt::Write;
use core::ops::DerefMut;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicBool, Ordering};
use kcore::fault::{self, Fault, Refused};
use kcore::handle::Capability;
use kcore::here::{self, Here, There};
use kcore::ipc::{Direct, SignalTarget, Told, carries_bytes};
use kcore::log::Log;
use kcore::message::Message;
use kcore::object::device::{self, Device};
use kcore::object::word::AwaitedWords;
use kcore::sched::{Interrupted, Stop};
use kcore::thread::ThreadId;
use kcore::{CpuId, Guarded, Interrupt, Kernel, Local, Nested, Next, Registers};
use mm::{Access, Ahead, Job, Seconds, SpaceId};
use slots::Slot;
use spin::Once;

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
static MEMORY: Once<&'static MemoryLock> = Once::new();

/// The devices that programs drive, for whoever shares the kernel.
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
pub fn run(kernel: &'static mut Kernel<Machine>, memory: &'static MemoryLock) -> ! {
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

/// Called by the vectors for a trap whose x8 is [`Operation::Call`], with x0 to x7 as they came.
///
/// If the caller, most of whose registers are still in this CPU alone, does not go on, the kernel goes on being shared, so
/// that nobody has the whole. The vectors save them, and give the turn back or call [`kernel_continue`].
#[unsafe(no_mangle)]
extern "C" fn kernel_call(
    handle: u64,
    tag: u64,
    word0: u64,
    word1: u64,
    word2: u64,
    word3: u64,
    word4: u64,
    word5: u64,
) -> TrapEnd {
    let words = [word0, word1, word2, word3, word4, word5];
    serve_in_place(Operation::Call, handle, tag, words)
}

/// The same for [`Operation::ReplyReceive`].
#[unsafe(no_mangle)]
extern "C" fn kernel_reply_receive(
    handle: u64,
    tag: u64,
    word0: u64,
    word1: u64,
    word2: u64,
    word3: u64,
    word4: u64,
    word5: u64,
) -> TrapEnd {
    let words = [word0, word1, word2, word3, word4, word5];
    serve_in_place(Operation::ReplyReceive, handle, tag, words)
}

/// The same for [`Operation::Reply`].
#[unsafe(no_mangle)]
extern "C" fn kernel_reply(
    handle: u64,
    tag: u64,
    word0: u64,
    word1: u64,
    word2: u64,
    word3: u64,
    word4: u64,
    word5: u64,
) -> TrapEnd {
    let words = [word0, word1, word2, word3, word4, word5];
    serve_in_place(Operation::Reply, handle, tag, words)
}

/// The same for [`Operation::Receive`], which has no message.
#[unsafe(no_mangle)]
extern "C" fn kernel_receive(handle: u64) -> TrapEnd {
    serve_in_place(Operation::Receive, handle, 0, [0; 6])
}

/// The same for [`Operation::Yield`].
#[unsafe(no_mangle)]
extern "C" fn kernel_yield() -> TrapEnd {
    serve_in_place(Operation::Yield, 0, 0, [0; 6])
}

/// The same for [`Operation::Signal`].
#[unsafe(no_mangle)]
extern "C" fn kernel_signal(handle: u64, bits: u64) -> TrapEnd {
    serve_in_place(Operation::Signal, handle, bits, [0; 6])
}

/// Called by the vectors, and for faults, when it takes more to find out who goes on, all registers being saved now.
#[unsafe(no_mangle)]
extern "C" fn kernel_continue() -> *mut Registers {
    let mut held = Held::nothing();
    // SAFETY: The function that the vectors have called for this trap has kept it, and answered nobody; for a fault this is
    // that function's end.
    let (mut sharing, _) = unsafe { KERNEL.kept(PerCpu::current().id(), &mut held) };
    let goes_on = if here(&mut sharing).sleeps() {
        // Not with its turn.
        drop(sharing);
        GoesOn::Nobody
    } else {
        // Nobody has the whole kernel before this CPU is in the address space that it may have switched to.
        cpu::synchronise_context();
        match here(&mut sharing).goes_on() {
            Some(place) => GoesOn::Thread(place.registers()),
            None => decide(sharing.into_whole().0),
        }
    };
    some_thread(goes_on).as_ptr()
}

#[inline(always)] // each operation by itself
fn serve_in_place(operation: Operation, handle: u64, tag: u64, words: Words6) -> TrapEnd {
    let mut held = Held::nothing();
    let (mut sharing, held) = KERNEL.share(PerCpu::current().id(), &mut held);
    // Put together where they are needed, so that they are not in memory before they have to be.
    let [word0, word1, word2, word3, word4, word5] = words;
    let words = || [word0, word1, word2, word3, word4, word5];
    match here(&mut sharing).serve(operation, handle, tag, &words()) {
        Direct::Stays(place) => TrapEnd::goes_on(place.registers().as_ptr()),
        Direct::Runs(place) => TrapEnd::runs(place.registers().as_ptr(), sharing.keep()),
        Direct::Resumes(place) => TrapEnd::resumes(place.registers().as_ptr(), sharing.keep()),
        Direct::Enters => TrapEnd::undecided(sharing.keep()),
        Direct::AsksMemory(thread, space) if operation == Operation::Call => {
            ask_memory((sharing, held), (thread, space), handle, tag, &words())
        }
        Direct::AsksAboutWords(thread, space) if operation == Operation::Call => {
            ask_about_words((sharing, held), (thread, space), handle, tag, &words())
        }
        Direct::At(other) => serve_with(sharing, Some(other), operation, handle, tag, &words()),
        Direct::Not if carries_bytes(operation, tag) => {
            serve_with(sharing, None, operation, handle, tag, &words())
        }
        Direct::Asks(thread, asked) if operation == Operation::Call => {
            ask(sharing, (thread, asked), handle, tag, &words())
        }
        _ => serve_at_length(sharing, operation, handle, tag, &words()),
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

#[inline(always)] // what a call has in registers is handed on in registers
fn ask_memory(
    (mut sharing, held): (SharedKernel<'_>, Held<'_, level::Kernel>),
    found: (ThreadId, SpaceId),
    handle: u64,
    tag: u64,
    words: &Words6,
) -> TrapEnd {
    let memory = &mut memory_lock().within(held);
    match here(&mut sharing).ask_memory_directly(memory, found, tag, words) {
        Direct::Stays(place) => TrapEnd::goes_on(place.registers().as_ptr()),
        Direct::Enters => TrapEnd::undecided(sharing.keep()),
        _ => serve_at_length(sharing, Operation::Call, handle, tag, words),
    }
}

#[inline(never)] // so that other calls do not pay for its stack frame
fn ask_about_words(
    (mut sharing, held): (SharedKernel<'_>, Held<'_, level::Kernel>),
    found: (ThreadId, SpaceId),
    handle: u64,
    tag: u64,
    words: &Words6,
) -> TrapEnd {
    match here(&mut sharing).ask_about_words(&mut Locks(held), found, tag, words) {
        Direct::Stays(place) => TrapEnd::goes_on(place.registers().as_ptr()),
        Direct::Runs(place) => TrapEnd::runs(place.registers().as_ptr(), sharing.keep()),
        Direct::Resumes(place) => TrapEnd::resumes(place.registers().as_ptr(), sharing.keep()),
        Direct::Enters => TrapEnd::undecided(sharing.keep()),
        _ => serve_at_length(sharing, Operation::Call, handle, tag, words),
    }
}

/// What a CPU that shares the kernel has locks for.
struct Locks<'a>(Held<'a, level::Kernel>);

impl Nested<AwaitedWords, Memory> for Locks<'_> {
    #[inline]
    fn outer(&mut self) -> (impl DerefMut<Target = AwaitedWords>, impl Guarded<Memory>) {
        let (words, held) = words_lock().lock(&mut self.0);
        (words, memory_lock().within(held))
    }

    #[inline]
    fn inner(&mut self) -> impl Guarded<Memory> {
        memory_lock().within(self.0.lend())
    }
}

#[inline(always)] // as above
fn ask(
    sharing: SharedKernel<'_>,
    found: (ThreadId, Capability),
    handle: u64,
    tag: u64,
    words: &Words6,
) -> TrapEnd {
    let (mut whole, meanwhile) = sharing.into_whole();
    let kernel = kernel(&mut whole);
    let goes_on = match (meanwhile, Message::decode(tag, words)) {
        (Meanwhile::Nothing, Ok(message)) => kernel.ask_directly(found, message),
        // What was found may be there no longer.
        _ => kernel.serve_at_length(Operation::Call, handle, tag, words),
    };
    resumed(whole, goes_on)
}

/// Serves what has bytes, or is about a thread of another CPU, with that one's turn besides its own.
#[inline(never)]
fn serve_with(
    mut sharing: SharedKernel<'_>,
    other: Option<CpuId>,
    operation: Operation,
    handle: u64,
    tag: u64,
    words: &Words6,
) -> TrapEnd {
    let direct;
    match other {
        Some(other) => {
            let mut both = sharing.with(other);
            let (own, theirs) = both.each();
            direct = here(own).serve_with(Some(&mut there(theirs)), operation, handle, tag, words);
            sharing = both.into_own();
        }
        None => direct = here(&mut sharing).serve_with(None, operation, handle, tag, words),
    }
    match direct {
        Direct::Stays(place) => TrapEnd::goes_on(place.registers().as_ptr()),
        Direct::Runs(place) => TrapEnd::runs(place.registers().as_ptr(), sharing.keep()),
        Direct::Resumes(place) => TrapEnd::resumes(place.registers().as_ptr(), sharing.keep()),
        Direct::Enters => TrapEnd::undecided(sharing.keep()),
        Direct::At(found) if other.is_none() => {
            serve_with(sharing, Some(found), operation, handle, tag, words)
        }
        // It is about yet another one, or as few are.
        _ => serve_at_length(sharing, operation, handle, tag, words),
    }
}

#[inline(never)] // this and the next, so that what is served directly does not pay for their stack frames
fn serve_at_length(
    sharing: SharedKernel<'_>,
    operation: Operation,
    handle: u64,
    tag: u64,
    words: &Words6,
) -> TrapEnd {
    serve_whole_at_length(sharing.into_whole().0, operation, handle, tag, words)
}

#[inline(never)]
fn serve_whole_at_length(
    mut whole: WholeKernel<'_>,
    operation: Operation,
    handle: u64,
    tag: u64,
    words: &Words6,
) -> TrapEnd {
    let goes_on = kernel(&mut whole).serve_at_length(operation, handle, tag, words);
    resumed(whole, goes_on)
}

/// What the vectors are told of who goes on.
#[inline]
fn resumed(mut whole: WholeKernel<'_>, goes_on: Direct<Place>) -> TrapEnd {
    kernel(&mut whole).show();
    match goes_on {
        Direct::Stays(place) => TrapEnd::goes_on(place.registers().as_ptr()),
        Direct::Runs(place) => {
            let sharing = whole.into_sharing(PerCpu::current().id());
            TrapEnd::runs(place.registers().as_ptr(), sharing.keep())
        }
        Direct::Resumes(_)
        | Direct::Enters
        | Direct::Asks(..)
        | Direct::AsksMemory(..)
        | Direct::AsksAboutWords(..)
        | Direct::At(_)
        | Direct::Not => TrapEnd::undecided(whole.into_sharing(PerCpu::current().id()).keep()),
    }
}

/// Called by the vectors for every other exception taken from a program.
#[unsafe(no_mangle)]
extern "C" fn kernel_trap(kind: Kind, registers: *mut Registers) -> *mut Registers {
    let Some(registers) = NonNull::new(registers) else {
        panic!("an exception came without registers");
    };
    let next = match kind {
        Kind::Irq | Kind::Fiq => some_thread(interrupted()),
        Kind::Synchronous => synchronous(registers),
        Kind::SError => system_error(),
    };
    next.as_ptr()
}

/// Not of the instruction it is taken at, perhaps not even of this program: but what this one
/// works with can be trusted no longer.
#[cold]
fn system_error() -> NonNull<Registers> {
    let cause = exception::cause();
    through_kernel(|kernel| kernel.other_fault(Fault::other(FaultKind::Hardware, 0), &cause))
}

#[inline]
fn synchronous(registers: NonNull<Registers>) -> NonNull<Registers> {
    // It is in registers of the CPU that the next exception overwrites.
    let cause = exception::cause();
    match serve_beside_others(cause, registers) {
        Some(next) => next,
        None => through_kernel(|kernel| serve_cause(kernel, cause, registers)),
    }
}

/// Serves a touch, or tells whoever waits for it what else the running thread has done, beside whatever other CPUs do in the
/// kernel. Who goes on; `None` if it is no fault, or as few are, and nothing has happened.
#[inline]
fn serve_beside_others(cause: Cause, registers: NonNull<Registers>) -> Option<NonNull<Registers>> {
    if let Some((address, access)) = touched(cause) {
        return match touch(machine::space_of(registers)?, address, access) {
            Ok(()) => Some(registers),
            Err(Refused::ComesLater) => None,
            Err(Refused::ForEver(cause)) => tell_handler(Fault::of_memory(address, access, cause)),
        };
    }
    match cause {
        Cause::Svc(1) | Cause::FpTrapped | Cause::WaitTrapped => None,
        _ => tell_handler(other_fault(cause, registers)),
    }
}

/// Has the memory manager serve a touch of the running thread, as it does with nearly all. Another CPU may have ended the thread
/// meanwhile; but it has not left this one, so its address space is there.
#[inline]
fn touch(space: SpaceId, address: VirtAddr, access: Access) -> Result<(), Refused> {
    let spare = cpus::spare();
    spare.zero(direct_map::zero);
    with_memory(|memory| fault::touch(memory.on(spare), space, address, access))
}

/// Tells a fault of the running thread to whoever waits for it. Who goes on; `None` if nobody waits, or it is not as it mostly
/// is, and nothing has happened.
#[inline(never)] // so that touches do not pay for its stack frame
fn tell_handler(fault: Fault) -> Option<NonNull<Registers>> {
    if NO_SHORTCUTS.load(Ordering::Relaxed) {
        return None;
    }
    let mut held = Held::nothing();
    let (mut sharing, _) = KERNEL.share(PerCpu::current().id(), &mut held);
    match here(&mut sharing).tell_handler(None, fault) {
        Direct::At(other) => tell_handler_with(sharing, other, fault),
        told => go_on_without(sharing, told),
    }
}

/// The same with the turn of the CPU at which the handler is at home.
#[inline(never)]
fn tell_handler_with(sharing: SharedKernel<'_>, other: CpuId, fault: Fault) -> Option<NonNull<Registers>> {
    let mut both = sharing.with(other);
    let (own, theirs) = both.each();
    let told = here(own).tell_handler(Some(&mut there(theirs)), fault);
    go_on_without(both.into_own(), told)
}

/// Who goes on in place of the thread that has run, and whose registers are stored, if that is clear.
#[inline(always)] // into both
fn go_on_without(sharing: SharedKernel<'_>, told: Direct<Place>) -> Option<NonNull<Registers>> {
    match told {
        Direct::Runs(place) => {
            // As in `kernel_continue`.
            cpu::synchronise_context();
            Some(place.registers())
        }
        Direct::Enters => {
            sharing.keep();
            NonNull::new(kernel_continue())
        }
        _ => None,
    }
}

/// Does something to the memory manager, with no lock but that one's.
fn with_memory<T>(act: impl FnOnce(&mut Memory) -> T) -> T {
    let mut held = Held::nothing();
    act(&mut memory_lock().lock(&mut held).0)
}

#[inline]
fn memory_lock() -> &'static MemoryLock {
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
                let rest = with_memory(|memory| memory.step(job, now));
                after(|kernel| kernel.stepped(rest))
            }
            GoesOn::Kernel => {
                cpus::let_others_in();
                after(|_| ())
            }
            GoesOn::Nobody => {
                // A step at a time, so that others get the lock in between.
                if with_memory(Memory::zero_ahead) == Ahead::Done {
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

/// Serves an interrupt, if one waits, and finds out who goes on. All registers of the thread that ran are in memory.
fn interrupted() -> GoesOn {
    cpus::stop_if_asked();
    if NO_SHORTCUTS.load(Ordering::Relaxed) {
        after(Kernel::interrupt)
    } else {
        interrupted_here()
    }
}

/// The same while CPUs share the kernel, as far as that goes.
fn interrupted_here() -> GoesOn {
    let mut held = Held::nothing();
    let (mut sharing, held) = KERNEL.share(PerCpu::current().id(), &mut held);
    match here(&mut sharing).interrupt(&mut Locks(held)) {
        Interrupted::Served(chosen) => chose(sharing, chosen),
        Interrupted::Device(interrupt) => device_interrupt(sharing, interrupt),
        Interrupted::Left(interrupt) => leave(sharing, interrupt),
    }
}

/// This CPU has chosen who goes on, or cannot without the whole kernel.
#[inline]
fn chose(mut sharing: SharedKernel<'_>, chosen: Option<Place>) -> GoesOn {
    // Nobody has the whole kernel before this CPU is in the address space that it may have switched to.
    cpu::synchronise_context();
    match chosen {
        Some(place) => GoesOn::Thread(place.registers()),
        // Not with its turn.
        None if here(&mut sharing).sleeps() => GoesOn::Nobody,
        None => decide(sharing.into_whole().0),
    }
}

/// Tells who listens to a device.
#[inline(never)] // this and the next, so that a time slice that ends does not pay for it
fn device_interrupt(mut sharing: SharedKernel<'_>, interrupt: u32) -> GoesOn {
    // SAFETY: As in `here`.
    let devices = DEVICES.get().map(|devices| unsafe { devices.common() });
    let Some(target) = devices.and_then(|devices| device::listener(&devices, interrupt)) else {
        return leave(sharing, Interrupt::Device(interrupt));
    };
    let mut told = here(&mut sharing).tell(None, target);
    if let Told::At(other) = told {
        (sharing, told) = tell_with(sharing, other, target);
    }
    match told {
        Told::Yes => {
            let chosen = here(&mut sharing).choose();
            chose(sharing, chosen)
        }
        Told::At(_) | Told::No => leave(sharing, Interrupt::Device(interrupt)),
    }
}

/// Tells somebody with the turn of another CPU besides the own.
fn tell_with(sharing: SharedKernel<'_>, other: CpuId, target: SignalTarget) -> (SharedKernel<'_>, Told) {
    let mut both = sharing.with(other);
    let (own, theirs) = both.each();
    let told = here(own).tell(Some(&mut there(theirs)), target);
    (both.into_own(), told)
}

/// Has the whole kernel serve what was taken.
#[inline(never)]
fn leave(mut sharing: SharedKernel<'_>, interrupt: Interrupt) -> GoesOn {
    here(&mut sharing).leave_interrupt();
    let (mut whole, _) = sharing.into_whole();
    kernel(&mut whole).serve_interrupts(interrupt);
    decide(whole)
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

fn serve_cause(kernel: &mut Kernel<Machine>, cause: Cause, registers: NonNull<Registers>) {
    match cause {
        Cause::Svc(1) => serve_trap(kernel, registers),
        Cause::FpTrapped => {
            let thread = kernel.platform.thread_of(registers);
            kernel.platform.open_fp(thread);
        }
        Cause::WaitTrapped => {
            let mut registers = registers;
            // SAFETY: As in `other_fault`; nobody else has a reference either.
            let registers = unsafe { registers.as_mut() };
            // It may end at any time, and does so now; every instruction has 4 bytes.
            registers.pc += 4;
            kernel.rotate();
        }
        _ => match touched(cause) {
            Some((address, access)) => kernel.memory_fault(address, access),
            None => kernel.other_fault(other_fault(cause, registers), &cause),
        },
    }
}

/// A trap that comes with all registers saved: one with a deadline, one to send, or nonsense. One with a message comes this way
/// only with bootarg `shortcut=no`, or if the vectors do not recognise it, which nobody else would notice: so
/// the log says it, once.
fn serve_trap(kernel: &mut Kernel<Machine>, registers: NonNull<Registers>) {
    // SAFETY: As in `other_fault`.
    let operation = Operation::decode(unsafe { registers.as_ref() }.x[8]);
    if matches!(
        operation,
        Ok(Operation::Call
            | Operation::Receive
            | Operation::Reply
            | Operation::ReplyReceive
            | Operation::Signal
            | Operation::Yield)
    ) {
        say_once_that_messages_take_the_long_way(&mut kernel.log);
    }
    if SHOWS_CALLS.load(Ordering::Relaxed) {
        kernel.trap_traced();
    } else {
        kernel.trap();
    }
}

fn say_once_that_messages_take_the_long_way(log: &mut Log) {
    static SAID: AtomicBool = AtomicBool::new(false);
    if !SAID.swap(true, Ordering::Relaxed) {
        // The log cannot fail; the result is that of the trait.
        let written = writeln!(log, "messages take the long way through the vectors");
        debug_assert!(written.is_ok());
    }
}

/// What was touched that has no translation, or one that does not allow it.
#[inline]
fn touched(cause: Cause) -> Option<(VirtAddr, Access)> {
    use syndrome::FaultKind::{Permission, Translation};
    let Cause::Fault(fault) = cause else {
        return None;
    };
    let access = match fault.access {
        syndrome::Access::Read => Access::Read,
        syndrome::Access::Write => Access::Write,
        syndrome::Access::Execute => Access::Execute,
    };
    let is_touch = matches!(fault.kind, Translation | Permission);
    fault
        .address
        .filter(|_| is_touch)
        .map(|address| (address, access))
}

/// What else the thread with these registers has done that the machine does not allow.
fn other_fault(cause: Cause, registers: NonNull<Registers>) -> Fault {
    use syndrome::FaultKind::Alignment;
    // SAFETY: They are those of the thread that has run on this CPU until its exception. It does not leave before that is
    // served, and the kernel has made no reference to them yet.
    let pc = unsafe { registers.as_ref() }.pc;
    match cause {
        Cause::PcAlignment(address) => Fault::other(FaultKind::BadAccess, address.raw()),
        Cause::Fault(fault) => match (fault.kind, fault.address) {
            (Alignment, Some(address)) => Fault::other(FaultKind::BadAccess, address.raw()),
            // The access flag is set in every entry, and no entry has an address too large: these and
            // all others are the memory system's own.
            _ => Fault::other(FaultKind::Hardware, fault.address.map_or(pc, VirtAddr::raw)),
        },
        _ => Fault::other(kind_of(cause), pc),
    }
}

/// What a program did, if it was no access to memory.
fn kind_of(cause: Cause) -> FaultKind {
    match cause {
        Cause::StackAlignment | Cause::PcAlignment(_) | Cause::Fault(_) => FaultKind::BadAccess,
        Cause::Breakpoint(_) | Cause::Debug => FaultKind::Breakpoint,
        Cause::Svc(_)
        | Cause::FpTrapped
        | Cause::WaitTrapped
        | Cause::FpException
        | Cause::Undefined
        | Cause::BranchTarget => FaultKind::BadInstruction,
        Cause::SystemError(_) | Cause::Other { .. } => FaultKind::Hardware,
    }
}

fn end(stop: Stop, log: &Log) -> ! {
    match stop {
        Stop::ShutDown(how, status) => exit::end(how, status),
        Stop::FirstEnded(end) => {
            let mut text = [0; LAST_LOG_BYTES];
            let (_, count) = log.read(log.end().saturating_sub(LAST_LOG_BYTES as u64), &mut text);
            let lines = text[..count].trim_ascii_end();
            let last = lines.rsplit(|&byte| byte == b'\n').next().unwrap_or_default();
            let last = core::str::from_utf8(last).unwrap_or("a line that is too long");
            say(format_args!(
                "The first program ended ({}), so everything does. Last in the log:",
                Words(end)
            ));
            say(format_args!("{last}"));
            exit::power_off(exit::PANIC_STATUS)
        }
    }
}

/// Enough for the report of a fault.
const LAST_LOG_BYTES: usize = 256;

struct Words(End);

impl core::fmt::Display for Words {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self.0 {
            End::Exited(status) => write!(f, "it exited with status {status}"),
            End::Faulted(kind, address) => write!(f, "by a fault, {kind:?}, at {address:#x}"),
            End::Killed => write!(f, "it was killed"),
        }
    }
}
