//! Unsharing: one slot of a linked attachment gets a level-3 table of its address space's own.
//!
//! What stands in a region's table is seen by all who have it linked. So before some pages of a
//! slot go from one of them, or something else is placed in the slot behind the region's end, the
//! link is replaced: the slot is taken out and forgotten by every TLB, and is paged from then on.
//! Its own table, promised by whoever asks for this, starts without entries. Faults fill it, with
//! the frames that the region has: copying the entries would be up to 512 in one step, most of them
//! never used again.

use crate::frame::Promise;
use crate::mmu::Mmu;
use crate::space::Space;
use crate::vma::{Backing, VmaId, Vmas, existing, existing_mut, split};
use addr::PageRange;
use slots::Reserved;

impl<H> Space<H> {
    /// Takes the links of some slots out, for others to take their places.
    pub(crate) fn unlink<M: Mmu<Space = H>>(&mut self, mmu: &mut M, slots: PageRange) {
        let stale = mmu.unlink(&mut self.hardware, slots, slots, |_| ());
        // Nothing is given back: the frames are the region's, and the tables stay.
        drop(mmu.flush(&self.hardware, stale));
    }

    /// Makes `slot`, which is in the live and linked VMA `id`, a paged VMA by itself, and answers
    /// that. There must be two VMA slots, or as many as it has linked neighbours in `id`.
    /// `table` is the promise of one table.
    pub(crate) fn unshare<M: Mmu<Space = H>>(
        &mut self,
        mmu: &mut M,
        (vmas, slots): (&mut Vmas<'_>, &mut Reserved),
        mut id: VmaId,
        slot: PageRange,
        table: Promise,
    ) -> VmaId {
        self.unlink(mmu, slot);
        self.tables.promise.merge(table);

        let whole = existing(vmas, id).range();
        if slot.end() < whole.end() {
            split(&mut self.set, vmas, slots, id, slot.end());
            self.mappings += 1;
        }
        if whole.start() < slot.start() {
            id = split(&mut self.set, vmas, slots, id, slot.start());
            self.mappings += 1;
        }
        let vma = existing_mut(vmas, id);
        if let Backing::Linked(attachment) = vma.backing {
            let content = vma.content();
            vma.backing = Backing::Paged(attachment);
            self.set.resize(vmas, id, content);
        }
        id
    }
}
