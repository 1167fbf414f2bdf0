//! Finding room: the lowest gap between VMAs that is wide enough.

use super::set::{Node, Side, Spot, Subtree};
use super::{Neighbours, VmaId, VmaSet, Vmas, existing};
use addr::{Page, PageCount, PageRange};

/// Room.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Gap {
    pub range: PageRange,
    pub spot: Spot,
}

impl VmaSet {
    /// The lowest free place for `pages` pages inside of `within`.
    pub fn find_gap(&self, vmas: &Vmas<'_>, pages: PageCount, within: PageRange) -> Option<Gap> {
        let width = u32::try_from(pages.get()).ok()?;
        let place = |start: Page, end: Page| {
            let start = start.max(within.start());
            PageRange::new(start, pages).filter(|range| range.end() <= end.min(within.end()))
        };
        // What the bounds cut off may leave too little of a gap, which happens at most once at each of them.
        let mut next = self.first_ending_after(vmas, within.start());
        while let Some(id) = next {
            let vma = existing(vmas, id);
            let end = vma.range.start();
            if let Some(range) = place(vma.end_below(), end) {
                let (before, after) = (vma.before(), next);
                let neighbours = Neighbours::between(vma.end_below(), Some(vma.range));
                return Some(Gap {
                    range,
                    spot: Spot {
                        before,
                        after,
                        neighbours,
                    },
                });
            }
            next = next_below_gap(vmas, &vma.node, width).filter(|_| end < within.end());
        }
        let spot = self.spot_below(vmas, None);
        place(self.end(vmas), within.end()).map(|range| Gap { range, spot })
    }

    /// The lowest free place for `pages` pages inside of `within` that starts at a multiple of
    /// `multiple` pages. Only gaps that are wide enough for it wherever they start are taken
    /// into account, so that no gap is looked at twice.
    pub fn find_aligned_gap(
        &self,
        vmas: &Vmas<'_>,
        pages: PageCount,
        multiple: u64,
        within: PageRange,
    ) -> Option<Gap> {
        let generous = PageCount::new(pages.get().checked_add(multiple - 1)?)?;
        let Gap { range, spot } = self.find_gap(vmas, generous, within)?;
        let start = Page::from_number(range.start().number().next_multiple_of(multiple));
        Some(Gap {
            range: PageRange::new(start, pages)?,
            spot,
        })
    }
}

/// The lowest VMA above this node that has a gap of so many pages below it.
fn next_below_gap(vmas: &Vmas<'_>, node: &Node, width: u32) -> Option<VmaId> {
    let mut node = node;
    loop {
        if node.right.widest_gap >= width {
            return lowest_below_gap(vmas, &node.right, width);
        }
        loop {
            let hook = node.hook()?;
            node = &existing(vmas, hook.node).node;
            if hook.side == Side::Left {
                if node.gap_counted() >= width {
                    return Some(hook.node);
                }
                break;
            }
        }
    }
}

/// The lowest VMA of a subtree that has a gap of so many pages below it.
fn lowest_below_gap(vmas: &Vmas<'_>, tree: &Subtree, width: u32) -> Option<VmaId> {
    let mut tree = tree;
    loop {
        let id = tree.top?;
        let node = &existing(vmas, id).node;
        if node.left.widest_gap >= width {
            tree = &node.left;
        } else if node.gap_counted() >= width {
            return Some(id);
        } else {
            tree = &node.right;
        }
    }
}
