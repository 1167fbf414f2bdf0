//! Values of the registers that control translation: TCR_EL1, MAIR_EL1, TTBR0_EL1, TTBR1_EL1.

use crate::asid::{Asid, AsidBits};
use addr::{Frame, MemoryKind};
use tock_registers::register_bitfields;

register_bitfields! {u64,
    /// Arm ARM, "TCR_EL1, Translation Control Register (EL1)".
    TCR [
        T0SZ OFFSET(0) NUMBITS(6) [],
        IRGN0 OFFSET(8) NUMBITS(2) [WriteBackAllocate = 0b01],
        ORGN0 OFFSET(10) NUMBITS(2) [WriteBackAllocate = 0b01],
        SH0 OFFSET(12) NUMBITS(2) [Inner = 0b11],
        TG0 OFFSET(14) NUMBITS(2) [KiB4 = 0b00],
        T1SZ OFFSET(16) NUMBITS(6) [],
        /// Which TTBR holds the ASID.
        A1 OFFSET(22) NUMBITS(1) [Ttbr0 = 0],
        IRGN1 OFFSET(24) NUMBITS(2) [WriteBackAllocate = 0b01],
        ORGN1 OFFSET(26) NUMBITS(2) [WriteBackAllocate = 0b01],
        SH1 OFFSET(28) NUMBITS(2) [Inner = 0b11],
        /// Not encoded like TG0.
        TG1 OFFSET(30) NUMBITS(2) [KiB4 = 0b10],
        IPS OFFSET(32) NUMBITS(3) [],
        AS OFFSET(36) NUMBITS(1) [Bits8 = 0, Bits16 = 1],
        /// 1 would make walks through TTBR0 ignore APTable, UXNTable and PXNTable, which are all
        /// that keeps an attacher of a region from doing more than it may.
        HPD0 OFFSET(41) NUMBITS(1) [Obeyed = 0]
    ],
    TTBR [
        /// Address bits 47 to 12 of the root table: a frame number.
        BADDR OFFSET(12) NUMBITS(36) [],
        ASID OFFSET(48) NUMBITS(16) []
    ]
}

/// Table walks are cacheable and inner shareable like the kernel's own stores to tables, so the
/// walkers see those without cache maintenance.
///
/// `pa_range` is ID_AA64MMFR0_EL1.PARange. Beyond 5 (48 bits) it names sizes that descriptors of
/// the 4 KiB granule hold only with FEAT_LPA2, which is not used.
pub fn tcr_el1(pa_range: u64, asid_bits: AsidBits) -> u64 {
    let asid_size = if asid_bits.get() > 8 {
        TCR::AS::Bits16
    } else {
        TCR::AS::Bits8
    };
    let user = TCR::T0SZ.val(UNTRANSLATED_BITS)
        + TCR::TG0::KiB4
        + TCR::SH0::Inner
        + TCR::IRGN0::WriteBackAllocate
        + TCR::ORGN0::WriteBackAllocate
        + TCR::HPD0::Obeyed;
    let kernel = TCR::T1SZ.val(UNTRANSLATED_BITS)
        + TCR::TG1::KiB4
        + TCR::SH1::Inner
        + TCR::IRGN1::WriteBackAllocate
        + TCR::ORGN1::WriteBackAllocate;
    u64::from(user + kernel + TCR::IPS.val((pa_range & 0xf).min(PA_48_BITS)) + asid_size + TCR::A1::Ttbr0)
}

const UNTRANSLATED_BITS: u64 = 64 - 48;
const PA_48_BITS: u64 = 5;

/// TTBR0_EL1 for an address space.
pub fn ttbr0_el1(root: Frame, asid: Asid) -> u64 {
    u64::from(TTBR::BADDR.val(root.number()) + TTBR::ASID.val(u64::from(asid.raw())))
}

/// TTBR1_EL1 for the kernel's tables.
pub fn ttbr1_el1(root: Frame) -> u64 {
    u64::from(TTBR::BADDR.val(root.number()))
}

/// MAIR_EL1: the memory types, each at the place that descriptors name it by.
pub const MAIR_EL1: u64 = {
    const NORMAL_WRITE_BACK: u64 = 0xff;
    const NORMAL_NON_CACHEABLE: u64 = 0x44;
    const DEVICE_NGNRE: u64 = 0x04;
    NORMAL_WRITE_BACK << (8 * MemoryIndex::NORMAL)
        | NORMAL_NON_CACHEABLE << (8 * MemoryIndex::NON_CACHEABLE)
        | DEVICE_NGNRE << (8 * MemoryIndex::DEVICE)
};

/// A memory type's place in MAIR_EL1, which descriptors carry as AttrIndx.
pub(crate) struct MemoryIndex;

impl MemoryIndex {
    const NORMAL: u64 = 0;
    const NON_CACHEABLE: u64 = 1;
    const DEVICE: u64 = 2;

    pub(crate) const fn of(kind: MemoryKind) -> u64 {
        match kind {
            MemoryKind::Normal => Self::NORMAL,
            MemoryKind::NormalNonCacheable => Self::NON_CACHEABLE,
            MemoryKind::Device => Self::DEVICE,
        }
    }

    /// Places that are not used hold zero, which is a device type.
    pub(crate) const fn kind(index: u64) -> MemoryKind {
        match index {
            Self::NORMAL => MemoryKind::Normal,
            Self::NON_CACHEABLE => MemoryKind::NormalNonCacheable,
            _ => MemoryKind::Device,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{MAIR_EL1, tcr_el1, ttbr0_el1, ttbr1_el1};
    use crate::asid::{Asid, AsidBits};
    use addr::Frame;

    fn bits(bits: u32) -> AsidBits {
        AsidBits::new(bits).expect("a width that exists")
    }

    #[test]
    fn a_cortex_a72_gets_44_bit_addresses_and_16_bit_asids() {
        let tcr = tcr_el1(4, bits(16));
        assert_eq!(tcr & 0x3f, 16);
        assert_eq!(tcr >> 16 & 0x3f, 16);
        assert_eq!(tcr >> 32 & 0b111, 4);
        assert_eq!(tcr >> 36 & 1, 1);
        assert_eq!(tcr, 0x14_b510_3510);
    }

    #[test]
    fn larger_physical_addresses_than_descriptors_hold_are_not_asked_for() {
        assert_eq!(tcr_el1(6, bits(8)) >> 32 & 0b111, 5);
        assert_eq!(tcr_el1(0, bits(8)) >> 32 & 0b111, 0);
    }

    #[test]
    fn narrow_asids_for_tests_use_the_8_bit_format_and_hierarchical_permissions_stay_on() {
        for width in 4..=16 {
            let tcr = tcr_el1(5, bits(width));
            assert_eq!(tcr >> 36 & 1, u64::from(width > 8));
            assert_eq!(tcr >> 41 & 1, 0, "HPD0");
            assert_eq!(tcr >> 22 & 1, 0, "A1");
        }
    }

    #[test]
    fn base_registers_hold_the_root_and_only_ttbr0_an_asid() {
        let root = Frame::from_number(0x4_0080);
        assert_eq!(ttbr0_el1(root, Asid::from_raw(0x1ff)), 0x01ff_0000_4008_0000);
        assert_eq!(ttbr1_el1(root), 0x4008_0000);
    }

    #[test]
    fn memory_types_are_write_back_non_cacheable_and_device_ngnre() {
        assert_eq!(MAIR_EL1, 0x04_44_ff);
    }
}
