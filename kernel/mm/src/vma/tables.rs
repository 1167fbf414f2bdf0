//! How many translation tables a VMA adds to an address space.
//!
//! A table is charged to an address space as long as a VMA touches the range of addresses it
//! translates, present or not, so that a touch never lacks one. Since VMAs are in order, whether
//! an extent is touched by others can be told from the two neighbours alone. A linked VMA has no
//! use for level-3 tables, and shares no slot with another VMA.

use super::{Spot, VmaId, VmaSet, Vmas, existing};
use addr::{Page, PageRange};

/// What translates a VMA below level 2.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Manner {
    /// Level-3 tables of its address space.
    Paged,
    /// Level-3 tables of a region.
    Linked,
    /// Nothing: descriptors of blocks stand in level 2.
    Blocks,
}

impl Manner {
    /// log2 of the pages that one table translates, at each level at which the address space has
    /// tables of its own. The root is charged with the space.
    fn table_shifts(self) -> &'static [u32] {
        match self {
            Self::Paged => &[9, 18, 27],
            Self::Linked | Self::Blocks => &[18, 27],
        }
    }
}

/// Where the VMAs next to a range end and begin.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Neighbours {
    /// The first page behind the lower one; 0 if there is none.
    before: Page,
    /// The first page of the higher one; the first that is no user page if there is none.
    after: Page,
}

impl Neighbours {
    /// Nothing else is there.
    pub const NONE: Self = Self {
        before: Page::from_number(0),
        after: addr::VirtAddr::new(abi::layout::USER_END).page(),
    };

    /// These VMAs.
    pub fn between(before: Option<PageRange>, after: Option<PageRange>) -> Self {
        Self {
            before: before.map_or(Self::NONE.before, PageRange::end),
            after: after.map_or(Self::NONE.after, PageRange::start),
        }
    }

    /// Those of a spot.
    pub fn at(vmas: &Vmas, Spot { before, after }: Spot) -> Self {
        let range_of = |id| existing(vmas, id).range;
        Self::between(before.map(range_of), after.map(range_of))
    }

    /// Those of a VMA that is in a set.
    pub fn of(vmas: &Vmas, id: VmaId) -> Self {
        Self::at(vmas, VmaSet::spot_of(vmas, id))
    }

    /// From the end of the one to the start of the other: what is vacant when `range` goes.
    pub fn around(&self, range: PageRange) -> PageRange {
        PageRange::between(self.before, self.after).unwrap_or(range)
    }
}

/// Tables on the way to the pages of `range` that `neighbours` have no use for.
pub(crate) fn tables_needed(range: PageRange, manner: Manner, neighbours: Neighbours) -> u64 {
    let mut sum = 0;
    for &shift in manner.table_shifts() {
        let needed = tables_of_level(shift, range, neighbours);
        if needed == 0 {
            // Whoever has a use for the lower tables has one for those above them.
            break;
        }
        sum += needed;
    }
    sum
}

fn tables_of_level(shift: u32, range: PageRange, Neighbours { before, after }: Neighbours) -> u64 {
    // Below page 0 there is nothing, which is in no extent of a range.
    let last_extent_before = |end: Page| end.number().wrapping_sub(1) >> shift;
    let extent_of = |page: Page| page.number() >> shift;
    let (first, last) = (extent_of(range.start()), last_extent_before(range.end()));
    let shared = u64::from(last_extent_before(before) == first) + u64::from(extent_of(after) == last);
    (last - first + 1).saturating_sub(shared)
}
