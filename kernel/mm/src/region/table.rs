//! All regions: by identifier, and by key.
//!
//! An identifier is a slot's index and how often the slot was used before, so an identifier
//! that outlived its region finds nothing.

use super::keys::{KeyBucket, Keys};
use super::{Region, RegionId, RegionState};
use abi::shm::{ShmId, ShmKey};
use slots::{Full, Owner, Parts, Slot, Slots, Turns};

/// All regions.
pub(crate) struct RegionTable {
    slots: Slots<Region>,
    keys: Keys,
    /// Regions that an identifier finds.
    identified: u32,
    /// Regions that only handles find.
    unnamed: u32,
    /// Pages of all these.
    pages: u64,
    /// No region in use has a higher index than this.
    highest: u32,
}

impl RegionTable {
    pub fn new(slots: &'static mut [Slot<Region>], buckets: &'static mut [KeyBucket]) -> Self {
        Self {
            slots: Slots::new(slots),
            keys: Keys::new(buckets),
            identified: 0,
            unnamed: 0,
            pages: 0,
            highest: 0,
        }
    }

    /// Regions that an identifier finds.
    pub fn identified(&self) -> u32 {
        self.identified
    }

    /// Regions that something finds.
    pub fn found(&self) -> u32 {
        self.identified + self.unnamed
    }

    /// Pages of all regions that something finds.
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

    /// All regions, for `taker` to take.
    pub fn turns(&mut self, taker: Owner) -> Turns<'_, Region> {
        self.slots.turns(taker)
    }

    /// Where they are.
    pub fn parts(&self) -> Parts<[Slot<Region>]> {
        self.slots.parts()
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

    /// The region with this identifier, if an identifier finds it.
    pub fn by_identifier(&self, id: ShmId) -> Option<RegionId> {
        self.by_index(id.index())
            .filter(|&found| Self::identifier(found) == id)
    }

    /// The region at this index, if an identifier finds it.
    pub fn by_index(&self, index: u32) -> Option<RegionId> {
        let found = self.slots.id_at(index)?;
        let region = self.slots.get(found)?;
        region.is_identified().then_some(found)
    }

    /// The region with this key.
    pub fn by_key(&self, key: ShmKey) -> Option<RegionId> {
        self.keys.find(&self.slots, key)
    }

    /// What user programs call this region.
    pub fn identifier(id: RegionId) -> ShmId {
        ShmId::from_parts(id.index(), id.generation())
    }

    /// Puts a region in, under its key if it has one.
    ///
    /// # Errors
    /// [`Full`] if no slot is free.
    #[inline] // so that it is made where it is to be
    pub fn insert(&mut self, region: Region) -> Result<RegionId, Full> {
        let (key, pages, state) = (region.key, region.pages().get(), region.state);
        let id = self.slots.insert(region)?;
        self.pages += pages;
        *self.count_of(state) += 1;
        if state != RegionState::Unnamed {
            self.highest = self.highest.max(id.index());
        }
        if key != ShmKey::PRIVATE {
            self.keys.insert(&mut self.slots, id, key);
        }
        Ok(id)
    }

    /// Lets an identifier, and this key if it is one, find an unnamed region from now on.
    pub fn publish(&mut self, id: RegionId, key: ShmKey) {
        self.turn(id, RegionState::Live);
        self.highest = self.highest.max(id.index());
        if key != ShmKey::PRIVATE {
            self.keys.insert(&mut self.slots, id, key);
        }
        if let Some(region) = self.slots.get_mut(id) {
            region.key = key;
        }
    }

    /// Makes the key of a region find nothing, and its identifier only until the last detach.
    #[inline]
    pub fn retire(&mut self, id: RegionId) {
        let is_live = |region: &Region| region.state == RegionState::Live;
        if self.slots.get(id).is_some_and(is_live) {
            self.turn(id, RegionState::Removed);
        }
    }

    /// Makes its identifier find nothing from now on, too.
    pub fn forget_identifier(&mut self, id: RegionId) {
        self.turn(id, RegionState::Unnamed);
    }

    /// Makes nothing find a region from now on.
    pub fn forget(&mut self, id: RegionId) {
        self.turn(id, RegionState::Dead);
        if let Some(region) = self.slots.get(id) {
            self.pages -= region.pages().get();
        }
    }

    /// Puts a region that is not dead into another state, without a key.
    #[inline]
    fn turn(&mut self, id: RegionId, to: RegionState) {
        let Some(region) = self.slots.get_mut(id) else {
            return;
        };
        let key = core::mem::replace(&mut region.key, ShmKey::PRIVATE);
        let from = core::mem::replace(&mut region.state, to);
        *self.count_of(from) -= 1;
        if to != RegionState::Dead {
            *self.count_of(to) += 1;
        }
        if key != ShmKey::PRIVATE {
            self.keys.remove(&mut self.slots, id, key);
        }
    }

    /// The count of regions that are found as those in this state are. The dead are not counted.
    fn count_of(&mut self, state: RegionState) -> &mut u32 {
        match state {
            RegionState::Unnamed => &mut self.unnamed,
            RegionState::Live | RegionState::Removed | RegionState::Dead => &mut self.identified,
        }
    }

    /// Frees the slot of a region that was taken apart.
    pub fn remove(&mut self, id: RegionId) -> Option<Region> {
        self.slots.remove(id)
    }

    /// The highest index that finds a region, 0 if none does.
    ///
    /// Looks from the last answer downwards, so that each step is paid for by a creation. If all
    /// but the lowest have gone since, that is a few instructions for each slot there is.
    pub fn highest_index(&mut self) -> u32 {
        while self.highest > 0 && self.by_index(self.highest).is_none() {
            self.highest -= 1;
        }
        self.highest
    }
}
