//! QEMU's `virt` machine: what its tree does not say.
//!
//! Next to nothing, since QEMU generates the tree for each run.

use crate::board::RegisterBlock;
use addr::PhysAddr;

/// The root's `compatible`.
pub(crate) const COMPATIBLE: &[&str] = &["linux,dummy-virt"];

/// Where RAM begins (QEMU, `hw/arm/virt.c`, the memory map): no program runs below.
pub(crate) const RAM_BASE: PhysAddr = PhysAddr::new(0x4000_0000);

/// The PL011, for a last word when the tree cannot be read (same source).
pub const LAST_WORDS_UART: RegisterBlock = RegisterBlock {
    base: PhysAddr::new(0x0900_0000),
    bytes: 0x1000,
};
