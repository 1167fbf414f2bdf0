//! A number finds its node, and the way is short, whatever is chosen.

extern crate std;

use super::{Below, Node, Trie};
use crate::{Id, Slot, Slots};
use proptest::prelude::{prop_assert_eq, proptest};
use std::collections::BTreeMap;
use std::vec::Vec;

struct Number {
    number: u32,
    below: Below<Self>,
}

impl Node for Number {
    type Number = u32;

    fn number(&self) -> u32 {
        self.number
    }

    fn below(&self) -> Below<Self> {
        self.below
    }

    fn below_mut(&mut self) -> &mut Below<Self> {
        &mut self.below
    }
}

struct Tree {
    trie: Trie<Number>,
    slots: Slots<Number>,
}

impl Tree {
    fn with_room(room: usize) -> Self {
        let slots: Vec<Slot<Number>> = (0..room).map(|_| Slot::empty()).collect();
        Self {
            trie: Trie::EMPTY,
            slots: Slots::new(slots.leak()),
        }
    }

    fn insert(&mut self, number: u32) -> Id<Number> {
        let below = [None; 2];
        let id = self.slots.insert(Number { number, below }).expect("room");
        self.trie.insert(&mut self.slots, id, number);
        id
    }

    fn remove(&mut self, id: Id<Number>, number: u32) {
        self.trie.remove(&mut self.slots, id, number);
        self.slots.remove(id);
    }

    fn depth(&self, top: Option<Id<Number>>) -> usize {
        let Some(node) = top.and_then(|id| self.slots.get(id)) else {
            return 0;
        };
        let depths = node.below.map(|below| self.depth(below));
        1 + depths.into_iter().max().unwrap_or(0)
    }
}

#[test]
fn no_choice_of_numbers_makes_a_way_longer_than_a_number_has_bits() {
    let mut tree = Tree::with_room(4000);
    for number in 1..4000 {
        tree.insert(number << 17 | number >> 3);
    }
    let depth = tree.depth(tree.trie.root);
    assert!(depth <= 33, "{depth}");
}

proptest! {
    #[test]
    fn numbers_are_found_until_they_are_taken_out(
        steps in proptest::collection::vec(proptest::prop_oneof![0u32..80, proptest::prelude::any::<u32>()], 1..300)
    ) {
        let mut tree = Tree::with_room(300);
        let mut known = BTreeMap::new();
        for number in steps {
            match known.remove(&number) {
                Some(id) => tree.remove(id, number),
                None => {
                    known.insert(number, tree.insert(number));
                }
            }
            for (number, id) in &known {
                prop_assert_eq!(tree.trie.find(&tree.slots, *number), Some(*id));
            }
            for number in 0..81 {
                prop_assert_eq!(tree.trie.find(&tree.slots, number), known.get(&number).copied());
            }
        }
    }
}
