//! Instructions of programs that trap, and are no faults: the first that uses FP/SIMD registers, and those that wait.

use super::faults::go_on_without;
use super::interrupts::chose;
use super::{KERNEL, Locks, NO_SHORTCUTS, here, some_thread};
use crate::machine::{Machine, Threads};
use aarch64::cpu::PerCpu;
use aarch64::exception::syndrome::Cause;
use aarch64::sync::Held;
use core::ptr::NonNull;
use core::sync::atomic::Ordering;
use kcore::ipc::Direct;
use kcore::{Kernel, Local, Platform, Registers};

/// Serves one of the thread with these registers, which has just run here, while CPUs share the kernel. Who goes on; `None` if it
/// is another cause, or takes the whole kernel, and nothing has happened.
#[inline(never)] // so that touches do not pay for its stack frame
pub(super) fn serve_instruction(cause: Cause, registers: NonNull<Registers>) -> Option<NonNull<Registers>> {
    if NO_SHORTCUTS.load(Ordering::Relaxed) {
        return None;
    }
    let mut held = Held::nothing();
    let (mut sharing, held) = KERNEL.share(PerCpu::current().id(), &mut held);
    let mut own = here(&mut sharing);
    let thread = own.local.thread_of(registers);
    // Another CPU may have ended it on its way here.
    if !own.runs(thread) {
        return None;
    }
    match cause {
        Cause::FpTrapped => {
            own.local.open_fp(thread);
            go_on_without(sharing, Direct::Enters)
        }
        Cause::WaitTrapped if own.rotate() => {
            end_wait(own.local, thread);
            let chosen = own.choose();
            Some(some_thread(chose(sharing, Locks(held), chosen)))
        }
        _ => None,
    }
}

/// The same with the whole kernel.
pub(super) fn serve_instruction_at_length(
    kernel: &mut Kernel<Machine>,
    cause: Cause,
    registers: NonNull<Registers>,
) {
    let threads = kernel.platform.part();
    let thread = threads.thread_of(registers);
    if cause == Cause::FpTrapped {
        threads.open_fp(thread);
    } else {
        end_wait(threads, thread);
        kernel.rotate();
    }
}

/// A wait may end at any time, and does so now; every instruction has 4 bytes.
fn end_wait(threads: &mut Threads, thread: u32) {
    let place = threads.place(thread);
    threads.registers_at(place).pc += 4;
}
