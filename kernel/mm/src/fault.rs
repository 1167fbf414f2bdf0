//! The first touch of a page, and what can be said about an address that was touched wrongly.

use crate::manager::{MemoryManager, typed};
use crate::mmu::Mmu;
use crate::region::RegionTable;
use crate::sharing::{Each, InSpace, Sharing};
use crate::space::{Space, SpaceId, SpaceState};
use crate::touch::Touch;
use crate::vma::{Backing, Vma, VmaState, existing, existing_mut};
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

/// Why a touch was not served.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refused {
    /// It may be when what goes on in the address space is done.
    ComesLater,
    /// It is a fault.
    ForEver(FaultCause),
}

impl<M: Mmu> Sharing<'_, M> {
    /// Serves a touch of `space` at `address`. After success the access can be tried again; a
    /// translation that is there by now and allows it is success too. One that allows less than its
    /// VMA, which is how all permissions come to be wider than they were, is widened.
    ///
    /// # Errors
    /// [`Refused`] if the access cannot be allowed, or not yet.
    #[inline]
    pub fn touch(&mut self, space: SpaceId, address: VirtAddr, access: Access) -> Result<(), Refused> {
        let Some(mut space) = self.enter(space) else {
            return Err(Refused::ForEver(FaultCause::Unmapped));
        };
        let touched = space.touch(address.page(), needed(access));
        touched.map_err(|cause| space.why_refused(address.page(), cause))
    }
}

impl<M: Mmu> InSpace<'_, '_, M> {
    #[inline]
    fn touch(&mut self, page: Page, needed: Perms) -> Result<(), FaultCause> {
        let Each {
            space,
            mut vmas,
            mmu,
            regions,
            ..
        } = self.each();
        let id = space.set.containing(&vmas, page).ok_or(FaultCause::Unmapped)?;
        space.set.expect_at(id);
        if existing(&vmas, id).growth_to(page).is_some() {
            space.grow(regions.zone(), &mut vmas, id, page, needed)?;
        }
        let vma = existing_mut(&mut vmas, id);
        vma.is_touched = true;
        let vma = usable(space, vma, page).ok_or(FaultCause::Unmapped)?;
        if !vma.perms.contains(needed) {
            return Err(FaultCause::NotPermitted);
        }
        let mut touch = Touch {
            mmu,
            space,
            vma,
            page,
            needed,
        };
        match vma.attachment() {
            None => touch.own(regions.zone()),
            Some(attachment) => {
                let (mut region, zone) = regions.attached(attachment.region);
                touch.of_region(attachment, &mut region, zone)?;
            }
        }
        // What came to be valid in the region's tables, too.
        mmu.publish_entries();
        Ok(())
    }

    /// Whether a touch that was refused because nothing can be used there may be served when what goes on in
    /// the space is done: a stack does not grow while its space is copied, and what takes the place of
    /// something else is not there before that has gone.
    #[cold]
    fn why_refused(&mut self, page: Page, cause: FaultCause) -> Refused {
        let Each { space, vmas, .. } = self.each();
        let arriving = space.arriving.as_ref();
        let arrives = arriving.is_some_and(|arriving| arriving.range.contains(page));
        let is_copied = space.state == SpaceState::Forking;
        let there = space.set.containing(&vmas, page);
        let grows = there.is_some_and(|id| existing(&vmas, id).growth_to(page).is_some());
        if cause == FaultCause::Unmapped && (arrives || is_copied && grows) {
            Refused::ComesLater
        } else {
            Refused::ForEver(cause)
        }
    }
}

impl<M: Mmu> MemoryManager<M> {
    /// [Serves](Sharing::touch) a touch for whoever has all of this.
    ///
    /// # Errors
    /// [`FaultCause`] if the access cannot be allowed, or not yet.
    pub fn fault(&mut self, space: SpaceId, address: VirtAddr, access: Access) -> Result<(), FaultCause> {
        let touched = self.sharing().touch(space, address, access);
        touched.map_err(|refused| match refused {
            Refused::ComesLater => FaultCause::Unmapped,
            Refused::ForEver(cause) => cause,
        })
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
