//! Cutting VMAs at the ends of a range.
//!
//! A private or paged VMA is cut in two. A linked one can be cut like that only between two slots:
//! anywhere else the slot is unshared first (`unshare.rs`), which makes it a VMA of its own.

use crate::frame::Promise;
use crate::mmu::Mmu;
use crate::slot::{SLOT_PAGES, slot_of};
use crate::space::Space;
use crate::unmap::Purpose;
use crate::vma::{Manner, Vma, VmaId, VmaState, Vmas, existing, split};
use addr::{Page, PageRange};
use slots::Reserved;

/// Where VMAs are cut for a range to be cleared.
pub(crate) struct Cuts {
    /// At its start.
    pub first: Option<Cut>,
    /// At its end.
    pub last: Option<Cut>,
}

/// Where a VMA is cut.
pub(crate) struct Cut {
    vma: VmaId,
    /// The page of the cut; none if it lies behind the region's end, or where a stack has not grown to,
    /// where nothing is to be cut.
    at: Option<Page>,
    /// The slot that is unshared for it.
    slot: Option<PageRange>,
    /// The ends of that slot, where these are inside of the VMA.
    slot_ends: [Option<Page>; 2],
}

impl Cuts {
    /// Those at the ends of `range`. The pages behind a region's end are vacant already, but can be
    /// taken up only after they were unshared.
    pub fn at_ends<H>(space: &Space<H>, vmas: &Vmas<'_>, range: PageRange, purpose: Purpose) -> Self {
        Self {
            first: Cut::at(space, vmas, range.start(), purpose),
            last: Cut::at(space, vmas, range.end(), Purpose::Vacancy),
        }
    }

    /// Those at the ends of `range` where VMAs go through that are to change.
    pub fn for_change<H>(
        space: &Space<H>,
        vmas: &Vmas<'_>,
        range: PageRange,
        changes: impl Fn(&Vma) -> bool,
    ) -> Self {
        let Self { first, last } = Self::at_ends(space, vmas, range, Purpose::Vacancy);
        let is_needed = |cut: &Cut| changes(existing(vmas, cut.vma));
        Self {
            first: first.filter(is_needed),
            last: last.filter(is_needed),
        }
    }

    fn is_none(&self) -> bool {
        self.first.is_none() && self.last.is_none()
    }

    /// How many VMAs there are more when they have been made.
    pub fn new_vmas(&self) -> u32 {
        if self.is_none() {
            return 0;
        }
        let borders = |cut: &Option<Cut>| {
            cut.as_ref()
                .map_or([None; 3], |cut| [cut.slot_ends[0], cut.at, cut.slot_ends[1]])
        };
        let ([a, b, c], [d, e, f]) = (borders(&self.first), borders(&self.last));
        count_different([a, b, c, d, e, f])
    }

    /// How many level-3 tables they take.
    pub fn tables(&self) -> u64 {
        if self.is_none() {
            return 0;
        }
        let slot = |cut: &Option<Cut>| cut.as_ref().and_then(|cut| cut.slot).map(PageRange::start);
        count_different([slot(&self.first), slot(&self.last)]).into()
    }

    /// How many VMAs there are more when what lies between the cuts has gone. With both of them in
    /// one VMA there is one more; else one goes for each that is cut. What is left of a slot that is
    /// unshared is a VMA apart from the linked slots beside it.
    pub fn growth(&self) -> u32 {
        let vma = |cut: &Option<Cut>| cut.as_ref().map(|cut| cut.vma);
        let is_hole = self.first.is_some() && vma(&self.first) == vma(&self.last);
        let is_linked_below = self.first.as_ref().is_some_and(|cut| cut.slot_ends[0].is_some());
        let is_linked_above = self.last.as_ref().is_some_and(|cut| cut.slot_ends[1].is_some());
        u32::from(is_hole) + u32::from(is_linked_below) + u32::from(is_linked_above)
    }
}

/// How many pages there are, each counted once.
fn count_different<const MOST: usize>(pages: [Option<Page>; MOST]) -> u32 {
    let is_new = |&place: &usize| pages[place].is_some() && !pages[..place].contains(&pages[place]);
    (0..MOST).filter(is_new).count() as u32
}

impl Cut {
    /// The one at `at`, if a live VMA takes up pages on both sides of it, which are not vacant unless something is
    /// to be put there.
    pub fn at<H>(space: &Space<H>, vmas: &Vmas<'_>, at: Page, purpose: Purpose) -> Option<Self> {
        let id = space.set.containing(vmas, at)?;
        let vma = existing(vmas, id);
        let range = vma.range();
        if range.start() == at || vma.state != VmaState::Live {
            return None;
        }
        let through = Some(at).filter(|&at| vma.content().start() < at && at < vma.content().end());
        if through.is_none() && purpose == Purpose::Vacancy {
            return None;
        }
        let between_slots = at.number().is_multiple_of(SLOT_PAGES);
        let slot = (vma.manner() == Manner::Linked && !between_slots).then(|| slot_of(at));
        let inside = |end: Page| (range.start() < end && end < range.end()).then_some(end);
        let ends = |slot: PageRange| [slot.start(), slot.end()].map(inside);
        Some(Self {
            vma: id,
            at: through,
            slot,
            slot_ends: slot.map_or([None; 2], ends),
        })
    }

    /// Makes it, with slots for the VMAs that are more then. `tables` has one for the slot.
    pub fn make<M: Mmu>(
        &self,
        mmu: &mut M,
        space: &mut Space<M::Space>,
        (vmas, slots): (&mut Vmas<'_>, &mut Reserved),
        tables: &mut Promise,
    ) {
        let mut id = self.vma;
        if let Some(slot) = self.slot {
            id = space.unshare(mmu, (&mut *vmas, &mut *slots), id, slot, tables.split(1));
        }
        if let Some(at) = self.at {
            split(&mut space.set, vmas, slots, id, at);
            space.mappings += 1;
        }
    }
}
