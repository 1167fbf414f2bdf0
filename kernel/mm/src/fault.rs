//! The first touch of a page, and what can be said about an address that was touched wrongly.

use crate::manager::{MemoryManager, typed};
use crate::mmu::Mmu;
use crate::region::{Region, RegionTable};
use crate::space::{Space, SpaceId, SpaceState};
use crate::touch::Touch;
use crate::vma::{Attachment, Backing, Vma, VmaState, existing, existing_mut};
use abi::process::FaultKind;
use abi::shm::{ShmId, ShmKey};
use addr::{Page, PageRange, Perms, VirtAddr};

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
    /// translation that is there by now and allows it is success too. One that allows less than its
    /// VMA, which is how all permissions come to be wider than they were, is widened.
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
        let id = space.set.containing(vmas, page).ok_or(FaultCause::Unmapped)?;
        space.set.expect_at(id);
        let needed = needed(access);
        if existing(vmas, id).growth_to(page).is_some() {
            space.grow(frames, vmas, id, page, needed)?;
        }
        let vma = existing_mut(vmas, id);
        vma.is_touched = true;
        let vma = usable(space, vma, page).ok_or(FaultCause::Unmapped)?;
        if !vma.perms.contains(needed) {
            return Err(FaultCause::NotPermitted);
        }
        let mut touch = Touch {
            mmu,
            frames,
            space,
            vma,
            page,
            needed,
        };
        match vma.backing {
            Backing::Linked(attachment) => {
                let region = attached(regions, attachment);
                touch.linked(attachment, region, shared_present)?;
            }
            Backing::Paged(attachment) => {
                let region = attached(regions, attachment);
                touch.paged(attachment, region, shared_present)?;
            }
            Backing::Blocks(attachment) => {
                let region = attached(regions, attachment);
                touch.block(attachment, region, shared_present)?;
            }
            Backing::Anonymous | Backing::Stack(_) | Backing::MessagePage => touch.private(),
            Backing::Physical(first, kind) => touch.physical(first, kind),
        }
        // What came to be valid in the region's tables, too.
        mmu.publish_entries();
        Ok(())
    }

    /// Whether a touch that was refused because nothing can be used there may be served when what goes on in
    /// the space is done: a stack does not grow while its space is copied, and what takes the place of
    /// something else is not there before that has gone.
    pub fn comes_later(&self, space: SpaceId, address: VirtAddr) -> bool {
        let page = address.page();
        let Some(space) = self.spaces.get(typed(space)) else {
            return false;
        };
        let arrives = space
            .arriving
            .as_ref()
            .is_some_and(|arriving| arriving.range.contains(page));
        let is_copied = space.state == SpaceState::Forking;
        let there = space.set.containing(&self.vmas, page);
        let grows = there.is_some_and(|id| existing(&self.vmas, id).growth_to(page).is_some());
        arrives || is_copied && grows
    }

    /// What is mapped at an address, for reports; `None` if nothing usable is.
    pub fn describe(&self, space: SpaceId, address: VirtAddr) -> Option<VmaFacts> {
        let space = self.spaces.get(typed(space))?;
        let id = space.set.containing(&self.vmas, address.page())?;
        let vma = usable(space, existing(&self.vmas, id), address.page())?;
        let what = match vma.backing {
            Backing::Anonymous | Backing::Stack(_) => VmaKind::Anonymous,
            Backing::MessagePage => VmaKind::MessagePage,
            Backing::Physical(..) => VmaKind::Physical,
            Backing::Paged(attachment) | Backing::Linked(attachment) | Backing::Blocks(attachment) => {
                VmaKind::Shared {
                    id: RegionTable::identifier(attachment.region),
                    key: self.regions.get(attachment.region)?.key,
                }
            }
        };
        Some(VmaFacts {
            range: vma.content(),
            perms: vma.perms,
            what,
        })
    }
}

fn attached(regions: &mut RegionTable, attachment: Attachment) -> &mut Region {
    regions
        .get_mut(attachment.region)
        .expect("an attached region exists")
}

/// A VMA of a space, if `page` can be used through it.
pub(crate) fn usable<'a, H>(space: &Space<H>, vma: &'a Vma, page: Page) -> Option<&'a Vma> {
    // A child is not complete before it is born. Its parent may have other threads.
    let is_alive = space.state != SpaceState::Ending && space.birth.is_none();
    let usable = is_alive && vma.state == VmaState::Live && vma.content().contains(page);
    usable.then_some(vma)
}

fn needed(access: Access) -> Perms {
    match access {
        Access::Read => Perms::READ,
        Access::Write => Perms::WRITE,
        Access::Execute => Perms::EXECUTE,
    }
}
