//! What a CPU uses of the memory manager while others use it as well, for other address spaces.
//!
//! Either one CPU has all of the [`MemoryManager`], or each that wants to has its [`Sharing`]. In the second, nobody creates or ends an
//! address space, a region or a VMA. What changes is taken before, in this order, which is that of the types: who has a region has no way
//! to an address space, and who has the frames has none to anything else.
//!
//! ```text
//!   address space, with its VMAs ──> region ──> frame zone
//!   InSpace                          Regions     Zone
//! ```

use crate::frame::{Ahead, Frames, Spare, Zone};
use crate::manager::{MemoryManager, typed};
use crate::mmu::Mmu;
use crate::region::{Region, RegionId};
use crate::space::{Space, SpaceId};
use crate::vma::Vma;
use abi::system::FrameCounts;
use slots::{Belongings, InTurn, Mine, Owner, Slot, Taken, TakenWith, Turns};

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
    /// Its spare.
    pub spare: &'static Spare,
}

/// Where all of that is, for whoever makes a [`Sharing`] of it, who knows that nobody has all of the memory manager.
pub struct Parts<M: Mmu> {
    /// Address spaces, taken in turn.
    pub spaces: slots::Parts<[Slot<Space<M::Space>>]>,
    /// VMAs, each of which belongs to an address space.
    pub vmas: slots::Parts<[Slot<Vma>]>,
    /// Regions, taken in turn.
    pub regions: slots::Parts<[Slot<Region>]>,
    /// Frames, taken in turn.
    pub frames: slots::Parts<Slot<Frames>>,
}

impl<M: Mmu> Clone for Parts<M> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<M: Mmu> Copy for Parts<M> {}

/// An address space that a CPU has taken, and what may be taken besides.
pub(crate) struct InSpace<'a, M: Mmu> {
    mmu: &'a mut M,
    regions: Regions<'a>,
    taken: TakenWith<'a, Space<M::Space>, Vma>,
}

/// Regions, of which one at a time can be taken, and what may be taken besides.
pub(crate) struct Regions<'a> {
    turns: Turns<'a, Region>,
    zone: Zone<'a>,
}

impl<M: Mmu> Sharing<'_, M> {
    /// Takes an address space, as soon as nobody else has it; `None` if it is gone.
    #[inline(always)] // into what is to be short
    pub(crate) fn enter(&mut self, space: SpaceId) -> Option<InSpace<'_, M>> {
        Some(InSpace {
            taken: self.vmas.take(&mut self.spaces, typed(space))?,
            mmu: self.mmu,
            regions: Regions {
                turns: self.regions.lend(),
                zone: Zone::new(self.frames.lend(), self.spare),
            },
        })
    }
}

impl<M: Mmu> Sharing<'_, M> {
    /// Does something with the hardware side of an address space, for the context switch; `None` if it is gone.
    pub fn with_tables<T>(
        &mut self,
        space: SpaceId,
        act: impl FnOnce(&mut M, &mut M::Space) -> T,
    ) -> Option<T> {
        let mut entered = self.enter(space)?;
        let (mmu, (space, _), _) = entered.each();
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

impl<'a, M: Mmu> InSpace<'a, M> {
    /// The hardware, the address space with its VMAs, and the way to regions.
    #[inline(always)] // as above
    #[expect(clippy::type_complexity, reason = "it is taken apart at once")]
    pub fn each(&mut self) -> (&mut M, (&mut Space<M::Space>, Mine<'_, Vma>), &mut Regions<'a>) {
        (self.mmu, self.taken.each(), &mut self.regions)
    }
}

impl Regions<'_> {
    /// Takes a region, as soon as nobody else has it. What may be taken besides are the frames.
    ///
    /// # Panics
    /// If it is gone.
    #[inline(always)] // as above
    pub fn take(&mut self, region: RegionId) -> (Taken<'_, Region>, Zone<'_>) {
        let region = self.turns.take(region);
        (region.expect("an attached region exists"), self.zone.lend())
    }

    /// The frames alone.
    #[inline(always)] // as above
    pub fn none(&mut self) -> Zone<'_> {
        self.zone.lend()
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
            spare: self.spare,
        }
    }
}
