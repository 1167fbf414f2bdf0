//! `mremap` of an attachment: to another place of the same address space.
//!
//! The attachment is made anew where it is to be, and detached where it was, in one request. Nothing is copied:
//! its pages are the region's, and come by touches as they did before. For a moment both count, as far as the
//! limits of mappings and pages are concerned, and the region's times are those of an attach and a detach, as in Linux.
//! `shmseg` is not looked at: there is no attachment more in the end, and who has as many as there may be can still
//! move one.

use crate::attach::{Attachable, fit_from, range_from};
use crate::detach::find_attachment;
use crate::message::{Call, Reply};
use crate::mmu::Mmu;
use crate::sharing::{Each, InSpace};
use crate::vma::{VmaId, VmaState, Vmas, existing, existing_mut};
use abi::Errno;
use abi::memory::Relocate;
use addr::{Page, Perms, VirtAddr};

impl<M: Mmu> InSpace<'_, '_, M> {
    pub(crate) fn relocate(&mut self, call: &mut Call<'_>, request: Relocate) -> Result<Reply, Errno> {
        let page = |address| Page::starting_at(VirtAddr::new(address)).ok_or(Errno::EINVAL);
        let (from, to) = (page(request.address)?, page(request.destination)?);
        let Each {
            space, vmas, regions, ..
        } = self.each();
        let old = find_attachment(space, &vmas, from)
            .filter(|&id| is_whole(&vmas, id))
            .ok_or(Errno::EINVAL)?;
        let vma = existing(&vmas, old);
        let (perms, most) = (vma.perms, vma.most);
        let id = vma.attachment().ok_or(Errno::EINVAL)?.region;
        let region = regions.attached(id).0.begin_attachment(id)?;
        let added = self.add_attachment(region, most, to);
        self.finish_attachment(region, added.is_ok(), call.now)?;
        let new = added?;
        existing_mut(&mut self.each().vmas, new).perms = perms;
        // It may have fallen in two: the new place may begin in its last slot, behind the region's end.
        self.begin_detach(old, call.now);
        Ok(Reply::after((), self.sweep(call.now)))
    }

    /// Attaches the region at `to`.
    fn add_attachment(&mut self, region: Attachable, perms: Perms, to: Page) -> Result<VmaId, Errno> {
        let range = range_from(to, region.pages, region.unit)?;
        let Each { space, vmas, .. } = self.each();
        let fit = fit_from(space, &vmas, range).ok_or(Errno::EINVAL)?;
        self.add_vma(fit, perms, region.backing(fit.range), VmaState::Live)
    }
}

/// Whether a VMA is all of an attachment.
fn is_whole(vmas: &Vmas<'_>, id: VmaId) -> bool {
    let vma = existing(vmas, id);
    vma.attachment()
        .is_some_and(|attachment| vma.content().count().get() == attachment.pages)
}
