//! Physical and virtual addresses, frames and pages: one type per space.
//!
//! ```text
//!   VirtAddr --page()--> Page ----+            +---- Frame <--frame()-- PhysAddr
//!                        PageRange +-- mapped --+     FrameRange
//!                     (PageCount)    with Perms
//! ```
//!
//! A *page* is a granule (4 KiB) of virtual address space, a *frame* a granule of physical
//! memory. Constructors check; ranges are never empty and never wrap, so code that holds one
//! need not ask again.
#![no_std]
#![forbid(unsafe_code)]

mod perms;
mod phys;
mod virt;

pub use perms::{MemoryKind, Perms};
pub use phys::{Frame, FrameRange, PhysAddr};
pub use virt::{Page, PageCount, PageRange, VirtAddr};

/// log2 of [`GRANULE`].
pub const GRANULE_SHIFT: u32 = 12;
/// The translation granule in bytes (Arm ARM DDI 0487, "Translation granule size"): 4 KiB.
pub const GRANULE: u64 = 1 << GRANULE_SHIFT;
