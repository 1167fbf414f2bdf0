//! `mremap` of an attachment: to another place of the same address space.
//!
//! The attachment is made anew where it is to be, and detached where it was, in one request. Nothing is copied:
//! its pages are the region's, and come by touches as they did before. For a moment both count, as far as the
//! limits of mappings and pages are concerned, and the region's times are those of an attach and a detach, as in Linux.
//! `shmseg` is not looked at: there is no attachment more in the end, and who has as many as there may be can still
//! move one.

use crate::attach::{fit_from, range_from};
use crate::detach::find_attachment;
use crate::manager::MemoryManager;
use crate::message::{Call, Reply};
use crate::mmu::Mmu;
use crate::vma::{VmaId, VmaState, Vmas, existing, existing_mut};
use abi::Errno;
use abi::memory::Relocate;
use addr::{Page, VirtAddr};

impl<M: Mmu> MemoryManager<M> {
    pub(crate) fn relocate(&mut self, call: &mut Call<'_>, request: Relocate) -> Result<Reply, Errno> {
        let page = |address| Page::starting_at(VirtAddr::new(address)).ok_or(Errno::EINVAL);
        let (from, to) = (page(request.address)?, page(request.destination)?);
        let space = self.alive(call.space)?;
        let old = find_attachment(space, &self.vmas, from)
            .filter(|&id| is_whole(&self.vmas, id))
            .ok_or(Errno::EINVAL)?;
        let vma = existing(&self.vmas, old);
        let (perms, most) = (vma.perms, vma.most);
        let attachment = vma.attachment().ok_or(Errno::EINVAL)?;
        let region = self.regions.get(attachment.region).ok_or(Errno::EINVAL)?;
        if region.attached == u32::MAX {
            return Err(Errno::ENOMEM);
        }
        let range = range_from(to, region.pages(), region.contents.unit())?;
        let fit = fit_from(space, &self.vmas, range).ok_or(Errno::EINVAL)?;
        let backing = region.backing(attachment.region, fit.range);
        let new = self.add_vma(call.space, fit, most, backing, VmaState::Live)?;
        existing_mut(&mut self.vmas, new).perms = perms;
        self.note_attachment(call, attachment.region);
        // It may have fallen in two: the new place may begin in its last slot, behind the region's end.
        self.begin_detach(call, old);
        Ok(Reply::after((), self.sweep(call.space, call.now)))
    }
}

/// Whether a VMA is all of an attachment.
fn is_whole(vmas: &Vmas, id: VmaId) -> bool {
    let vma = existing(vmas, id);
    vma.attachment()
        .is_some_and(|attachment| vma.content().count().get() == attachment.pages)
}
