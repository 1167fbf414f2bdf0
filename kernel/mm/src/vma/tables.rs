//! How many translation tables a VMA adds to an address space.
//!
//! A table is charged to an address space as long as a VMA touches the range of addresses it
//! translates, present or not, so that a touch never lacks one. Since VMAs are in order, whether
//! an extent is touched by others can be told from the two neighbours alone. A linked VMA has no
//! use for level-3 tables, and shares no slot with another VMA.

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

    /// One that ends before this page, if it is not 0, and this one, if there is one.
    pub fn between(end: Page, after: Option<PageRange>) -> Self {
        Self {
            before: end,
            after: after.map_or(Self::NONE.after, PageRange::start),
        }
    }

    /// How many pages are free below `range`.
    pub fn below(&self, range: PageRange) -> u64 {
        range.start().number().saturating_sub(self.before.number())
    }

    /// How many are free above it, if there is a higher VMA.
    pub fn above(&self, range: PageRange) -> u64 {
        self.after.number().saturating_sub(range.end().number())
    }

    /// How many are free if `range` goes.
    pub fn apart(&self) -> u64 {
        self.after.number() - self.before.number()
    }

    /// From the end of the one to the start of the other: what is vacant when `range` goes.
    pub fn around(&self, range: PageRange) -> PageRange {
        PageRange::between(self.before, self.after).unwrap_or(range)
    }
}

/// Tables on the way to the pages of `range` that `neighbours` have no use for. A table translates 2^9, 2^18 or 2^27
/// pages; the root is charged with the space.
pub(crate) fn tables_needed(range: PageRange, manner: Manner, neighbours: Neighbours) -> u64 {
    let level = |shift| tables_of_level(shift, range, neighbours);
    // Whoever has a use for the lower tables has one for those above them.
    let lowest = match manner {
        Manner::Paged => match level(9) {
            0 => return 0,
            lowest => lowest,
        },
        Manner::Linked | Manner::Blocks => 0,
    };
    match level(18) {
        0 => lowest,
        middle => lowest + middle + level(27),
    }
}

fn tables_of_level(shift: u32, range: PageRange, Neighbours { before, after }: Neighbours) -> u64 {
    // Below page 0 there is nothing, which is in no extent of a range.
    let last_extent_before = |end: Page| end.number().wrapping_sub(1) >> shift;
    let extent_of = |page: Page| page.number() >> shift;
    let (first, last) = (extent_of(range.start()), last_extent_before(range.end()));
    let shared = u64::from(last_extent_before(before) == first) + u64::from(extent_of(after) == last);
    (last - first + 1).saturating_sub(shared)
}
