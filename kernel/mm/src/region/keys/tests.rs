//! Tests of the tree of keys, against a map.

extern crate std;
use super::{KeyBucket, Keys};
use crate::frame::Promise;
use crate::identity::{Credential, Seconds};
use crate::region::{Contents, Lock, Ownership, Region, RegionId, RegionState, Reserve, Times, Unit};
use abi::process::Pid;
use abi::shm::{Mode, ShmKey};
use addr::PageCount;
use proptest::prelude::{prop_assert_eq, proptest};
use slots::{Slot, Slots};
use std::collections::BTreeMap;
use std::vec::Vec;

fn region(key: i32) -> Region {
    let pages = PageCount::new(1).expect("some");
    Region {
        key: ShmKey(key),
        ownership: Ownership::of_creator(&Credential::ROOT, Mode::from_bits(0o600)),
        bytes: 1,
        pages,
        state: RegionState::Live,
        lock: Lock::Unlocked,
        reserve: Reserve::OnTouch,
        times: Times {
            attach: Seconds(0),
            detach: Seconds(0),
            change: Seconds(0),
        },
        creator: Pid(1),
        last_user: None,
        attached: 0,
        contents: Contents::new(pages, Unit::Page, Promise::none()),
        below: [None; 2],
        next_dead: None,
    }
}

struct Tree {
    keys: Keys,
    slots: Slots<Region>,
}

impl Tree {
    fn with_one_bucket(room: usize) -> Self {
        let slots: Vec<Slot<Region>> = (0..room).map(|_| Slot::empty()).collect();
        Self {
            keys: Keys::new(std::vec![KeyBucket::EMPTY].leak()),
            slots: Slots::new(slots.leak()),
        }
    }

    fn insert(&mut self, key: i32) -> RegionId {
        let id = self.slots.insert(region(key)).expect("room");
        self.keys.insert(&mut self.slots, id, ShmKey(key));
        id
    }

    fn remove(&mut self, id: RegionId, key: i32) {
        self.keys.remove(&mut self.slots, id, ShmKey(key));
        self.slots.remove(id);
    }

    fn depth(&self, top: Option<RegionId>) -> usize {
        let Some(region) = top.and_then(|id| self.slots.get(id)) else {
            return 0;
        };
        1 + region
            .below
            .map(|below| self.depth(below))
            .into_iter()
            .max()
            .unwrap_or(0)
    }
}

#[test]
fn no_choice_of_keys_makes_a_way_longer_than_a_key_has_bits() {
    let mut tree = Tree::with_one_bucket(4000);
    for key in 1..4000 {
        tree.insert(key << 17 | key >> 3);
    }
    let depth = tree.depth(tree.keys.buckets[0].0);
    assert!(depth <= 33, "{depth}");
}

proptest! {
    #[test]
    fn keys_of_one_hash_are_found_until_they_are_forgotten(
        steps in proptest::collection::vec(proptest::prop_oneof![-40i32..40, proptest::prelude::any::<i32>()], 1..300)
    ) {
        let mut tree = Tree::with_one_bucket(300);
        let mut known = BTreeMap::new();
        for key in steps {
            match known.remove(&key) {
                Some(id) => tree.remove(id, key),
                None => {
                    known.insert(key, tree.insert(key));
                }
            }
            for (key, id) in &known {
                prop_assert_eq!(tree.keys.find(&tree.slots, ShmKey(*key)), Some(*id));
            }
            for key in -41..41 {
                prop_assert_eq!(tree.keys.find(&tree.slots, ShmKey(key)), known.get(&key).copied());
            }
        }
    }
}
