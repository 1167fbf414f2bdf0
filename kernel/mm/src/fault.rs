//! The first touch of a page, and what can be said about an address that was touched wrongly.

use crate::frame::{Frames, OutOfFrames};
use crate::manager::{MemoryManager, typed};
use crate::mmu::Mmu;
use crate::region::{Published, Region, RegionTable, Reserve};
use crate::slot::{SLOT_PAGES, slot_of};
use crate::space::{Space, SpaceId, SpaceState};
use crate::vma::{Attachment, Backing, Vma, VmaId, VmaState, Vmas, existing};
use abi::process::FaultKind;
use abi::shm::{ShmId, ShmKey};
use addr::{Frame, MemoryKind, Page, PageRange, Perms, VirtAddr};

/// How many neighbouring slots one fault links at most, itself included.
const SLOTS_AT_ONCE: u64 = 16;

/// What a program was about to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    /// A load.
    Read,
    /// A store.
    Write,
    /// An instruction fetch.
    Execute,
}

/// Why it cannot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FaultCause {
    /// Nothing is mapped there.
    Unmapped,
    /// What is mapped there does not allow it.
    NotPermitted,
    /// No frame is left, and none was promised.
    OutOfMemory,
}

impl From<FaultCause> for FaultKind {
    fn from(cause: FaultCause) -> Self {
        match cause {
            FaultCause::Unmapped => Self::Unmapped,
            FaultCause::NotPermitted => Self::NotPermitted,
            FaultCause::OutOfMemory => Self::OutOfMemory,
        }
    }
}

/// What is mapped at an address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct VmaFacts {
    /// All pages of the mapping, or of this part of it.
    pub range: PageRange,
    /// What a program may do.
    pub perms: Perms,
    /// What is behind it.
    pub what: VmaKind,
}

/// What is behind a mapping.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum VmaKind {
    /// Private memory.
    Anonymous,
    /// A shared memory segment.
    Shared {
        /// Its identifier.
        id: ShmId,
        /// Its key, [`ShmKey::PRIVATE`] if it has none or was removed.
        key: ShmKey,
    },
    /// A thread's message page.
    MessagePage,
    /// Memory that the allocator does not own.
    Physical,
}

impl<M: Mmu> MemoryManager<M> {
    /// Serves a fault of `space` at `address`. After success the access can be tried again; a
    /// translation that is there by now and allows it is success too.
    ///
    /// # Errors
    /// [`FaultCause`] if the access cannot be allowed.
    pub fn fault(&mut self, space: SpaceId, address: VirtAddr, access: Access) -> Result<(), FaultCause> {
        let Self {
            mmu,
            frames,
            spaces,
            regions,
            vmas,
            shared_present,
            ..
        } = self;
        let space = spaces.get_mut(typed(space)).ok_or(FaultCause::Unmapped)?;
        let page = address.page();
        let id = find(space, vmas, page).ok_or(FaultCause::Unmapped)?;
        let vma = usable(space, vmas, id, page).ok_or(FaultCause::Unmapped)?;
        space.recent = Some(id);
        if !vma.perms.contains(needed(access)) {
            return Err(FaultCause::NotPermitted);
        }
        let mut touch = Touch {
            mmu,
            frames,
            space,
            vma,
            page,
        };
        match vma.backing {
            Backing::Linked(attachment) => {
                let region = attached(regions, attachment);
                touch.through_link(attachment, region, shared_present)
            }
            _ if touch.is_mapped() => Ok(()),
            Backing::Paged(attachment) => {
                let region = attached(regions, attachment);
                let frame = touch.shared_frame(attachment, region, shared_present)?;
                touch.install(frame, MemoryKind::Normal);
                Ok(())
            }
            Backing::Anonymous | Backing::MessagePage => {
                let frame = touch.private_frame();
                touch.install(frame, MemoryKind::Normal);
                Ok(())
            }
            Backing::Physical(first, kind) => {
                touch.install(first.offset(page.number() - vma.range().start().number()), kind);
                Ok(())
            }
        }
    }

    /// What is mapped at an address, for reports; `None` if nothing usable is.
    pub fn describe(&self, space: SpaceId, address: VirtAddr) -> Option<VmaFacts> {
        let space = self.spaces.get(typed(space))?;
        let id = find(space, &self.vmas, address.page())?;
        let vma = usable(space, &self.vmas, id, address.page())?;
        let what = match vma.backing {
            Backing::Anonymous => VmaKind::Anonymous,
            Backing::MessagePage => VmaKind::MessagePage,
            Backing::Physical(..) => VmaKind::Physical,
            Backing::Paged(attachment) | Backing::Linked(attachment) => VmaKind::Shared {
                id: RegionTable::identifier(attachment.region),
                key: self.regions.get(attachment.region)?.key,
            },
        };
        Some(VmaFacts {
            range: vma.content(),
            perms: vma.perms,
            what,
        })
    }
}

/// One touch of a page that its VMA allows.
struct Touch<'a, M: Mmu> {
    mmu: &'a mut M,
    frames: &'a mut Frames,
    space: &'a mut Space<M::Space>,
    vma: &'a Vma,
    page: Page,
}

impl<M: Mmu> Touch<'_, M> {
    fn is_mapped(&self) -> bool {
        self.mmu.lookup(&self.space.hardware, self.page).is_some()
    }

    /// A zeroed frame of the address space's own.
    fn private_frame(&mut self) -> Frame {
        let frame = self.space.pages.take(self.frames);
        self.mmu.zero(frame);
        frame
    }

    /// The region's frame of the page.
    fn shared_frame(
        &mut self,
        attachment: Attachment,
        region: &mut Region,
        shared_present: &mut u64,
    ) -> Result<Frame, FaultCause> {
        let index = attachment.index_of(self.page);
        if let Some(frame) = region.contents.lookup(self.mmu, index) {
            return Ok(frame);
        }
        let frame = first_touch(region, self.mmu, self.frames, index)?;
        *shared_present += 1;
        Ok(frame)
    }

    /// Maps the page by a level-3 table of the address space's own.
    fn install(&mut self, frame: Frame, kind: MemoryKind) {
        let Space { hardware, tables, .. } = &mut *self.space;
        if self.vma.perms.contains(Perms::EXECUTE) {
            self.mmu.publish_code(frame);
        }
        let mut tables = tables.source(self.frames);
        self.mmu
            .install(hardware, self.page, frame, self.vma.perms, kind, &mut tables);
    }

    /// Sees to it that the region has the page, and that its table is linked; with it come others
    /// that the region has nearby.
    fn through_link(
        &mut self,
        attachment: Attachment,
        region: &mut Region,
        shared_present: &mut u64,
    ) -> Result<(), FaultCause> {
        self.shared_frame(attachment, region, shared_present)?;
        if self.mmu.is_linked(&self.space.hardware, self.page) {
            return Ok(());
        }
        let mut slots = slots_around(self.page, self.vma.range());
        if self.vma.perms.contains(Perms::EXECUTE) {
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
        let mut tables = tables.source(self.frames);
        self.mmu
            .link(hardware, slots, tree, first, self.vma.perms, &mut tables);
        Ok(())
    }
}

/// The slots that are linked together with that of `page`, those of its VMA.
fn slots_around(page: Page, range: PageRange) -> PageRange {
    const PAGES: u64 = SLOTS_AT_ONCE * SLOT_PAGES;
    let start = page.number() - page.number() % PAGES;
    let around = PageRange::between(Page::from_number(start), Page::from_number(start + PAGES));
    around
        .and_then(|around| around.intersection(range))
        .unwrap_or(slot_of(page))
}

fn attached(regions: &mut RegionTable, attachment: Attachment) -> &mut Region {
    regions
        .get_mut(attachment.region)
        .expect("an attached region exists")
}

/// The VMA that takes up `page`.
fn find<H>(space: &Space<H>, vmas: &Vmas, page: Page) -> Option<VmaId> {
    let takes_up = |id: &VmaId| vmas.get(*id).is_some_and(|vma| vma.range().contains(page));
    space
        .recent
        .filter(takes_up)
        .or_else(|| space.set.containing(vmas, page))
}

/// A VMA of a space, if `page` can be used through it.
fn usable<'a, H>(space: &Space<H>, vmas: &'a Vmas, id: VmaId, page: Page) -> Option<&'a Vma> {
    let vma = existing(vmas, id);
    let usable =
        space.state == SpaceState::Alive && vma.state == VmaState::Live && vma.content().contains(page);
    usable.then_some(vma)
}

fn needed(access: Access) -> Perms {
    match access {
        Access::Read => Perms::READ,
        Access::Write => Perms::WRITE,
        Access::Execute => Perms::EXECUTE,
    }
}

/// Gives page `index` of a region a frame. Only regions without a promise may find none.
fn first_touch<M: Mmu>(
    region: &mut Region,
    mmu: &mut M,
    frames: &mut Frames,
    index: u64,
) -> Result<Frame, FaultCause> {
    match region.reserve {
        Reserve::Promised => Ok(region.contents.fill(mmu, frames, index)),
        Reserve::OnTouch => {
            let filled = region.contents.fill_unpromised(mmu, frames, index);
            filled.map_err(|OutOfFrames| FaultCause::OutOfMemory)
        }
    }
}
