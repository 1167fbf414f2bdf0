//! All regions: by identifier, and by key.
//!
//! An identifier is a slot's index and how often the slot was used before, so an identifier
//! that outlived its region finds nothing. Keys are hashed into buckets whose chains run through
//! the regions, so finding one does not depend on how many there are.

use super::{Region, RegionId, RegionState};
use abi::shm::{ShmId, ShmKey};
use slots::{Full, Slot, Slots};

/// Where the chain of regions begins whose keys have the same hash.
pub struct KeyBucket(Option<RegionId>);

impl KeyBucket {
    /// An empty one.
    pub const EMPTY: Self = Self(None);
}

/// All regions.
pub(crate) struct RegionTable {
    slots: Slots<Region>,
    buckets: &'static mut [KeyBucket],
    /// Regions that an identifier finds.
    identified: u32,
    /// Pages of these.
    pages: u64,
    /// No region in use has a higher index than this.
    highest: u32,
}

impl RegionTable {
    pub fn new(slots: &'static mut [Slot<Region>], buckets: &'static mut [KeyBucket]) -> Self {
        Self {
            slots: Slots::new(slots),
            buckets,
            identified: 0,
            pages: 0,
            highest: 0,
        }
    }

    /// Regions that an identifier finds.
    pub fn identified(&self) -> u32 {
        self.identified
    }

    /// Pages of all regions that an identifier finds.
    pub fn pages(&self) -> u64 {
        self.pages
    }

    /// How many regions there can be.
    pub fn capacity(&self) -> u32 {
        self.slots.capacity()
    }

    /// Whether no slot is free.
    pub fn is_full(&self) -> bool {
        self.slots.available() == 0
    }

    pub fn get(&self, id: RegionId) -> Option<&Region> {
        self.slots.get(id)
    }

    pub fn get_mut(&mut self, id: RegionId) -> Option<&mut Region> {
        self.slots.get_mut(id)
    }

    /// All regions, those that are being taken apart included.
    pub fn iter(&self) -> impl Iterator<Item = (RegionId, &Region)> {
        self.slots.iter()
    }

    /// The region with this identifier, unless it is dead.
    pub fn by_identifier(&self, id: ShmId) -> Option<RegionId> {
        self.by_index(id.index())
            .filter(|&found| Self::identifier(found) == id)
    }

    /// The region at this index, unless it is dead.
    pub fn by_index(&self, index: u32) -> Option<RegionId> {
        let found = self.slots.id_at(index)?;
        let region = self.slots.get(found)?;
        (region.state != RegionState::Dead).then_some(found)
    }

    /// The region with this key.
    pub fn by_key(&self, key: ShmKey) -> Option<RegionId> {
        let mut next = self.buckets.get(self.bucket(key))?.0;
        while let Some(id) = next {
            let region = self.slots.get(id)?;
            if region.key == key {
                return Some(id);
            }
            next = region.next_in_bucket;
        }
        None
    }

    /// What user programs call this region.
    pub fn identifier(id: RegionId) -> ShmId {
        ShmId::from_parts(id.index(), id.generation())
    }

    /// Puts a region in, under its key if it has one.
    ///
    /// # Errors
    /// [`Full`] if no slot is free.
    pub fn insert(&mut self, region: Region) -> Result<RegionId, Full> {
        let (key, pages) = (region.key, region.pages.get());
        let id = self.slots.insert(region)?;
        self.identified += 1;
        self.pages += pages;
        self.highest = self.highest.max(id.index());
        self.chain(id, key);
        Ok(id)
    }

    /// Makes the key find nothing from now on.
    pub fn forget_key(&mut self, id: RegionId) {
        let Some(region) = self.slots.get_mut(id) else {
            return;
        };
        let key = core::mem::replace(&mut region.key, ShmKey::PRIVATE);
        let after = region.next_in_bucket.take();
        if key == ShmKey::PRIVATE {
            return;
        }
        let bucket = self.bucket(key);
        if self.buckets[bucket].0 == Some(id) {
            self.buckets[bucket].0 = after;
            return;
        }
        let mut next = self.buckets[bucket].0;
        while let Some(region) = next.and_then(|before| self.slots.get_mut(before)) {
            if region.next_in_bucket == Some(id) {
                region.next_in_bucket = after;
                return;
            }
            next = region.next_in_bucket;
        }
    }

    /// Makes key and identifier find nothing from now on.
    pub fn forget(&mut self, id: RegionId) {
        self.forget_key(id);
        if let Some(region) = self.slots.get_mut(id) {
            region.state = RegionState::Dead;
            self.identified -= 1;
            self.pages -= region.pages.get();
        }
    }

    /// Frees the slot of a region that was taken apart.
    pub fn remove(&mut self, id: RegionId) -> Option<Region> {
        self.slots.remove(id)
    }

    /// The highest index that finds a region, 0 if none does.
    ///
    /// Looks from the last answer downwards, so that each step is paid for by a creation.
    pub fn highest_index(&mut self) -> u32 {
        while self.highest > 0 && self.by_index(self.highest).is_none() {
            self.highest -= 1;
        }
        self.highest
    }

    fn chain(&mut self, id: RegionId, key: ShmKey) {
        if key == ShmKey::PRIVATE {
            return;
        }
        let bucket = self.bucket(key);
        let first = self.buckets[bucket].0.replace(id);
        if let Some(region) = self.slots.get_mut(id) {
            region.next_in_bucket = first;
        }
    }

    /// Multiplies by 2^32 divided by the golden ratio (Knuth, "The Art of Computer
    /// Programming", volume 3, 6.4) and scales the result to the number of buckets: keys in
    /// sequence, as programs choose them, spread evenly.
    fn bucket(&self, key: ShmKey) -> usize {
        let hash = key.0.cast_unsigned().wrapping_mul(0x9e37_79b9);
        ((u64::from(hash) * self.buckets.len() as u64) >> 32) as usize
    }
}
