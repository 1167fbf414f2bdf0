//! VMSAv8-64, stage 1 of the EL1&0 regime: tables, ASIDs, register values and TLB invalidation as data.
//!
//! What is supported: the 4 KiB granule, 48-bit virtual addresses, four levels of tables. Terms
//! and rules are those of the Arm Architecture Reference Manual for A-profile (DDI 0487, issue
//! L.a), chapter "The AArch64 Virtual Memory System Architecture"; sections are cited by title
//! where a line of code depends on them.
//!
//! Nothing here touches a register or an address: the architecture layer (and, in tests, a
//! pretend machine) brings a [`TableMemory`], loads what [`control`] computes and carries out
//! what [`Invalidation`] says.
//!
//! ```text
//!   Tables (one process, TTBR0)     RegionTables (one shared region)     KernelTables (TTBR1)
//!        |            \  links level-3 tables of  ^                            |
//!        |             +--------------------------+                            |
//!        +--- TableMemory: load, store, zero ---- Descriptor <-> Attributes ---+
//! ```
#![no_std]
#![forbid(unsafe_code)]

pub mod asid;
mod atomic;
mod attributes;
pub mod control;
mod descriptor;
mod index;
mod invalidate;
mod kernel_tables;
mod region_tables;
mod table_memory;
mod tables;

pub use attributes::{Access, Attributes, KernelAccess};
pub use descriptor::{Descriptor, Leaf, Link, Table};
pub use index::{ENTRIES, Level, SLOT_PAGES, TableIndex, USER_PAGES};
pub use invalidate::{Extent, Invalidation, MOST_SINGLE_PAGES, Pages};
pub use kernel_tables::{KernelMapping, KernelTables};
pub use region_tables::{Dismantled, Height, Piece, RegionTables};
pub use table_memory::TableMemory;
pub use tables::{Heir, Mapping, Removed, Tables};
