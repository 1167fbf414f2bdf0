//! What one step takes out of a VMA, and where it is kept until the TLBs have forgotten it.

use crate::job::STEP_FRAMES;
use crate::mmu::{Flushed, Mmu, Removed};
use crate::slot::SLOT_PAGES;
use crate::vma::{Backing, Manner};
use addr::{Frame, Page, PageRange};

/// What of a VMA one step removes. Steps go upwards.
pub(crate) struct Part {
    pub range: PageRange,
    vacant: PageRange,
    pub is_last: bool,
}

/// What a step has taken out of address spaces and not put elsewhere yet. Each CPU has one
/// for good, since making room for it on the stack would cost more than most steps.
pub struct Tray {
    /// Pages, and the frames they had.
    pub(crate) pages: Batch<(Page, Frame), STEP_FRAMES>,
    /// Tables that have become empty.
    pub(crate) tables: Batch<Frame, { Part::MOST_TABLES }>,
    /// How many pages and slots went whose frames are somebody else's.
    others: usize,
}

impl Tray {
    /// One with nothing on it.
    pub const EMPTY: Self = Self {
        pages: Batch::new((Page::from_number(0), Frame::from_number(0))),
        tables: Batch::new(Frame::from_number(0)),
        others: 0,
    };

    pub(crate) fn clear(&mut self) {
        self.pages.count = 0;
        self.tables.count = 0;
        self.others = 0;
    }

    /// What took the time that frames do.
    fn handled(&self) -> usize {
        self.pages.count + self.tables.count + self.others
    }
}

impl Part {
    /// Most tables that go with a part. Its pages, or its slots, span less than a table, so there
    /// are at most two tables of each level on the way to them. Tables wholly inside of a VMA that are
    /// empty, because what they held went and something was mapped there again, are what a part begins
    /// with, or end it, like pages. Other empty ones can only be where the VMA starts and ends, one of each
    /// level.
    const MOST_TABLES: usize = 3 * (2 + 2);

    /// The first part of `range` that has up to `most` translations, or links, none of which is below
    /// `from`. Ends where the next one is, or the next table that holds nothing.
    ///
    /// The last part is the whole of `range` once more: tables that it shared with VMAs which
    /// have gone since its earlier parts did may be anywhere in it.
    pub fn of<M: Mmu>(
        mmu: &M,
        space: &M::Space,
        (range, manner): (PageRange, Manner),
        from: Page,
        vacant: PageRange,
        most: usize,
    ) -> Self {
        let whole = Self {
            range,
            vacant,
            is_last: true,
        };
        let most_pages = match manner {
            Manner::Paged => most as u64,
            Manner::Linked | Manner::Blocks => most as u64 * SLOT_PAGES,
        };
        if range.end().number() - from.number() <= most_pages {
            return whole;
        }
        let next_from =
            |page| PageRange::between(page, range.end()).and_then(|rest| mmu.next_held(space, rest));
        let Some(first) = next_from(from) else {
            return whole;
        };
        let Some(next) = next_from(Page::from_number(first.number() + most_pages)) else {
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

    /// Takes everything out of it, waits until no CPU can reach it, and leaves on the tray what is not others'.
    pub fn take_out<M: Mmu>(
        &self,
        mmu: &mut M,
        space: &mut M::Space,
        backing: Backing,
        tray: &mut Tray,
    ) -> Flushed {
        tray.clear();
        let (is_own, mut others) = (backing.owns_frames(), 0);
        let put = |removed| match removed {
            Removed::Leaf(page, frame) if is_own => tray.pages.push((page, frame)),
            Removed::Table(frame) => tray.tables.push(frame),
            Removed::Leaf(..) | Removed::Link(_) => others += 1,
        };
        let stale = match backing.manner() {
            Manner::Paged => mmu.unmap(space, self.range, self.vacant, put),
            Manner::Linked | Manner::Blocks => mmu.unlink(space, self.range, self.vacant, put),
        };
        tray.others = others;
        mmu.flush(space, stale)
    }

    /// What that cost, in frames handled. A table of 512 entries is looked through in the time that a
    /// few dozen frames take; there are at most two of each level, however far the part reaches.
    pub fn cost(&self, tray: &Tray) -> usize {
        let pages = self.range.count().get().min(SLOT_PAGES);
        tray.handled().max(pages as usize / 16)
    }
}

/// Things that wait for an invalidation.
pub(crate) struct Batch<T, const MOST: usize> {
    things: [T; MOST],
    count: usize,
}

impl<T: Copy, const MOST: usize> Batch<T, MOST> {
    /// An empty one; `filler` is what the unused places hold.
    const fn new(filler: T) -> Self {
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

    /// Number `place` of them.
    ///
    /// # Panics
    /// If there are not as many.
    pub fn at(&self, place: usize) -> T {
        self.things[..self.count][place]
    }

    pub fn iter(&self) -> impl Iterator<Item = T> {
        self.things[..self.count].iter().copied()
    }
}
