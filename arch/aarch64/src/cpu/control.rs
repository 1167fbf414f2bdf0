//! What SCTLR_EL1 and the other registers that rule this CPU hold, and why.

use crate::cpu::features;
use aarch64_cpu::asm::barrier;
use aarch64_cpu::registers::{CNTKCTL_EL1, CPACR_EL1, MDSCR_EL1, SCTLR_EL1};
use core::arch::asm;
use tock_registers::interfaces::{Readable, Writeable};

/// Bits that read as one on a CPU without the features that gave them a meaning (Arm ARM,
/// "SCTLR_EL1"): LSMAOE, nTLSMD, SPAN, EIS, TSCXT, EOS. EIS and EOS keep exception entry and return
/// context synchronising.
const RES1: u64 = 1 << 29 | 1 << 28 | SPAN | 1 << 22 | 1 << 20 | 1 << 11;
/// 0: taking an exception sets PSTATE.PAN.
const SPAN: u64 = 1 << 23;
/// 1: what EL0 does with registers of the implementer's own traps.
const TIDCP: u64 = 1 << 63;
/// SED and ITD: for AArch32, which is never run.
const AARCH32: u64 = 1 << 8 | 1 << 7;

/// SCTLR_EL1 until the MMU goes on.
pub(crate) const SCTLR_MMU_OFF: u64 = RES1 | AARCH32;

/// SCTLR_EL1 from then on.
///
/// * WXN: what is writable is never executable, whatever a descriptor says.
/// * SA, SA0: a stack pointer that is not aligned faults at once.
/// * UCI, UCT, DZE: programs may maintain the caches for their own code, and zero with DC ZVA.
///
/// NTWE and NTWI are 0: where WFE and WFI of a program would sleep, they trap, and others run. No interrupt would end
/// that sleep, since there is none at the end of a time slice that nobody else wants.
///
/// All other bits are 0 too, which closes to programs what came later and has state of its own: pointer
/// authentication keys, memory tags, TPIDR2_EL0, FPMR, memory copy instructions, transactions.
pub(crate) const SCTLR: u64 = SCTLR_MMU_OFF
    | SCTLR_EL1::M::Enable.value
    | SCTLR_EL1::C::Cacheable.value
    | SCTLR_EL1::I::Cacheable.value
    | SCTLR_EL1::WXN::Enable.value
    | SCTLR_EL1::SA::Enable.value
    | SCTLR_EL1::SA0::Enable.value
    | SCTLR_EL1::UCI::DontTrap.value
    | SCTLR_EL1::UCT::DontTrap.value
    | SCTLR_EL1::DZE::DontTrap.value;

/// Writes the registers that say what programs may do on this CPU; reset leaves them anyhow.
pub(crate) fn restrict_programs() {
    // FP/SIMD: the kernel saves and restores them; a program's first use traps.
    CPACR_EL1.write(CPACR_EL1::FPEN::TrapEl0);
    // Of the generic timer, programs read the virtual count and frequency and nothing else.
    CNTKCTL_EL1.write(CNTKCTL_EL1::EL0VCTEN::SET);
    close_counters();
    close_debug_channel();
    set_optional_controls();
    enable_pan();
    barrier::isb(barrier::SY);
}

/// Whether kernel accesses to a program's pages fault on this CPU (Arm ARM, "About PSTATE.PAN").
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PrivilegedAccess {
    /// They do.
    Never,
    /// The CPU has no PAN.
    Possible,
}

/// What holds on this CPU now.
pub fn privileged_access() -> PrivilegedAccess {
    const PAN: u64 = 1 << 22;
    if !features::has_pan() {
        return PrivilegedAccess::Possible;
    }
    let pan: u64;
    // SAFETY: The CPU has PAN; to read it has no effect on anything.
    unsafe {
        asm!(".arch_extension pan", "mrs {}, pan", out(reg) pan, options(nostack, nomem, preserves_flags))
    };
    if pan & PAN == 0 {
        PrivilegedAccess::Possible
    } else {
        PrivilegedAccess::Never
    }
}

/// Opens the cycle counter to programs, for measurements (bootarg `bench`): it makes timing attacks
/// easier, so it is closed otherwise.
pub fn open_cycle_counter() {
    if !features::has_performance_monitors() {
        return;
    }
    /// E: enabled, C: start at 0, LC: all 64 bits.
    const PMCR: u64 = 1 | 1 << 2 | 1 << 6;
    /// CR: EL0 reads the cycle counter.
    const CYCLE_READ: u64 = 1 << 2;
    /// The cycle counter's bit in PMCNTENSET_EL0.
    const CYCLE: u64 = 1 << 31;
    // SAFETY: Counting has no effect on memory. No filter: all exception levels that may be counted
    // are.
    unsafe { asm!("msr pmccfiltr_el0, xzr", options(nostack, nomem, preserves_flags)) };
    // SAFETY: As above.
    unsafe { asm!("msr pmcntenset_el0, {}", in(reg) CYCLE, options(nostack, nomem, preserves_flags)) };
    // SAFETY: As above.
    unsafe { asm!("msr pmcr_el0, {}", in(reg) PMCR, options(nostack, nomem, preserves_flags)) };
    // SAFETY: As above; programs can read the one counter and change nothing.
    unsafe { asm!("msr pmuserenr_el0, {}", in(reg) CYCLE_READ, options(nostack, nomem, preserves_flags)) };
    barrier::isb(barrier::SY);
}

fn close_counters() {
    if features::has_performance_monitors() {
        // SAFETY: Takes a right away from programs; no effect on memory.
        unsafe { asm!("msr pmuserenr_el0, xzr", options(nostack, nomem, preserves_flags)) };
    }
    if features::has_activity_monitors() {
        // SAFETY: As above, AMUSERENR_EL0.
        unsafe { asm!("msr S3_3_C13_C2_3, xzr", options(nostack, nomem, preserves_flags)) };
    }
}

/// No debug exceptions, and no access of programs to the debug communications channel (TDCC).
fn close_debug_channel() {
    MDSCR_EL1.write(MDSCR_EL1::TDCC::SET);
}

/// What SCTLR_EL1 controls on some CPUs only: the other bits of [`RES1`] and zeroes are right on all.
fn set_optional_controls() {
    let mut control = SCTLR_EL1.get();
    if features::has_pan() {
        control &= !SPAN;
    }
    if features::has_implementer_trap() {
        control |= TIDCP;
    }
    SCTLR_EL1.set(control);
}

/// Privileged Access Never: a kernel load or store that hits a program's page faults. Each
/// exception turns it on, SPAN being 0, and this does it once for boot.
fn enable_pan() {
    if !features::has_pan() {
        return;
    }
    // SAFETY: The CPU has PAN, and the kernel never uses user addresses.
    unsafe {
        asm!(
            ".arch_extension pan",
            "msr pan, #1",
            options(nostack, nomem, preserves_flags)
        )
    };
}
