//! `munmap`: gives back any range, parts of VMAs and attachments included.

use crate::change::{Change, Fate};
use crate::cut::{Cut, Cuts};
use crate::frame::Promise;
use crate::identity::Seconds;
use crate::manager::{MemoryManager, typed};
use crate::message::{Call, Reply};
use crate::mmu::Mmu;
use crate::place::mappable;
use crate::slot::SLOT_PAGES;
use crate::space::{Space, SpaceId};
use crate::vma::{Manner, VmaId, VmaState, Vmas, existing};
use abi::Errno;
use abi::memory::Unmap;
use addr::{Page, PageCount, PageRange, VirtAddr};

/// What a range is cleared for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Purpose {
    /// Nothing; it stays vacant.
    Vacancy,
    /// A VMA that takes it up.
    Newcomer,
}

/// A range at whose ends VMAs can be cut, since there are slots for it.
pub(crate) struct Clearance {
    pub range: PageRange,
    pub cuts: Cuts,
}

impl Clearance {
    /// Tables that have to be promised for the slots that are unshared.
    pub fn tables(&self) -> u64 {
        self.cuts.tables()
    }
}

impl<M: Mmu> MemoryManager<M> {
    pub(crate) fn unmap(&mut self, call: &mut Call<'_>, request: Unmap) -> Result<Reply, Errno> {
        let start = Page::starting_at(VirtAddr::new(request.address));
        let count = PageCount::covering(request.length);
        let range = start
            .zip(count)
            .and_then(|(start, count)| PageRange::new(start, count));
        let range = range
            .filter(|&range| mappable().contains_range(range))
            .ok_or(Errno::EINVAL)?;
        let clearance = self.plan_clearance(call.space, range, Purpose::Vacancy)?;
        let tables = self.frames.promise(clearance.tables())?;
        self.clear(call.space, &clearance, tables, call.now);
        Ok(Reply::after((), self.sweep(call.space, call.now)))
    }

    /// Makes sure that [`cut_out`](Self::cut_out) will find slots for the VMAs it cuts, and that
    /// one is left after that for a newcomer.
    ///
    /// # Errors
    /// `EINVAL` if a block would be cut; `ENOMEM` if slots are missing, or if more VMAs are left than there
    /// may be.
    pub(crate) fn plan_clearance(
        &self,
        space: SpaceId,
        range: PageRange,
        purpose: Purpose,
    ) -> Result<Clearance, Errno> {
        let space = self.alive(space)?;
        check_blocks_whole(space, &self.vmas, range)?;
        let cuts = Cuts::at_ends(space, &self.vmas, range, purpose);
        let more = u32::from(purpose == Purpose::Newcomer);
        self.check_slots(space, cuts.new_vmas() + more, cuts.growth() + more)?;
        Ok(Clearance { range, cuts })
    }

    /// Whether there are slots for `new` VMAs, and there may be `growth` more in the end.
    ///
    /// # Errors
    /// `ENOMEM` if not.
    pub(crate) fn check_slots(&self, space: &Space<M::Space>, new: u32, growth: u32) -> Result<(), Errno> {
        let is_too_much =
            growth > 0 && space.slots().saturating_add(growth) > space.most_mappings(&self.limits);
        if self.vmas.available() < new || is_too_much {
            return Err(Errno::ENOMEM);
        }
        Ok(())
    }

    /// Makes all VMAs of a range leave, after those at its ends have been cut: later, somebody else could have mapped
    /// something across the ends.
    pub(crate) fn clear(&mut self, space: SpaceId, clearance: &Clearance, tables: Promise, now: Seconds) {
        let (range, fate) = (clearance.range, Fate::Leave);
        self.cut_out(space, clearance, tables);
        self.begin_change(space, Change { range, fate }, now);
    }

    /// Cuts VMAs at the ends of a range, so that it can be cleared of whole ones. `tables` is what
    /// the clearance says.
    pub(crate) fn cut_out(&mut self, space: SpaceId, clearance: &Clearance, mut tables: Promise) {
        let Self {
            mmu, spaces, vmas, ..
        } = self;
        let Some(space) = spaces.get_mut(typed(space)) else {
            return;
        };
        let Cuts { first, last } = &clearance.cuts;
        if let Some(cut) = first {
            cut.make(mmu, space, vmas, &mut tables);
        }
        // The first cut may have changed the VMA that the second one is in.
        if last.is_some()
            && let Some(cut) = Cut::at(space, vmas, clearance.range.end(), Purpose::Vacancy)
        {
            cut.make(mmu, space, vmas, &mut tables);
        }
    }
}

/// Whether pages are on their way into a VMA that reaches across an end of `range`. It is not cut.
pub(crate) fn is_filled_across<H>(space: &Space<H>, vmas: &Vmas, range: PageRange) -> bool {
    [range.start(), range.end()]
        .iter()
        .filter_map(|&at| across(space, vmas, at))
        .any(|id| existing(vmas, id).state == VmaState::Filling)
}

/// Whether no block lies across an end of `range`.
///
/// # Errors
/// `EINVAL` if one does.
pub(crate) fn check_blocks_whole<H>(space: &Space<H>, vmas: &Vmas, range: PageRange) -> Result<(), Errno> {
    let ends = [range.start(), range.end()];
    if ends.iter().any(|&at| is_inside_block(space, vmas, at)) {
        return Err(Errno::EINVAL);
    }
    Ok(())
}

/// Whether there are pages of one block on both sides of `at`.
fn is_inside_block<H>(space: &Space<H>, vmas: &Vmas, at: Page) -> bool {
    let is_of_blocks = |id| {
        let vma = existing(vmas, id);
        vma.manner() == Manner::Blocks && vma.state == VmaState::Live
    };
    !at.number().is_multiple_of(SLOT_PAGES) && space.set.containing(vmas, at).is_some_and(is_of_blocks)
}

/// The VMA with pages on both sides of `at`.
fn across<H>(space: &Space<H>, vmas: &Vmas, at: Page) -> Option<VmaId> {
    let id = space.set.containing(vmas, at)?;
    let content = existing(vmas, id).content();
    (content.start() < at && at < content.end()).then_some(id)
}
