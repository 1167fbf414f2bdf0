//! Touches that the memory manager serves or refuses, and whatever else a program does that the machine does not allow.

use super::instructions::serve_instruction;
use super::until::serve_until;
use super::{KERNEL, NO_SHORTCUTS, SharedKernel, beside_others, here, kernel_continue, there, with_memory};
use crate::cpus;
use crate::machine::{self, Place};
use aarch64::cpu::{self, PerCpu};
use aarch64::exception::syndrome::{self, Cause};
use aarch64::mmu::direct_map;
use aarch64::sync::Held;
use abi::process::FaultKind;
use addr::VirtAddr;
use core::ptr::NonNull;
use core::sync::atomic::Ordering;
use kcore::fault::Fault;
use kcore::ipc::Direct;
use kcore::{CpuId, Registers};
use mm::{Access, FaultCause, Refused, SpaceId};

/// Serves a touch, or an instruction that is no fault, or tells whoever waits for it what else the running thread has done, beside whatever other CPUs do in the
/// kernel. Who goes on; `None` if it is as few are, and nothing has happened.
#[inline]
pub(super) fn serve_beside_others(cause: Cause, registers: NonNull<Registers>) -> Option<NonNull<Registers>> {
    if let Some((address, access)) = touched(cause) {
        return match touch(machine::space_of(registers)?, address, access) {
            Ok(()) => Some(registers),
            Err(Refused::ComesLater) => None,
            Err(Refused::ForEver(cause)) => tell_handler(Fault::of_memory(address, access, cause)),
        };
    }
    match cause {
        Cause::Svc(1) => serve_until(),
        Cause::FpTrapped | Cause::WaitTrapped => serve_instruction(cause, registers),
        _ => tell_handler(other_fault(cause, registers)),
    }
}

/// Has the memory manager serve a touch of the running thread, as it does with nearly all. Another CPU may have ended the thread
/// meanwhile; but it has not left this one, so its address space is there.
#[inline]
fn touch(space: SpaceId, address: VirtAddr, access: Access) -> Result<(), Refused> {
    let spare = cpus::spare();
    spare.zero(direct_map::zero);
    match beside_others(|memory| memory.touch(space, address, access)) {
        // Others may have what is lacking for a moment only.
        Err(Refused::ForEver(FaultCause::OutOfMemory)) => {
            with_memory(|memory| memory.on(spare).sharing().touch(space, address, access))
        }
        touched => touched,
    }
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
        Direct::Not => queue_fault(sharing, fault),
        told => go_on_without(sharing, told),
    }
}

/// The same with the turn of the CPU at which the handler is at home.
#[inline(never)]
fn tell_handler_with(sharing: SharedKernel<'_>, other: CpuId, fault: Fault) -> Option<NonNull<Registers>> {
    let mut both = sharing.with(other);
    let (own, theirs) = both.each();
    let told = here(own).tell_handler(Some(&mut there(theirs)), fault);
    match told {
        // Another one was first.
        Direct::Not => queue_fault(both.into_own(), fault),
        told => go_on_without(both.into_own(), told),
    }
}

/// Lets the fault wait until its handler receives it.
#[inline(never)] // so that most do not pay for it
fn queue_fault(mut sharing: SharedKernel<'_>, fault: Fault) -> Option<NonNull<Registers>> {
    let queued = here(&mut sharing).queue_fault(fault);
    go_on_without(sharing, queued)
}

/// Who goes on when the thread that has run, and whose registers are stored, is served, if that is clear.
#[inline(always)] // into all
pub(super) fn go_on_without(sharing: SharedKernel<'_>, told: Direct<Place>) -> Option<NonNull<Registers>> {
    match told {
        Direct::Stays(place) | Direct::Runs(place) | Direct::Resumes(place) => {
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

/// What was touched that has no translation, or one that does not allow it.
#[inline]
pub(super) fn touched(cause: Cause) -> Option<(VirtAddr, Access)> {
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
pub(super) fn other_fault(cause: Cause, registers: NonNull<Registers>) -> Fault {
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
