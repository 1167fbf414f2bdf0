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

/// The VMAs next to a range.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Neighbours {
    pub before: Option<PageRange>,
    pub after: Option<PageRange>,
}

impl Neighbours {
    /// Those of a spot.
    pub fn at(vmas: &Vmas, Spot { before, after }: Spot) -> Self {
        let range_of = |id| existing(vmas, id).range;
        Self {
            before: before.map(range_of),
            after: after.map(range_of),
        }
    }

    /// Those of a VMA that is in a set.
    pub fn of(vmas: &Vmas, id: VmaId) -> Self {
        Self::at(vmas, VmaSet::spot_of(vmas, id))
    }

    /// Nothing else is there.
    pub const NONE: Self = Self {
        before: None,
        after: None,
    };

    /// From the end of the one to the start of the other: what is vacant when `range` goes.
    pub fn around(&self, range: PageRange) -> PageRange {
        let user_end = addr::VirtAddr::new(abi::layout::USER_END).page();
        let start = self.before.map_or(Page::from_number(0), |before| before.end());
        let end = self.after.map_or(user_end, |after| after.start());
        PageRange::between(start.min(range.start()), end.max(range.end())).unwrap_or(range)
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
    let extent_of = |page: Page| page.number() >> shift;
    let last_extent_of = |range: PageRange| (range.end().number() - 1) >> shift;
    let (mut first, mut end) = (extent_of(range.start()), last_extent_of(range) + 1);
    if before.is_some_and(|before| last_extent_of(before) == first) {
        first += 1;
    }
    if after.is_some_and(|after| extent_of(after.start()) == end - 1) {
        end -= 1;
    }
    end.saturating_sub(first)
}
