//! Checks what must be true of the memory manager between any two steps.
//!
//! Every count that is kept is counted anew: frames, promises, tables, attachments. For tests,
//! and for a kernel that suspects itself; the cost grows with the square of what there is.

use crate::frame::Frames;
use crate::manager::MemoryManager;
use crate::mmu::Mmu;
use crate::region::{Region, RegionId, RegionState, RegionTable, Reserve};
use crate::slot::{SLOT_PAGES, is_whole_slots, slot_of};
use crate::space::{Arriving, Space};
use crate::vma::{
    Attachment, Backing, Leaving, Manner, Neighbours, Vma, VmaId, VmaState, after_in_ring, existing,
    is_all_leaving, tables_needed,
};
use abi::memory::UserUsage;
use abi::shm::ShmKey;
use addr::{Frame, Page, PageRange, Perms};

/// An invariant that does not hold: a sentence about what should be.
pub type Broken = &'static str;

fn check(holds: bool, sentence: Broken) -> Result<(), Broken> {
    if holds { Ok(()) } else { Err(sentence) }
}

impl<M: Mmu> MemoryManager<M> {
    /// Checks all invariants.
    ///
    /// # Errors
    /// The first one that does not hold.
    pub fn audit(&self) -> Result<(), Broken> {
        for (_, space) in self.spaces.iter() {
            self.audit_set(space)?;
            self.audit_charges(space)?;
            self.audit_attachments(space)?;
            self.audit_translations(space)?;
        }
        for (id, region) in self.regions.iter() {
            self.audit_region(id, region)?;
        }
        self.audit_sharers()?;
        self.audit_accounts()?;
        self.audit_totals()
    }

    /// Each user's regions and their pages are counted, and who has none has no account.
    fn audit_accounts(&self) -> Result<(), Broken> {
        let mut all = 0;
        for uid in self.accounts.users() {
            let (mut segments, mut pages) = (0, 0);
            for (_, region) in self.regions.iter() {
                if region.state != RegionState::Dead && region.ownership.creator_uid == uid {
                    segments += 1;
                    pages += region.pages().get();
                }
            }
            check(segments > 0, "only who has regions has an account")?;
            check(
                self.accounts.usage(uid) == UserUsage { segments, pages },
                "what a user has is counted",
            )?;
            all += segments;
        }
        check(
            all == self.regions.found(),
            "every region is charged to its creator",
        )
    }

    /// Whether the allocator holds `frame`, so that nothing may lead to it.
    pub fn is_free(&self, frame: Frame) -> bool {
        self.frames.is_free(frame)
    }

    /// The VMAs of a space in order, but not one that is about to arrive.
    fn vmas_of<'a>(&'a self, space: &'a Space<M::Space>) -> impl Iterator<Item = (VmaId, &'a Vma)> {
        space
            .set
            .iter(&self.vmas)
            .map(|id| (id, existing(&self.vmas, id)))
    }

    /// The one that is about to arrive.
    fn arriving(&self, space: &Space<M::Space>) -> Option<&Vma> {
        let arriving = space.arriving.as_ref();
        arriving.map(|Arriving { vma, .. }| existing(&self.vmas, *vma))
    }

    fn audit_set(&self, space: &Space<M::Space>) -> Result<(), Broken> {
        space.set.audit(&self.vmas)?;
        let mut pairs = self.vmas_of(space).zip(self.vmas_of(space).skip(1));
        check(
            !pairs.any(|((_, low), (_, high))| {
                let is_divided = space.change.is_some_and(|change| change.divides(low, high));
                low.backing.owns_frames() && low.continues_in(high) && !is_divided
            }),
            "private neighbours that could be one VMA are one",
        )?;
        let leaving = |(_, vma): &(VmaId, &Vma)| vma.is_leaving();
        let (mut listed, mut next) = (0, space.leaving);
        while let Some(vma) = next.map(|id| existing(&self.vmas, id)) {
            let VmaState::Leaving(leaving) = vma.state else {
                return Err("a VMA to be emptied is leaving");
            };
            listed += 1;
            next = leaving.next;
        }
        check(
            self.vmas_of(space).filter(leaving).count() == listed,
            "every leaving VMA is to be emptied",
        )?;
        let arriving = self.arriving(space);
        let live = || {
            self.vmas_of(space)
                .filter(|vma| !leaving(vma))
                .map(|(_, vma)| vma)
                .chain(arriving)
        };
        check(live().count() == space.mappings as usize, "mappings are counted")?;
        let pages = live().map(|vma| vma.content().count().get()).sum::<u64>();
        check(pages == space.mapped, "mapped pages are counted")
    }

    fn audit_charges(&self, space: &Space<M::Space>) -> Result<(), Broken> {
        let (mut tables, mut owned, mut end) = (0, 0, Page::from_number(0));
        let (mut present, mut shared) = (0, 0);
        for (id, vma) in self.vmas_of(space) {
            tables += tables_needed(vma.range(), vma.manner(), Neighbours::between(end, None));
            end = vma.range().end();
            owned += vma.owned.count();
            if vma.backing.owns_frames() {
                for (frame, perms) in self.mapped(space, vma.range()) {
                    let sharers = self.frames.sharers(frame);
                    present += u64::from(sharers == 0);
                    shared += u64::from(sharers > 0);
                    check(
                        sharers == 0 || !perms.contains(Perms::WRITE),
                        "nobody writes to a frame that is shared since a fork",
                    )?;
                }
            }
            self.audit_owned(id, vma)?;
            check(
                vma.is_touched || self.mmu.next_held(&space.hardware, vma.range()).is_none(),
                "an untouched VMA has neither translations nor tables",
            )?;
        }
        owned += self.arriving(space).map_or(0, |vma| vma.owned.count());
        check(
            space.tables.charged() == tables,
            "a table is charged for each extent that a VMA touches",
        )?;
        check(
            space.pages.charged() == owned,
            "a frame is charged for each private page",
        )?;
        check(
            (space.pages.present, space.pages.shared) == (present, shared),
            "present private pages are counted, shared ones apart",
        )
    }

    /// A VMA owns its private pages, but for those that are on their way into it or have left.
    fn audit_owned(&self, id: VmaId, vma: &Vma) -> Result<(), Broken> {
        let count = vma.content().count().get();
        let expected = match vma.state {
            _ if !vma.backing.owns_frames() => 0,
            VmaState::Live => count,
            VmaState::Filling => count - self.count_coming(id),
            VmaState::Leaving(Leaving { from, heir, .. })
                if heir.is_some_and(|heir| self.is_filling(heir.vma)) =>
            {
                vma.range().end().number() - from.number()
            }
            VmaState::Leaving(_) => vma.owned.count().min(count),
        };
        check(vma.owned.count() == expected, "what a VMA owns is counted")
    }

    fn is_filling(&self, id: VmaId) -> bool {
        self.vmas
            .get(id)
            .is_some_and(|vma| vma.state == VmaState::Filling)
    }

    /// Pages on their way into a VMA.
    fn count_coming(&self, id: VmaId) -> u64 {
        let comes = |vma: &&Vma| matches!(vma.state, VmaState::Leaving(Leaving { heir: Some(heir), .. }) if heir.vma == id);
        let all = self.vmas.iter().map(|(_, vma)| vma);
        all.filter(comes).map(|vma| vma.owned.count()).sum()
    }

    /// What the pages of a range are mapped to, as far as they are.
    fn mapped<'a>(
        &'a self,
        space: &'a Space<M::Space>,
        range: PageRange,
    ) -> impl Iterator<Item = (Frame, Perms)> + 'a {
        let mut rest = Some(range);
        core::iter::from_fn(move || {
            let page = self.mmu.next_mapped(&space.hardware, rest?)?;
            rest = PageRange::between(Page::from_number(page.number() + 1), range.end());
            self.mmu.lookup(&space.hardware, page)
        })
    }

    fn audit_attachments(&self, space: &Space<M::Space>) -> Result<(), Broken> {
        let (mut attachments, mut headless) = (0, 0);
        for (id, _) in self.vmas_of(space).filter(|(_, vma)| vma.attachment().is_some()) {
            let ring = || Ring {
                vmas: &self.vmas,
                first: id,
                next: Some(id),
            };
            check(
                ring().all(|other| self.same_attachment(id, other)),
                "a ring is one attachment",
            )?;
            let start = |id| existing(&self.vmas, id).range().start();
            if ring().any(|other| start(other) < start(id)) {
                continue;
            }
            attachments += 1;
            let has_head = ring()
                .map(|id| existing(&self.vmas, id))
                .any(|vma| vma.is_head() && !vma.is_leaving());
            headless += u32::from(!has_head);
        }
        attachments += u32::from(self.arriving(space).is_some_and(|vma| vma.attachment().is_some()));
        check(
            attachments == space.attachments,
            "attachments are counted once, however many VMAs are left",
        )?;
        check(
            headless == space.headless,
            "attachments without their first page are counted",
        )
    }

    /// Translations lead where their VMAs say, and allow no more.
    fn audit_translations(&self, space: &Space<M::Space>) -> Result<(), Broken> {
        for (_, vma) in self.vmas_of(space) {
            let is_linked = vma.manner() == Manner::Linked;
            let in_slots = vma.manner() != Manner::Paged;
            let in_step = |attachment: Attachment| attachment.base.number().is_multiple_of(SLOT_PAGES);
            check(
                !in_slots || (vma.attachment().is_some_and(in_step) && is_whole_slots(vma.range())),
                "a VMA that is linked or has blocks is made of whole slots, in step with its region's tables",
            )?;
            let mut rest = Some(vma.range());
            while let Some(page) = rest.and_then(|rest| self.mmu.next_mapped(&space.hardware, rest)) {
                check(
                    self.mmu.is_linked(&space.hardware, page) == is_linked,
                    "linked VMAs are linked, others are not",
                )?;
                let next = if in_slots {
                    self.audit_slot(space, vma, page)?;
                    slot_of(page).end()
                } else {
                    self.audit_page(space, vma, page)?;
                    Page::from_number(page.number() + 1)
                };
                rest = PageRange::between(next, vma.range().end());
            }
        }
        Ok(())
    }

    /// What is seen of a region in a linked slot: the first page there that has a frame.
    fn audit_slot(&self, space: &Space<M::Space>, vma: &Vma, slot: Page) -> Result<(), Broken> {
        let Some(attachment) = vma.attachment() else {
            return Err("what is linked, or a block, is attached");
        };
        let region = self.regions.get(attachment.region);
        let tree = region.and_then(|region| region.contents.tree());
        let from = attachment.index_of(slot);
        let first = tree.and_then(|tree| self.mmu.shared_next(tree, from, from + SLOT_PAGES));
        first.map_or(Ok(()), |index| {
            self.audit_page(space, vma, Page::from_number(attachment.base.number() + index))
        })
    }

    fn audit_page(&self, space: &Space<M::Space>, vma: &Vma, page: Page) -> Result<(), Broken> {
        check(
            vma.content().contains(page),
            "only what a VMA stands for is mapped",
        )?;
        let Some((frame, perms)) = self.mmu.lookup(&space.hardware, page) else {
            return Err("a page that is mapped has a frame");
        };
        let offset = page.number() - vma.range().start().number();
        let expected = match vma.backing {
            Backing::Anonymous | Backing::Stack(_) | Backing::MessagePage => Some(frame),
            Backing::Physical(first, _) => Some(first.offset(offset)),
            Backing::Paged(attachment) | Backing::Linked(attachment) | Backing::Blocks(attachment) => self
                .regions
                .get(attachment.region)
                .and_then(|region| region.contents.lookup(&self.mmu, attachment.index_of(page))),
        };
        check(expected == Some(frame), "a translation leads to its VMA's frame")?;
        check(
            !perms.contains(Perms::WRITE | Perms::EXECUTE),
            "nothing is writable and executable at once",
        )?;
        let may_exceed = vma.is_leaving() || space.exceeding.is_some_and(|range| range.contains(page));
        check(
            may_exceed || vma.perms.contains(perms),
            "a translation allows no more than its VMA",
        )
    }

    fn same_attachment(&self, one: VmaId, other: VmaId) -> bool {
        existing(&self.vmas, one).attachment() == existing(&self.vmas, other).attachment()
    }

    fn audit_region(&self, id: RegionId, region: &Region) -> Result<(), Broken> {
        let contents = &region.contents;
        let attached: usize = self
            .spaces
            .iter()
            .map(|(_, space)| self.count_attachments(space, id))
            .sum();
        check(
            attached == region.attached as usize,
            "nattch is the number of attachments",
        )?;
        let is_leaving = |first: VmaId| is_all_leaving(&self.vmas, first);
        let leaving = self.spaces.iter().map(|(_, space)| {
            let attachments = self.attachments(space, id);
            attachments
                .filter(|&(id, vma)| vma.is_leaving() && is_leaving(id))
                .count()
        });
        check(
            leaving.sum::<usize>() == region.leaving as usize,
            "attachments that cannot be used any more are counted",
        )?;
        let behind = |tree| self.mmu.shared_next(tree, region.pages().get(), u64::MAX);
        check(
            contents.tree().and_then(behind).is_none(),
            "no frame stands behind a region's end",
        )?;
        let promised = contents.promise().all_frames();
        let expected = match (region.reserve, region.state) {
            (Reserve::Promised, RegionState::Unnamed | RegionState::Live | RegionState::Removed) => {
                contents.needs() - contents.held()
            }
            // The tables that the block will need, while one is coming.
            (Reserve::OnTouch, state) if state != RegionState::Dead && contents.is_block_coming() => {
                promised.min(2)
            }
            (Reserve::OnTouch, _) | (_, RegionState::Dead) => 0,
        };
        check(
            promised == expected,
            "a region holds, or is promised, all its frames and tables",
        )?;
        let is_in_flow = region.flow.is_unsettled() || region.flow.attaching() > 0;
        match region.state {
            RegionState::Live if region.key != ShmKey::PRIVATE => {
                check(
                    self.regions.by_key(region.key) == Some(id),
                    "a key finds its region",
                )?;
            }
            RegionState::Live => {}
            RegionState::Unnamed => {
                let kept = region.attached > 0 || region.handles > 0 || is_in_flow;
                check(kept, "a region without a name has a handle or is attached")?;
            }
            RegionState::Removed => check(
                region.attached > region.leaving || is_in_flow,
                "a removed region has an attachment that can be used",
            )?,
            RegionState::Dead => {
                let kept = region.attached > 0 || region.handles > 0;
                check(!kept, "a dead region has no handle and is not attached")?;
                let takers = self.count_in_lists(id, |space| space.dead);
                check(takers == 1, "somebody takes a dead region apart")?;
            }
        }
        let settlers = self.count_in_lists(id, |space| space.unsettled);
        check(
            settlers == usize::from(region.flow.is_unsettled()),
            "somebody settles a region that may have to go",
        )?;
        let found = self.regions.by_identifier(RegionTable::identifier(id));
        check(
            found == matches!(region.state, RegionState::Live | RegionState::Removed).then_some(id),
            "an identifier finds a region that has not lost it",
        )
    }

    /// How often a region is in lists that address spaces have of them.
    fn count_in_lists(&self, id: RegionId, first: impl Fn(&Space<M::Space>) -> Option<RegionId>) -> usize {
        let next = |id: &RegionId| self.regions.get(*id).and_then(|region| region.next);
        let lists = self
            .spaces
            .iter()
            .flat_map(|(_, space)| core::iter::successors(first(space), next));
        lists.filter(|&listed| listed == id).count()
    }

    fn count_attachments(&self, space: &Space<M::Space>, region: RegionId) -> usize {
        let arriving = self.arriving(space);
        let is_arriving = arriving.is_some_and(|vma| is_of(vma, region));
        self.attachments(space, region).count() + usize::from(is_arriving)
    }

    /// The lowest VMA of each attachment.
    fn attachments<'a>(
        &'a self,
        space: &'a Space<M::Space>,
        region: RegionId,
    ) -> impl Iterator<Item = (VmaId, &'a Vma)> + 'a {
        let starts_ring = |id: VmaId| {
            let start = |id| existing(&self.vmas, id).range().start();
            Ring {
                vmas: &self.vmas,
                first: id,
                next: Some(id),
            }
            .all(|other| start(other) >= start(id))
        };
        self.vmas_of(space)
            .filter(move |(id, vma)| is_of(vma, region) && starts_ring(*id))
    }

    /// Those who share each frame since a fork are counted. To look for all of them for each frame would
    /// take for ever: frames get weights at random, and sums of these are compared.
    fn audit_sharers(&self) -> Result<(), Broken> {
        let weight_of_space = |space: &Space<M::Space>| {
            let private = self.vmas_of(space).filter(|(_, vma)| vma.backing.owns_frames());
            let mapped = private.flat_map(|(_, vma)| self.mapped(space, vma.range()));
            let shared = mapped.filter(|(frame, _)| self.frames.sharers(*frame) > 0);
            shared.fold(0u64, |sum, (frame, _)| sum.wrapping_add(weight(frame)))
        };
        let found = self.spaces.iter().map(|(_, space)| weight_of_space(space));
        let counted = self
            .frames
            .all_shared()
            .map(|(frame, sharers)| weight(frame).wrapping_mul(sharers));
        check(
            found.fold(0, u64::wrapping_add) == counted.fold(0, u64::wrapping_add),
            "those who share a frame since a fork are counted",
        )
    }

    fn audit_totals(&self) -> Result<(), Broken> {
        let (mut used, mut promised, mut vmas, mut shares, mut reserved) = (self.in_runs, 0, 0, 0, 0);
        used += self.frames.spares();
        for (_, space) in self.spaces.iter() {
            used += 1 + space.tables.present + space.pages.present;
            promised += space.tables.promise.frames() + space.pages.promise.frames();
            shares += space.pages.shared;
            promised += space.birth.as_ref().map_or(0, |birth| birth.promise.frames());
            reserved += space.birth.as_ref().map_or(0, |birth| birth.slots.count());
            promised += space
                .arriving
                .as_ref()
                .map_or(0, |arriving| arriving.tables.frames());
            vmas += space.set.count() + u32::from(space.arriving.is_some());
        }
        let (mut identified, mut unnamed, mut pages, mut present) = (0, 0, 0, 0);
        for (_, region) in self.regions.iter() {
            used += region.contents.held();
            promised += region.contents.promise().all_frames();
            present += region.contents.present();
            match region.state {
                RegionState::Unnamed => unnamed += 1,
                RegionState::Live | RegionState::Removed => identified += 1,
                RegionState::Dead => continue,
            }
            pages += region.pages().get();
        }
        let (shared, copies) = self.frames.shared();
        check(
            shares == shared + copies,
            "a frame that is shared is there for one, and promised to all others",
        )?;
        let (used, promised) = (used + shared, promised + copies);
        let counts = Frames::counts(&self.frames);
        check(
            counts.total - counts.free == used,
            "every frame in use belongs to somebody",
        )?;
        check(counts.promised == promised, "every promise is kept by somebody")?;
        check(counts.promised <= counts.free, "what is promised is there")?;
        check(self.vmas.used() == vmas, "every VMA is in a set or about to be")?;
        check(
            self.vmas.reserved() == reserved,
            "every slot for a VMA that is reserved is somebody's",
        )?;
        check(
            self.regions.identified() == identified && self.regions.found() == identified + unnamed,
            "regions are counted",
        )?;
        check(self.regions.pages() == pages, "the pages of regions are counted")?;
        check(
            self.frames.in_regions() == present,
            "present shared pages are counted",
        )
    }
}

/// A number that looks like any other (the finaliser of SplitMix64).
fn weight(frame: Frame) -> u64 {
    let mut weight = frame.number().wrapping_add(0x9e37_79b9_7f4a_7c15);
    weight = (weight ^ weight >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    weight = (weight ^ weight >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    weight ^ weight >> 31
}

/// The VMAs of one attachment.
struct Ring<'a> {
    vmas: &'a slots::Pool<Vma>,
    first: VmaId,
    next: Option<VmaId>,
}

impl Iterator for Ring<'_> {
    type Item = VmaId;

    fn next(&mut self) -> Option<VmaId> {
        let id = self.next?;
        self.next = Some(after_in_ring(self.vmas, id)).filter(|&after| after != self.first);
        Some(id)
    }
}

fn is_of(vma: &Vma, region: RegionId) -> bool {
    vma.attachment()
        .is_some_and(|attachment| attachment.region == region)
}

#[cfg(test)]
mod hardware;
#[cfg(test)]
mod tests;
