//! Slots by a number that programs choose.
//!
//! The tree branches by the bits of the number, lowest first (Knuth, "The Art of Computer Programming",
//! volume 3, 6.3 "Digital searching"), and its nodes are the objects in the slots. No way in it is longer
//! than a number has bits, whatever anybody chooses, and nothing is allocated.

use crate::{Id, Slots};

/// A node's subtrees: of numbers whose next bit is 0, and 1.
pub type Below<T> = [Option<Id<T>>; 2];

/// What nodes are found by.
pub trait Number: Copy + Eq {
    /// Its lowest bit, 0 or 1, and the others.
    fn split(self) -> (usize, Self);
}

impl Number for u32 {
    fn split(self) -> (usize, Self) {
        (self as usize % 2, self / 2)
    }
}

impl Number for u128 {
    fn split(self) -> (usize, Self) {
        (self as usize % 2, self / 2)
    }
}

/// What can be in a tree.
pub trait Node: Sized + 'static {
    /// What it is found by.
    type Number: Number;
    /// The same of this one.
    fn number(&self) -> Self::Number;
    /// Its subtrees.
    fn below(&self) -> Below<Self>;
    /// The same, to be changed.
    fn below_mut(&mut self) -> &mut Below<Self>;
}

/// A tree, or where it hangs. What it consists of is in the slots.
pub struct Trie<T> {
    root: Option<Id<T>>,
}

/// Where a node may hang.
enum Place<T> {
    Root,
    Below(Id<T>, usize),
}

impl<T: Node> Trie<T> {
    /// An empty one.
    pub const EMPTY: Self = Self { root: None };

    /// The node with this number.
    pub fn find(&self, slots: &Slots<T>, number: T::Number) -> Option<Id<T>> {
        let (mut next, mut bits) = (self.root, number);
        while let Some(id) = next {
            let node = slots.get(id)?;
            if node.number() == number {
                return Some(id);
            }
            let (side, others) = bits.split();
            (next, bits) = (node.below()[side], others);
        }
        None
    }

    /// Puts a node in whose number no other has.
    pub fn insert(&mut self, slots: &mut Slots<T>, id: Id<T>, number: T::Number) {
        let place = self.place_of(slots, number, None);
        self.hang(slots, &place, Some(id));
    }

    /// Takes a node out. Any leaf below it may take its place: their numbers begin with the same bits.
    pub fn remove(&mut self, slots: &mut Slots<T>, id: Id<T>, number: T::Number) {
        let place = self.place_of(slots, number, Some(id));
        let leaf = self.detach_leaf(slots, id);
        let below = slots.get_mut(id).map(|node| core::mem::take(node.below_mut()));
        if let (Some(leaf), Some(below)) = (leaf.and_then(|leaf| slots.get_mut(leaf)), below) {
            *leaf.below_mut() = below;
        }
        self.hang(slots, &place, leaf);
    }

    /// Takes some leaf below `top` out.
    fn detach_leaf(&mut self, slots: &mut Slots<T>, top: Id<T>) -> Option<Id<T>> {
        let lower = |id| {
            let below = slots.get(id).map_or([None; 2], Node::below);
            let side = below.iter().position(Option::is_some)?;
            below[side].map(|child| (Place::Below(id, side), child))
        };
        let (mut place, mut leaf) = lower(top)?;
        while let Some(next) = lower(leaf) {
            (place, leaf) = next;
        }
        self.hang(slots, &place, None);
        Some(leaf)
    }

    /// The place on the way of `number` where `wanted` hangs.
    fn place_of(&self, slots: &Slots<T>, number: T::Number, wanted: Option<Id<T>>) -> Place<T> {
        let (mut place, mut bits) = (Place::Root, number);
        loop {
            let hangs = self.hanging(slots, &place);
            let (side, others) = bits.split();
            match hangs {
                Some(id) if hangs != wanted => place = Place::Below(id, side),
                _ => return place,
            }
            bits = others;
        }
    }

    fn hanging(&self, slots: &Slots<T>, place: &Place<T>) -> Option<Id<T>> {
        match *place {
            Place::Root => self.root,
            Place::Below(id, side) => slots.get(id)?.below()[side],
        }
    }

    fn hang(&mut self, slots: &mut Slots<T>, place: &Place<T>, id: Option<Id<T>>) {
        match *place {
            Place::Root => self.root = id,
            Place::Below(above, side) => {
                if let Some(node) = slots.get_mut(above) {
                    node.below_mut()[side] = id;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
