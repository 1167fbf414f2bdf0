//! What one step takes out of a VMA, and where it is kept until the TLBs have forgotten it.

use crate::mmu::Mmu;
use crate::space::Space;
use addr::{Page, PageRange};

/// What of a VMA one step removes. Steps go upwards, so that below the part of a step
/// everything is vacant already.
pub(crate) struct Part {
    pub range: PageRange,
    pub vacant: PageRange,
    pub is_last: bool,
}

impl Part {
    /// Most tables that go with a part. Its pages span less than a table, so there are at most
    /// two tables of each level on the way to them. Other tables that go with them are empty. A
    /// table wholly inside of a VMA exists because a page of it is present, so these can only
    /// be where the VMA starts and ends, one of each level.
    pub const MOST_TABLES: usize = 3 * (2 + 2);

    /// The first part of `range` that has up to `most` translations. Ends where the next
    /// translation is, so that empty tables on the way go with it.
    pub fn of<M: Mmu>(
        mmu: &M,
        space: &Space<M::Space>,
        range: PageRange,
        vacant: PageRange,
        most: usize,
    ) -> Self {
        let whole = Self {
            range,
            vacant,
            is_last: true,
        };
        let next_in = |range| mmu.next_mapped(&space.hardware, range);
        let Some(first) = next_in(range) else { return whole };
        let enough = Page::from_number(first.number() + most as u64);
        let Some(next) = PageRange::between(enough, range.end()).and_then(next_in) else {
            return whole;
        };
        let upto = |start| PageRange::between(start, next);
        match (upto(range.start()), upto(vacant.start())) {
            (Some(range), Some(vacant)) => Self {
                range,
                vacant,
                is_last: false,
            },
            _ => whole,
        }
    }
}

/// Things that wait for an invalidation.
pub(crate) struct Batch<T, const MOST: usize> {
    things: [T; MOST],
    count: usize,
}

impl<T: Copy, const MOST: usize> Batch<T, MOST> {
    /// An empty one; `filler` is what the unused places hold.
    pub fn new(filler: T) -> Self {
        Self {
            things: [filler; MOST],
            count: 0,
        }
    }

    /// # Panics
    /// If it is full: a step was given too large a part.
    pub fn push(&mut self, thing: T) {
        self.things[self.count] = thing;
        self.count += 1;
    }

    /// How many things there are.
    pub fn count(&self) -> usize {
        self.count
    }

    pub fn iter(&self) -> impl Iterator<Item = T> {
        self.things[..self.count].iter().copied()
    }
}
