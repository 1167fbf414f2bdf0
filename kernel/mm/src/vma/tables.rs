//! How many translation tables a VMA adds to an address space.
//!
//! A table is charged to an address space as long as a VMA touches the range of addresses it
//! translates, present or not, so that a touch never lacks one. Since VMAs are in order, whether
//! an extent is touched by others can be told from the two neighbours alone.

use super::{VmaSet, Vmas, linked};
use addr::{Page, PageRange};

/// log2 of the pages that one table translates, at levels 3, 2 and 1. The root is charged with
/// the space.
const TABLE_SHIFTS: [u32; 3] = [9, 18, 27];

/// The VMAs next to a range.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Neighbours {
    pub before: Option<PageRange>,
    pub after: Option<PageRange>,
}

impl VmaSet {
    /// The VMAs next to `range`. What lies inside of it is none of them.
    pub fn neighbours(&self, vmas: &Vmas, range: PageRange) -> Neighbours {
        let before = self.last_before(vmas, range.start());
        let last = Page::from_number(range.end().number() - 1);
        let after = self.first_starting_after(vmas, last);
        let range_of = |id| linked(vmas, id).range();
        Neighbours { before: before.map(range_of), after: after.map(range_of) }
    }

    fn first_starting_after(&self, vmas: &Vmas, page: Page) -> Option<super::VmaId> {
        let (mut next, mut best) = (self.root, None);
        while let Some(id) = next {
            let vma = linked(vmas, id);
            if vma.range.start() > page {
                best = Some(id);
                next = vma.node.left;
            } else {
                next = vma.node.right;
            }
        }
        best
    }
}

impl Neighbours {
    /// From the end of the one to the start of the other: what is vacant when `range` goes.
    pub fn around(&self, range: PageRange) -> PageRange {
        let user_end = addr::VirtAddr::new(abi::layout::USER_END).page();
        let start = self.before.map_or(Page::from_number(0), |before| before.end());
        let end = self.after.map_or(user_end, |after| after.start());
        PageRange::between(start.min(range.start()), end.max(range.end())).unwrap_or(range)
    }
}

/// Tables on the way to the pages of `range` that `neighbours` have no use for.
pub(crate) fn tables_needed(range: PageRange, neighbours: Neighbours) -> u64 {
    let last = range.end().number() - 1;
    let at_level = |shift: u32| {
        let (mut first, end) = (range.start().number() >> shift, (last >> shift) + 1);
        let mut end = end;
        if neighbours.before.is_some_and(|before| (before.end().number() - 1) >> shift == first) {
            first += 1;
        }
        if neighbours.after.is_some_and(|after| after.start().number() >> shift == end - 1) {
            end -= 1;
        }
        end.saturating_sub(first)
    };
    TABLE_SHIFTS.into_iter().map(at_level).sum()
}
