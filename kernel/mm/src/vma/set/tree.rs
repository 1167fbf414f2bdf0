//! The tree of a VMA set: insertion, removal, balance.
//!
//! A node keeps what is known about both its subtrees, so bringing it up to date looks at no other
//! node. A change goes from its place up to where it makes no difference any more.

use super::Spot;
use crate::vma::{Found, VmaId, Vmas, existing, existing_mut};

/// A VMA's place in its set.
#[derive(Clone, Copy)]
pub(in crate::vma) struct Node {
    /// The next lower VMA.
    pub before: Option<VmaId>,
    /// The next higher VMA.
    pub after: Option<VmaId>,
    /// Pages between the next lower VMA, or page 0, and this one.
    pub gap: u64,
    pub left: Subtree,
    pub right: Subtree,
    /// What it hangs from, and on which side of that.
    pub up: Option<VmaId>,
    side: Side,
}

/// What hangs on one side of a node; or the whole tree.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(align(8))]
pub(in crate::vma) struct Subtree {
    pub top: Option<VmaId>,
    /// Pages of the widest gap below a VMA in it. A wider one than anything that is ever mapped counts as
    /// [`WIDEST`], so that it goes on being the widest when something is put into it.
    pub widest_gap: u32,
    height: u32,
}

/// 16 TiB.
pub(in crate::vma) const WIDEST: u32 = u32::MAX;

/// One side of a node.
#[derive(Clone, Copy)]
pub(in crate::vma) struct Hook {
    pub node: VmaId,
    pub side: Side,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::vma) enum Side {
    Left,
    Right,
}

impl Subtree {
    pub const EMPTY: Self = Self {
        top: None,
        widest_gap: 0,
        height: 0,
    };
}

impl Node {
    pub const ALONE: Self = Self {
        before: None,
        after: None,
        gap: 0,
        left: Subtree::EMPTY,
        right: Subtree::EMPTY,
        up: None,
        side: Side::Left,
    };

    /// What it hangs from; nothing if it is the root.
    pub fn hook(&self) -> Option<Hook> {
        self.up.map(|node| Hook {
            node,
            side: self.side,
        })
    }

    fn hang_from(&mut self, up: Option<Hook>) {
        self.up = up.map(|hook| hook.node);
        self.side = up.map_or(Side::Left, |hook| hook.side);
    }

    fn on(&self, side: Side) -> &Subtree {
        match side {
            Side::Left => &self.left,
            Side::Right => &self.right,
        }
    }

    fn on_mut(&mut self, side: Side) -> &mut Subtree {
        match side {
            Side::Left => &mut self.left,
            Side::Right => &mut self.right,
        }
    }

    /// Answers whether that counts as another one.
    fn set_gap(&mut self, gap: u64) -> bool {
        let before = self.gap_counted();
        self.gap = gap;
        self.gap_counted() != before
    }

    /// The hook on this side of the node, which is `id`'s, if nothing hangs there.
    fn room(&self, id: VmaId, side: Side) -> Option<Hook> {
        let is_free = self.on(side).top.is_none();
        is_free.then_some(Hook { node: id, side })
    }

    /// Pages of the gap below it, as far as they count.
    pub fn gap_counted(&self) -> u32 {
        u32::try_from(self.gap).unwrap_or(WIDEST)
    }

    /// The subtree with this node, which is `id`'s, at its top.
    fn as_top(&self, id: VmaId) -> Subtree {
        let Self { left, right, .. } = self;
        Subtree {
            top: Some(id),
            widest_gap: left.widest_gap.max(right.widest_gap).max(self.gap_counted()),
            height: 1 + left.height.max(right.height),
        }
    }
}

/// Hangs `new` into the tree at this spot, between its neighbours.
pub(super) fn insert(vmas: &mut Vmas<'_>, root: &mut Subtree, new: VmaId, spot: Spot) {
    let Spot {
        before,
        after,
        neighbours,
    } = spot;
    let range = existing(vmas, new).range();
    // Of two neighbours one is below the other, so there is room at the lower one.
    let mut up = None;
    if let Some(before) = before {
        let node = &mut existing_mut(vmas, before).node;
        node.after = Some(new);
        up = node.room(before, Side::Right);
    }
    let mut changed = None;
    if let Some(after) = after {
        let node = &mut existing_mut(vmas, after).node;
        node.before = Some(new);
        changed = node.set_gap(neighbours.above(range)).then_some(after);
        up = node.room(after, Side::Left).or(up);
    }
    let node = &mut existing_mut(vmas, new).node;
    node.before = before;
    node.after = after;
    node.gap = neighbours.below(range);
    node.hang_from(up);
    let tree = node.as_top(new);
    rise(vmas, root, up, tree);
    refresh_above(vmas, root, up, changed);
}

/// Takes the node of `old`, which is at this spot, out of the tree.
pub(super) fn remove(vmas: &mut Vmas<'_>, root: &mut Subtree, old: VmaId, spot: Spot) {
    let Spot {
        before,
        after,
        neighbours,
    } = spot;
    let node = &existing(vmas, old).node;
    let (left, right, up) = (node.left, node.right, node.hook());
    if let Some(before) = before {
        existing_mut(vmas, before).node.after = after;
    }
    let mut changed = None;
    if let Some(after) = after {
        let node = &mut existing_mut(vmas, after).node;
        node.before = before;
        changed = node.set_gap(neighbours.apart()).then_some(after);
    }
    let (up, tree) = match (left.top, right.top, after) {
        (Some(_), Some(_), Some(after)) => {
            // The next higher one, which has nothing on its left, takes its place.
            let node = &mut existing_mut(vmas, after).node;
            let (rest, hook) = (node.right, node.hook());
            let own = |side| Some(Hook { node: after, side });
            (node.left, node.right) = (left, right);
            node.hang_from(up);
            hang(vmas, left, own(Side::Left));
            let hook = hook.filter(|hook| hook.node != old);
            if hook.is_some() {
                hang(vmas, right, own(Side::Right));
            }
            // It is still to be told above who is there now.
            changed = Some(after);
            (hook.or(own(Side::Right)), rest)
        }
        // The gap below it is another one now.
        (None, Some(next), _) => (up, existing(vmas, next).node.as_top(next)),
        _ => (up, left),
    };
    hang(vmas, tree, up);
    rise(vmas, root, up, tree);
    refresh_above(vmas, root, up, changed);
}

/// Works out anew what is known above the VMA that has `changed`, if any, unless it is where another change began.
fn refresh_above(vmas: &mut Vmas<'_>, root: &mut Subtree, up: Option<Hook>, changed: Option<VmaId>) {
    if let Some(changed) = changed
        && up.is_none_or(|hook| hook.node != changed)
    {
        refresh(vmas, root, changed);
    }
}

/// Works out anew what is known above a VMA whose gap has changed.
pub(super) fn refresh(vmas: &mut Vmas<'_>, root: &mut Subtree, changed: VmaId) {
    let node = &existing(vmas, changed).node;
    let (up, tree) = (node.hook(), node.as_top(changed));
    rise(vmas, root, up, tree);
}

/// Checks a subtree, and answers how many nodes it has.
pub(super) fn audit(vmas: &impl Found, tree: &Subtree) -> Result<u32, &'static str> {
    let Some(top) = tree.top else {
        return if tree.height == 0 {
            Ok(0)
        } else {
            Err("an empty tree has no height")
        };
    };
    let node = &existing(vmas, top).node;
    for side in [Side::Left, Side::Right] {
        let below = node.on(side).top;
        let hook = below.map(|below| existing(vmas, below).node.hook());
        if hook.is_some_and(|hook| hook.map(|hook| (hook.node, hook.side)) != Some((top, side))) {
            return Err("what hangs from a node knows that");
        }
    }
    let count = 1 + audit(vmas, &node.left)? + audit(vmas, &node.right)?;
    if node.left.height.abs_diff(node.right.height) > 1 {
        return Err("a VMA tree is balanced");
    }
    if *tree == node.as_top(top) {
        Ok(count)
    } else {
        Err("a VMA tree knows heights and gaps")
    }
}

/// Whether the top of a whole tree hangs from nothing. For checks.
pub(super) fn is_whole(vmas: &impl Found, tree: &Subtree) -> bool {
    tree.top
        .is_none_or(|top| existing(vmas, top).node.hook().is_none())
}

/// Tells the top of `tree` what it hangs from.
fn hang(vmas: &mut Vmas<'_>, tree: Subtree, up: Option<Hook>) {
    if let Some(top) = tree.top {
        hang_node(vmas, top, up);
    }
}

fn hang_node(vmas: &mut Vmas<'_>, id: VmaId, up: Option<Hook>) {
    existing_mut(vmas, id).node.hang_from(up);
}

/// Puts `tree`, whose height differs by at most one from what hung there, on a hook, and brings up to date
/// what is above it, as far as that is not as before.
#[inline(always)] // so that what goes from level to level is in registers
fn rise(vmas: &mut Vmas<'_>, root: &mut Subtree, up: Option<Hook>, mut tree: Subtree) {
    let (mut up, mut side) = (up.map(|hook| hook.node), up.map_or(Side::Left, |hook| hook.side));
    while let Some(top) = up {
        let node = &mut existing_mut(vmas, top).node;
        let below = node.on_mut(side);
        if *below == tree {
            return;
        }
        *below = tree;
        (up, side) = (node.up, node.side);
        tree = node.as_top(top);
        if node.left.height.abs_diff(node.right.height) > 1 {
            tree = balance(vmas, top);
        }
    }
    *root = tree;
}

/// Lifts the too tall child of `top` into its place.
#[cold]
#[inline(never)]
fn balance(vmas: &mut Vmas<'_>, top: VmaId) -> Subtree {
    let node = &existing(vmas, top).node;
    let (left, right, up) = (node.left, node.right, node.hook());
    let (side, tall) = if left.height > right.height {
        (Side::Left, left.top)
    } else {
        (Side::Right, right.top)
    };
    let tall = tall.expect("the taller side has a node");
    let node = &existing(vmas, tall).node;
    if node.on(side.other()).height > node.on(side).height {
        let lifted = rotate(vmas, tall, side.other());
        *existing_mut(vmas, top).node.on_mut(side) = lifted;
    }
    let tree = rotate(vmas, top, side);
    hang(vmas, tree, up);
    tree
}

/// Puts the child on `side` in the place of `top`.
fn rotate(vmas: &mut Vmas<'_>, top: VmaId, side: Side) -> Subtree {
    let child = existing(vmas, top).node.on(side).top;
    let child = child.expect("only a node can go up");
    let other = side.other();
    let middle = *existing(vmas, child).node.on(other);
    hang(vmas, middle, Some(Hook { node: top, side }));
    let down = &mut existing_mut(vmas, top).node;
    *down.on_mut(side) = middle;
    (down.up, down.side) = (Some(child), other);
    let down = down.as_top(top);
    let up = &mut existing_mut(vmas, child).node;
    *up.on_mut(other) = down;
    up.as_top(child)
}

impl Side {
    fn other(self) -> Self {
        match self {
            Self::Left => Self::Right,
            Self::Right => Self::Left,
        }
    }
}
