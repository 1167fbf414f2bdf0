//! `munmap`: gives back any range, parts of VMAs and attachments included.

use crate::change::{Change, Fate};
use crate::cut::{Cut, Cuts};
use crate::frame::{OutOfFrames, Promise};
use crate::identity::Seconds;
use crate::message::{Call, Reply};
use crate::mmu::Mmu;
use crate::place::mappable;
use crate::sharing::{Each, InSpace};
use crate::slot::SLOT_PAGES;
use crate::space::Space;
use crate::vma::{Manner, VmaId, VmaState, Vmas, existing};
use abi::Errno;
use abi::memory::Unmap;
use addr::{Page, PageCount, PageRange, VirtAddr};
use slots::{Full, Reserved};

/// What a range is cleared for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Purpose {
    /// Nothing; it stays vacant.
    Vacancy,
    /// A VMA that takes it up.
    Newcomer,
}

/// A range at whose ends VMAs can be cut, since there are slots for it.
#[must_use = "its slots are to be used, or released"]
pub(crate) struct Clearance {
    pub range: PageRange,
    pub cuts: Cuts,
    pub slots: Reserved,
}

impl Clearance {
    /// Tables that have to be promised for the slots that are unshared.
    pub fn tables(&self) -> u64 {
        self.cuts.tables()
    }
}

impl<M: Mmu> InSpace<'_, '_, M> {
    pub(crate) fn unmap(&mut self, call: &mut Call<'_>, request: Unmap) -> Result<Reply, Errno> {
        let start = Page::starting_at(VirtAddr::new(request.address));
        let count = PageCount::covering(request.length);
        let range = start
            .zip(count)
            .and_then(|(start, count)| PageRange::new(start, count));
        let range = range
            .filter(|&range| mappable().contains_range(range))
            .ok_or(Errno::EINVAL)?;
        let clearance = self.plan_clearance(range, Purpose::Vacancy)?;
        let tables = self.promise_for(&clearance, 0);
        let (clearance, tables) = self.unless_refused(clearance, tables)?;
        self.clear(clearance, tables, call.now);
        Ok(Reply::after((), self.sweep(call.now)))
    }

    /// Makes sure that [`cut_out`](Self::cut_out) will find slots for the VMAs it cuts, and that
    /// one is left after that for a newcomer.
    ///
    /// # Errors
    /// `EINVAL` if a block would be cut; `ENOMEM` if slots are missing, or if more VMAs are left than there
    /// may be.
    pub(crate) fn plan_clearance(&mut self, range: PageRange, purpose: Purpose) -> Result<Clearance, Errno> {
        let Each { space, vmas, .. } = self.each();
        check_blocks_whole(space, &vmas, range)?;
        let cuts = Cuts::at_ends(space, &vmas, range, purpose);
        let more = u32::from(purpose == Purpose::Newcomer);
        let slots = self.reserve_slots(cuts.new_vmas() + more, cuts.growth() + more)?;
        Ok(Clearance { range, cuts, slots })
    }

    /// Slots for `new` VMAs, if there may be `growth` more in the end.
    ///
    /// # Errors
    /// `ENOMEM` if not.
    pub(crate) fn reserve_slots(&mut self, new: u32, growth: u32) -> Result<Reserved, Errno> {
        let lacking = self.lacking();
        let Each {
            space,
            mut vmas,
            limits,
            ..
        } = self.each();
        let is_too_much = growth > 0 && space.slots().saturating_add(growth) > space.most_mappings(limits);
        if is_too_much {
            return Err(Errno::ENOMEM);
        }
        vmas.reserve(new).map_err(|Full| lacking)
    }

    /// Promises the tables that the clearance needs, and `more` frames.
    pub(crate) fn promise_for(&mut self, clearance: &Clearance, more: u64) -> Result<Promise, Errno> {
        let lacking = self.lacking();
        match clearance.tables() + more {
            0 => Ok(Promise::none()),
            frames => {
                let promised = self.each().regions.zone().lock().promise(frames);
                promised.map_err(|OutOfFrames| lacking)
            }
        }
    }

    /// The clearance with what else was to be had for it; or that is given up, as it was refused.
    pub(crate) fn unless_refused<T>(
        &mut self,
        clearance: Clearance,
        found: Result<T, Errno>,
    ) -> Result<(Clearance, T), Errno> {
        match found {
            Ok(found) => Ok((clearance, found)),
            Err(refused) => {
                self.each().vmas.release(clearance.slots);
                Err(refused)
            }
        }
    }

    /// Makes all VMAs of a range leave, after those at its ends have been cut: later, somebody else could have mapped
    /// something across the ends.
    pub(crate) fn clear(&mut self, clearance: Clearance, tables: Promise, now: Seconds) {
        let (range, fate) = (clearance.range, Fate::Leave);
        let slots = self.cut_out(clearance, tables);
        self.each().vmas.release(slots);
        self.begin_change(Change { range, fate }, now);
    }

    /// Cuts VMAs at the ends of a range, so that it can be cleared of whole ones. `tables` is what
    /// the clearance says. Answers what slots are left.
    pub(crate) fn cut_out(&mut self, clearance: Clearance, mut tables: Promise) -> Reserved {
        let Clearance {
            range,
            cuts: Cuts { first, last },
            mut slots,
        } = clearance;
        let Each {
            space, mut vmas, mmu, ..
        } = self.each();
        if let Some(cut) = first {
            cut.make(mmu, space, (&mut vmas, &mut slots), &mut tables);
        }
        // The first cut may have changed the VMA that the second one is in.
        if last.is_some()
            && let Some(cut) = Cut::at(space, &vmas, range.end(), Purpose::Vacancy)
        {
            cut.make(mmu, space, (&mut vmas, &mut slots), &mut tables);
        }
        slots
    }
}

/// Whether pages are on their way into a VMA that reaches across an end of `range`. It is not cut.
pub(crate) fn is_filled_across<H>(space: &Space<H>, vmas: &Vmas<'_>, range: PageRange) -> bool {
    [range.start(), range.end()]
        .iter()
        .filter_map(|&at| across(space, vmas, at))
        .any(|id| existing(vmas, id).state == VmaState::Filling)
}

/// Whether no block lies across an end of `range`.
///
/// # Errors
/// `EINVAL` if one does.
pub(crate) fn check_blocks_whole<H>(
    space: &Space<H>,
    vmas: &Vmas<'_>,
    range: PageRange,
) -> Result<(), Errno> {
    let ends = [range.start(), range.end()];
    if ends.iter().any(|&at| is_inside_block(space, vmas, at)) {
        return Err(Errno::EINVAL);
    }
    Ok(())
}

/// Whether there are pages of one block on both sides of `at`.
fn is_inside_block<H>(space: &Space<H>, vmas: &Vmas<'_>, at: Page) -> bool {
    let is_of_blocks = |id| {
        let vma = existing(vmas, id);
        vma.manner() == Manner::Blocks && vma.state == VmaState::Live
    };
    !at.number().is_multiple_of(SLOT_PAGES) && space.set.containing(vmas, at).is_some_and(is_of_blocks)
}

/// The VMA with pages on both sides of `at`.
fn across<H>(space: &Space<H>, vmas: &Vmas<'_>, at: Page) -> Option<VmaId> {
    let id = space.set.containing(vmas, at)?;
    let content = existing(vmas, id).content();
    (content.start() < at && at < content.end()).then_some(id)
}
