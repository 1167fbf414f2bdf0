//! `munmap`: gives back any range, parts of VMAs and attachments included.

use crate::job::Job;
use crate::manager::{MemoryManager, typed};
use crate::message::{Call, Reply};
use crate::mmu::Mmu;
use crate::place::mappable;
use crate::space::{Space, SpaceId};
use crate::vma::{VmaId, VmaState, Vmas, existing, split};
use abi::Errno;
use abi::memory::Unmap;
use addr::{Page, PageCount, PageRange, VirtAddr};

/// A range whose first and last VMA can be cut at its ends, since there are slots for it.
pub(crate) struct Clearance {
    range: PageRange,
}

impl<M: Mmu> MemoryManager<M> {
    pub(crate) fn unmap(&mut self, call: &mut Call<'_>, request: Unmap) -> Result<Reply, Errno> {
        let start = Page::starting_at(VirtAddr::new(request.address));
        let count = PageCount::covering(request.length);
        let range = start
            .zip(count)
            .and_then(|(start, count)| PageRange::new(start, count));
        // All of user space, but not the message pages, which stay for a thread's whole life.
        let range = range
            .filter(|range| range.end() <= mappable().end())
            .ok_or(Errno::EINVAL)?;
        let clearance = self.plan_clearance(call.space, range, 0)?;
        self.cut_out(call.space, clearance);
        Ok(Reply::new(()).after(self.step(Job::Unmap(call.space, range), call.now)))
    }

    /// Makes sure that [`cut_out`](Self::cut_out) will find slots for the VMAs it cuts, and that
    /// `more` are left after that.
    ///
    /// # Errors
    /// `ENOMEM` if slots are missing, or if a VMA falls in two while there may be no more.
    pub(crate) fn plan_clearance(
        &self,
        space: SpaceId,
        range: PageRange,
        more: u32,
    ) -> Result<Clearance, Errno> {
        let space = self.alive(space)?;
        let cuts = [range.start(), range.end()].map(|at| cut_at(space, &self.vmas, at));
        let new_vmas = cuts.iter().flatten().count() as u32 + more;
        // With both ends in one VMA there is one more of them afterwards; else one goes for
        // each that is cut.
        let is_hole = cuts[0].is_some() && cuts[0] == cuts[1];
        let growth = more + u32::from(is_hole);
        let is_too_much = growth > 0 && space.slots().saturating_add(growth) > self.limits.mappings;
        if self.vmas.available() < new_vmas || is_too_much {
            return Err(Errno::ENOMEM);
        }
        Ok(Clearance { range })
    }

    /// Cuts VMAs at the ends of a range, so that it can be cleared of whole ones.
    pub(crate) fn cut_out(&mut self, space: SpaceId, Clearance { range }: Clearance) {
        let Self { spaces, vmas, .. } = self;
        let Some(space) = spaces.get_mut(typed(space)) else {
            return;
        };
        for at in [range.start(), range.end()] {
            if let Some(id) = cut_at(space, vmas, at) {
                split(&mut space.set, vmas, id, at);
                space.mappings += 1;
            }
        }
    }
}

/// The VMA that a cut at `at` splits.
fn cut_at<H>(space: &Space<H>, vmas: &Vmas, at: Page) -> Option<VmaId> {
    across(space, vmas, at).filter(|&id| existing(vmas, id).state == VmaState::Live)
}

/// The VMA with pages on both sides of `at`. Pages behind the end of an attachment's region are
/// not split from its last page; they go with it.
fn across<H>(space: &Space<H>, vmas: &Vmas, at: Page) -> Option<VmaId> {
    let id = space.set.containing(vmas, at)?;
    let content = existing(vmas, id).content();
    (content.start() < at && at < content.end()).then_some(id)
}

/// Whether pages are on their way into a VMA that reaches across an end of `range`. It is not cut.
pub(crate) fn is_filled_across<H>(space: &Space<H>, vmas: &Vmas, range: PageRange) -> bool {
    [range.start(), range.end()]
        .iter()
        .filter_map(|&at| across(space, vmas, at))
        .any(|id| existing(vmas, id).state == VmaState::Filling)
}
