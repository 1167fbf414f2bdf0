//! Moves private pages from one address space to another without copying a byte.
//!
//! This is how a parent fills its child's memory: it maps pages, writes the program into them,
//! and moves them. They may become executable on the way, but never while they are writable.
//!
//! The source begins to leave and the destination takes up its place at once: from then on no page
//! is touched for the first time in either, and nobody can cut them. Pages are handed over in the
//! steps in which the source is emptied; each is in one of the two at any time. What ends the
//! source's process meanwhile finishes this, and if the destination goes, the pages go too.

use crate::frame::{Promise, Zone};
use crate::identity::Seconds;
use crate::manager::{MemoryManager, typed};
use crate::map::permitted;
use crate::message::{Call, Reply};
use crate::mmu::{Flushed, Mmu};
use crate::part::Part;
use crate::place::mappable;
use crate::sharing::{Each, InSpace};
use crate::space::{SpaceId, Stock};
use crate::unmap::Purpose;
use crate::vma::{Backing, Heir, Leaving, Vma, VmaId, VmaSet, VmaState, existing, existing_mut};
use abi::Errno;
use abi::memory::Move;
use addr::{Frame, GRANULE, MemoryKind, Page, PageCount, PageRange, Perms, VirtAddr};

/// Most pages of one request (4 MiB), so that there is a bound to how many mappings they are.
pub const MOST_MOVED_PAGES: u64 = 1024;

impl<M: Mmu> MemoryManager<M> {
    pub(crate) fn transfer(&mut self, call: &mut Call<'_>, request: Move) -> Result<Reply, Errno> {
        let perms = permitted(request.protection).ok_or(Errno::EINVAL)?;
        let from = self.living_companion(call)?;
        let source = pages_of(request.source, request.length).ok_or(Errno::EINVAL)?;
        let range = pages_of(request.destination, request.length).ok_or(Errno::EINVAL)?;
        if from == call.space || !mappable().contains_range(range) || !self.is_private(from, source)? {
            return Err(Errno::EINVAL);
        }
        let clearance = self.within(from, |from| from.plan_clearance(source, Purpose::Vacancy))?;
        let added = self.within(call.space, |to| to.add_heir(range, perms));
        self.within(from, |from| {
            let (clearance, vma) = from.unless_refused(clearance, added)?;
            let slots = from.cut_out(clearance, Promise::none());
            from.each().vmas.release(slots);
            let heir = Heir {
                space: call.space,
                vma,
                first: range.start(),
            };
            from.bequeath(source, heir);
            Ok(())
        })?;
        Ok(Reply::after((), self.sweep(from, call.now)))
    }

    /// Whether a range is private pages without gaps. A stack stays where it can grow.
    fn is_private(&self, space: SpaceId, range: PageRange) -> Result<bool, Errno> {
        let space = self.alive(space)?;
        let mut known = range.start();
        for id in space.set.overlapping(&self.vmas, range) {
            let vma = existing(&self.vmas, id);
            let is_private = vma.backing == Backing::Anonymous && vma.state == VmaState::Live;
            if !is_private || vma.range().start() > known {
                return Ok(false);
            }
            known = vma.range().end();
        }
        Ok(known >= range.end())
    }

    /// Goes on with a leaving VMA whose pages have an heir. If that has gone meanwhile, or is going, they have none. Answers what that
    /// cost.
    pub(crate) fn move_out(&mut self, space: SpaceId, id: VmaId, most: usize, now: Seconds) -> usize {
        let VmaState::Leaving(Leaving {
            from,
            heir: Some(heir),
            ..
        }) = existing(&self.vmas, id).state
        else {
            return 0;
        };
        let waits = |vma: &Vma| vma.state == VmaState::Filling;
        if self.vmas.get(heir.vma).is_some_and(waits) {
            return self.move_part(space, id, from, heir, most, now);
        }
        let mut vmas = self.vmas_in(space);
        if let VmaState::Leaving(leaving) = &mut existing_mut(&mut vmas, id).state {
            leaving.heir = None;
        }
        0
    }

    /// Moves up to `most` pages of a leaving VMA, of which nothing is left below `from`, to its
    /// heir. Answers what that cost.
    fn move_part(
        &mut self,
        space: SpaceId,
        id: VmaId,
        from: Page,
        heir: Heir,
        most: usize,
        now: Seconds,
    ) -> usize {
        let taken = self.enter(space, |space| space.take_part_out(id, from, most));
        let Some((part, flushed, start)) = taken else {
            return 0;
        };
        let pages = part.range.end().number() - from.number();
        self.move_in(heir, start);
        self.hand_over(space, id, heir, pages);
        let cost = self.enter(space, |space| space.end_part(id, &part, &flushed, now));
        cost.unwrap_or(0)
    }

    /// Charges the heir for `pages` pages, of which those on the tray are there, in place of the VMA
    /// they were in. With the last ones it can be used. A share of a frame is handed over as such.
    fn hand_over(&mut self, space: SpaceId, id: VmaId, heir: Heir, pages: u64) {
        existing_mut(&mut self.vmas_in(space), id).owned -= pages;
        let mut vmas = self.vmas_in(heir.space);
        let waiting = existing_mut(&mut vmas, heir.vma);
        waiting.owned += pages;
        let (owned, range) = (waiting.owned.count(), waiting.range());
        let Self {
            frames,
            spaces,
            vmas,
            tray,
            ..
        } = self;
        let is_shared = |&(_, frame): &(Page, Frame)| frames.sharers(frame) > 0;
        let shared = tray.pages.iter().filter(is_shared).count() as u64;
        let present = tray.pages.count() as u64 - shared;
        let mut stock = Stock::EMPTY;
        if let Some(source) = spaces.get_mut(typed(space)) {
            source.pages.hand_over(pages, present, shared, &mut stock);
        }
        if let Some(destination) = spaces.get_mut(typed(heir.space)) {
            stock.hand_over(pages, present, shared, &mut destination.pages);
            if owned == range.count().get() {
                let mut vmas = vmas.own(typed::<M::Space>(heir.space));
                existing_mut(&mut vmas, heir.vma).state = VmaState::Live;
                destination.merge_with_neighbours(&mut vmas, heir.vma);
            }
        }
    }

    /// Maps the pages on the tray where the heir of those from `start` on has them.
    fn move_in(&mut self, heir: Heir, start: Page) {
        let perms = existing(&self.vmas, heir.vma).perms;
        let Self {
            mmu,
            frames,
            spare,
            spaces,
            tray,
            ..
        } = self;
        let Some(destination) = spaces.get_mut(typed(heir.space)) else {
            return;
        };
        for (page, frame) in tray.pages.iter() {
            if perms.contains(Perms::EXECUTE) {
                mmu.publish_code(frame);
            }
            let offset = page.number() - start.number();
            let page = Page::from_number(heir.first.number() + offset);
            let perms = frames.allowed(frame, perms);
            let zone = &mut Zone::of(frames, spare);
            let mut tables = destination.tables.source(zone);
            let hardware = &mut destination.hardware;
            mmu.install(hardware, page, frame, perms, MemoryKind::Normal, &mut tables);
        }
        mmu.publish_entries();
    }
}

impl<M: Mmu> InSpace<'_, '_, M> {
    /// A VMA for pages that come.
    fn add_heir(&mut self, range: PageRange, perms: Perms) -> Result<VmaId, Errno> {
        let Each { space, vmas, .. } = self.each();
        let fit = space.fit_at(&vmas, range).ok_or(Errno::EINVAL)?;
        self.add_vma(fit, perms, Backing::Anonymous, VmaState::Filling)
    }

    /// Leaves up to `most` pages of a leaving VMA, of which nothing is left below `from`, on the tray. Answers which part
    /// of it that was, and where all of it started.
    fn take_part_out(&mut self, id: VmaId, from: Page, most: usize) -> (Part, Flushed, Page) {
        let Each {
            space,
            vmas,
            mmu,
            tray,
            ..
        } = self.each();
        let vma = existing(&vmas, id);
        let (range, backing) = (vma.range(), vma.backing);
        let neighbours = VmaSet::spot_of(&vmas, id).neighbours;
        let vacant = neighbours.around(range);
        let part = Part::of(
            mmu,
            &space.hardware,
            (range, backing.manner()),
            from,
            vacant,
            most,
        );
        let flushed = part.take_out(mmu, &mut space.hardware, backing, tray);
        (part, flushed, range.start())
    }

    /// Makes all VMAs of a range leave, with their pages to go to `heir` in the same order.
    fn bequeath(&mut self, range: PageRange, heir: Heir) {
        let Each { space, mut vmas, .. } = self.each();
        let mut next = space.set.containing(&vmas, range.start());
        while let Some(id) = next.filter(|&id| existing(&vmas, id).range().overlaps(range)) {
            let vma = existing(&vmas, id);
            let offset = vma.range().start().number() - range.start().number();
            let first = Page::from_number(heir.first.number() + offset);
            next = vma.after();
            space.begin_leaving(&mut vmas, id, Some(Heir { first, ..heir }));
        }
    }
}

/// The pages from `address` on, `None` if they are none, too many, or not whole.
fn pages_of(address: u64, length: u64) -> Option<PageRange> {
    let count = PageCount::covering(length).filter(|count| count.get() <= MOST_MOVED_PAGES)?;
    let start = Page::starting_at(VirtAddr::new(address))?;
    PageRange::new(start, count).filter(|_| length.is_multiple_of(GRANULE))
}
