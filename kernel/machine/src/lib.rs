//! A pretend machine for tests: RAM, CPUs and TLBs that do what the architecture allows.
//!
//! An emulator forgives a forgotten invalidation, because its TLB is kept honest behind the
//! scenes. This machine does not. Its TLBs
//!
//! * tag entries with ASIDs and keep what they saw until told otherwise,
//! * cache table descriptors apart from leaves, with the permissions of all levels combined,
//! * may fill anything that is reachable, at any step ([`Machine::speculate`]), and with
//!   [`Speculation::Everything`] have always filled it before it goes away.
//!
//! [`Machine`] implements [`mm::mmu::Mmu`] with the same table code as the kernel and carries
//! out the invalidations it asks for. It stops the test (panics) as soon as something happens
//! that real hardware would turn into damage later:
//!
//! * a frame that a TLB or a table still leads to is zeroed or becomes a table
//!   ([`Machine::assert_free`] asks for more frames),
//! * a valid descriptor is replaced by a different one, or one is put in while a TLB still holds
//!   another of its place,
//! * a table is linked that nobody zeroed, or a table's frame is mapped,
//! * a TLB grants more than the tables do after the flush that should have ended it,
//! * two address spaces meet under one ASID,
//! * instructions are fetched from a frame that nobody published.
//!
//! [`Sabotage`] breaks the machine's own Mmu on purpose, for tests of these checks.
#![forbid(unsafe_code)]

mod access;
mod adversary;
mod audit;
mod counts;
mod cpu;
mod ledger;
mod machine;
mod mmu;
mod ram;
mod sabotage;
mod space;
mod table_memory;
mod tlb;
mod walk;
mod word;

pub use access::{AccessKind, Fault};
pub use adversary::Speculation;
pub use counts::Counts;
pub use machine::Machine;
pub use sabotage::Sabotage;
pub use space::{Kept, Space};
