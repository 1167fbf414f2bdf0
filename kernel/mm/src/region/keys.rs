//! Regions by key.
//!
//! Keys are hashed into buckets, so that finding one does not depend on how many there are. But
//! programs choose keys, and can choose many for one bucket. So a bucket is no list: it is a tree
//! whose depth is bounded, whatever anybody chooses.

use super::{Region, RegionId};
use abi::shm::ShmKey;
use slots::Slots;
use slots::trie::{Below, Node, Trie};

/// The tree of regions whose keys have the same hash.
pub struct KeyBucket(Trie<Region>);

impl KeyBucket {
    /// An empty one.
    pub const EMPTY: Self = Self(Trie::EMPTY);
}

impl Node for Region {
    type Number = u32;

    fn number(&self) -> u32 {
        self.key.0.cast_unsigned()
    }

    fn below(&self) -> Below<Self> {
        self.below
    }

    fn below_mut(&mut self) -> &mut Below<Self> {
        &mut self.below
    }
}

/// All buckets. What they lead to is in the slots.
pub(super) struct Keys {
    buckets: &'static mut [KeyBucket],
}

impl Keys {
    pub fn new(buckets: &'static mut [KeyBucket]) -> Self {
        Self { buckets }
    }

    /// The region with this key.
    pub fn find(&self, slots: &Slots<Region>, key: ShmKey) -> Option<RegionId> {
        let KeyBucket(tree) = self.buckets.get(self.bucket(key))?;
        tree.find(slots, key.0.cast_unsigned())
    }

    /// Puts a region in whose key no other has.
    pub fn insert(&mut self, slots: &mut Slots<Region>, id: RegionId, key: ShmKey) {
        let bucket = self.bucket(key);
        self.buckets[bucket].0.insert(slots, id, key.0.cast_unsigned());
    }

    /// Takes a region out.
    pub fn remove(&mut self, slots: &mut Slots<Region>, id: RegionId, key: ShmKey) {
        let bucket = self.bucket(key);
        self.buckets[bucket].0.remove(slots, id, key.0.cast_unsigned());
    }

    /// Multiplies by 2^32 divided by the golden ratio (Knuth, "The Art of Computer Programming", volume 3,
    /// 6.4) and scales the result to the number of buckets: keys in sequence, as most programs choose
    /// them, spread evenly.
    fn bucket(&self, key: ShmKey) -> usize {
        let hash = key.0.cast_unsigned().wrapping_mul(0x9e37_79b9);
        ((u64::from(hash) * self.buckets.len() as u64) >> 32) as usize
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::{KeyBucket, Keys};
    use abi::shm::ShmKey;
    use std::vec::Vec;

    #[test]
    fn keys_in_sequence_spread_evenly_over_all_buckets() {
        let buckets: Vec<KeyBucket> = (0..64).map(|_| KeyBucket::EMPTY).collect();
        let keys = Keys::new(buckets.leak());
        let mut counts = [0; 64];
        for key in 0x1267..0x1267 + 640 {
            counts[keys.bucket(ShmKey(key))] += 1;
        }
        assert!(counts.iter().all(|count| (5..=15).contains(count)), "{counts:?}");
    }
}
