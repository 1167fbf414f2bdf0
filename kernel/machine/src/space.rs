//! An address space of the machine.

use addr::{Frame, PageRange};
use mm::mmu::Extent;
use std::sync::Arc;
use vmsa::Tables;
use vmsa::asid::{AsidCell, SpaceAsid};

/// Tells the machine's address spaces apart, ended ones included.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct SpaceId(pub(crate) u64);

/// The translation tables of one process and its ASID, made by
/// [`create_space`](mm::mmu::Mmu::create_space).
#[derive(Debug)]
pub struct Space {
    pub(crate) id: SpaceId,
    pub(crate) tables: Tables,
}

impl Space {
    /// The topmost table.
    pub fn root(&self) -> Frame {
        self.tables.root()
    }
}

/// What [`Machine::run_again`](crate::Machine::run_again) goes by.
#[derive(Clone, Copy, Debug)]
pub struct Kept {
    pub(crate) space: SpaceId,
    pub(crate) asid: SpaceAsid,
}

/// What the machine knows of a space beside its tables.
pub(crate) struct SpaceRecord {
    pub(crate) root: Frame,
    pub(crate) asid: Arc<AsidCell>,
    /// What was taken away and has not been flushed yet.
    pub(crate) owed: Vec<Extent>,
    /// Slots that were unlinked and have not been flushed yet, for those who make mistakes with them.
    pub(crate) unlinked: Vec<PageRange>,
}
