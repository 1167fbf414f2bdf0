//! Traps that are served with the message in the argument registers, while the thread's other registers stay where they are.

use super::{KERNEL, Locks, SharedKernel, WholeKernel, devices, here, kernel, memory, there};
use crate::machine::{MemoryInside, Place};
use aarch64::cpu::PerCpu;
use aarch64::exception::TrapEnd;
use aarch64::sync::{Held, Meanwhile, level};
use abi::{Operation, Words6};
use kcore::handle::{Capability, Object};
use kcore::ipc::{Direct, may_share};
use kcore::message::Message;
use kcore::object::device::Device;
use kcore::object::process;
use kcore::process::ProcessId;
use kcore::thread::ThreadId;
use kcore::{CpuId, MAX_CPUS, Nested};
use mm::SpaceId;
use slots::Id;

/// Functions that the vectors call with x0 to x7 as they came.
///
/// If the caller, most of whose registers are still in this CPU alone, does not go on, the kernel goes on being shared, so
/// that nobody has the whole. The vectors save them, and give the turn back or call [`kernel_continue`](super::kernel_continue).
macro_rules! traps_with_a_message {
    ($($(#[$about:meta])* $function:ident: $operation:expr;)*) => {$(
        $(#[$about])*
        #[unsafe(no_mangle)]
        extern "C" fn $function(
            handle: u64,
            tag: u64,
            word0: u64,
            word1: u64,
            word2: u64,
            word3: u64,
            word4: u64,
            word5: u64,
        ) -> TrapEnd {
            serve_in_place($operation, handle, tag, [word0, word1, word2, word3, word4, word5])
        }
    )*};
}

traps_with_a_message! {
    /// For a trap whose x8 is [`Operation::Call`].
    kernel_call: Operation::Call;
    /// The same for [`Operation::ReplyReceive`].
    kernel_reply_receive: Operation::ReplyReceive;
    /// The same for [`Operation::Reply`].
    kernel_reply: Operation::Reply;
    /// The same for [`Operation::Send`].
    kernel_send: Operation::Send;
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
        Direct::AsksAboutHandles if operation == Operation::Call => {
            ask_about_handles((sharing, held), handle, tag, &words())
        }
        Direct::At(other) => serve_with((sharing, held), Some(other), operation, handle, tag, &words()),
        Direct::Awaits(_) => serve_with((sharing, held), None, operation, handle, tag, &words()),
        Direct::Not if may_share(operation, tag) => {
            serve_with((sharing, held), None, operation, handle, tag, &words())
        }
        Direct::Asks(thread, asked) if operation == Operation::Call => match asked.object {
            Object::Device(device) => ask_device(sharing, (thread, device), handle, tag, &words()),
            Object::Process(process) if process::may_share(tag) => {
                ask_process((sharing, held), (thread, process), handle, tag, &words())
            }
            _ => ask(sharing, (thread, asked), handle, tag, &words()),
        },
        _ => serve_at_length(sharing, operation, handle, tag, &words()),
    }
}

#[inline(always)] // what a call has in registers is handed on in registers
fn ask_memory(
    (mut sharing, held): (SharedKernel<'_>, Held<'_, level::Kernel>),
    found: (ThreadId, SpaceId),
    handle: u64,
    tag: u64,
    words: &Words6,
) -> TrapEnd {
    let memory = &mut MemoryInside::new(memory(), held);
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
    let mut locks = Locks(held);
    match here(&mut sharing).ask_about_words(&mut locks, found, tag, words) {
        Direct::Stays(place) => TrapEnd::goes_on(place.registers().as_ptr()),
        Direct::Runs(place) => TrapEnd::runs(place.registers().as_ptr(), sharing.keep()),
        Direct::Resumes(place) => TrapEnd::resumes(place.registers().as_ptr(), sharing.keep()),
        Direct::Enters => TrapEnd::undecided(sharing.keep()),
        Direct::At(other) => ask_about_words_with((sharing, locks), (other, 1), found, handle, tag, words),
        _ => serve_at_length(sharing, Operation::Call, handle, tag, words),
    }
}

/// The same about threads of another CPU, with that one's turn besides its own; then of yet another one, so many times.
#[inline(never)] // so that those about its own do not pay for it
fn ask_about_words_with(
    (sharing, mut locks): (SharedKernel<'_>, Locks<'_>),
    (other, times): (CpuId, usize),
    found: (ThreadId, SpaceId),
    handle: u64,
    tag: u64,
    words: &Words6,
) -> TrapEnd {
    let mut both = sharing.with(other);
    let (own, theirs) = both.each();
    let mut there = there(theirs);
    let direct = here(own).ask_about_words_with(&mut locks, &mut there, found, tag, words);
    let sharing = both.into_own();
    match direct {
        Direct::Stays(place) => TrapEnd::goes_on(place.registers().as_ptr()),
        Direct::Runs(place) => TrapEnd::runs(place.registers().as_ptr(), sharing.keep()),
        Direct::Resumes(place) => TrapEnd::resumes(place.registers().as_ptr(), sharing.keep()),
        Direct::Enters => TrapEnd::undecided(sharing.keep()),
        Direct::At(next) if next != other && times < MAX_CPUS => {
            ask_about_words_with((sharing, locks), (next, times + 1), found, handle, tag, words)
        }
        _ => serve_at_length(sharing, Operation::Call, handle, tag, words),
    }
}

#[inline(never)] // as above
fn ask_about_handles(
    (mut sharing, held): (SharedKernel<'_>, Held<'_, level::Kernel>),
    handle: u64,
    tag: u64,
    words: &Words6,
) -> TrapEnd {
    let mut locks = Locks(held);
    let direct = here(&mut sharing).ask_about_handles(&mut locks.memory(), handle, tag, words);
    match direct {
        Direct::Stays(place) => TrapEnd::goes_on(place.registers().as_ptr()),
        Direct::Enters => TrapEnd::undecided(sharing.keep()),
        Direct::At(other) => serve_with(
            (sharing, locks.0),
            Some(other),
            Operation::Call,
            handle,
            tag,
            words,
        ),
        _ => serve_at_length(sharing, Operation::Call, handle, tag, words),
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

#[inline(never)] // so that other calls do not pay for its stack frame
fn ask_device(
    mut sharing: SharedKernel<'_>,
    asked: (ThreadId, Id<Device>),
    handle: u64,
    tag: u64,
    words: &Words6,
) -> TrapEnd {
    // SAFETY: CPUs share the kernel.
    let devices = unsafe { devices().common() };
    match here(&mut sharing).ask_device(&devices, asked, tag) {
        Direct::Stays(place) => TrapEnd::goes_on(place.registers().as_ptr()),
        _ => serve_at_length(sharing, Operation::Call, handle, tag, words),
    }
}

#[inline(never)] // as above
fn ask_process(
    (mut sharing, held): (SharedKernel<'_>, Held<'_, level::Kernel>),
    asked: (ThreadId, ProcessId),
    handle: u64,
    tag: u64,
    words: &Words6,
) -> TrapEnd {
    let memory = &mut MemoryInside::new(memory(), held);
    match here(&mut sharing).ask_process(memory, asked, tag, words) {
        Direct::Stays(place) => TrapEnd::goes_on(place.registers().as_ptr()),
        _ => serve_at_length(sharing, Operation::Call, handle, tag, words),
    }
}

/// Serves what has bytes or handles, or waits, or is about a thread of another CPU, with that one's turn besides its own.
#[inline(never)]
fn serve_with(
    (sharing, held): (SharedKernel<'_>, Held<'_, level::Kernel>),
    other: Option<CpuId>,
    operation: Operation,
    handle: u64,
    tag: u64,
    words: &Words6,
) -> TrapEnd {
    let mut locks = Locks(held);
    let (sharing, direct) = serve_once_with((sharing, &mut locks), other, operation, handle, tag, words);
    match direct {
        Direct::Stays(place) => TrapEnd::goes_on(place.registers().as_ptr()),
        Direct::Runs(place) => TrapEnd::runs(place.registers().as_ptr(), sharing.keep()),
        Direct::Resumes(place) => TrapEnd::resumes(place.registers().as_ptr(), sharing.keep()),
        Direct::Enters => TrapEnd::undecided(sharing.keep()),
        Direct::At(found) if other.is_none() => {
            serve_with((sharing, locks.0), Some(found), operation, handle, tag, words)
        }
        Direct::Receives => serve_with((sharing, locks.0), None, Operation::Receive, handle, 0, &[0; 6]),
        // It is about yet another one, or as few are.
        _ => serve_at_length(sharing, operation, handle, tag, words),
    }
}

fn serve_once_with<'a>(
    (mut sharing, locks): (SharedKernel<'a>, &mut Locks<'_>),
    other: Option<CpuId>,
    operation: Operation,
    handle: u64,
    tag: u64,
    words: &Words6,
) -> (SharedKernel<'a>, Direct<Place>) {
    let memory = &mut locks.memory();
    let Some(other) = other else {
        let direct = here(&mut sharing).serve_with(memory, None, operation, handle, tag, words);
        return (sharing, direct);
    };
    let mut both = sharing.with(other);
    let (own, theirs) = both.each();
    let there = &mut there(theirs);
    let direct = here(own).serve_with(memory, Some(there), operation, handle, tag, words);
    (both.into_own(), direct)
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
        | Direct::AsksAboutHandles
        | Direct::At(_)
        | Direct::Awaits(_)
        | Direct::Receives
        | Direct::Not => TrapEnd::undecided(whole.into_sharing(PerCpu::current().id()).keep()),
    }
}
