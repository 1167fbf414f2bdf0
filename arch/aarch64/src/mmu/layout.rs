//! Where things are in the kernel's half of the address space (TTBR1, 48 bits).
//!
//! ```text
//!   0xffff_0000_0000_0000   DIRECT_MAP: all RAM, at its physical address plus this, never executable
//!   0xffff_8000_0000_0000   the image, as linked (kernel/image/link.ld): code, constants, variables
//!   0xffff_8000_1000_0000   DEVICE_TREE_WINDOW: the device tree, read-only
//!   0xffff_8000_2000_0000   SCRATCH_PAGE: one table at a time, while the kernel's map is extended
//!   0xffff_8000_2010_0000   STACK_WINDOW: the stacks of all CPUs
//!   0xffff_c000_0000_0000   DEVICE_WINDOW: device registers, in the order they were asked for
//! ```

use crate::cpu::stack::ALL_PLACES;

/// Physical address 0 in the direct map.
pub(crate) const DIRECT_MAP: u64 = 0xffff_0000_0000_0000;
/// Physical addresses that the direct map has room for.
pub(crate) const DIRECT_MAP_BYTES: u64 = 1 << 47;
/// Where the device tree is mapped. In the GiB of the image, so that they share tables.
pub(crate) const DEVICE_TREE_WINDOW: u64 = 0xffff_8000_1000_0000;
/// The page through which tables are written that are not mapped otherwise. In the GiB of the
/// image.
pub(crate) const SCRATCH_PAGE: u64 = 0xffff_8000_2000_0000;
/// The table that maps the scratch page, mapped behind it.
pub(crate) const SCRATCH_TABLE_PAGE: u64 = SCRATCH_PAGE + addr::GRANULE;
/// Where the stacks of all CPUs are mapped, with holes below each. In the 2 MiB of the scratch page, so that one table is
/// enough for both.
pub(crate) const STACK_WINDOW: u64 = 0xffff_8000_2010_0000;
const _: () = assert!((STACK_WINDOW + ALL_PLACES as u64 - 1) >> 21 == SCRATCH_PAGE >> 21);
/// Where device registers are mapped.
pub(crate) const DEVICE_WINDOW: u64 = 0xffff_c000_0000_0000;
