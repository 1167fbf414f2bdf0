//! What a CPU uses of the memory manager while others use it as well, for other address spaces.
//!
//! Either one CPU has all of the [`MemoryManager`], or each that wants to has its [`Sharing`]. In the second, nobody creates or ends an
//! address space or a region, and nothing is changed that is not taken before. That is done in this order, which is that of the types:
//! who has a region has no way to an address space, and who has the frames has none to anything else.
//!
//! ```text
//!   address space, with its VMAs ──> region ──> frame zone
//!   InSpace                          Regions    Zone
//! ```
//!
//! What concerns one address space is done in here, whoever asks for it; whoever has all of the memory manager shares it with nobody
//! for that.

use crate::frame::{Ahead, Frames, Spare, Zone};
use crate::limits::Limits;
use crate::manager::{MemoryManager, typed};
use crate::mmu::Mmu;
use crate::part::Tray;
use crate::region::{Region, RegionId};
use crate::space::{Space, SpaceId};
use crate::vma::{Vma, Vmas};
use abi::Errno;
use abi::system::FrameCounts;
use slots::{Belongings, Free, InTurn, Owner, PoolParts, Slot, Taken, TakenWith, Turns};

/// What a CPU has of the memory manager.
pub struct Sharing<'a, M: Mmu> {
    /// Its way to the hardware.
    pub mmu: &'a mut M,
    /// All address spaces.
    pub spaces: Turns<'a, Space<M::Space>>,
    /// What they consist of.
    pub vmas: Belongings<'a, Vma>,
    /// All regions.
    pub regions: Turns<'a, Region>,
    /// All frames.
    pub frames: InTurn<'a, Frames>,
    /// How much there may be of everything.
    pub limits: &'a Limits,
    /// Its spare.
    pub spare: &'static Spare,
    /// Where it keeps what it takes out of an address space.
    pub tray: &'a mut Tray,
}

/// What of the memory manager is apart from the rest, since it can be used while nobody has all of that.
pub struct Apart {
    pub(crate) frames: Slot<Frames>,
    pub(crate) vmas: Slot<Free>,
    pub(crate) limits: Slot<Limits>,
}

impl Apart {
    /// Room for it.
    pub const fn empty() -> Self {
        Self {
            frames: Slot::empty(),
            vmas: Slot::empty(),
            limits: Slot::empty(),
        }
    }
}

/// Where all of that is, for whoever makes a [`Sharing`] of it, who knows that nobody has all of the memory manager.
pub struct Parts<M: Mmu> {
    /// Address spaces, taken in turn.
    pub spaces: slots::Parts<[Slot<Space<M::Space>>]>,
    /// VMAs, each of which belongs to an address space.
    pub vmas: PoolParts<Vma>,
    /// Regions, taken in turn.
    pub regions: slots::Parts<[Slot<Region>]>,
    /// Frames, taken in turn.
    pub frames: slots::Parts<Slot<Frames>>,
    /// Limits, which are common.
    pub limits: slots::Parts<Slot<Limits>>,
}

impl<M: Mmu> Clone for Parts<M> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<M: Mmu> Copy for Parts<M> {}

/// An address space that a CPU has taken, and what may be taken besides.
pub(crate) struct InSpace<'a, M: Mmu> {
    pub id: SpaceId,
    taken: TakenWith<'a, Space<M::Space>, Vma>,
    mmu: &'a mut M,
    regions: Regions<'a>,
    limits: &'a Limits,
    tray: &'a mut Tray,
}

/// The same, to be taken apart.
pub(crate) struct Each<'a, M: Mmu> {
    pub space: &'a mut Space<M::Space>,
    pub vmas: Vmas<'a>,
    pub mmu: &'a mut M,
    pub regions: Regions<'a>,
    pub limits: &'a Limits,
    pub tray: &'a mut Tray,
}

/// Regions, of which one at a time can be taken, and what may be taken besides.
pub(crate) struct Regions<'a> {
    turns: Turns<'a, Region>,
    zone: Zone<'a>,
}

impl<'a, M: Mmu> Sharing<'a, M> {
    /// Takes an address space, as soon as nobody else has it; `None` if it is gone.
    #[inline(always)] // into what is to be short
    pub(crate) fn into_space(self, id: SpaceId) -> Option<InSpace<'a, M>> {
        Some(InSpace {
            id,
            taken: self.vmas.take(self.spaces, typed(id))?,
            mmu: self.mmu,
            regions: Regions {
                turns: self.regions,
                zone: Zone::new(self.frames, self.spare),
            },
            limits: self.limits,
            tray: self.tray,
        })
    }

    /// The same for a while.
    #[inline(always)] // as above
    pub(crate) fn enter(&mut self, id: SpaceId) -> Option<InSpace<'_, M>> {
        let lent = Sharing {
            mmu: &mut *self.mmu,
            spaces: self.spaces.lend(),
            vmas: self.vmas.lend(),
            regions: self.regions.lend(),
            frames: self.frames.lend(),
            limits: self.limits,
            spare: self.spare,
            tray: &mut *self.tray,
        };
        lent.into_space(id)
    }

    /// Does something with the hardware side of an address space, for the context switch; `None` if it is gone.
    pub fn with_tables<T>(
        &mut self,
        space: SpaceId,
        act: impl FnOnce(&mut M, &mut M::Space) -> T,
    ) -> Option<T> {
        let mut entered = self.enter(space)?;
        let Each { mmu, space, .. } = entered.each();
        Some(act(mmu, &mut space.hardware))
    }

    /// Zeroes some free frames, so that a first touch finds one ready: for a CPU that has nothing else to
    /// do. A bounded step; answers whether another one would find something to do.
    pub fn zero_ahead(&mut self) -> Ahead {
        self.frames.take().zero_ahead(self.mmu)
    }

    /// How many frames there are and what became of them.
    pub fn frame_counts(&mut self) -> FrameCounts {
        self.frames.take().counts()
    }
}

impl<M: Mmu> InSpace<'_, M> {
    /// What it consists of.
    #[inline(always)] // as above
    pub fn each(&mut self) -> Each<'_, M> {
        let (space, vmas) = self.taken.each();
        Each {
            space,
            vmas,
            mmu: self.mmu,
            regions: self.regions.lend(),
            limits: self.limits,
            tray: self.tray,
        }
    }
}

impl Regions<'_> {
    /// Takes a region, as soon as nobody else has it. What may be taken besides are the frames.
    #[inline(always)] // as above
    pub fn take(&mut self, region: RegionId) -> Option<(Taken<'_, Region>, Zone<'_>)> {
        Some((self.turns.take(region)?, self.zone.lend()))
    }

    /// The same for a region that an address space has attached.
    ///
    /// # Panics
    /// If it is gone.
    #[inline(always)] // as above
    pub fn attached(&mut self, region: RegionId) -> (Taken<'_, Region>, Zone<'_>) {
        self.take(region).expect("an attached region exists")
    }

    /// The region at this place of the table, whatever state it is in.
    #[inline]
    pub fn at(&self, index: u32) -> Option<RegionId> {
        self.turns.id_at(index)
    }

    /// The frames alone.
    #[inline(always)] // as above
    pub fn zone(&mut self) -> Zone<'_> {
        self.zone.lend()
    }

    #[inline(always)] // as above
    fn lend(&mut self) -> Regions<'_> {
        Regions {
            turns: self.turns.lend(),
            zone: self.zone.lend(),
        }
    }
}

impl<M: Mmu> MemoryManager<M> {
    /// What CPUs share of it.
    pub fn parts(&self) -> Parts<M> {
        Parts {
            spaces: self.spaces.parts(),
            vmas: self.vmas.parts(),
            regions: self.regions.parts(),
            frames: self.frames.parts(),
            limits: self.limits.parts(),
        }
    }

    /// What the CPU that has all of it would have if it shared it.
    #[inline]
    pub fn sharing(&mut self) -> Sharing<'_, M> {
        const TAKER: Owner = Owner::new(0);
        Sharing {
            mmu: &mut self.mmu,
            spaces: self.spaces.turns(TAKER),
            vmas: self.vmas.belongings(),
            regions: self.regions.turns(TAKER),
            frames: self.frames.in_turn(TAKER),
            limits: &self.limits,
            spare: self.spare,
            tray: &mut self.tray,
        }
    }

    /// An address space of those that the CPU has all of; `None` if it is gone.
    #[inline]
    pub(crate) fn enter(&mut self, space: SpaceId) -> Option<InSpace<'_, M>> {
        self.sharing().into_space(space)
    }

    /// The same, of those whose process lives, and that are neither being copied nor changed.
    ///
    /// # Errors
    /// `ESRCH` and `EAGAIN` if not.
    pub(crate) fn within(&mut self, space: SpaceId) -> Result<InSpace<'_, M>, Errno> {
        let mut entered = self.enter(space).ok_or(Errno::ESRCH)?;
        entered.each().space.check_alive()?;
        Ok(entered)
    }

    /// The VMAs of an address space.
    pub(crate) fn vmas_in(&mut self, space: SpaceId) -> Vmas<'_> {
        self.vmas.own(typed::<M::Space>(space))
    }
}
