//! The VMAs of one address space, in order of their addresses and never overlapping.
//!
//! An AVL tree (Adelson-Velsky and Landis) whose nodes are the VMAs themselves, so that putting
//! one in needs no memory beyond its slot. A tree of n VMAs is at most 1.44 log2(n) deep whatever
//! order a program maps in. Each VMA also knows its two neighbours and how wide the gap below it
//! is; each node knows the widest gap in the subtrees on both sides, which makes finding room a
//! walk from the root to a leaf (see `gap.rs`).

mod tree;

use super::{Found, Neighbours, Vma, VmaId, Vmas, existing, existing_mut};
use addr::{Page, PageRange};
pub(super) use tree::{Node, Side, Subtree};

/// An ordered set of VMAs.
pub(crate) struct VmaSet {
    pub(super) tree: Subtree,
    /// The highest.
    last: Option<VmaId>,
    /// Where something happened last: most often the next thing happens there too.
    recent: Option<VmaId>,
    count: u32,
}

/// Between which VMAs something is, or is to be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Spot {
    pub before: Option<VmaId>,
    pub after: Option<VmaId>,
    /// Where these end and begin.
    pub neighbours: Neighbours,
}

impl VmaSet {
    pub const EMPTY: Self = Self {
        tree: Subtree::EMPTY,
        last: None,
        recent: None,
        count: 0,
    };

    /// How many VMAs there are.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// The lowest VMA.
    pub fn first(&self, vmas: &impl Found) -> Option<VmaId> {
        self.search(vmas, Page::from_number(0))
    }

    /// The highest VMA.
    pub fn last(&self) -> Option<VmaId> {
        self.last
    }

    /// The spot of a VMA of this set.
    pub fn spot_of(vmas: &impl Found, id: VmaId) -> Spot {
        let vma = existing(vmas, id);
        let (before, after) = (vma.before(), vma.after());
        let above = after.map(|after| existing(vmas, after).range);
        Spot {
            before,
            after,
            neighbours: Neighbours::between(vma.end_below(), above),
        }
    }

    /// The spot below `after`, or above all.
    pub fn spot_below(&self, vmas: &impl Found, after: Option<VmaId>) -> Spot {
        let (before, end, above) = match after {
            Some(after) => {
                let above = existing(vmas, after);
                (above.before(), above.end_below(), Some(above.range))
            }
            None => (self.last, self.end(vmas), None),
        };
        Spot {
            before,
            after,
            neighbours: Neighbours::between(end, above),
        }
    }

    /// The first page behind all VMAs.
    pub fn end(&self, vmas: &impl Found) -> Page {
        self.last
            .map_or(Page::from_number(0), |last| existing(vmas, last).range.end())
    }

    /// Puts a VMA in that is in no set and overlaps no other, at the spot where it belongs.
    pub fn insert(&mut self, vmas: &mut Vmas<'_>, id: VmaId, spot: Spot) {
        tree::insert(vmas, &mut self.tree, id, spot);
        if spot.after.is_none() {
            self.last = Some(id);
        }
        self.recent = Some(id);
        self.count += 1;
    }

    /// Takes a VMA of this set out. Answers between what it was.
    pub fn remove(&mut self, vmas: &mut Vmas<'_>, id: VmaId) -> Neighbours {
        let spot = Self::spot_of(vmas, id);
        tree::remove(vmas, &mut self.tree, id, spot);
        if spot.after.is_none() {
            self.last = spot.before;
        }
        if self.recent == Some(id) {
            self.recent = spot.before.or(spot.after);
        }
        self.count -= 1;
        spot.neighbours
    }

    /// Notes that what follows will be about a VMA of this set, or one beside it.
    pub fn expect_at(&mut self, id: VmaId) {
        self.recent = Some(id);
    }

    /// Gives a VMA of this set another range, which keeps its place in the order.
    pub fn resize(&mut self, vmas: &mut Vmas<'_>, id: VmaId, range: PageRange) {
        let Spot {
            after, neighbours, ..
        } = Self::spot_of(vmas, id);
        let vma = existing_mut(vmas, id);
        vma.range = range;
        vma.node.gap = neighbours.below(range);
        tree::refresh(vmas, &mut self.tree, id);
        if let Some(after) = after {
            existing_mut(vmas, after).node.gap = neighbours.above(range);
            tree::refresh(vmas, &mut self.tree, after);
        }
    }

    /// The VMA that takes up `page`.
    pub fn containing(&self, vmas: &impl Found, page: Page) -> Option<VmaId> {
        self.first_ending_after(vmas, page)
            .filter(|&id| existing(vmas, id).range.start() <= page)
    }

    /// The lowest VMA that ends above `page`: the one that takes it up, or the next one.
    pub fn first_ending_after(&self, vmas: &impl Found, page: Page) -> Option<VmaId> {
        self.near_recent(vmas, page)
            .unwrap_or_else(|| self.search(vmas, page))
    }

    /// What the recent VMA or one of its neighbours answers, if it is up to them.
    fn near_recent(&self, vmas: &impl Found, page: Page) -> Option<Option<VmaId>> {
        let recent = self.recent?;
        let vma = existing(vmas, recent);
        let ends_after = |id: VmaId| existing(vmas, id).range.end() > page;
        if page < vma.range.start() {
            return (!vma.before().is_some_and(ends_after)).then_some(Some(recent));
        }
        if page < vma.range.end() {
            return Some(Some(recent));
        }
        vma.after().is_none_or(ends_after).then_some(vma.after())
    }

    fn search(&self, vmas: &impl Found, page: Page) -> Option<VmaId> {
        let (mut next, mut best) = (self.tree.top, None);
        while let Some(id) = next {
            let vma = existing(vmas, id);
            if vma.range.end() <= page {
                next = vma.node.right.top;
                continue;
            }
            best = Some(id);
            if vma.range.start() <= page {
                break;
            }
            next = vma.node.left.top;
        }
        best
    }

    /// The VMAs that share a page with `range`, lowest first.
    pub fn overlapping<'a>(
        &'a self,
        vmas: &'a impl Found,
        range: PageRange,
    ) -> impl Iterator<Item = VmaId> + 'a {
        let first = self.first_ending_after(vmas, range.start());
        core::iter::successors(first, |&id| existing(vmas, id).after())
            .take_while(move |&id| existing(vmas, id).range.start() < range.end())
    }

    /// All VMAs, lowest first.
    pub fn iter<'a, V: Found>(&self, vmas: &'a V) -> impl Iterator<Item = VmaId> + use<'a, V> {
        core::iter::successors(self.first(vmas), |&id| existing(vmas, id).after())
    }

    /// Checks order, balance, and what the nodes know.
    ///
    /// # Errors
    /// A sentence about what should be.
    pub fn audit(&self, vmas: &impl Found) -> Result<(), &'static str> {
        let (mut count, mut end, mut before) = (0, Page::from_number(0), None);
        for id in self.iter(vmas).take(self.count as usize + 1) {
            let vma = existing(vmas, id);
            let gap = vma.range.start().number().checked_sub(end.number());
            if gap.is_none_or(|gap| gap != vma.node.gap) {
                return Err("VMAs do not overlap, and know how far they are apart");
            }
            let start = vma.range.start();
            let found = [self.search(vmas, start), self.first_ending_after(vmas, start)];
            if vma.before() != before || found != [Some(id); 2] {
                return Err("VMAs are neighbours in the order they have in their tree");
            }
            (before, end) = (Some(id), vma.range.end());
            count += 1;
        }
        if !tree::is_whole(vmas, &self.tree) {
            return Err("the top of a VMA tree hangs from nothing");
        }
        let nodes = tree::audit(vmas, &self.tree)?;
        if count == self.count && nodes == self.count && before == self.last {
            Ok(())
        } else {
            Err("VMAs of a set are counted")
        }
    }
}

impl Vma {
    /// The next lower VMA of its set.
    pub(crate) fn before(&self) -> Option<VmaId> {
        self.node.before
    }

    /// The next higher VMA of its set.
    pub(crate) fn after(&self) -> Option<VmaId> {
        self.node.after
    }

    /// Where the next lower VMA ends.
    pub(super) fn end_below(&self) -> Page {
        Page::from_number(self.range.start().number() - self.node.gap)
    }
}

#[cfg(test)]
mod tests;
