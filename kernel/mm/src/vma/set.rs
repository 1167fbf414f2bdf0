//! The VMAs of one address space, in order of their addresses and never overlapping.
//!
//! An AVL tree (Adelson-Velsky and Landis) whose nodes are the VMAs themselves, so that putting
//! one in needs no memory beyond its slot. Each node also knows, for the subtree below it, where
//! the first VMA starts, where the last one ends, and the widest gap between two of them, which
//! makes finding room a walk from the root to a leaf (see `gap.rs`). A tree of n VMAs is at most
//! 1.44 log2(n) deep whatever order a program maps in, and so are these recursions.

use super::{Vma, VmaId, Vmas, linked, linked_mut};
use addr::{Page, PageRange};
use core::cmp::Ordering;

/// A VMA's place in its tree.
#[derive(Clone, Copy)]
pub(super) struct Node {
    pub(super) left: Option<VmaId>,
    pub(super) right: Option<VmaId>,
    height: u8,
    /// From the start of the first VMA of the subtree to the end of the last.
    pub(super) hull: PageRange,
    /// Pages of the widest gap between two VMAs of the subtree.
    pub(super) widest_gap: u64,
}

impl Node {
    pub fn alone(range: PageRange) -> Self {
        Self { left: None, right: None, height: 1, hull: range, widest_gap: 0 }
    }
}

/// An ordered set of VMAs.
pub(crate) struct VmaSet {
    pub(super) root: Option<VmaId>,
    count: u32,
}

#[derive(Clone, Copy)]
enum Side {
    Left,
    Right,
}

impl VmaSet {
    pub const EMPTY: Self = Self { root: None, count: 0 };

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
        let range = linked(vmas, id).range;
        linked_mut(vmas, id).node = Node::alone(range);
        self.root = Some(insert_below(vmas, self.root, id, range.start()));
        self.count += 1;
    }

    /// Takes a VMA of this set out.
    pub fn remove(&mut self, vmas: &mut Vmas, id: VmaId) {
        let start = linked(vmas, id).range.start();
        self.root = remove_below(vmas, self.root, start);
        self.count -= 1;
    }

    /// Gives a VMA of this set another range, which keeps its place in the order.
    pub fn resize(&mut self, vmas: &mut Vmas, id: VmaId, range: PageRange) {
        let old = linked(vmas, id).range.start();
        linked_mut(vmas, id).range = range;
        refresh_below(vmas, self.root, old, id);
    }

    /// The VMA that takes up `page`.
    pub fn containing(&self, vmas: &Vmas, page: Page) -> Option<VmaId> {
        self.last_starting_before(vmas, page, Bound::Included)
            .filter(|&id| linked(vmas, id).range.contains(page))
    }

    /// The lowest VMA that ends above `page`: the one that takes it up, or the next one.
    pub fn first_ending_after(&self, vmas: &Vmas, page: Page) -> Option<VmaId> {
        let (mut next, mut best) = (self.root, None);
        while let Some(id) = next {
            let vma = linked(vmas, id);
            if vma.range.end() > page {
                best = Some(id);
                next = vma.node.left;
            } else {
                next = vma.node.right;
            }
        }
        best
    }

    /// The highest VMA that starts below `page`.
    pub fn last_before(&self, vmas: &Vmas, page: Page) -> Option<VmaId> {
        self.last_starting_before(vmas, page, Bound::Excluded)
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
        let nodes = self.root.map_or(Ok(0), |root| audit_below(vmas, root))?;
        if count == self.count && nodes == self.count { Ok(()) } else { Err("VMAs of a set are counted") }
    }

    fn last_starting_before(&self, vmas: &Vmas, page: Page, bound: Bound) -> Option<VmaId> {
        let (mut next, mut best) = (self.root, None);
        while let Some(id) = next {
            let vma = linked(vmas, id);
            let below = match bound {
                Bound::Included => vma.range.start() <= page,
                Bound::Excluded => vma.range.start() < page,
            };
            if below {
                best = Some(id);
                next = vma.node.right;
            } else {
                next = vma.node.left;
            }
        }
        best
    }
}

#[derive(Clone, Copy)]
enum Bound {
    Included,
    Excluded,
}

fn insert_below(vmas: &mut Vmas, tree: Option<VmaId>, new: VmaId, start: Page) -> VmaId {
    let Some(top) = tree else { return new };
    let side = if start < linked(vmas, top).range.start() { Side::Left } else { Side::Right };
    let below = insert_below(vmas, child(vmas, top, side), new, start);
    set_child(vmas, top, side, Some(below));
    balance(vmas, top)
}

fn remove_below(vmas: &mut Vmas, tree: Option<VmaId>, start: Page) -> Option<VmaId> {
    let top = tree.expect("a VMA that is removed is in the set");
    let side = match start.cmp(&linked(vmas, top).range.start()) {
        Ordering::Equal => return unroot(vmas, top),
        Ordering::Less => Side::Left,
        Ordering::Greater => Side::Right,
    };
    let below = remove_below(vmas, child(vmas, top, side), start);
    set_child(vmas, top, side, below);
    Some(balance(vmas, top))
}

/// The subtree of `top` without `top`.
fn unroot(vmas: &mut Vmas, top: VmaId) -> Option<VmaId> {
    let Node { left, right, .. } = linked(vmas, top).node;
    let (Some(left), Some(right)) = (left, right) else { return left.or(right) };
    let (first, rest) = detach_first(vmas, right);
    set_child(vmas, first, Side::Left, Some(left));
    set_child(vmas, first, Side::Right, rest);
    Some(balance(vmas, first))
}

/// The lowest VMA of a subtree, and the subtree without it.
fn detach_first(vmas: &mut Vmas, top: VmaId) -> (VmaId, Option<VmaId>) {
    let Some(left) = child(vmas, top, Side::Left) else { return (top, child(vmas, top, Side::Right)) };
    let (first, rest) = detach_first(vmas, left);
    set_child(vmas, top, Side::Left, rest);
    (first, Some(balance(vmas, top)))
}

/// Works out anew what nodes know, from `target`, which is found as `start`, up to the root.
fn refresh_below(vmas: &mut Vmas, tree: Option<VmaId>, start: Page, target: VmaId) {
    let top = tree.expect("a VMA that is resized is in the set");
    if top != target {
        let side = if start < linked(vmas, top).range.start() { Side::Left } else { Side::Right };
        refresh_below(vmas, child(vmas, top, side), start, target);
    }
    refresh(vmas, top);
}

/// Restores the balance at `top`, whose subtrees are balanced and differ by at most two in
/// height, and answers the new top.
fn balance(vmas: &mut Vmas, top: VmaId) -> VmaId {
    let difference = height(vmas, child(vmas, top, Side::Left)) - height(vmas, child(vmas, top, Side::Right));
    match difference {
        2 => lift(vmas, top, Side::Left),
        -2 => lift(vmas, top, Side::Right),
        _ => {
            refresh(vmas, top);
            top
        }
    }
}

/// Lifts the too tall child on `side` to the top.
fn lift(vmas: &mut Vmas, top: VmaId, side: Side) -> VmaId {
    let tall = child(vmas, top, side).expect("the taller side has a node");
    let (outer, inner) = (child(vmas, tall, side), child(vmas, tall, side.other()));
    if height(vmas, inner) > height(vmas, outer) {
        let lifted = rotate(vmas, tall, side.other());
        set_child(vmas, top, side, Some(lifted));
    }
    rotate(vmas, top, side)
}

/// Puts the child on `side` in the place of `top`.
fn rotate(vmas: &mut Vmas, top: VmaId, side: Side) -> VmaId {
    let up = child(vmas, top, side).expect("only a node can go up");
    let middle = child(vmas, up, side.other());
    set_child(vmas, top, side, middle);
    refresh(vmas, top);
    set_child(vmas, up, side.other(), Some(top));
    refresh(vmas, up);
    up
}

impl Side {
    fn other(self) -> Self {
        match self {
            Self::Left => Self::Right,
            Self::Right => Self::Left,
        }
    }
}

fn child(vmas: &Vmas, id: VmaId, side: Side) -> Option<VmaId> {
    let node = &linked(vmas, id).node;
    match side {
        Side::Left => node.left,
        Side::Right => node.right,
    }
}

fn set_child(vmas: &mut Vmas, id: VmaId, side: Side, to: Option<VmaId>) {
    let node = &mut linked_mut(vmas, id).node;
    match side {
        Side::Left => node.left = to,
        Side::Right => node.right = to,
    }
}

fn height(vmas: &Vmas, tree: Option<VmaId>) -> i32 {
    tree.map_or(0, |id| linked(vmas, id).node.height.into())
}

/// Checks a subtree and answers how many nodes it has.
fn audit_below(vmas: &Vmas, top: VmaId) -> Result<u32, &'static str> {
    let (left, right) = (child(vmas, top, Side::Left), child(vmas, top, Side::Right));
    let count_below = |tree: Option<VmaId>| tree.map_or(Ok(0), |id| audit_below(vmas, id));
    let count = 1 + count_below(left)? + count_below(right)?;
    if (height(vmas, left) - height(vmas, right)).abs() > 1 {
        return Err("a VMA tree is balanced");
    }
    let node = linked(vmas, top).node;
    let expected = knowledge(vmas, top);
    let agree = (node.height, node.hull, node.widest_gap) == (expected.height, expected.hull, expected.widest_gap);
    if agree { Ok(count) } else { Err("a VMA tree knows heights, hulls and gaps") }
}

/// Works out anew what `id` knows about its subtree.
fn refresh(vmas: &mut Vmas, id: VmaId) {
    linked_mut(vmas, id).node = knowledge(vmas, id);
}

/// What `id` should know about its subtree, from what its children know.
fn knowledge(vmas: &Vmas, id: VmaId) -> Node {
    let Vma { range, node, .. } = linked(vmas, id);
    let below = |tree: Option<VmaId>| tree.map(|id| &linked(vmas, id).node);
    let (left, right) = (below(node.left), below(node.right));
    let before = left.map_or(0, |left| range.start().number() - left.hull.end().number());
    let after = right.map_or(0, |right| right.hull.start().number() - range.end().number());
    let start = left.map_or(range.start(), |left| left.hull.start());
    let end = right.map_or(range.end(), |right| right.hull.end());
    let gap_in = |node: Option<&Node>| node.map_or(0, |node| node.widest_gap);
    let height_of = |node: Option<&Node>| node.map_or(0, |node| node.height);
    Node {
        left: node.left,
        right: node.right,
        height: 1 + height_of(left).max(height_of(right)),
        hull: PageRange::between(start, end).expect("a hull is not empty"),
        widest_gap: before.max(after).max(gap_in(left)).max(gap_in(right)),
    }
}
