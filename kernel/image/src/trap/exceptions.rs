//! All other exceptions, which come with every register saved.

use super::faults::{other_fault, serve_beside_others, touched};
use super::instructions::serve_instruction_at_length;
use super::interrupts::interrupted;
use super::{SHOWS_CALLS, some_thread, through_kernel};
use crate::machine::Machine;
use aarch64::exception::syndrome::Cause;
use aarch64::exception::{self, Kind};
use abi::Operation;
use abi::process::FaultKind;
use core::fmt::Write;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicBool, Ordering};
use kcore::fault::Fault;
use kcore::log::Log;
use kcore::{Kernel, Registers};

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

fn serve_cause(kernel: &mut Kernel<Machine>, cause: Cause, registers: NonNull<Registers>) {
    match cause {
        Cause::Svc(1) => serve_trap(kernel, registers),
        Cause::FpTrapped | Cause::WaitTrapped => serve_instruction_at_length(kernel, cause, registers),
        _ => match touched(cause) {
            Some((address, access)) => kernel.memory_fault(address, access),
            None => kernel.other_fault(other_fault(cause, registers), &cause),
        },
    }
}

/// A trap that comes with all registers saved: one with a deadline, or nonsense. One with a message comes this way
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
            | Operation::Send
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
