//! `munmap`: gives back any range, parts of VMAs and attachments included.

use crate::manager::{MemoryManager, typed};
use crate::message::{Call, Reply};
use crate::mmu::Mmu;
use crate::place::mappable;
use crate::space::SpaceId;
use crate::vma::{VmaId, VmaState, linked, split};
use abi::Errno;
use abi::memory::Unmap;
use addr::{Page, PageCount, PageRange, VirtAddr};

/// A range that can be cleared: its first and last VMA may be cut, and there are slots for it.
pub(crate) struct Clearance {
    range: PageRange,
}

impl<M: Mmu> MemoryManager<M> {
    pub(crate) fn unmap(&mut self, call: &mut Call<'_>, request: Unmap) -> Result<Reply, Errno> {
        let start = Page::starting_at(VirtAddr::new(request.address));
        let range = start.zip(PageCount::covering(request.length)).and_then(|(start, count)| PageRange::new(start, count));
        // All of user space, but not the message pages, which stay for a thread's whole life.
        let range = range.filter(|range| range.end() <= mappable().end()).ok_or(Errno::EINVAL)?;
        let clearance = self.plan_clearance(call.space, range, 0)?;
        self.clear(call.space, clearance);
        Ok(Reply::new(()).after(self.sweep(call.space, call.now)))
    }

    /// Makes sure that [`clear`](Self::clear) will find slots for the VMAs it cuts, and that
    /// `more` are left after that.
    ///
    /// # Errors
    /// `ENOMEM` if slots are missing, or if a VMA falls in two while there may be no more.
    pub(crate) fn plan_clearance(&self, space: SpaceId, range: PageRange, more: u32) -> Result<Clearance, Errno> {
        let space = self.alive(space)?;
        let is_cut_at = |id: VmaId, at: Page| {
            let vma = linked(&self.vmas, id);
            let content = vma.content();
            vma.state == VmaState::Live && content.start() < at && at < content.end()
        };
        let cut = |at: Page| space.set.containing(&self.vmas, at).filter(|&id| is_cut_at(id, at));
        let cuts = [cut(range.start()), cut(range.end())];
        let new_vmas = cuts.iter().flatten().count() as u32 + more;
        // With both ends in one VMA there is one more of them afterwards; else one goes for
        // each that is cut.
        let is_hole = cuts[0].is_some() && cuts[0] == cuts[1];
        let growth = more + u32::from(is_hole);
        let limit = self.limits.mappings;
        if self.vmas.available() < new_vmas || (growth > 0 && space.mappings.saturating_add(growth) > limit) {
            return Err(Errno::ENOMEM);
        }
        Ok(Clearance { range })
    }

    /// Makes everything in a range unusable and leaves it to be emptied. Pages behind the end of
    /// an attachment's region go with its last page.
    pub(crate) fn clear(&mut self, space: SpaceId, Clearance { range }: Clearance) {
        let Self { spaces, vmas, .. } = self;
        let Some(space) = spaces.get_mut(typed(space)) else { return };
        let mut from = range.start();
        while let Some(id) = space.set.first_ending_after(vmas, from) {
            let vma = linked(vmas, id);
            let (start, content) = (vma.range().start(), vma.content());
            if start >= range.end() {
                return;
            }
            from = vma.range().end();
            if vma.state == VmaState::Leaving || !content.overlaps(range) {
                continue;
            }
            let mut inside = id;
            if start < range.start() {
                inside = split(&mut space.set, vmas, id, range.start());
                space.mappings += 1;
            }
            if range.end() < content.end() {
                split(&mut space.set, vmas, inside, range.end());
                space.mappings += 1;
            }
            space.begin_leaving(vmas, inside);
        }
    }
}
