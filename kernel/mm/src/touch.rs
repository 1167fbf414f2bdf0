//! Serving a touch that is allowed: the frame behind the page, and the way to it.
//!
//! What others have touched in a region before comes along for the neighbourhood: entries of the
//! address space's own table, or links to the region's tables. A process that goes through a segment
//! which another one has filled then faults once in [`PAGES_AT_ONCE`] pages, or in [`SLOTS_AT_ONCE`]
//! slots.

use crate::fault::FaultCause;
use crate::frame::{OutOfFrames, Zone};
use crate::mmu::Mmu;
use crate::region::{Filled, Published, Region, Reserve};
use crate::slot::{SLOT_PAGES, slot_of};
use crate::space::Space;
use crate::vma::{Attachment, Backing, Manner, Vma};
use addr::{Frame, MemoryKind, Page, PageRange, Perms};

/// How many neighbouring pages one fault maps at most.
const PAGES_AT_ONCE: u64 = 64;

/// How many neighbouring slots one fault links at most.
const SLOTS_AT_ONCE: u64 = 16;

/// One touch of a page that its VMA allows.
pub(crate) struct Touch<'a, M: Mmu> {
    pub mmu: &'a mut M,
    pub space: &'a mut Space<M::Space>,
    pub vma: &'a Vma,
    pub page: Page,
    /// What was about to be done.
    pub needed: Perms,
}

/// When a region's page has come to have a frame.
enum Came {
    Before(Frame),
    Now(Frame),
}

impl From<OutOfFrames> for FaultCause {
    fn from(_: OutOfFrames) -> Self {
        Self::OutOfMemory
    }
}

impl<M: Mmu> Touch<'_, M> {
    /// Serves it, of a page that is no region's.
    #[inline]
    pub fn own(&mut self, zone: &mut Zone<'_>) {
        match self.vma.backing {
            Backing::Physical(first, kind) => self.physical(first, kind, zone),
            _ => self.private(zone),
        }
    }

    /// Serves it, of a page of this attachment's region.
    ///
    /// # Errors
    /// `OutOfMemory` if no frame is left, and none was promised.
    #[inline]
    pub fn of_region(
        &mut self,
        attachment: Attachment,
        region: &mut Region,
        zone: &mut Zone<'_>,
    ) -> Result<(), FaultCause> {
        match self.vma.manner() {
            Manner::Paged => self.paged(attachment, region, zone),
            Manner::Linked => self.linked(attachment, region, zone),
            Manner::Blocks => self.block(attachment, region, zone),
        }
    }

    /// Maps the page to a frame of the address space's own, if it is not mapped. A frame that it shares
    /// with others since a fork does as long as nobody writes.
    fn private(&mut self, zone: &mut Zone<'_>) {
        match self.mmu.lookup(&self.space.hardware, self.page) {
            None => {
                let frame = self.space.pages.take_zeroed(self.mmu, zone);
                self.install(frame, MemoryKind::Normal, zone);
            }
            Some((_, allowed)) if allowed.contains(self.needed) => {}
            Some((frame, _)) if self.needed.contains(Perms::WRITE) => self.separate(frame, zone),
            Some((frame, _)) => self.widen(frame, zone),
        }
    }

    /// Lets the program write to its page without others seeing it: if others share the frame, the page
    /// gets a copy.
    fn separate(&mut self, frame: Frame, zone: &mut Zone<'_>) {
        let is_shared = zone.lock().sharers(frame) > 1;
        if is_shared {
            // Another one may have the frame alone as soon as this space leaves it, and write to it, so it comes first
            // that nobody here can read there.
            let page = only(self.page);
            let stale = self.mmu.unmap(&mut self.space.hardware, page, page, |_| ());
            drop(self.mmu.flush(&self.space.hardware, stale));
        }
        let mut frames = zone.lock();
        let own = self.space.pages.separate(&mut frames, frame);
        if let Some(own) = own {
            // Nor is it to be written to while it is copied.
            self.mmu.copy(frame, own);
        }
        drop(frames);
        match own {
            Some(own) => self.install(own, MemoryKind::Normal, zone),
            // Others have left it meanwhile.
            None if is_shared => self.install(frame, MemoryKind::Normal, zone),
            None => self.widen(frame, zone),
        }
    }

    /// Maps the page to its frame, counted from that of its VMA's first page, if it is not mapped.
    fn physical(&mut self, first: Frame, kind: MemoryKind, zone: &mut Zone<'_>) {
        if !self.is_served(zone) {
            let offset = self.page.number() - self.vma.range().start().number();
            self.install(first.offset(offset), kind, zone);
        }
    }

    /// Maps the page to the region's frame by a table of the address space's own, if it is not mapped.
    fn paged(
        &mut self,
        attachment: Attachment,
        region: &mut Region,
        zone: &mut Zone<'_>,
    ) -> Result<(), FaultCause> {
        let (frame, tree) = match self.shared_frame(attachment, region, zone)? {
            // What had no frame had no translation. If nobody was here before, nobody will have been next to it.
            Came::Now(frame) => (frame, None),
            Came::Before(_) if self.is_served(zone) => return Ok(()),
            Came::Before(frame) => (frame, region.contents.tree()),
        };
        let perms = self.vma.perms;
        let Some(tree) = tree.filter(|_| !perms.contains(Perms::EXECUTE)) else {
            self.install(frame, MemoryKind::Normal, zone);
            return Ok(());
        };
        let pages = self.around(PAGES_AT_ONCE);
        let first = attachment.index_of(pages.start());
        let Space { hardware, tables, .. } = &mut *self.space;
        let mut tables = tables.source(zone);
        self.mmu
            .install_shared(hardware, pages, tree, first, perms, &mut tables);
        Ok(())
    }

    /// Sees to it that the region has a frame for the page, and that its table is linked and allows what
    /// the VMA does.
    fn linked(
        &mut self,
        attachment: Attachment,
        region: &mut Region,
        zone: &mut Zone<'_>,
    ) -> Result<(), FaultCause> {
        self.shared_frame(attachment, region, zone)?;
        let perms = self.vma.perms;
        let mut slots = self.around(SLOTS_AT_ONCE * SLOT_PAGES);
        if let Some((_, allowed)) = self.mmu.lookup(&self.space.hardware, self.page) {
            if allowed.contains(self.needed) {
                return Ok(());
            }
            // Links that allow less than the VMA.
            self.space.unlink(self.mmu, slots);
        }
        if perms.contains(Perms::EXECUTE) {
            slots = slot_of(self.page);
            let end = attachment.index_of(slots.end());
            if region.contents.publish(self.mmu, end) == Published::Partly {
                // The access faults once more, and goes on here.
                return Ok(());
            }
        }
        let tree = region.contents.tree().expect("the page is in it");
        let first = attachment.index_of(slots.start()) / SLOT_PAGES;
        let Space { hardware, tables, .. } = &mut *self.space;
        let mut tables = tables.source(zone);
        self.mmu.link(hardware, slots, tree, first, perms, &mut tables);
        Ok(())
    }

    /// Sees to it that the region has a block for the page, and maps it. A block that is new is zeroed
    /// in pieces: the access faults until it is there, and threads that are due run in between.
    fn block(
        &mut self,
        attachment: Attachment,
        region: &mut Region,
        zone: &mut Zone<'_>,
    ) -> Result<(), FaultCause> {
        let (slot, perms, contents) = (slot_of(self.page), self.vma.perms, &mut region.contents);
        if let Some((_, allowed)) = self.mmu.lookup(&self.space.hardware, self.page) {
            if allowed.contains(self.needed) {
                return Ok(());
            }
            self.space.unlink(self.mmu, slot);
        }
        let index = attachment.index_of(slot.start());
        let first = match contents.lookup(self.mmu, index) {
            Some(first) => first,
            None => {
                let filled = contents.fill_block(self.mmu, zone, index, region.reserve)?;
                match filled {
                    Filled::Partly => return Ok(()),
                    Filled::Wholly(first) => first,
                }
            }
        };
        let end = attachment.index_of(slot.end());
        if perms.contains(Perms::EXECUTE) && contents.publish(self.mmu, end) == Published::Partly {
            return Ok(());
        }
        let Space { hardware, tables, .. } = &mut *self.space;
        let mut tables = tables.source(zone);
        self.mmu
            .install_block(hardware, slot.start(), first, perms, &mut tables);
        Ok(())
    }

    /// Whether the page has a translation, which then allows the access.
    fn is_served(&mut self, zone: &mut Zone<'_>) -> bool {
        let Some((frame, allowed)) = self.mmu.lookup(&self.space.hardware, self.page) else {
            return false;
        };
        if !allowed.contains(self.needed) {
            self.widen(frame, zone);
        }
        true
    }

    /// Lets the page's translation allow what its VMA does.
    fn widen(&mut self, frame: Frame, zone: &mut Zone<'_>) {
        let (page, perms) = (self.page, zone.lock().allowed(frame, self.vma.perms));
        let Self { mmu, space, .. } = self;
        if perms.contains(Perms::EXECUTE) {
            // Nobody may write any more when what was written is published.
            let stale = mmu.protect(&mut space.hardware, only(page), perms);
            drop(mmu.flush(&space.hardware, stale));
            mmu.publish_code(frame);
        }
        let stale = mmu.permit(&mut space.hardware, page, perms);
        // Nothing is given back.
        drop(mmu.flush(&space.hardware, stale));
    }

    /// The region's frame of the page. Only regions without a promise may find none.
    fn shared_frame(
        &mut self,
        attachment: Attachment,
        region: &mut Region,
        zone: &mut Zone<'_>,
    ) -> Result<Came, FaultCause> {
        let index = attachment.index_of(self.page);
        let Region {
            contents, reserve, ..
        } = region;
        if let Some(frame) = contents.lookup(self.mmu, index) {
            return Ok(Came::Before(frame));
        }
        let frame = match reserve {
            Reserve::Promised => contents.fill(self.mmu, zone, index),
            Reserve::OnTouch => contents.fill_unpromised(self.mmu, zone, index)?,
        };
        Ok(Came::Now(frame))
    }

    fn install(&mut self, frame: Frame, kind: MemoryKind, zone: &mut Zone<'_>) {
        let perms = self.vma.perms;
        if perms.contains(Perms::EXECUTE) {
            self.mmu.publish_code(frame);
        }
        let Space { hardware, tables, .. } = &mut *self.space;
        let mut tables = tables.source(zone);
        self.mmu
            .install(hardware, self.page, frame, perms, kind, &mut tables);
    }

    /// The page with its neighbours in a window of `pages` pages, as far as they are in its VMA.
    fn around(&self, pages: u64) -> PageRange {
        let start = self.page.number() - self.page.number() % pages;
        let window = PageRange::between(Page::from_number(start), Page::from_number(start + pages));
        window
            .and_then(|window| window.intersection(self.vma.range()))
            .expect("the page is in both")
    }
}

/// A page as a range.
fn only(page: Page) -> PageRange {
    PageRange::between(page, Page::from_number(page.number() + 1)).expect("user pages end before all pages")
}
