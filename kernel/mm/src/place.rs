//! Choosing a place for a VMA, and putting it there.

use crate::frame::{OutOfFrames, Promise};
use crate::mmu::Mmu;
use crate::sharing::{Each, InSpace};
use crate::slot::{SLOT_PAGES, slot_of, slots_for};
use crate::space::{Arriving, Space};
use crate::vma::{
    Backing, Gap, Spot, Vma, VmaId, VmaState, Vmas, existing, existing_mut, merge_with_next, tables_needed,
};
use abi::{Errno, layout};
use addr::{Page, PageCount, PageRange, Perms, VirtAddr};
use slots::Full;

/// A place that is free.
#[derive(Clone, Copy)]
pub(crate) struct Fit {
    pub range: PageRange,
    pub spot: Spot,
    /// A linked attachment in whose last slot it begins, behind the region's end.
    tail_of: Option<VmaId>,
}

/// Where something is to be.
#[derive(Clone, Copy)]
pub(crate) enum Wish {
    /// Wherever there is room.
    Anywhere,
    /// Here, or wherever there is room.
    Near(Page),
    /// Here, if nothing else is.
    At(Page),
    /// Here, in place of whatever is there.
    Over(Page),
}

/// Where a user program may say that something is to be mapped. The message pages are the
/// kernel's to place.
pub(crate) fn mappable() -> PageRange {
    pages_between(layout::USER_START, layout::USER_END)
}

/// Where anything can be.
pub(crate) fn all_pages() -> PageRange {
    pages_between(layout::MESSAGE_PAGES, layout::USER_END)
}

/// Where the kernel chooses.
fn area() -> PageRange {
    pages_between(layout::AREA_START, layout::AREA_END)
}

/// Where the message page of thread number `thread` of a process is, if there can be one.
pub(crate) fn message_page(thread: u32) -> Option<PageRange> {
    let start = layout::message_page(thread);
    (thread < layout::MOST_THREADS).then(|| pages_between(start, start + layout::PAGE_BYTES))
}

fn pages_between(start: u64, end: u64) -> PageRange {
    let page = |address| VirtAddr::new(address).page();
    PageRange::between(page(start), page(end)).expect("the layout is in order")
}

impl<H> Space<H> {
    /// `range` as a place, if it is free.
    pub(crate) fn fit_at(&self, vmas: &Vmas<'_>, range: PageRange) -> Option<Fit> {
        if self
            .arriving
            .as_ref()
            .is_some_and(|arriving| arriving.range.overlaps(range))
        {
            return None;
        }
        let first = self.set.first_ending_after(vmas, range.start());
        let tail_of = first.filter(|&id| existing(vmas, id).range().start() < range.start());
        let after = match tail_of {
            None => first,
            Some(before) => existing(vmas, before).after(),
        };
        let spot = self.set.spot_below(vmas, after);
        // What starts below is in the way, unless it is usable and these are pages that nobody uses:
        // behind a region's end.
        let ends_before = |id| {
            let vma = existing(vmas, id);
            vma.state == VmaState::Live && vma.content().end() <= range.start()
        };
        let starts_behind = |id| range.end() <= existing(vmas, id).range().start();
        let is_free = tail_of.is_none_or(ends_before) && after.is_none_or(starts_behind);
        is_free.then_some(Fit { range, spot, tail_of })
    }

    /// The lowest free place for `pages` pages.
    pub(crate) fn fit(&self, vmas: &Vmas<'_>, pages: PageCount) -> Option<Fit> {
        self.search(|within| self.set.find_gap(vmas, pages, within))
    }

    /// The lowest free place for whole slots with room for `pages` pages; `None` too if these
    /// are too few to fill one.
    pub(crate) fn fit_slots(&self, vmas: &Vmas<'_>, pages: PageCount) -> Option<Fit> {
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
            tail_of: None,
        })
    }

    /// Puts a VMA in its place. `tables` is the promise of the tables it adds.
    pub(crate) fn place(&mut self, vmas: &mut Vmas<'_>, id: VmaId, spot: Spot, tables: Promise) {
        self.tables.promise.merge(tables);
        self.set.insert(vmas, id, spot);
    }

    /// Makes `host` one with a VMA that would be beside it. `tables` is the promise of the tables
    /// that adds.
    fn extend(&mut self, vmas: &mut Vmas<'_>, host: VmaId, by: &Vma, tables: Promise) {
        self.tables.promise.merge(tables);
        self.mapped += by.content().count().get();
        let vma = existing_mut(vmas, host);
        vma.owned += by.owned.count();
        if by.range().start() < vma.range().start() {
            // Where it may grow, or which frame is behind its first page, is said of the lower one.
            vma.backing = by.backing;
        }
        let whole = vma.range().hull(by.range());
        self.set.resize(vmas, host, whole);
        self.merge_with_above(vmas, host);
    }

    /// Makes one VMA of `id` and the one above it, if there is no gap between them and they differ in nothing but
    /// their places. Answers whether it did. A range that is just being changed keeps its ends.
    fn merge_with_above(&mut self, vmas: &mut Vmas<'_>, id: VmaId) -> bool {
        let vma = existing(vmas, id);
        if let (Some(change), Some(above)) = (self.change, vma.after())
            && change.divides(vma, existing(vmas, above))
        {
            return false;
        }
        let is_merged = merge_with_next(&mut self.set, vmas, id);
        self.mappings -= u32::from(is_merged);
        is_merged
    }

    /// The same for the one below it. Then that is what is left.
    pub(crate) fn merge_with_below(&mut self, vmas: &mut Vmas<'_>, id: VmaId) -> bool {
        let below = existing(vmas, id).before();
        below.is_some_and(|below| self.merge_with_above(vmas, below))
    }

    /// The same for both.
    pub(crate) fn merge_with_neighbours(&mut self, vmas: &mut Vmas<'_>, id: VmaId) {
        self.merge_with_above(vmas, id);
        self.merge_with_below(vmas, id);
    }

    /// Counts a VMA of so many pages that can be used, or soon can.
    pub(crate) fn count_in(&mut self, pages: u64) {
        self.mappings += 1;
        self.mapped += pages;
    }
}

impl Fit {
    /// The slot that has to be unshared before anything is put into the place, and the VMA it is
    /// in.
    fn unshared(&self) -> Option<(VmaId, PageRange)> {
        self.tail_of.map(|id| (id, slot_of(self.range.start())))
    }

    /// A VMA beside it that can take `vma` in, so that there is none more afterwards.
    fn host(&self, vmas: &Vmas<'_>, vma: &Vma) -> Option<VmaId> {
        let Spot {
            before,
            after,
            neighbours,
        } = self.spot;
        // Nearly always there is a gap between neighbours, so that is looked at first.
        if neighbours.below(self.range) > 0 && neighbours.above(self.range) > 0 {
            return None;
        }
        let below = before.filter(|&id| existing(vmas, id).continues_in(vma));
        below.or_else(|| after.filter(|&id| self.tail_of.is_none() && vma.continues_in(existing(vmas, id))))
    }

    /// How many VMAs there are more afterwards: another one if the attachment has other slots.
    pub fn new_vmas(&self, vmas: &Vmas<'_>) -> u32 {
        let is_split = |(id, slot): (VmaId, PageRange)| existing(vmas, id).range().start() < slot.start();
        1 + u32::from(self.unshared().is_some_and(is_split))
    }
}

impl<M: Mmu> InSpace<'_, '_, M> {
    /// Puts a VMA into its place, with a promise of the tables it adds and of the frames it owns:
    /// all of it, or nothing.
    pub(crate) fn add_vma(
        &mut self,
        fit: Fit,
        perms: Perms,
        backing: Backing,
        state: VmaState,
    ) -> Result<VmaId, Errno> {
        let vma = Vma::new(fit.range, perms, backing, state);
        let (owned, pages) = (vma.owned.count(), vma.content().count().get());
        let lacking = self.lacking();
        let Each {
            space,
            mut vmas,
            mmu,
            regions,
            limits,
            ..
        } = self.each();
        let host = fit.host(&vmas, &vma);
        let more = host.map_or_else(|| fit.new_vmas(&vmas), |_| 0);
        if more > 0 && space.slots().saturating_add(more) > space.most_mappings(limits) {
            return Err(Errno::EMFILE);
        }
        let unshared = u64::from(fit.unshared().is_some());
        let needed = unshared + tables_needed(fit.range, vma.manner(), fit.spot.neighbours);
        space.check_quota(needed + pages)?;
        let mut slots = vmas.reserve(more).map_err(|Full| lacking)?;
        let promised = regions.zone().lock().promise(needed + owned);
        let mut tables = match promised {
            Ok(promise) => promise,
            Err(OutOfFrames) => {
                vmas.release(slots);
                return Err(lacking);
            }
        };
        space.pages.promise.merge(tables.split(owned));
        if let Some(host) = host {
            space.extend(&mut vmas, host, &vma, tables);
            return Ok(host);
        }
        let mut spot = fit.spot;
        if let Some((other, slot)) = fit.unshared() {
            space.unshare(mmu, (&mut vmas, &mut slots), other, slot, tables.split(unshared));
            spot = space.set.spot_below(&vmas, spot.after);
        }
        space.count_in(pages);
        let id = vmas.insert(&mut slots, vma);
        vmas.release(slots);
        space.place(&mut vmas, id, spot, tables);
        Ok(id)
    }
}
