//! Choosing a place for a VMA, and putting it there.

use crate::frame::Promise;
use crate::manager::{MemoryManager, typed};
use crate::mmu::Mmu;
use crate::space::{Arriving, Space, SpaceId};
use crate::vma::{Vma, VmaId, Vmas, linked, tables_needed};
use abi::{Errno, layout};
use addr::{Page, PageCount, PageRange, VirtAddr};

/// Pages of a 2 MiB slot: what one level-3 table translates.
pub(crate) const SLOT_PAGES: u64 = 512;

/// A place that is free.
#[derive(Clone, Copy)]
pub(crate) struct Fit {
    pub range: PageRange,
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
        let mut trim = None;
        for id in self.set.overlapping(vmas, range) {
            if linked(vmas, id).content().overlaps(range) {
                return None;
            }
            trim = Some(id);
        }
        Some(Fit { range, trim })
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
    fn search(&self, find: impl Fn(PageRange) -> Option<PageRange>) -> Option<Fit> {
        let area = area();
        let range = match &self.arriving {
            None => find(area),
            Some(Arriving { range, .. }) => {
                let below = PageRange::between(area.start(), range.start().min(area.end()));
                let above = PageRange::between(range.end().max(area.start()), area.end());
                below.and_then(&find).or_else(|| above.and_then(&find))
            }
        };
        range.map(|range| Fit { range, trim: None })
    }

    /// Puts a VMA in its place. `tables` is the promise of the tables it adds.
    fn place(&mut self, vmas: &mut Vmas, id: VmaId, trim: Option<VmaId>, tables: Promise) {
        if let Some(other) = trim {
            self.trim(vmas, other);
        }
        self.tables.promise.merge(tables);
        self.mappings += 1;
        self.mapped += linked(vmas, id).content().count().get();
        self.set.insert(vmas, id);
    }

    /// Takes the pages behind its region's end from an attachment. It goes on touching the same
    /// tables: these pages are in the slot of the region's last page.
    pub(crate) fn trim(&mut self, vmas: &mut Vmas, id: VmaId) {
        let content = linked(vmas, id).content();
        self.set.resize(vmas, id, content);
    }
}

impl<M: Mmu> MemoryManager<M> {
    /// Puts `vma` into its place, with a promise of the tables it adds and of `own_pages`
    /// private pages: all of it, or nothing.
    pub(crate) fn add_vma(
        &mut self,
        space: SpaceId,
        fit: Fit,
        vma: Vma,
        own_pages: u64,
    ) -> Result<VmaId, Errno> {
        let limit = self.limits.mappings;
        let Self {
            frames, vmas, spaces, ..
        } = self;
        let space = spaces.get_mut(typed(space)).ok_or(Errno::ESRCH)?;
        if space.mappings >= limit {
            return Err(Errno::EMFILE);
        }
        let needed = tables_needed(fit.range, space.set.neighbours(vmas, fit.range));
        let mut tables = frames.promise(needed + own_pages)?;
        let Ok(id) = vmas.insert(vma) else {
            frames.release(tables);
            return Err(Errno::ENOMEM);
        };
        space.pages.promise.merge(tables.split(own_pages));
        space.place(vmas, id, fit.trim, tables);
        Ok(id)
    }
}
