//! Choosing a place for a VMA, and putting it there.

use crate::frame::Promise;
use crate::manager::{MemoryManager, typed};
use crate::mmu::Mmu;
use crate::space::{Arriving, Space, SpaceId};
use crate::vma::{Gap, Neighbours, Spot, Vma, VmaId, Vmas, existing, tables_needed};
use abi::{Errno, layout};
use addr::{Page, PageCount, PageRange, VirtAddr};

/// Pages of a 2 MiB slot: what one level-3 table translates.
pub(crate) const SLOT_PAGES: u64 = 512;

/// A place that is free.
#[derive(Clone, Copy)]
pub(crate) struct Fit {
    pub range: PageRange,
    pub spot: Spot,
    /// An attachment that has to give up pages behind its region's end for it.
    trim: Option<VmaId>,
}

/// Where a user program may say that something is to be mapped. The message pages are the
/// kernel's to place.
pub(crate) fn mappable() -> PageRange {
    pages_between(layout::USER_START, layout::MESSAGE_PAGES)
}

/// Where the kernel chooses.
fn area() -> PageRange {
    pages_between(layout::AREA_START, layout::AREA_END)
}

/// Where message pages are.
pub(crate) fn message_pages() -> PageRange {
    pages_between(layout::MESSAGE_PAGES, layout::USER_END)
}

fn pages_between(start: u64, end: u64) -> PageRange {
    let page = |address| VirtAddr::new(address).page();
    PageRange::between(page(start), page(end)).expect("the layout is in order")
}

/// The whole 2 MiB slots that `pages` pages from `start` on lie in, if that is how they can be
/// linked: the region is that large, and `start` is where a slot starts.
pub(crate) fn whole_slots(start: Page, pages: PageCount) -> Option<PageRange> {
    if !start.number().is_multiple_of(SLOT_PAGES) {
        return None;
    }
    PageRange::new(start, slots_for(pages)?)
}

fn slots_for(pages: PageCount) -> Option<PageCount> {
    if pages.get() < SLOT_PAGES {
        return None;
    }
    PageCount::new(pages.get().checked_next_multiple_of(SLOT_PAGES)?)
}

impl<H> Space<H> {
    /// `range` as a place, if it is free.
    pub(crate) fn fit_at(&self, vmas: &Vmas, range: PageRange) -> Option<Fit> {
        if self
            .arriving
            .as_ref()
            .is_some_and(|arriving| arriving.range.overlaps(range))
        {
            return None;
        }
        let spot = self
            .set
            .spot_below(vmas, self.set.first_ending_after(vmas, range.start()));
        let spot_and_trim = match spot.after {
            // What starts below can only be in the way with pages behind its region's end.
            Some(id) if existing(vmas, id).range().start() < range.start() => {
                let (before, after) = (spot.after, existing(vmas, id).after());
                (Spot { before, after }, Some(id))
            }
            _ => (spot, None),
        };
        let (spot, trim) = spot_and_trim;
        let is_in_the_way = |id| existing(vmas, id).content().overlaps(range);
        let is_taken = trim.is_some_and(is_in_the_way) || spot.after.is_some_and(is_in_the_way);
        (!is_taken).then_some(Fit { range, spot, trim })
    }

    /// The lowest free place for `pages` pages.
    pub(crate) fn fit(&self, vmas: &Vmas, pages: PageCount) -> Option<Fit> {
        self.search(|within| self.set.find_gap(vmas, pages, within))
    }

    /// The lowest free place for whole slots with room for `pages` pages; `None` too if these
    /// are too few to fill one.
    pub(crate) fn fit_slots(&self, vmas: &Vmas, pages: PageCount) -> Option<Fit> {
        let pages = slots_for(pages)?;
        self.search(|within| self.set.find_aligned_gap(vmas, pages, SLOT_PAGES, within))
    }

    /// Searches the area, but not the place of what is about to arrive.
    fn search(&self, find: impl Fn(PageRange) -> Option<Gap>) -> Option<Fit> {
        let area = area();
        let gap = match &self.arriving {
            None => find(area),
            Some(Arriving { range, .. }) => {
                let below = PageRange::between(area.start(), range.start().min(area.end()));
                let above = PageRange::between(range.end().max(area.start()), area.end());
                below.and_then(&find).or_else(|| above.and_then(&find))
            }
        };
        let Gap { range, spot } = gap?;
        Some(Fit {
            range,
            spot,
            trim: None,
        })
    }

    /// Puts a VMA in its place. `tables` is the promise of the tables it adds.
    pub(crate) fn place(&mut self, vmas: &mut Vmas, id: VmaId, fit: Fit, tables: Promise) {
        if let Some(other) = fit.trim {
            self.trim(vmas, other);
        }
        self.tables.promise.merge(tables);
        self.set.insert(vmas, id, fit.spot);
    }

    /// Counts a VMA that can be used, or soon can.
    pub(crate) fn count_in(&mut self, vma: &Vma) {
        self.mappings += 1;
        self.mapped += vma.content().count().get();
    }

    /// Takes the pages behind its region's end from an attachment. It goes on touching the same
    /// tables: these pages are in the slot of the region's last page.
    fn trim(&mut self, vmas: &mut Vmas, id: VmaId) {
        let content = existing(vmas, id).content();
        self.set.resize(vmas, id, content);
    }
}

impl<M: Mmu> MemoryManager<M> {
    /// Puts `vma` into its place, with a promise of the tables it adds and of the frames it owns:
    /// all of it, or nothing.
    pub(crate) fn add_vma(&mut self, space: SpaceId, fit: Fit, vma: Vma) -> Result<VmaId, Errno> {
        let owned = vma.owned;
        let limit = self.limits.mappings;
        let Self {
            frames, vmas, spaces, ..
        } = self;
        let space = spaces.get_mut(typed(space)).ok_or(Errno::ESRCH)?;
        if space.slots() >= limit {
            return Err(Errno::EMFILE);
        }
        let needed = tables_needed(fit.range, Neighbours::at(vmas, fit.spot));
        let mut tables = frames.promise(needed + owned)?;
        let Ok(id) = vmas.insert(vma) else {
            frames.release(tables);
            return Err(Errno::ENOMEM);
        };
        space.pages.promise.merge(tables.split(owned));
        space.count_in(existing(vmas, id));
        space.place(vmas, id, fit, tables);
        Ok(id)
    }
}
