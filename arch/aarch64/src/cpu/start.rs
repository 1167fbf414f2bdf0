//! Starting the other CPUs, one after the other.
//!
//! A CPU that is started comes to `boot_secondary_entry` (`boot/entry.S`) as it was reset: at EL1, EL2 or EL3, with
//! MMU and caches off. Until its caches are on it reads the code, which the loader has cleaned, and `START`,
//! which the first CPU has; and it writes nothing.
//!
//! One that comes when nobody waits for it any more goes no further: `START` names who is waited for, and
//! whoever changes that first, the CPU that arrives or the first CPU that gives up, decides.

use crate::boot::Handover;
use crate::boot::early::Prepared;
use crate::cpu::per_cpu::PerCpu;
use crate::cpu::stack::StackPlace;
use crate::cpu::{cache, psci};
use crate::timer;
use aarch64_cpu::asm::{barrier, sev};
use aarch64_cpu::registers::{MAIR_EL1, TCR_EL1, TTBR1_EL1};
use addr::{Frame, PhysAddr, VirtAddr};
use core::cell::UnsafeCell;
use core::fmt;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicU64, Ordering};
use tock_registers::interfaces::Readable;
use vmsa::asid::Asid;
use vmsa::control;

/// What a CPU that is started needs to know, on cache lines of its own.
#[repr(C, align(128))]
pub(crate) struct Start {
    /// The affinity fields of the CPU that is waited for, with [`WANTED`], and with [`ARRIVED`] when it has come;
    /// 0 if none is.
    pub who: AtomicU64,
    _alignment: u64,
    pub mair: UnsafeCell<u64>,
    tcr: UnsafeCell<u64>,
    /// The identity map.
    pub ttbr0: UnsafeCell<u64>,
    ttbr1: UnsafeCell<u64>,
    pub stack_top: UnsafeCell<u64>,
    /// Its [`PerCpu`].
    per_cpu: UnsafeCell<u64>,
}

// SAFETY: The cells are written by the first CPU while none is waited for, and read, with `who` in between, by the
// one that is.
unsafe impl Sync for Start {}

/// A bit of MPIDR_EL1 that is no affinity.
pub(crate) const WANTED: u64 = 1 << 31;
/// Another one.
pub(crate) const ARRIVED: u64 = 1 << 30;

pub(crate) static START: Start = Start {
    who: AtomicU64::new(0),
    _alignment: 0,
    mair: UnsafeCell::new(0),
    tcr: UnsafeCell::new(0),
    ttbr0: UnsafeCell::new(0),
    ttbr1: UnsafeCell::new(0),
    stack_top: UnsafeCell::new(0),
    per_cpu: UnsafeCell::new(0),
};

/// How a CPU leaves its firmware.
#[derive(Clone, Copy)]
pub enum Release {
    /// By PSCI.
    Psci(psci::Conduit),
    /// It looks here for an address to go to, with its caches off. Mapped as Device memory.
    SpinTable(&'static AtomicU64),
}

/// Why a CPU does not run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NotStarted {
    /// There is no [`PerCpu`] left.
    TooMany,
    /// The firmware refuses.
    Refused(psci::Error),
    /// It does not come.
    Missing,
}

impl fmt::Display for NotStarted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooMany => write!(f, "this kernel runs on {} CPUs at most", kcore::MAX_CPUS),
            Self::Refused(error) => write!(f, "the firmware refuses: {error}"),
            Self::Missing => f.write_str("it does not come"),
        }
    }
}

/// Starts the CPU whose affinity fields are `mpidr`, and waits at most `patience` ticks for it. It goes on in
/// the image's `kernel_secondary`. Called by the first CPU during boot. Stacks and tables are made of
/// `frames`.
///
/// # Errors
/// Why it does not run. Then it will not either.
pub fn start(
    handover: &mut Handover,
    mpidr: u64,
    release: Release,
    patience: u64,
    frames: &mut dyn FnMut(u64) -> Frame,
) -> Result<(), NotStarted> {
    let per_cpu = PerCpu::next().ok_or(NotStarted::TooMany)?;
    let stacks = match per_cpu.stacks() {
        Some(unused) => unused,
        None => handover.map.map_stacks(per_cpu.id(), frames),
    };
    per_cpu.prepare(mpidr, stacks, handover.no_process());
    want(mpidr, per_cpu, stacks);
    let sent = send(release, mpidr, entry(handover));
    let arrived = sent.is_ok() && arrives(mpidr, patience);
    if !arrived && give_up(mpidr) {
        return Err(sent.err().unwrap_or(NotStarted::Missing));
    }
    PerCpu::count_next();
    Ok(())
}

fn entry(handover: &Handover) -> PhysAddr {
    unsafe extern "C" {
        static boot_secondary_entry: u8;
    }
    handover.physical(VirtAddr::new((&raw const boot_secondary_entry).addr() as u64))
}

/// Fills [`START`], for a CPU that reads it past the caches.
fn want(mpidr: u64, per_cpu: &'static PerCpu, stacks: StackPlace) {
    // SAFETY: Boot has prepared the translation long ago.
    let identity = unsafe { Prepared::get() }.identity;
    let fields = [
        (&START.mair, MAIR_EL1.get()),
        (&START.tcr, TCR_EL1.get()),
        (
            &START.ttbr0,
            control::ttbr0_el1(identity.root(), Asid::NO_PROCESS),
        ),
        (&START.ttbr1, TTBR1_EL1.get()),
        (&START.stack_top, stacks.top()),
        (&START.per_cpu, (&raw const *per_cpu).expose_provenance() as u64),
    ];
    for (field, value) in fields {
        // SAFETY: No CPU is waited for, so none reads them.
        unsafe { field.get().write(value) };
    }
    START.who.store(mpidr | WANTED, Ordering::Release);
    publish();
}

fn send(release: Release, mpidr: u64, entry: PhysAddr) -> Result<(), NotStarted> {
    match release {
        Release::Psci(conduit) => psci::cpu_on(conduit, mpidr, entry.raw()).map_err(NotStarted::Refused),
        Release::SpinTable(address) => {
            address.store(entry.raw(), Ordering::Relaxed);
            // It has arrived before the CPU is woken to look.
            barrier::dsb(barrier::SY);
            sev();
            Ok(())
        }
    }
}

/// Whether it comes in time.
fn arrives(mpidr: u64, patience: u64) -> bool {
    let end = timer::count().after(patience);
    while START.who.load(Ordering::Acquire) != (mpidr | WANTED | ARRIVED) {
        if timer::count() > end {
            return false;
        }
        core::hint::spin_loop();
    }
    true
}

/// Waits for it no longer. False if it has come just now.
fn give_up(mpidr: u64) -> bool {
    let who = &START.who;
    let given_up = who.compare_exchange(mpidr | WANTED, 0, Ordering::AcqRel, Ordering::Acquire);
    publish();
    given_up.is_ok()
}

/// Lets a CPU see [`START`] that reads past the caches.
fn publish() {
    cache::clean_and_invalidate_to_memory(NonNull::from_ref(&START).cast(), size_of::<Start>());
}
