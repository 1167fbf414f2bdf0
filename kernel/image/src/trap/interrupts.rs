//! Interrupts: of a program, or of a CPU that sleeps.

use super::{
    GoesOn, KERNEL, Locks, NO_SHORTCUTS, SharedKernel, after, decide, devices, find_out, here, kernel, there,
};
use crate::cpus;
use crate::machine::Place;
use aarch64::cpu::{self, PerCpu};
use aarch64::sync::Held;
use core::sync::atomic::Ordering;
use kcore::ipc::{SignalTarget, Told};
use kcore::object::device;
use kcore::sched::Interrupted;
use kcore::{CpuId, Interrupt, Kernel};
use mm::Job;

/// Serves an interrupt, if one waits, and finds out who goes on. All registers of the thread that ran are in memory.
pub(super) fn interrupted() -> GoesOn {
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
    let mut locks = Locks(held);
    match here(&mut sharing).interrupt(&mut locks) {
        Interrupted::Served(chosen) => chose(sharing, locks, chosen),
        Interrupted::Device(interrupt) => device_interrupt(sharing, locks, interrupt),
        Interrupted::Left(interrupt) => leave(sharing, interrupt),
    }
}

/// A piece of a job is done, and this is left of it: serves what waits, and finds out who goes on.
pub(super) fn stepped(rest: Option<Job>) -> GoesOn {
    if NO_SHORTCUTS.load(Ordering::Relaxed) {
        after(|kernel| kernel.stepped(rest))
    } else {
        stepped_here(rest)
    }
}

/// The same while CPUs share the kernel, as far as that goes.
fn stepped_here(rest: Option<Job>) -> GoesOn {
    let mut held = Held::nothing();
    let (mut sharing, held) = KERNEL.share(PerCpu::current().id(), &mut held);
    if !here(&mut sharing).stepped(rest) {
        let (mut whole, _) = sharing.into_whole();
        kernel(&mut whole).stepped(rest);
        return decide(whole);
    }
    if cpu::interrupt_pending() {
        drop(sharing);
        return interrupted();
    }
    let chosen = here(&mut sharing).choose();
    chose(sharing, Locks(held), chosen)
}

/// This CPU has chosen who goes on, or that is to be found out.
#[inline]
pub(super) fn chose(sharing: SharedKernel<'_>, locks: Locks<'_>, chosen: Option<Place>) -> GoesOn {
    // Nobody has the whole kernel before this CPU is in the address space that it may have switched to.
    cpu::synchronise_context();
    match chosen {
        Some(place) => GoesOn::Thread(place.registers()),
        None => chose_nobody(sharing, locks),
    }
}

#[inline(never)] // so that who goes on at once does not pay for it
fn chose_nobody(mut sharing: SharedKernel<'_>, locks: Locks<'_>) -> GoesOn {
    if here(&mut sharing).sleeps() {
        // Not with its turn.
        drop(sharing);
        GoesOn::Nobody
    } else {
        find_out(sharing, locks)
    }
}

/// Tells who listens to a device.
#[inline(never)] // this and the next, so that a time slice that ends does not pay for it
fn device_interrupt(mut sharing: SharedKernel<'_>, locks: Locks<'_>, interrupt: u32) -> GoesOn {
    // SAFETY: As in `here`.
    let common = unsafe { devices().common() };
    let Some(target) = device::listener(&common, interrupt) else {
        return leave(sharing, Interrupt::Device(interrupt));
    };
    let mut told = here(&mut sharing).tell(None, target);
    if let Told::At(other) = told {
        (sharing, told) = tell_with(sharing, other, target);
    }
    match told {
        Told::Yes => {
            let chosen = here(&mut sharing).choose();
            chose(sharing, locks, chosen)
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
