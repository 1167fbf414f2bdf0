//! What one step takes out of a VMA, and where it is kept until the TLBs have forgotten it.

use crate::job::STEP_FRAMES;
use crate::mmu::{Flushed, Mmu, Removed};
use crate::slot::SLOT_PAGES;
use addr::{Frame, Page, PageRange};

/// What of a VMA one step removes. Steps go upwards.
pub(crate) struct Part {
    pub range: PageRange,
    pub vacant: PageRange,
    pub is_last: bool,
}

/// What a part had in it, which no CPU can reach any more.
pub(crate) struct Taken<T> {
    /// What was to be kept of each translation.
    pub leaves: Batch<T, STEP_FRAMES>,
    /// Tables that have become empty.
    pub tables: Batch<Frame, { Part::MOST_TABLES }>,
    /// How many slots were linked.
    pub links: usize,
    pub flushed: Flushed,
}

impl Part {
    /// Most tables that go with a part. Its pages, or its slots, span less than a table, so there
    /// are at most two tables of each level on the way to them. Other tables that go with them are
    /// empty. A table wholly inside of a VMA exists because a page of it is present, or a slot
    /// linked, so these can only be where the VMA starts and ends, one of each level.
    pub const MOST_TABLES: usize = 3 * (2 + 2);

    /// The first part of `range` that has up to `most` translations, none of which is below
    /// `from`. Ends where the next translation is, so that empty tables on the way go with it.
    ///
    /// The last part is the whole of `range` once more: tables that it shared with VMAs which
    /// have gone since its earlier parts did may be anywhere in it.
    pub fn of<M: Mmu>(
        mmu: &M,
        space: &M::Space,
        range: PageRange,
        from: Page,
        vacant: PageRange,
        most: u64,
    ) -> Self {
        let whole = Self {
            range,
            vacant,
            is_last: true,
        };
        if range.end().number() - from.number() <= most {
            return whole;
        }
        let next_from =
            |page| PageRange::between(page, range.end()).and_then(|rest| mmu.next_mapped(space, rest));
        let Some(first) = next_from(from) else {
            return whole;
        };
        let Some(next) = next_from(Page::from_number(first.number() + most)) else {
            return whole;
        };
        let upto = |start| PageRange::between(start, next);
        match (upto(from), upto(vacant.start())) {
            (Some(range), Some(vacant)) => Self {
                range,
                vacant,
                is_last: false,
            },
            _ => whole,
        }
    }

    /// Takes everything out of it, and waits until no CPU can reach it. `keep` says what is to be
    /// remembered of each translation; `filler` is any such thing.
    pub fn take_out<M: Mmu, T: Copy>(
        &self,
        mmu: &mut M,
        space: &mut M::Space,
        filler: T,
        keep: impl Fn(Page, Frame) -> T,
    ) -> Taken<T> {
        let mut leaves = Batch::new(filler);
        let mut tables = Batch::new(Frame::from_number(0));
        let stale = mmu.unmap(space, self.range, self.vacant, |removed| match removed {
            Removed::Leaf(page, frame) => leaves.push(keep(page, frame)),
            Removed::Table(frame) => tables.push(frame),
            Removed::Link(slot) => panic!("{slot:?} is linked, though its VMA is not"),
        });
        let flushed = mmu.flush(space, stale);
        Taken {
            leaves,
            tables,
            links: 0,
            flushed,
        }
    }

    /// The same for a part that is linked. What is found in it is the region's, but for tables of the
    /// address space above.
    pub fn unlink<M: Mmu, T: Copy>(&self, mmu: &mut M, space: &mut M::Space, filler: T) -> Taken<T> {
        let mut tables = Batch::new(Frame::from_number(0));
        let mut links = 0;
        let stale = mmu.unlink(space, self.range, self.vacant, |removed| match removed {
            Removed::Link(_) => links += 1,
            Removed::Table(frame) => tables.push(frame),
            Removed::Leaf(page, _) => panic!("{page:?} is not linked, though its VMA is"),
        });
        let flushed = mmu.flush(space, stale);
        Taken {
            leaves: Batch::new(filler),
            tables,
            links,
            flushed,
        }
    }

    /// What looking for translations in it costs, in frames handled: a table of 512 entries is
    /// looked through in the time that a few dozen frames take. There are at most two of each
    /// level, however far the part reaches.
    pub fn search_cost(&self) -> usize {
        let pages = self.range.count().get().min(SLOT_PAGES);
        pages as usize / 16
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
