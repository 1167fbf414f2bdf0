//! What this CPU has, from its identification registers.

use aarch64_cpu::registers::{ID_AA64DFR0_EL1, ID_AA64MMFR0_EL1, ID_AA64MMFR1_EL1, ID_AA64PFR0_EL1};
use tock_registers::interfaces::Readable;
use vmsa::asid::AsidBits;

/// FEAT_PAN.
pub(crate) fn has_pan() -> bool {
    ID_AA64MMFR1_EL1.read(ID_AA64MMFR1_EL1::PAN) != 0
}

/// FEAT_TIDCP1: what EL0 does with registers of the implementer's own can be trapped.
pub(crate) fn has_implementer_trap() -> bool {
    ID_AA64MMFR1_EL1.get() >> 52 & 0xf != 0
}

/// FEAT_PMUv3. 15 stands for counters in a form of the implementer's own.
pub(crate) fn has_performance_monitors() -> bool {
    !matches!(ID_AA64DFR0_EL1.read(ID_AA64DFR0_EL1::PMUVer), 0 | 0xf)
}

/// FEAT_AMUv1: counters of what the CPU does, besides the performance monitors.
pub(crate) fn has_activity_monitors() -> bool {
    ID_AA64PFR0_EL1.read(ID_AA64PFR0_EL1::AMU) != 0
}

/// The CPU interface of GICv3 or GICv4.
pub(crate) fn has_gic_system_registers() -> bool {
    // The crate has no name for this field: bits 27 to 24.
    ID_AA64PFR0_EL1.get() >> 24 & 0xf != 0
}

/// How many bits of an ASID the TLB compares.
pub fn asid_bits() -> AsidBits {
    AsidBits::implemented(ID_AA64MMFR0_EL1.get())
}

/// One more than the largest physical address that the MMU can name: PARange, but 48 bits at most, since
/// descriptors hold no more ([`vmsa::control::tcr_el1`]).
pub fn physical_addresses() -> u64 {
    let bits = match ID_AA64MMFR0_EL1.read(ID_AA64MMFR0_EL1::PARange) {
        0 => 32,
        1 => 36,
        2 => 40,
        3 => 42,
        4 => 44,
        _ => 48,
    };
    1 << bits
}
