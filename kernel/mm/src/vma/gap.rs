//! Finding room: the lowest gap between VMAs that is wide enough.

use super::set::{Spot, Subtree};
use super::{Vma, VmaId, VmaSet, Vmas, existing};
use addr::{Page, PageCount, PageRange};

/// Room.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Gap {
    pub range: PageRange,
    pub spot: Spot,
}

/// What is looked for: `pages` pages inside of `within`.
#[derive(Clone, Copy)]
struct Search {
    pages: u64,
    within: PageRange,
}

/// Where something was found: below this VMA, or above all.
type Found = (Page, Option<VmaId>);

impl VmaSet {
    /// The lowest free place for `pages` pages inside of `within`.
    pub fn find_gap(&self, vmas: &Vmas, pages: PageCount, within: PageRange) -> Option<Gap> {
        let search = Search {
            pages: pages.get(),
            within,
        };
        let above_all = || {
            let end = self
                .last()
                .map_or(Page::from_number(0), |last| existing(vmas, last).range.end());
            search.in_gap(end, within.end()).map(|start| (start, None))
        };
        let (start, after) = search.in_tree(vmas, &self.tree).or_else(above_all)?;
        Some(Gap {
            range: PageRange::new(start, pages)?,
            spot: self.spot_below(vmas, after),
        })
    }

    /// The lowest free place for `pages` pages inside of `within` that starts at a multiple of
    /// `multiple` pages. Only gaps that are wide enough for it wherever they start are taken
    /// into account, so that no gap is looked at twice.
    pub fn find_aligned_gap(
        &self,
        vmas: &Vmas,
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

impl Search {
    /// The lowest place in the gap from `start` to `end`, as far as that is in bounds.
    fn in_gap(self, start: Page, end: Page) -> Option<Page> {
        let (start, end) = (start.max(self.within.start()), end.min(self.within.end()));
        (end.number().saturating_sub(start.number()) >= self.pages).then_some(start)
    }

    /// The lowest place in the gaps below the VMAs of a subtree. Passes over subtrees whose widest
    /// gap is too narrow. Where a wide gap is cut by the bounds the answer may only be known after a
    /// look at both children, which happens at most once at each bound.
    fn in_tree<'a>(self, vmas: &'a Vmas, mut tree: &'a Subtree) -> Option<Found> {
        while tree.widest_gap >= self.pages {
            let id = tree.top?;
            let vma = existing(vmas, id);
            if vma.range.start() > self.within.start() {
                let found = self
                    .in_tree(vmas, &vma.node.left)
                    .or_else(|| self.below(vma).map(|start| (start, Some(id))));
                if found.is_some() {
                    return found;
                }
            }
            if vma.range.end() >= self.within.end() {
                return None;
            }
            tree = &vma.node.right;
        }
        None
    }

    fn below(self, vma: &Vma) -> Option<Page> {
        let end = vma.range.start();
        self.in_gap(Page::from_number(end.number() - vma.node.gap), end)
    }
}
