//! One CPU: its registers, its own data, its caches, and how others are started or all stopped.

pub mod backtrace;
pub mod cache;
pub(crate) mod control;
pub(crate) mod features;
pub(crate) mod per_cpu;
pub mod psci;
pub(crate) mod stack;
pub mod start;

pub use control::{PrivilegedAccess, open_cycle_counter, privileged_access};
pub use features::{asid_bits, physical_addresses};
pub use per_cpu::PerCpu;

use aarch64_cpu::asm::{barrier, sev, wfe, wfi};
use aarch64_cpu::registers::{MIDR_EL1, MPIDR_EL1};
use core::arch::asm;
use tock_registers::interfaces::Readable;

/// Sets this CPU up: exception vectors, and what programs may do.
pub(crate) fn initialise() {
    crate::exception::install_vectors();
    control::restrict_programs();
}

/// Sleeps until an interrupt is pending, and returns without taking it: the kernel runs with
/// interrupts masked, and WFI wakes for masked ones too (Arm ARM, "Wait for Interrupt"). What woke
/// it is found by [`interrupt_pending`] and the interrupt controller.
pub fn wait_for_interrupt() {
    // All stores to devices have arrived before this CPU sleeps.
    barrier::dsb(barrier::SY);
    wfi();
}

/// What was written to system registers is in force from here on, for table walks ahead of time, too. A CPU that has
/// left an address space does that before it gives back the kernel's lock: whose thread ran here may end elsewhere from
/// then on, and its tables with it. (One whose registers the vectors still store has its turn kept until they are, and one that
/// ends in its own trap leaves its address space there, which synchronises as well.)
pub fn synchronise_context() {
    barrier::isb(barrier::SY);
}

/// Whether an interrupt waits to be taken: one register read.
pub fn interrupt_pending() -> bool {
    const IRQ: u64 = 1 << 7;
    let pending: u64;
    // SAFETY: Reads a register that has no effect on anything.
    unsafe { asm!("mrs {}, isr_el1", out(reg) pending, options(nostack, nomem, preserves_flags)) };
    pending & IRQ != 0
}

/// Which CPU design this is (Arm ARM, "MIDR_EL1, Main ID Register").
pub fn main_id() -> u64 {
    MIDR_EL1.get()
}

/// Sleeps until [`wake_all`], or something else wakes this CPU: to be called in a loop that looks what it was.
pub fn wait_for_event() {
    wfe();
}

/// Wakes all CPUs that [`wait_for_event`], which then see what was written before.
pub fn wake_all() {
    barrier::dsb(barrier::ISHST);
    sev();
}

/// The affinity fields of this CPU: who it is, even when nothing else can be relied upon.
pub fn affinity() -> u64 {
    MPIDR_EL1.get() & per_cpu::AFFINITY
}

/// Stops this CPU for good.
pub fn halt() -> ! {
    loop {
        wfe();
    }
}
