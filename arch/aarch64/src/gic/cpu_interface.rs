//! GICv3's CPU interface: system registers of the CPU that executes this (IHI 0069, "AArch64 System
//! register descriptions").
//!
//! Writes take effect for later instructions after a context synchronisation (Arm ARM,
//! "Synchronization requirements for AArch64 System registers"), hence each ISB.

use aarch64_cpu::asm::barrier;
use core::arch::asm;

/// ICC_SRE_EL1.SRE: system registers instead of memory-mapped ones.
const SYSTEM_REGISTERS: u64 = 1;
/// Lets every priority through.
const ALL_PRIORITIES: u64 = 0xff;
/// ICC_CTLR_EL1.PRIbits: how many bits of a priority are implemented, less one.
const PRIORITY_BITS: u64 = 0b111 << 8;
/// ICC_IAR1_EL1.INTID.
const INTID: u64 = 0xff_ffff;

/// Reads a register that has a name.
macro_rules! read {
    ($register:literal) => {{
        let value: u64;
        // SAFETY: A register of the interrupt controller, which rules no memory. Interrupts are
        // masked in the kernel.
        unsafe { asm!(concat!("mrs {}, ", $register), out(reg) value, options(nostack, nomem, preserves_flags)) };
        value
    }};
}

/// Writes a register that has a name.
macro_rules! write {
    ($register:literal, $value:expr) => {{
        let value: u64 = $value;
        // SAFETY: As for reading.
        unsafe { asm!(concat!("msr ", $register, ", {}"), in(reg) value, options(nostack, nomem, preserves_flags)) };
    }};
}

/// Switches the system registers on. False if a level above refuses. They may be the only
/// interface there is; then the switch is fixed at on.
pub(super) fn open() -> bool {
    write!("icc_sre_el1", read!("icc_sre_el1") | SYSTEM_REGISTERS);
    // No other register of the interface is used before (IHI 0069, "ICC_SRE_EL1").
    barrier::isb(barrier::SY);
    read!("icc_sre_el1") & SYSTEM_REGISTERS != 0
}

/// Lets this CPU take interrupts of group 1, whatever state firmware left it in.
pub(super) fn listen() {
    // EOImode 0: one write ends an interrupt and lets others of its priority come.
    write!("icc_ctlr_el1", 0);
    forget_active_priorities();
    // The smallest binary point there is. It never counts, since all priorities are equal.
    write!("icc_bpr1_el1", 0);
    write!("icc_pmr_el1", ALL_PRIORITIES);
    write!("icc_igrpen1_el1", 1);
    barrier::isb(barrier::SY);
    // Now the redistributor knows the mask, too (IHI 0069, "Observability of the effects of accesses to
    // the GIC registers").
    barrier::dsb(barrier::SY);
}

/// An interrupt that firmware took and never ended would hold all others back by its priority. There
/// are as many of these registers as there are priorities to stand in them.
fn forget_active_priorities() {
    let implemented = (read!("icc_ctlr_el1") & PRIORITY_BITS) >> 8;
    write!("icc_ap1r0_el1", 0);
    if implemented >= 5 {
        write!("icc_ap1r1_el1", 0);
    }
    if implemented >= 6 {
        write!("icc_ap1r2_el1", 0);
        write!("icc_ap1r3_el1", 0);
    }
    barrier::isb(barrier::SY);
}

/// ICC_SGI1R_EL1.INTID begins here, and the interrupt is number 0.
const ALERT: u64 = (super::ALERT.get() as u64) << 24;
/// ICC_SGI1R_EL1.IRM: all CPUs but this one.
const ALL_OTHERS: u64 = 1 << 40;

/// Alerts the CPU with these affinity fields ([`super::redistributor::Affinity::target`]).
pub(super) fn alert(target: u64) {
    generate(ALERT | target);
}

/// Alerts every CPU but this one.
pub(super) fn alert_all_others() {
    generate(ALERT | ALL_OTHERS);
}

/// A software generated interrupt of group 1 of our Security state.
fn generate(interrupt: u64) {
    // What the other is alerted for is visible before it is.
    barrier::dsb(barrier::ISHST);
    write!("icc_sgi1r_el1", interrupt);
    barrier::isb(barrier::SY);
}

/// Takes the interrupt that waits and gives its number, or a special one.
pub(super) fn acknowledge() -> u32 {
    (read!("icc_iar1_el1") & INTID) as u32
}

/// Ends the interrupt of that number.
pub(super) fn end(number: u32) {
    write!("icc_eoir1_el1", u64::from(number));
    barrier::isb(barrier::SY);
}
