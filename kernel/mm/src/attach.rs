//! `shmat`: attaches a region.
//!
//! POSIX `shmat`; `SHM_REMAP` and `SHM_EXEC` as in Linux, except that an attachment is never
//! writable and executable at once, so `SHM_EXEC` implies `SHM_RDONLY`.
//!
//! No descriptor is written: the cost does not depend on the size. Frames and translations come
//! with the first touch of each page.

use crate::identity::Seconds;
use crate::message::{Call, Reply};
use crate::mmu::Mmu;
use crate::place::{Fit, Wish, mappable};
use crate::region::{Region, RegionId, Unit, Wanted};
use crate::sharing::{Each, InSpace};
use crate::slot::{is_whole_slots, whole_slots};
use crate::space::Space;
use crate::subject::Subject;
use crate::vma::{Attachment, Backing, Vma, VmaState, Vmas, existing};
use abi::Errno;
use abi::layout::SHMLBA;
use abi::memory::{RegionAttach, ShmAttach};
use abi::shm::AttachFlags;
use addr::{Page, PageCount, PageRange, Perms, VirtAddr};

impl<M: Mmu> InSpace<'_, '_, M> {
    pub(crate) fn shm_attach(&mut self, call: &mut Call<'_>, request: ShmAttach) -> Result<Reply, Errno> {
        let ShmAttach { id, address, flags } = request;
        self.attach(call, Subject::Named(id), address, flags)
    }

    pub(crate) fn region_attach(
        &mut self,
        call: &mut Call<'_>,
        request: RegionAttach,
    ) -> Result<Reply, Errno> {
        let RegionAttach { address, flags } = request;
        self.attach(call, call.region_passed()?, address, flags)
    }

    fn attach(
        &mut self,
        call: &Call<'_>,
        subject: Subject,
        address: u64,
        flags: AttachFlags,
    ) -> Result<Reply, Errno> {
        let wish = wish(address, flags)?;
        let (perms, wanted) = access(flags);
        let region = self.begin_attachment(subject, wanted)?;
        let attached = self.place_attachment(region, perms, wish, call.now);
        self.finish_attachment(region, attached.is_ok(), call.now)?;
        attached
    }

    /// Finds the region, if it grants the access, and counts an attachment that comes, so that it stays whatever others do.
    ///
    /// # Errors
    /// As `shmat`.
    pub(crate) fn begin_attachment(&mut self, subject: Subject, wanted: Wanted) -> Result<Attachable, Errno> {
        let Each {
            space,
            limits,
            regions,
            ..
        } = self.each();
        let (id, mut region) = regions.accessible(subject, &space.identity.credential, wanted)?;
        if space.attachments >= limits.shmseg {
            return Err(Errno::EMFILE);
        }
        region.begin_attachment(id)
    }

    /// Attaches it.
    ///
    /// # Errors
    /// As `shmat`: then nothing has changed.
    pub(crate) fn place_attachment(
        &mut self,
        region: Attachable,
        perms: Perms,
        wish: Wish,
        now: Seconds,
    ) -> Result<Reply, Errno> {
        let Attachable { pages, unit, .. } = region;
        let Each { space, vmas, .. } = self.each();
        let fit = match wish {
            Wish::Anywhere | Wish::Near(_) => {
                let fit = space.fit_slots(&vmas, pages).or_else(|| match unit {
                    Unit::Page => space.fit(&vmas, pages),
                    Unit::Block => None,
                });
                fit.ok_or(Errno::ENOMEM)?
            }
            Wish::At(start) => {
                let range = range_from(start, pages, unit)?;
                fit_from(space, &vmas, range).ok_or(Errno::EINVAL)?
            }
            Wish::Over(start) => {
                let range = range_from(start, pages, unit)?;
                match fit_from(space, &vmas, range) {
                    Some(fit) => fit,
                    None => {
                        let range = place_over(space, &vmas, range);
                        return self.attach_over(region, perms, range, now);
                    }
                }
            }
        };
        self.add_vma(fit, perms, region.backing(fit.range), VmaState::Live)?;
        Ok(Reply::new((fit.range.start().start().raw(),)))
    }

    /// Attaches in place of what is in `range`.
    fn attach_over(
        &mut self,
        region: Attachable,
        perms: Perms,
        range: PageRange,
        now: Seconds,
    ) -> Result<Reply, Errno> {
        let vma = Vma::new(range, perms, region.backing(range), VmaState::Live);
        self.replace(vma, now)?;
        Ok(Reply::after((range.start().start().raw(),), self.sweep(now)))
    }

    /// Notes that the attachment that was to come was made, or not.
    ///
    /// # Errors
    /// `ENOSYS` if others have left the region to this space meanwhile: whoever has all of the memory manager is to be asked.
    pub(crate) fn finish_attachment(
        &mut self,
        region: Attachable,
        is_made: bool,
        now: Seconds,
    ) -> Result<(), Errno> {
        let Each {
            space,
            limits,
            regions,
            ..
        } = self.each();
        let (mut attached, _) = regions.attached(region.id);
        if is_made {
            space.attachments += 1;
            attached.note_attached(space.identity.pid, now);
        }
        // What it may have lost before any of those that were coming had come.
        if attached.flow.finish() {
            space.note_loss(&mut attached, region.id, limits.orphans);
            if !is_made && space.unsettled == Some(region.id) {
                return Err(Errno::ENOSYS);
            }
        }
        Ok(())
    }
}

/// A region that an attachment comes of.
#[derive(Clone, Copy)]
pub(crate) struct Attachable {
    id: RegionId,
    pub pages: PageCount,
    pub unit: Unit,
}

impl Region {
    /// Counts an attachment of this region, which is `id`, that comes. It is to be [finished](InSpace::finish_attachment), whatever becomes
    /// of it.
    ///
    /// # Errors
    /// `ENOMEM` if there are too many.
    pub(crate) fn begin_attachment(&mut self, id: RegionId) -> Result<Attachable, Errno> {
        if u32::MAX - self.attached <= self.flow.attaching().into() {
            return Err(Errno::ENOMEM);
        }
        self.flow.begin();
        Ok(Attachable {
            id,
            pages: self.pages(),
            unit: self.contents.unit(),
        })
    }
}

impl Attachable {
    /// What is behind an attachment of the region in `range`, and whose tables: whole slots are
    /// linked, if it has level-3 tables.
    pub(crate) fn backing(&self, range: PageRange) -> Backing {
        let attachment = Attachment {
            region: self.id,
            base: range.start(),
            pages: self.pages.get(),
        };
        match self.unit {
            Unit::Block => Backing::Blocks(attachment),
            Unit::Page if is_whole_slots(range) => Backing::Linked(attachment),
            Unit::Page => Backing::Paged(attachment),
        }
    }
}

/// What `shmaddr` and the flags say about the place. These errors come before those of the
/// identifier, as in Linux.
fn wish(address: u64, flags: AttachFlags) -> Result<Wish, Errno> {
    if address == 0 {
        return if flags.contains(AttachFlags::REMAP) {
            Err(Errno::EINVAL)
        } else {
            Ok(Wish::Anywhere)
        };
    }
    let rounded = if flags.contains(AttachFlags::RND) {
        address - address % SHMLBA
    } else {
        address
    };
    // Linux lets a privileged program attach at page 0, and then `shmat` answers a null pointer.
    let page = Page::starting_at(VirtAddr::new(rounded))
        .filter(|_| rounded != 0)
        .ok_or(Errno::EINVAL)?;
    Ok(if flags.contains(AttachFlags::REMAP) {
        Wish::Over(page)
    } else {
        Wish::At(page)
    })
}

/// The access the flags ask for. There is no write-only attachment.
fn access(flags: AttachFlags) -> (Perms, Wanted) {
    if flags.contains(AttachFlags::EXEC) {
        (Perms::READ_EXECUTE, Wanted::READ_EXECUTE)
    } else if flags.contains(AttachFlags::RDONLY) {
        (Perms::READ, Wanted::READ)
    } else {
        (Perms::READ_WRITE, Wanted::READ_WRITE)
    }
}

/// `pages` pages from `start` on, if a program may map there: blocks in whole slots only.
pub(crate) fn range_from(start: Page, pages: PageCount, unit: Unit) -> Result<PageRange, Errno> {
    PageRange::new(start, pages)
        .filter(|&range| mappable().contains_range(range))
        .filter(|&range| unit == Unit::Page || is_whole_slots(range))
        .ok_or(Errno::EINVAL)
}

/// `range` as a place: in whole slots, so that they can be linked, if these are free; else just the
/// pages of the region.
pub(crate) fn fit_from<H>(space: &Space<H>, vmas: &Vmas<'_>, range: PageRange) -> Option<Fit> {
    let slots = whole_slots(range.start(), range.count()).filter(|&slots| mappable().contains_range(slots));
    slots
        .and_then(|slots| space.fit_at(vmas, slots))
        .or_else(|| space.fit_at(vmas, range))
}

/// Where an attachment goes that replaces what is in `range`: whole slots, so that they can be linked, if behind
/// the range there is nothing but the rest of what it replaces.
fn place_over<H>(space: &Space<H>, vmas: &Vmas<'_>, range: PageRange) -> PageRange {
    let goes = |id| range.contains_range(existing(vmas, id).content());
    let is_vacant = |slots: &PageRange| {
        let behind = PageRange::between(range.end(), slots.end());
        behind.is_none_or(|behind| space.set.overlapping(vmas, behind).all(goes))
    };
    let slots = whole_slots(range.start(), range.count());
    let slots = slots.filter(|&slots| mappable().contains_range(slots));
    slots.filter(is_vacant).unwrap_or(range)
}
