//! The VMAs of one address space, in order of their addresses and never overlapping.
//!
//! An AVL tree (Adelson-Velsky and Landis) whose nodes are the VMAs themselves, so that putting
//! one in needs no memory beyond its slot. Each node also keeps, for the subtree on each side,
//! where its first VMA starts, where its last one ends, and the widest gap between two of them,
//! which makes finding room a walk from the root to a leaf (see `gap.rs`). A tree of n VMAs is
//! at most 1.44 log2(n) deep whatever order a program maps in, and so are these recursions.

mod tree;

use super::{VmaId, Vmas, linked, linked_mut};
use addr::{Page, PageRange};
pub(super) use tree::{Node, Summary};

/// An ordered set of VMAs.
pub(crate) struct VmaSet {
    pub(super) root: Option<VmaId>,
    pub(super) summary: Summary,
    count: u32,
}

impl VmaSet {
    pub const EMPTY: Self = Self {
        root: None,
        summary: Summary::EMPTY,
        count: 0,
    };

    /// How many VMAs there are.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// Some VMA, as long as there is one.
    pub fn any(&self) -> Option<VmaId> {
        self.root
    }

    /// Puts a VMA in that overlaps no other.
    pub fn insert(&mut self, vmas: &mut Vmas, id: VmaId) {
        let vma = linked_mut(vmas, id);
        vma.node = Node::ALONE;
        let start = vma.range.start();
        let tree = tree::insert(vmas, self.root, id, start);
        (self.root, self.summary) = (Some(tree.top), tree.summary);
        self.count += 1;
    }

    /// Takes a VMA of this set out.
    pub fn remove(&mut self, vmas: &mut Vmas, id: VmaId) {
        let start = linked(vmas, id).range.start();
        let tree = tree::remove(vmas, self.root, start);
        self.root = tree.map(|tree| tree.top);
        self.summary = tree.map_or(Summary::EMPTY, |tree| tree.summary);
        self.count -= 1;
    }

    /// Gives a VMA of this set another range, which keeps its place in the order.
    pub fn resize(&mut self, vmas: &mut Vmas, id: VmaId, range: PageRange) {
        let old = linked(vmas, id).range.start();
        linked_mut(vmas, id).range = range;
        self.summary = tree::refresh(vmas, self.root, old, id);
    }

    /// The VMA that takes up `page`.
    pub fn containing(&self, vmas: &Vmas, page: Page) -> Option<VmaId> {
        self.first_ending_after(vmas, page)
            .filter(|&id| linked(vmas, id).range.start() <= page)
    }

    /// The lowest VMA that ends above `page`: the one that takes it up, or the next one.
    pub fn first_ending_after(&self, vmas: &Vmas, page: Page) -> Option<VmaId> {
        let (mut next, mut best) = (self.root, None);
        while let Some(id) = next {
            let vma = linked(vmas, id);
            if vma.range.end() <= page {
                next = vma.node.right;
                continue;
            }
            best = Some(id);
            if vma.range.start() <= page {
                break;
            }
            next = vma.node.left;
        }
        best
    }

    /// The VMAs that share a page with `range`, lowest first.
    pub fn overlapping<'a>(&'a self, vmas: &'a Vmas, range: PageRange) -> impl Iterator<Item = VmaId> + 'a {
        let mut from = range.start();
        core::iter::from_fn(move || {
            let id = self.first_ending_after(vmas, from)?;
            let found = linked(vmas, id).range;
            from = found.end();
            found.overlaps(range).then_some(id)
        })
    }

    /// All VMAs, lowest first.
    pub fn iter<'a>(&'a self, vmas: &'a Vmas) -> impl Iterator<Item = VmaId> + 'a {
        let mut from = Page::from_number(0);
        core::iter::from_fn(move || {
            let id = self.first_ending_after(vmas, from)?;
            from = linked(vmas, id).range.end();
            Some(id)
        })
    }

    /// Checks order, balance, and what the nodes know.
    ///
    /// # Errors
    /// A sentence about what should be.
    pub fn audit(&self, vmas: &Vmas) -> Result<(), &'static str> {
        let (mut count, mut end) = (0, Page::from_number(0));
        for id in self.iter(vmas) {
            let range = linked(vmas, id).range;
            if range.start() < end {
                return Err("VMAs do not overlap");
            }
            end = range.end();
            count += 1;
        }
        let nodes = tree::audit(vmas, self.root, self.summary)?;
        if count == self.count && nodes == self.count {
            Ok(())
        } else {
            Err("VMAs of a set are counted")
        }
    }
}
