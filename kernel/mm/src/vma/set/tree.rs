//! The tree of a VMA set: insertion, removal, balance.
//!
//! A node keeps what is known about both its subtrees, so bringing it up to date looks at no other
//! node. Every change goes from its place up to the root.

use crate::vma::{Vma, VmaId, Vmas, existing, existing_mut};

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
    up: Option<VmaId>,
    side: Side,
}

/// What hangs on one side of a node; or the whole tree.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::vma) struct Subtree {
    pub top: Option<VmaId>,
    /// Pages of the widest gap below a VMA in it.
    pub widest_gap: u64,
    height: u32,
}

/// One side of a node.
#[derive(Clone, Copy)]
struct Hook {
    node: VmaId,
    side: Side,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
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

    fn hook(&self) -> Option<Hook> {
        self.up.map(|node| Hook {
            node,
            side: self.side,
        })
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

    /// The subtree with this node, which is `id`'s, at its top.
    fn as_top(&self, id: VmaId) -> Subtree {
        let Self { gap, left, right, .. } = self;
        Subtree {
            top: Some(id),
            widest_gap: left.widest_gap.max(right.widest_gap).max(*gap),
            height: 1 + left.height.max(right.height),
        }
    }
}

/// Hangs `new` into the tree, between its neighbours.
pub(super) fn insert(vmas: &mut Vmas, root: &mut Subtree, new: VmaId) {
    let node = &existing(vmas, new).node;
    // Of two neighbours one is below the other, so there is room at the lower one.
    let above = |id, side| {
        let is_free = existing(vmas, id).node.on(side).top.is_none();
        is_free.then_some(Hook { node: id, side })
    };
    let below_after = node.after.and_then(|after| above(after, Side::Left));
    let up = below_after.or_else(|| node.before.and_then(|before| above(before, Side::Right)));
    let tree = node.as_top(new);
    hang(vmas, tree, up);
    rise(vmas, root, up, tree);
}

/// Takes `old` out of the tree. Its neighbours know each other already.
pub(super) fn remove(vmas: &mut Vmas, root: &mut Subtree, old: VmaId) {
    let node = &existing(vmas, old).node;
    let Node {
        after, left, right, ..
    } = *node;
    let up = node.hook();
    match (left.top, right.top, after) {
        (Some(_), Some(_), Some(after)) => {
            // The next higher one, which has nothing on its left, takes its place.
            let node = &existing(vmas, after).node;
            let (rest, hook) = (node.right, node.hook());
            let own = Hook {
                node: after,
                side: Side::Right,
            };
            let hook = hook.filter(|hook| hook.node != old).unwrap_or(own);
            existing_mut(vmas, after).node.left = left;
            hang_node(vmas, after, up);
            hang(
                vmas,
                left,
                Some(Hook {
                    side: Side::Left,
                    ..own
                }),
            );
            if hook.node != after {
                hang(vmas, right, Some(own));
            }
            hang(vmas, rest, Some(hook));
            rise(vmas, root, Some(hook), rest);
        }
        (None, Some(next), _) => {
            // The gap below it is another one now.
            let tree = existing(vmas, next).node.as_top(next);
            hang(vmas, tree, up);
            rise(vmas, root, up, tree);
        }
        _ => {
            hang(vmas, left, up);
            rise(vmas, root, up, left);
        }
    }
}

/// Works out anew what is known above a VMA whose gap has changed.
pub(super) fn refresh(vmas: &mut Vmas, root: &mut Subtree, changed: VmaId) {
    let node = &existing(vmas, changed).node;
    let (up, tree) = (node.hook(), node.as_top(changed));
    rise(vmas, root, up, tree);
}

/// Checks a subtree, and answers how many nodes it has.
pub(super) fn audit(vmas: &Vmas, tree: &Subtree) -> Result<u32, &'static str> {
    let Some(top) = tree.top else {
        return if tree.height == 0 {
            Ok(0)
        } else {
            Err("an empty tree has no height")
        };
    };
    let node = &existing(vmas, top).node;
    for side in [Side::Left, Side::Right] {
        let hook = node
            .on(side)
            .top
            .and_then(|below| existing(vmas, below).node.hook());
        if hook.is_some_and(|hook| (hook.node, hook.side) != (top, side)) {
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

/// Tells the top of `tree` what it hangs from.
fn hang(vmas: &mut Vmas, tree: Subtree, up: Option<Hook>) {
    if let Some(top) = tree.top {
        hang_node(vmas, top, up);
    }
}

fn hang_node(vmas: &mut Vmas, id: VmaId, up: Option<Hook>) {
    let node = &mut existing_mut(vmas, id).node;
    node.up = up.map(|hook| hook.node);
    node.side = up.map_or(Side::Left, |hook| hook.side);
}

/// Puts `tree`, whose height differs by at most one from what hung there, on a hook, and brings all
/// above it up to date.
#[inline(always)] // so that what goes from level to level is in registers
fn rise(vmas: &mut Vmas, root: &mut Subtree, mut up: Option<Hook>, mut tree: Subtree) {
    while let Some(Hook { node: top, side }) = up {
        let node = &mut existing_mut(vmas, top).node;
        *node.on_mut(side) = tree;
        up = node.hook();
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
fn balance(vmas: &mut Vmas, top: VmaId) -> Subtree {
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
fn rotate(vmas: &mut Vmas, top: VmaId, side: Side) -> Subtree {
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

impl Vma {
    /// The next lower VMA of its set.
    pub(crate) fn before(&self) -> Option<VmaId> {
        self.node.before
    }

    /// The next higher VMA of its set.
    pub(crate) fn after(&self) -> Option<VmaId> {
        self.node.after
    }
}
