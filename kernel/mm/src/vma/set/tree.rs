//! The tree of a VMA set: insertion, removal, balance.
//!
//! Functions take a subtree and answer what it is afterwards: its top and its summary. A node
//! keeps the summaries of both its subtrees, so bringing it up to date looks at no other node.

use crate::vma::{Vma, VmaId, Vmas, linked, linked_mut};
use addr::{Page, PageRange};

/// A VMA's place in its tree.
#[derive(Clone, Copy)]
pub(in crate::vma) struct Node {
    pub left: Option<VmaId>,
    pub right: Option<VmaId>,
    pub left_summary: Summary,
    pub right_summary: Summary,
}

/// What a node knows about a subtree below it. Of an empty one only the height means anything.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::vma) struct Summary {
    /// Where the first VMA starts.
    pub start: Page,
    /// Where the last VMA ends.
    pub end: Page,
    /// Pages of the widest gap between two VMAs.
    pub widest_gap: u64,
    height: u32,
}

/// A subtree that is not empty.
#[derive(Clone, Copy)]
pub(super) struct Tree {
    pub top: VmaId,
    pub summary: Summary,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Left,
    Right,
}

impl Node {
    pub const ALONE: Self = Self {
        left: None,
        right: None,
        left_summary: Summary::EMPTY,
        right_summary: Summary::EMPTY,
    };

    fn child(&self, side: Side) -> Option<VmaId> {
        match side {
            Side::Left => self.left,
            Side::Right => self.right,
        }
    }

    fn set_child(&mut self, side: Side, tree: Option<Tree>) {
        let (top, summary) = tree.map_or((None, Summary::EMPTY), |tree| (Some(tree.top), tree.summary));
        match side {
            Side::Left => (self.left, self.left_summary) = (top, summary),
            Side::Right => (self.right, self.right_summary) = (top, summary),
        }
    }

    fn subtree(&self, side: Side) -> Option<Tree> {
        let summary = match side {
            Side::Left => self.left_summary,
            Side::Right => self.right_summary,
        };
        self.child(side).map(|top| Tree { top, summary })
    }

    fn height(&self, side: Side) -> u32 {
        match side {
            Side::Left => self.left_summary.height,
            Side::Right => self.right_summary.height,
        }
    }
}

impl Summary {
    pub const EMPTY: Self = Self {
        start: Page::from_number(0),
        end: Page::from_number(0),
        widest_gap: 0,
        height: 0,
    };

    /// Of the subtree with this VMA at its top.
    fn of(range: PageRange, node: &Node) -> Self {
        let (left, right) = (&node.left_summary, &node.right_summary);
        let mut summary = Self {
            start: range.start(),
            end: range.end(),
            widest_gap: 0,
            height: 1 + left.height.max(right.height),
        };
        if left.height > 0 {
            summary.start = left.start;
            summary.widest_gap = left.widest_gap.max(range.start().number() - left.end.number());
        }
        if right.height > 0 {
            summary.end = right.end;
            let gap = right.widest_gap.max(right.start.number() - range.end().number());
            summary.widest_gap = summary.widest_gap.max(gap);
        }
        summary
    }
}

impl Vma {
    fn as_top(&self, id: VmaId) -> Tree {
        Tree {
            top: id,
            summary: Summary::of(self.range, &self.node),
        }
    }
}

/// Puts `new`, which starts at `start`, into a subtree.
pub(super) fn insert(vmas: &mut Vmas, tree: Option<VmaId>, new: VmaId, start: Page) -> Tree {
    let Some(top) = tree else {
        return linked(vmas, new).as_top(new);
    };
    let vma = linked(vmas, top);
    let side = if start < vma.range.start() {
        Side::Left
    } else {
        Side::Right
    };
    let below = insert(vmas, vma.node.child(side), new, start);
    replace_child(vmas, top, side, Some(below))
}

/// Takes the VMA that starts at `start` out of a subtree.
///
/// # Panics
/// If there is none.
pub(super) fn remove(vmas: &mut Vmas, tree: Option<VmaId>, start: Page) -> Option<Tree> {
    let top = tree.expect("a VMA that is removed is in the set");
    let vma = linked(vmas, top);
    if start == vma.range.start() {
        let node = vma.node;
        return unroot(vmas, &node);
    }
    let side = if start < vma.range.start() {
        Side::Left
    } else {
        Side::Right
    };
    let below = remove(vmas, vma.node.child(side), start);
    Some(replace_child(vmas, top, side, below))
}

/// Works out anew what nodes know, from `target`, which is found as `start`, up to the top.
pub(super) fn refresh(vmas: &mut Vmas, tree: Option<VmaId>, start: Page, target: VmaId) -> Summary {
    let top = tree.expect("a VMA that is resized is in the set");
    let vma = linked(vmas, top);
    if top == target {
        return vma.as_top(top).summary;
    }
    let side = if start < vma.range.start() {
        Side::Left
    } else {
        Side::Right
    };
    let child = vma.node.child(side);
    let summary = refresh(vmas, child, start, target);
    let vma = linked_mut(vmas, top);
    vma.node.set_child(side, child.map(|top| Tree { top, summary }));
    vma.as_top(top).summary
}

/// Checks a subtree against what is said about it, and answers how many nodes it has.
pub(super) fn audit(vmas: &Vmas, tree: Option<VmaId>, said: Summary) -> Result<u32, &'static str> {
    let Some(top) = tree else {
        return if said.height == 0 {
            Ok(0)
        } else {
            Err("an empty tree has no height")
        };
    };
    let vma = linked(vmas, top);
    let node = &vma.node;
    let count = 1 + audit(vmas, node.left, node.left_summary)? + audit(vmas, node.right, node.right_summary)?;
    if node.height(Side::Left).abs_diff(node.height(Side::Right)) > 1 {
        return Err("a VMA tree is balanced");
    }
    if said == vma.as_top(top).summary {
        Ok(count)
    } else {
        Err("a VMA tree knows heights, hulls and gaps")
    }
}

/// The subtree of `node` without its top.
fn unroot(vmas: &mut Vmas, node: &Node) -> Option<Tree> {
    let (left, right) = (node.subtree(Side::Left), node.subtree(Side::Right));
    let (Some(_), Some(rest)) = (left, right) else {
        return left.or(right);
    };
    let (first, rest) = detach_first(vmas, rest.top);
    linked_mut(vmas, first).node.set_child(Side::Left, left);
    Some(replace_child(vmas, first, Side::Right, rest))
}

/// The lowest VMA of a subtree, and the subtree without it.
fn detach_first(vmas: &mut Vmas, top: VmaId) -> (VmaId, Option<Tree>) {
    let node = &linked(vmas, top).node;
    let Some(left) = node.left else {
        return (top, node.subtree(Side::Right));
    };
    let (first, rest) = detach_first(vmas, left);
    (first, Some(replace_child(vmas, top, Side::Left, rest)))
}

/// Puts another subtree below `top`, whose height differs by at most one from the one that was
/// there, and restores the balance.
fn replace_child(vmas: &mut Vmas, top: VmaId, side: Side, tree: Option<Tree>) -> Tree {
    let vma = linked_mut(vmas, top);
    vma.node.set_child(side, tree);
    let (left, right) = (vma.node.height(Side::Left), vma.node.height(Side::Right));
    if left > right + 1 {
        lift(vmas, top, Side::Left)
    } else if right > left + 1 {
        lift(vmas, top, Side::Right)
    } else {
        vma.as_top(top)
    }
}

/// Lifts the too tall child on `side` to the top.
fn lift(vmas: &mut Vmas, top: VmaId, side: Side) -> Tree {
    let tall = linked(vmas, top)
        .node
        .child(side)
        .expect("the taller side has a node");
    let node = &linked(vmas, tall).node;
    if node.height(side.other()) > node.height(side) {
        let lifted = rotate(vmas, tall, side.other());
        linked_mut(vmas, top).node.set_child(side, Some(lifted));
    }
    rotate(vmas, top, side)
}

/// Puts the child on `side` in the place of `top`.
fn rotate(vmas: &mut Vmas, top: VmaId, side: Side) -> Tree {
    let up = linked(vmas, top).node.child(side).expect("only a node can go up");
    let middle = linked(vmas, up).node.subtree(side.other());
    let down = linked_mut(vmas, top);
    down.node.set_child(side, middle);
    let down = down.as_top(top);
    let up_vma = linked_mut(vmas, up);
    up_vma.node.set_child(side.other(), Some(down));
    up_vma.as_top(up)
}

impl Side {
    fn other(self) -> Self {
        match self {
            Self::Left => Self::Right,
            Self::Right => Self::Left,
        }
    }
}
