//! `mprotect`: changes what may be done to a range, and to nothing else.
//!
//! VMAs say what may be done from the answer on. Translations that allow more are narrowed first, in
//! steps: those of a linked attachment by taking its links out. What may be done now and could not
//! before is found out by a fault (`touch.rs`), so it costs nothing here.
//!
//! Where translations may still allow more than their VMAs is kept in the address space as one range,
//! so that any step of any job gets on with it, and what has been narrowed may be narrowed again.

use crate::change::{Change, Fate};
use crate::cut::Cuts;
use crate::map::permitted;
use crate::message::{Call, Reply};
use crate::mmu::Mmu;
use crate::place::mappable;
use crate::sharing::{Each, InSpace};
use crate::slot::{SLOT_PAGES, slots_around};
use crate::space::Space;
use crate::unmap::{Clearance, check_blocks_whole};
use crate::vma::{Manner, VmaId, VmaState, Vmas, existing};
use abi::Errno;
use abi::memory::Protect;
use addr::{Page, PageCount, PageRange, Perms, VirtAddr};

/// Narrowing so many leaves takes as long as a frame does: each is taken apart and put together anew.
const LEAVES_OF_A_FRAME: u64 = 2;

impl<M: Mmu> InSpace<'_, '_, M> {
    pub(crate) fn protect(&mut self, call: &mut Call<'_>, request: Protect) -> Result<Reply, Errno> {
        let perms = permitted(request.protection).ok_or(Errno::EINVAL)?;
        let start = Page::starting_at(VirtAddr::new(request.address)).ok_or(Errno::EINVAL)?;
        let Some(pages) = PageCount::covering(request.length) else {
            return Ok(Reply::new(()));
        };
        let range = PageRange::new(start, pages)
            .filter(|&range| mappable().contains_range(range))
            .ok_or(Errno::ENOMEM)?;
        let Each { space, vmas, .. } = self.each();
        check(space, &vmas, range, perms)?;
        let clearance = self.plan_change(range, perms)?;
        let within = self.each().space.check_quota(clearance.tables());
        let (clearance, ()) = self.unless_refused(clearance, within)?;
        let tables = self.promise_for(&clearance, 0);
        let (clearance, tables) = self.unless_refused(clearance, tables)?;
        let slots = self.cut_out(clearance, tables);
        self.each().vmas.release(slots);
        let fate = Fate::Permit(perms);
        self.begin_change(Change { range, fate }, call.now);
        Ok(Reply::after((), self.sweep(call.now)))
    }

    /// Makes sure that there are slots to cut VMAs at the ends of a range, where these are to change.
    ///
    /// # Errors
    /// `EINVAL` if a block would be cut; `ENOMEM` if slots are missing, or if there would be more VMAs than
    /// there may be.
    fn plan_change(&mut self, range: PageRange, perms: Perms) -> Result<Clearance, Errno> {
        let Each { space, vmas, .. } = self.each();
        check_blocks_whole(space, &vmas, range)?;
        let cuts = Cuts::for_change(space, &vmas, range, |vma| vma.perms != perms);
        let slots = self.reserve_slots(cuts.new_vmas(), cuts.new_vmas())?;
        Ok(Clearance { range, cuts, slots })
    }

    /// Makes translations in the first part of `range`, where they may allow more than their VMAs,
    /// allow no more. Answers what that cost.
    pub(crate) fn narrow(&mut self, range: PageRange, most: usize) -> usize {
        let Each { space, vmas, mmu, .. } = self.each();
        let in_range = |id: &VmaId| existing(&vmas, *id).range().start() < range.end();
        let next = space
            .set
            .first_ending_after(&vmas, range.start())
            .filter(in_range);
        let Some(vma) = next.map(|id| existing(&vmas, id)) else {
            space.exceeding = None;
            return 0;
        };
        let part = vma.range().intersection(range).unwrap_or(range);
        let (done, cost) = match vma.manner() {
            // It is being emptied, which takes away more.
            _ if vma.is_leaving() => (part.end(), 0),
            Manner::Paged => narrow_leaves(mmu, space, part, vma.perms, most),
            Manner::Linked | Manner::Blocks => take_links_out(mmu, space, slots_around(part), most),
        };
        space.exceeding = PageRange::between(done, range.end());
        cost
    }
}

/// Whether every page of a range is mapped and may be permitted that.
///
/// # Errors
/// `ENOMEM` if there is a page that is not mapped, `EACCES` for one whose mapping never may be so,
/// `EAGAIN` for one that is moving in.
fn check<H>(space: &Space<H>, vmas: &Vmas<'_>, range: PageRange, perms: Perms) -> Result<(), Errno> {
    let mut known = range.start();
    for id in space.set.overlapping(vmas, range) {
        let vma = existing(vmas, id);
        let content = vma.content();
        if content.start() > known || content.end() <= known || vma.is_leaving() {
            return Err(Errno::ENOMEM);
        }
        if vma.state == VmaState::Filling {
            return Err(Errno::EAGAIN);
        }
        if !vma.most.contains(perms) {
            return Err(Errno::EACCES);
        }
        known = content.end();
    }
    if known < range.end() {
        return Err(Errno::ENOMEM);
    }
    Ok(())
}

/// Narrows leaves in one slot from the first one in `part` on. Answers how far that came, and what it
/// cost.
fn narrow_leaves<M: Mmu>(
    mmu: &mut M,
    space: &mut Space<M::Space>,
    part: PageRange,
    perms: Perms,
    most: usize,
) -> (Page, usize) {
    let looked_at = |pages: u64| (pages.min(SLOT_PAGES) / LEAVES_OF_A_FRAME) as usize;
    let Some(first) = mmu.next_held(&space.hardware, part) else {
        return (part.end(), looked_at(part.count().get()));
    };
    let end = Page::from_number(first.number() + most as u64 * LEAVES_OF_A_FRAME).min(part.end());
    let Some(leaves) = PageRange::between(first, end) else {
        return (part.end(), 0);
    };
    let stale = mmu.protect(&mut space.hardware, leaves, perms);
    // Nothing is given back.
    drop(mmu.flush(&space.hardware, stale));
    (end, looked_at(end.number() - part.start().number()))
}

/// Takes out links in `slots`, from the first one on. Answers how far that came, and what it cost.
fn take_links_out<M: Mmu>(
    mmu: &mut M,
    space: &mut Space<M::Space>,
    slots: PageRange,
    most: usize,
) -> (Page, usize) {
    let Some(first) = mmu.next_held(&space.hardware, slots) else {
        return (slots.end(), 1);
    };
    let end = Page::from_number(first.number() + most as u64 * SLOT_PAGES).min(slots.end());
    let Some(links) = PageRange::between(first, end) else {
        return (slots.end(), 0);
    };
    space.unlink(mmu, links);
    (end, (links.count().get() / SLOT_PAGES) as usize)
}
