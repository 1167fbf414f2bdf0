//! Putting a VMA where others are: `SHM_REMAP` and `MapFlags::REPLACE`.
//!
//! The new VMA waits until what is there has gone, and all it needs is set aside before anything goes. So
//! for a moment both count.

use crate::identity::Seconds;
use crate::mmu::Mmu;
use crate::sharing::{Each, InSpace};
use crate::space::{Arriving, Space};
use crate::unmap::{Purpose, is_filled_across};
use crate::vma::{Neighbours, Vma, Vmas, existing, tables_needed};
use abi::Errno;
use addr::{Page, PageRange};

impl<M: Mmu> InSpace<'_, '_, M> {
    /// Begins to put `vma` in place of what is in its range. The next steps of `space` make it arrive.
    ///
    /// # Errors
    /// `EAGAIN` if something else is arriving, or pages move into what would be cut; `EINVAL` if nothing
    /// is there but room for a stack to grow; `ENOMEM` if frames or slots are missing, or the quota does
    /// not allow it.
    pub(crate) fn replace(&mut self, vma: Vma, now: Seconds) -> Result<(), Errno> {
        let range = vma.range();
        let Each { space, vmas, .. } = self.each();
        if space.arriving.is_some() || is_filled_across(space, &vmas, range) {
            return Err(Errno::EAGAIN);
        }
        if hits_room_to_grow(space, &vmas, range) {
            return Err(Errno::EINVAL);
        }
        let clearance = self.plan_clearance(range, Purpose::Newcomer)?;
        let needed = tables_needed(range, vma.manner(), Neighbours::NONE);
        let pages = vma.content().count().get();
        let within = self.each().space.check_quota(clearance.tables() + needed + pages);
        let (clearance, ()) = self.unless_refused(clearance, within)?;
        let tables = self.promise_for(&clearance, needed + vma.owned.count());
        let (mut clearance, mut tables) = self.unless_refused(clearance, tables)?;
        let (unshared, owned) = (tables.split(clearance.tables()), tables.split(vma.owned.count()));
        let Each { space, mut vmas, .. } = self.each();
        let id = vmas.insert(&mut clearance.slots, vma);
        space.pages.promise.merge(owned);
        space.count_in(pages);
        self.clear(clearance, unshared, now);
        self.each().space.arriving = Some(Arriving {
            vma: id,
            range,
            tables,
        });
        Ok(())
    }
}

/// Whether a range ends where a stack may grow. That stays free as long as there is the stack.
fn hits_room_to_grow<H>(space: &Space<H>, vmas: &Vmas<'_>, range: PageRange) -> bool {
    let last = Page::from_number(range.end().number() - 1);
    let there = space.set.containing(vmas, last);
    there.is_some_and(|id| existing(vmas, id).content().start() >= range.end())
}
