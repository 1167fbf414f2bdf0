//! Regions by key.
//!
//! Keys are hashed into buckets, so that finding one does not depend on how many there are. But
//! programs choose keys, and can choose many for one bucket. So a bucket is no list: it is a tree
//! that branches by the bits of the key, lowest first (Knuth, "The Art of Computer Programming",
//! volume 3, 6.3 "Digital searching"), whose nodes are the regions. No way in it is longer than a
//! key has bits, whatever anybody chooses.

use super::{Region, RegionId};
use abi::shm::ShmKey;
use slots::Slots;

/// The root of the tree of regions whose keys have the same hash.
pub struct KeyBucket(Option<RegionId>);

impl KeyBucket {
    /// An empty one.
    pub const EMPTY: Self = Self(None);
}

/// A region's subtrees: of keys whose next bit is 0, and 1.
pub(super) type Below = [Option<RegionId>; 2];

/// All buckets. What they lead to is in the slots.
pub(super) struct Keys {
    buckets: &'static mut [KeyBucket],
}

/// Where a region may hang.
#[derive(Clone, Copy)]
enum Place {
    Bucket(usize),
    Below(RegionId, usize),
}

impl Keys {
    pub fn new(buckets: &'static mut [KeyBucket]) -> Self {
        Self { buckets }
    }

    /// The region with this key.
    pub fn find(&self, slots: &Slots<Region>, key: ShmKey) -> Option<RegionId> {
        let (mut next, mut bits) = (self.buckets.get(self.bucket(key))?.0, bits(key));
        while let Some(id) = next {
            let region = slots.get(id)?;
            if region.key == key {
                return Some(id);
            }
            next = region.below[bits % 2];
            bits /= 2;
        }
        None
    }

    /// Puts a region in whose key no other has.
    pub fn insert(&mut self, slots: &mut Slots<Region>, id: RegionId, key: ShmKey) {
        let place = self.place_of(slots, key, None);
        self.hang(slots, place, Some(id));
    }

    /// Takes a region out. Any leaf below it may take its place: their keys begin with the same bits.
    pub fn remove(&mut self, slots: &mut Slots<Region>, id: RegionId, key: ShmKey) {
        let place = self.place_of(slots, key, Some(id));
        let leaf = self.detach_leaf(slots, id);
        let below = slots.get_mut(id).map(|region| core::mem::take(&mut region.below));
        if let (Some(leaf), Some(below)) = (leaf.and_then(|leaf| slots.get_mut(leaf)), below) {
            leaf.below = below;
        }
        self.hang(slots, place, leaf);
    }

    /// Takes some leaf below `top` out.
    fn detach_leaf(&mut self, slots: &mut Slots<Region>, top: RegionId) -> Option<RegionId> {
        let lower = |id| {
            let below = slots.get(id).map_or([None; 2], |region| region.below);
            let side = below.iter().position(Option::is_some)?;
            below[side].map(|child| (Place::Below(id, side), child))
        };
        let (mut place, mut leaf) = lower(top)?;
        while let Some(next) = lower(leaf) {
            (place, leaf) = next;
        }
        self.hang(slots, place, None);
        Some(leaf)
    }

    /// The place on the way of `key` where `wanted` hangs.
    fn place_of(&self, slots: &Slots<Region>, key: ShmKey, wanted: Option<RegionId>) -> Place {
        let (mut place, mut bits) = (Place::Bucket(self.bucket(key)), bits(key));
        loop {
            let hangs = self.hanging(slots, place);
            match hangs {
                Some(id) if hangs != wanted => place = Place::Below(id, bits % 2),
                _ => return place,
            }
            bits /= 2;
        }
    }

    fn hanging(&self, slots: &Slots<Region>, place: Place) -> Option<RegionId> {
        match place {
            Place::Bucket(bucket) => self.buckets[bucket].0,
            Place::Below(id, side) => slots.get(id)?.below[side],
        }
    }

    fn hang(&mut self, slots: &mut Slots<Region>, place: Place, id: Option<RegionId>) {
        match place {
            Place::Bucket(bucket) => self.buckets[bucket].0 = id,
            Place::Below(above, side) => {
                if let Some(region) = slots.get_mut(above) {
                    region.below[side] = id;
                }
            }
        }
    }

    /// Multiplies by 2^32 divided by the golden ratio (Knuth, volume 3, 6.4) and scales the result
    /// to the number of buckets: keys in sequence, as most programs choose them, spread evenly.
    fn bucket(&self, key: ShmKey) -> usize {
        let hash = key.0.cast_unsigned().wrapping_mul(0x9e37_79b9);
        ((u64::from(hash) * self.buckets.len() as u64) >> 32) as usize
    }
}

fn bits(key: ShmKey) -> usize {
    key.0.cast_unsigned() as usize
}

#[cfg(test)]
mod tests;
