//! What this CPU has, from its identification registers.

use aarch64_cpu::registers::{ID_AA64DFR0_EL1, ID_AA64MMFR0_EL1, ID_AA64MMFR1_EL1, ID_AA64PFR0_EL1};
use tock_registers::interfaces::Readable;
use vmsa::asid::AsidBits;

/// FEAT_PAN.
pub(crate) fn has_pan() -> bool {
    ID_AA64MMFR1_EL1.read(ID_AA64MMFR1_EL1::PAN) != 0
}

/// FEAT_PMUv3. 15 stands for counters in a form of the implementer's own.
pub(crate) fn has_performance_monitors() -> bool {
    !matches!(ID_AA64DFR0_EL1.read(ID_AA64DFR0_EL1::PMUVer), 0 | 0xf)
}

/// FEAT_AMUv1: counters of what the CPU does, besides the performance monitors.
pub(crate) fn has_activity_monitors() -> bool {
    ID_AA64PFR0_EL1.read(ID_AA64PFR0_EL1::AMU) != 0
}

/// How many bits of an ASID the TLB compares.
pub fn asid_bits() -> AsidBits {
    AsidBits::implemented(ID_AA64MMFR0_EL1.get())
}
