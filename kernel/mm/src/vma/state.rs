//! The life of a VMA.

use super::VmaId;
use crate::space::SpaceId;
use addr::Page;

/// Whether a VMA can be used. Whatever it says, nothing else can be placed there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum VmaState {
    /// It can.
    Live,
    /// Not yet: its pages are on their way out of another address space.
    Filling,
    /// It is being emptied.
    Leaving(Leaving),
}

/// How far a VMA has been emptied, from its first page on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Leaving {
    /// No page below this one has a translation.
    pub from: Page,
    /// Who gets its pages.
    pub heir: Option<Heir>,
    /// The next one that its address space has to empty.
    pub next: Option<VmaId>,
}

/// Where the pages of a VMA go that is being emptied. If the heir has gone meanwhile, or is going,
/// they go back to the allocator.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Heir {
    pub space: SpaceId,
    pub vma: VmaId,
    /// Where the first page of the leaving VMA comes to be.
    pub first: Page,
}
