//! Stacks: mappings that a touch below makes grow.
//!
//! A stack takes up all the addresses that it may ever grow into, and a gap below them, from the start;
//! so does the promise of its tables. Its pages are promised as it reaches them. If one cannot be, or if
//! there would be more than the quota, the touch is a fault for want of memory.

use crate::fault::FaultCause;
use crate::frame::{OutOfFrames, Zone};
use crate::space::{Space, SpaceState};
use crate::vma::{Backing, VmaId, VmaState, Vmas, existing_mut};
use addr::{Page, Perms};

impl<H> Space<H> {
    /// Makes a stack reach down to `page`, for an access that needs these permissions.
    ///
    /// # Errors
    /// [`FaultCause`] if it cannot.
    pub(crate) fn grow(
        &mut self,
        zone: &mut Zone<'_>,
        vmas: &mut Vmas<'_>,
        id: VmaId,
        page: Page,
        needed: Perms,
    ) -> Result<(), FaultCause> {
        let vma = existing_mut(vmas, id);
        let lowest = vma.content().start();
        let goes = self.change.is_some_and(|change| change.takes_away(lowest));
        let is_usable = self.state == SpaceState::Alive && vma.state == VmaState::Live && !goes;
        let more = vma
            .growth_to(page)
            .filter(|_| is_usable)
            .ok_or(FaultCause::Unmapped)?;
        if !vma.perms.contains(needed) {
            return Err(FaultCause::NotPermitted);
        }
        self.check_quota(more).map_err(|_| FaultCause::OutOfMemory)?;
        let promise = zone.lock().promise(more);
        let promise = promise.map_err(|OutOfFrames| FaultCause::OutOfMemory)?;
        self.pages.promise.merge(promise);
        self.mapped += more;
        vma.owned += more;
        vma.backing = Backing::Stack(page);
        Ok(())
    }
}
