//! Traps that say until when they wait at most.

use super::faults::go_on_without;
use super::{KERNEL, Locks, NO_SHORTCUTS, SharedKernel, here, there};
use crate::machine::Place;
use aarch64::cpu::PerCpu;
use aarch64::sync::Held;
use core::ptr::NonNull;
use core::sync::atomic::Ordering;
use kcore::ipc::Direct;
use kcore::{CpuId, Nested, Registers};

/// Serves such a trap, all of whose registers are stored, while CPUs share the kernel. Who goes on; `None` if it is none, or as few
/// are, and nothing has happened.
pub(super) fn serve_until() -> Option<NonNull<Registers>> {
    if NO_SHORTCUTS.load(Ordering::Relaxed) {
        return None;
    }
    let mut held = Held::nothing();
    let (sharing, held) = KERNEL.share(PerCpu::current().id(), &mut held);
    serve_with(sharing, Locks(held), None)
}

fn serve_with(
    sharing: SharedKernel<'_>,
    mut locks: Locks<'_>,
    other: Option<CpuId>,
) -> Option<NonNull<Registers>> {
    let (sharing, served) = serve_once_with(sharing, &mut locks, other);
    match served {
        Direct::At(found) if other.is_none() => serve_with(sharing, locks, Some(found)),
        Direct::Receives => serve_with(sharing, locks, None),
        served => go_on_without(sharing, served),
    }
}

fn serve_once_with<'a>(
    mut sharing: SharedKernel<'a>,
    locks: &mut Locks<'_>,
    other: Option<CpuId>,
) -> (SharedKernel<'a>, Direct<Place>) {
    let memory = &mut locks.memory();
    let Some(other) = other else {
        let served = here(&mut sharing).serve_until(memory, None);
        return (sharing, served);
    };
    let mut both = sharing.with(other);
    let (own, theirs) = both.each();
    let served = here(own).serve_until(memory, Some(&mut there(theirs)));
    (both.into_own(), served)
}
