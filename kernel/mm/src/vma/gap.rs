//! Finding room: the lowest gap between VMAs that is wide enough.

use super::set::Summary;
use super::{VmaId, VmaSet, Vmas, linked};
use addr::{Page, PageCount, PageRange};

/// What is looked for: `pages` pages inside of `within`.
#[derive(Clone, Copy)]
struct Search {
    pages: u64,
    within: PageRange,
}

impl VmaSet {
    /// The lowest free place for `pages` pages inside of `within`.
    pub fn find_gap(&self, vmas: &Vmas, pages: PageCount, within: PageRange) -> Option<PageRange> {
        let search = Search {
            pages: pages.get(),
            within,
        };
        let start = search.in_tree(
            vmas,
            (self.root, &self.summary),
            Page::from_number(0),
            within.end(),
        )?;
        PageRange::new(start, pages)
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
    ) -> Option<PageRange> {
        let generous = PageCount::new(pages.get().checked_add(multiple - 1)?)?;
        let gap = self.find_gap(vmas, generous, within)?;
        PageRange::new(
            Page::from_number(gap.start().number().next_multiple_of(multiple)),
            pages,
        )
    }
}

impl Search {
    /// The lowest place in the gap from `start` to `end`, as far as that is in bounds.
    fn in_gap(self, start: Page, end: Page) -> Option<Page> {
        let (start, end) = (start.max(self.within.start()), end.min(self.within.end()));
        (end.number().saturating_sub(start.number()) >= self.pages).then_some(start)
    }

    /// The lowest place in a subtree; what precedes it ends at `before`, what follows starts at
    /// `after`. Passes over subtrees whose widest gap is too narrow. Where a wide gap is cut by
    /// the bounds the answer may only be known after a look at both children, which happens at
    /// most once at each bound.
    fn in_tree(
        self,
        vmas: &Vmas,
        (tree, summary): (Option<VmaId>, &Summary),
        before: Page,
        after: Page,
    ) -> Option<Page> {
        let Some(id) = tree else {
            return self.in_gap(before, after);
        };
        if after <= self.within.start() || before >= self.within.end() {
            return None;
        }
        let first = self.in_gap(before, summary.start);
        if first.is_some() {
            return first;
        }
        if summary.widest_gap < self.pages {
            return self.in_gap(summary.end, after);
        }
        let vma = linked(vmas, id);
        let node = &vma.node;
        self.in_tree(vmas, (node.left, &node.left_summary), before, vma.range.start())
            .or_else(|| self.in_tree(vmas, (node.right, &node.right_summary), vma.range.end(), after))
    }
}
