//! GICv3's redistributors: one per CPU, with the registers of its private interrupts.
//!
//! Which one is whose is written in each, not in the device tree (IHI 0069, "GICR_TYPER,
//! Redistributor Type Register").

use core::ptr::NonNull;
use tock_registers::interfaces::Readable;
use tock_registers::registers::{ReadOnly, ReadWrite};
use tock_registers::{register_bitfields, register_structs};

register_bitfields! {u32,
    pub(super) GICR_CTLR [
        ENABLE_LPIS OFFSET(0) NUMBITS(1) [],
        /// Disabling an interrupt has not taken effect yet.
        RWP OFFSET(3) NUMBITS(1) []
    ],
    pub(super) GICR_WAKER [
        PROCESSOR_SLEEP OFFSET(1) NUMBITS(1) [],
        CHILDREN_ASLEEP OFFSET(2) NUMBITS(1) []
    ]
}

register_bitfields! {u64,
    pub(super) GICR_TYPER [
        /// It handles virtual LPIs, and has two frames more for them.
        VLPIS OFFSET(1) NUMBITS(1) [],
        /// No other one follows in this region.
        LAST OFFSET(4) NUMBITS(1) [],
        AFFINITY OFFSET(32) NUMBITS(32) []
    ]
}

register_structs! {
    /// IHI 0069, "The GIC Redistributor register map": RD_base and, 64 KiB on, SGI_base.
    #[allow(non_snake_case)]
    pub(super) Redistributor {
        (0x00000 => pub(super) CTLR: ReadWrite<u32, GICR_CTLR::Register>),
        (0x00004 => _reserved_0),
        (0x00008 => TYPER: ReadOnly<u64, GICR_TYPER::Register>),
        (0x00010 => _reserved_1),
        (0x00014 => pub(super) WAKER: ReadWrite<u32, GICR_WAKER::Register>),
        (0x00018 => _reserved_2),
        (0x10080 => pub(super) IGROUPR0: ReadWrite<u32>),
        (0x10084 => _reserved_3),
        (0x10100 => pub(super) ISENABLER0: ReadWrite<u32>),
        (0x10104 => _reserved_4),
        (0x10180 => pub(super) ICENABLER0: ReadWrite<u32>),
        (0x10184 => _reserved_5),
        (0x10280 => pub(super) ICPENDR0: ReadWrite<u32>),
        (0x10284 => _reserved_6),
        (0x10380 => pub(super) ICACTIVER0: ReadWrite<u32>),
        (0x10384 => _reserved_7),
        (0x10400 => pub(super) IPRIORITYR: [ReadWrite<u8>; 32]),
        (0x10420 => _reserved_8),
        (0x10d00 => pub(super) IGRPMODR0: ReadWrite<u32>),
        (0x10d04 => _reserved_9),
        (0x20000 => @END),
    }
}

/// From one redistributor to the next, in bytes; twice that where there are virtual LPIs.
const STRIDE: usize = size_of::<Redistributor>();

/// Which CPU it is among all: the affinity fields of MPIDR_EL1, all other bits zero.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Affinity(u64);

impl Affinity {
    /// Aff3, Aff2, Aff1 and Aff0.
    const FIELDS: u64 = 0xff_00ff_ffff;

    /// The CPU whose MPIDR_EL1 this is.
    pub(super) const fn from_mpidr(mpidr: u64) -> Self {
        Self(mpidr & Self::FIELDS)
    }

    /// As GICD_IROUTER wants it, for one CPU and no other.
    pub(super) const fn route(self) -> u64 {
        self.0
    }

    /// As ICC_SGI1R_EL1 wants it, for one CPU and no other: the range of 16 CPUs that it is in, and which of them
    /// (IHI 0069, "ICC_SGI1R_EL1").
    #[cfg(any(target_os = "none", test))]
    pub(super) fn target(self) -> u64 {
        let field = |shift: u32| self.0 >> shift & 0xff;
        let (aff0, aff1, aff2, aff3) = (field(0), field(8), field(16), field(32));
        aff3 << 48 | (aff0 / 16) << 44 | aff2 << 32 | aff1 << 16 | 1 << (aff0 % 16)
    }

    /// As GICR_TYPER has it: the four fields in a row.
    const fn in_a_row(self) -> u64 {
        self.0 >> 32 << 24 | self.0 & 0xff_ffff
    }
}

/// The redistributor of CPU `affinity` among those in the `bytes` bytes at `region`.
///
/// # Safety
/// The region is one of redistributors, mapped as Device memory for ever.
pub(super) unsafe fn find(
    region: NonNull<u8>,
    bytes: usize,
    affinity: Affinity,
) -> Option<&'static Redistributor> {
    let mut offset = 0;
    while offset + STRIDE <= bytes {
        // SAFETY: Within the region, as just checked.
        let frames = unsafe { region.add(offset) };
        // SAFETY: The caller vouches that redistributors are there, and every step was the length of one.
        let redistributor: &'static Redistributor = unsafe { frames.cast().as_ref() };
        let kind = redistributor.TYPER.extract();
        if kind.read(GICR_TYPER::AFFINITY) == affinity.in_a_row() {
            return Some(redistributor);
        }
        if kind.is_set(GICR_TYPER::LAST) {
            return None;
        }
        offset += if kind.is_set(GICR_TYPER::VLPIS) {
            2 * STRIDE
        } else {
            STRIDE
        };
    }
    None
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::{Affinity, STRIDE, find};
    use core::ptr::NonNull;
    use std::vec;

    const VLPIS: u64 = 1 << 1;
    const LAST: u64 = 1 << 4;

    /// Memory for `count` redistributors of the small kind, with `types` as (which, GICR_TYPER).
    fn region(count: usize, types: &[(usize, u64)]) -> (NonNull<u8>, usize) {
        let mut words = vec![0_u64; count * STRIDE / 8];
        for &(which, kind) in types {
            words[which * STRIDE / 8 + 1] = kind;
        }
        (NonNull::from_mut(words.leak()).cast(), count * STRIDE)
    }

    /// How many strides behind the region's start the one of CPU `mpidr` is found.
    fn found((start, bytes): (NonNull<u8>, usize), mpidr: u64) -> Option<usize> {
        // SAFETY: The memory was leaked, and nothing else uses it.
        let redistributor = unsafe { find(start, bytes, Affinity::from_mpidr(mpidr)) }?;
        let at = core::ptr::from_ref(redistributor).addr();
        Some((at - start.addr().get()) / STRIDE)
    }

    #[test]
    fn a_cpu_is_alerted_by_all_four_fields_of_its_affinity() {
        let target = |mpidr| Affinity::from_mpidr(mpidr).target();
        assert_eq!(target(0), 1);
        assert_eq!(target(0x0012_0003), 0x12 << 32 | 1 << 3);
        assert_eq!(
            target(0xab_00cd_ef25),
            0xab << 48 | 2 << 44 | 0xcd << 32 | 0xef << 16 | 1 << 5
        );
    }

    #[test]
    fn a_cpu_finds_its_own_by_all_four_fields_of_its_affinity() {
        let types = [
            (0, 0x0000_0001 << 32),
            (1, 0x0000_0100 << 32),
            (2, 0x0100_0001 << 32),
            (3, LAST),
        ];
        let region = region(4, &types);
        let (multiprocessor, multithreaded) = (1 << 31, 1 << 24);
        assert_eq!(found(region, multiprocessor | 1), Some(0));
        assert_eq!(found(region, multiprocessor | multithreaded | 0x100), Some(1));
        assert_eq!(found(region, multiprocessor | 1 << 32 | 1), Some(2));
        assert_eq!(found(region, multiprocessor), Some(3));
        assert_eq!(found(region, multiprocessor | 2), None);
    }

    #[test]
    fn one_with_virtual_lpis_is_twice_as_long() {
        let region = region(4, &[(0, VLPIS), (1, 7 << 32), (2, 7 << 32 | VLPIS | LAST)]);
        assert_eq!(found(region, 7), Some(2));
    }

    #[test]
    fn the_search_ends_with_the_last_one_and_with_the_region() {
        let types = [(0, 0), (1, LAST), (2, 7 << 32)];
        assert_eq!(found(region(3, &types), 7), None);
        let (start, bytes) = region(2, &[(0, 0), (1, 7 << 32)]);
        assert_eq!(found((start, bytes), 7), Some(1));
        assert_eq!(found((start, bytes - 1), 7), None, "it is cut off");
    }

    #[test]
    fn a_route_names_one_cpu() {
        let route = Affinity::from_mpidr(0x12_c103_0201).route();
        assert_eq!(route, 0x12_0003_0201, "bit 31 would stand for any CPU");
    }
}
