//! `shmdt`: detaches an attachment, or all that is left of it.
//!
//! POSIX `shmdt`. An attachment is named by the address that `shmat` answered, even when the
//! first page has been unmapped since.

use crate::change::{Change, Fate};
use crate::identity::Seconds;
use crate::message::{Call, Reply};
use crate::mmu::Mmu;
use crate::region::MOST_PAGES;
use crate::sharing::{Each, InSpace};
use crate::space::Space;
use crate::vma::{VmaId, VmaState, Vmas, after_in_ring, existing};
use abi::Errno;
use abi::memory::ShmDetach;
use addr::{Page, PageCount, PageRange, VirtAddr};

impl<M: Mmu> InSpace<'_, '_, M> {
    pub(crate) fn shm_detach(&mut self, call: &mut Call<'_>, request: ShmDetach) -> Result<Reply, Errno> {
        let base = Page::starting_at(VirtAddr::new(request.address)).ok_or(Errno::EINVAL)?;
        let Each { space, vmas, .. } = self.each();
        let first = find_attachment(space, &vmas, base).ok_or(Errno::EINVAL)?;
        self.begin_detach(first, call.now);
        Ok(Reply::after((), self.sweep(call.now)))
    }

    /// Makes all that is left of the attachment that `id` is of unusable, so that of two who detach it one is
    /// refused.
    pub(crate) fn begin_detach(&mut self, id: VmaId, now: Seconds) {
        let Each { vmas, .. } = self.each();
        let Some(attachment) = existing(&vmas, id).attachment() else {
            return;
        };
        // Nearly always it is one VMA.
        if after_in_ring(&vmas, id) == id {
            self.begin_leaving(id, now);
            return;
        }
        let (range, fate) = (attachment.range(), Fate::Detach(attachment));
        self.begin_change(Change { range, fate }, now);
    }
}

/// Some VMA of the attachment whose first page is, or was, `base`.
///
/// Nearly always it is the VMA at `base`. Only if attachments of this address space have lost
/// their first page, all VMAs above are searched: there are as many as the process has made.
pub(crate) fn find_attachment<H>(space: &Space<H>, vmas: &Vmas<'_>, base: Page) -> Option<VmaId> {
    let belongs = |id: &VmaId| {
        let vma = existing(vmas, *id);
        vma.state == VmaState::Live && vma.attachment().is_some_and(|attachment| attachment.base == base)
    };
    let at_base = space.set.containing(vmas, base).filter(belongs);
    if at_base.is_some() || space.headless == 0 {
        return at_base;
    }
    let reach = PageRange::new(base, PageCount::new(MOST_PAGES)?)?;
    space.set.overlapping(vmas, reach).find(belongs)
}
