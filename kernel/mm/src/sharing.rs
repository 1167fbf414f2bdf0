//! What a CPU uses of the memory manager while others use it as well, for other address spaces.
//!
//! Either one CPU has all of the [`MemoryManager`], or each that wants to has its [`Sharing`]. In the second, nobody creates or ends an
//! address space or a region, and nothing is changed that is not taken before. That is done in this order, which is that of the types:
//! who has a region has no way to another one or to another address space, and who has the frames has none to anything else.
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
use slots::{Belongings, CommonOne, Free, InTurn, Owner, PoolParts, Slot, Taken, TakenWith, Turns};

/// What a CPU has of the memory manager.
pub struct Sharing<'b, M: Mmu> {
    spaces: Turns<'b, Space<M::Space>>,
    vmas: Belongings<'b, Vma>,
    inside: Inside<'b, M>,
}

/// What it is made of.
pub struct Ways<'a, M: Mmu> {
    /// The way to the hardware.
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
    pub limits: CommonOne<'a, Limits>,
    /// The CPU's spare.
    pub spare: &'static Spare,
    /// Where it keeps what it takes out of an address space.
    pub tray: &'a mut Tray,
    /// Whether others may have some of it meanwhile.
    pub others: Others,
}

/// Whether others may have some of the memory manager meanwhile.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Others {
    /// Nobody has: what is lacking is lacking.
    None,
    /// Somebody may, and give it back at once: so what is lacking is asked for once more with all of it.
    Some,
}

impl Others {
    /// What a request is told that finds no frame, or no slot.
    const fn lacking(self) -> Errno {
        match self {
            Self::None => Errno::ENOMEM,
            Self::Some => Errno::ENOSYS,
        }
    }
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
pub(crate) struct InSpace<'a, 'b, M: Mmu> {
    pub id: SpaceId,
    taken: TakenWith<'a, 'b, Space<M::Space>, Vma>,
    inside: &'a mut Inside<'b, M>,
}

/// What a CPU has besides of the memory manager.
struct Inside<'b, M: Mmu> {
    mmu: &'b mut M,
    regions: Regions<'b>,
    limits: CommonOne<'b, Limits>,
    tray: &'b mut Tray,
    others: Others,
}

/// An address space, taken apart.
pub(crate) struct Each<'a, 'b, M: Mmu> {
    pub space: &'a mut Space<M::Space>,
    pub vmas: Vmas<'a>,
    pub mmu: &'a mut M,
    pub regions: &'a mut Regions<'b>,
    pub limits: &'a Limits,
    pub tray: &'a mut Tray,
}

/// Regions, of which one at a time can be taken, and what may be taken besides.
pub(crate) struct Regions<'a> {
    turns: Turns<'a, Region>,
    zone: Zone<'a>,
}

impl<'b, M: Mmu> Sharing<'b, M> {
    /// By these ways.
    #[inline(always)] // into what is to be short
    pub fn of(ways: Ways<'b, M>) -> Self {
        Self {
            spaces: ways.spaces,
            vmas: ways.vmas,
            inside: Inside {
                mmu: ways.mmu,
                regions: Regions {
                    turns: ways.regions,
                    zone: Zone::new(ways.frames, ways.spare),
                },
                limits: ways.limits,
                tray: ways.tray,
                others: ways.others,
            },
        }
    }

    /// Takes an address space, as soon as nobody else has it; `None` if it is gone.
    #[inline(always)] // as above
    pub(crate) fn enter(&mut self, id: SpaceId) -> Option<InSpace<'_, 'b, M>> {
        Some(InSpace {
            id,
            taken: self.vmas.take(&mut self.spaces, typed(id))?,
            inside: &mut self.inside,
        })
    }

    /// Takes a region, with the hardware.
    pub(crate) fn region(&mut self, id: RegionId) -> Option<(&mut M, Taken<'_, Region>)> {
        let (region, _) = self.inside.regions.take(id)?;
        Some((self.inside.mmu, region))
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
        let Inside { mmu, regions, .. } = &mut self.inside;
        regions.zone().zero_ahead(*mmu)
    }

    /// How many frames there are and what became of them.
    pub fn frame_counts(&mut self) -> FrameCounts {
        self.inside.regions.zone().lock().counts()
    }
}

impl<'b, M: Mmu> InSpace<'_, 'b, M> {
    /// What it consists of.
    #[inline(always)] // as above
    pub fn each(&mut self) -> Each<'_, 'b, M> {
        let (space, vmas) = self.taken.each();
        let Inside {
            mmu,
            regions,
            limits,
            tray,
            ..
        } = &mut *self.inside;
        Each {
            space,
            vmas,
            mmu,
            regions,
            limits: limits.get(),
            tray,
        }
    }
}

impl<M: Mmu> InSpace<'_, '_, M> {
    /// What a request is told that finds no frame, or no slot.
    pub fn lacking(&self) -> Errno {
        self.inside.others.lacking()
    }
}

impl<'b> Regions<'b> {
    /// Takes a region, as soon as nobody else has it. What may be taken besides are the frames.
    #[inline(always)] // as above
    pub fn take(&mut self, region: RegionId) -> Option<(Taken<'_, Region>, &mut Zone<'b>)> {
        Some((self.turns.take(region)?, &mut self.zone))
    }

    /// The same for a region that an address space has attached.
    ///
    /// # Panics
    /// If it is gone.
    #[inline(always)] // as above
    pub fn attached(&mut self, region: RegionId) -> (Taken<'_, Region>, &mut Zone<'b>) {
        self.take(region).expect("an attached region exists")
    }

    /// The region at this place of the table, whatever state it is in.
    #[inline]
    pub fn at(&self, index: u32) -> Option<RegionId> {
        self.turns.id_at(index)
    }

    /// The frames alone.
    #[inline(always)] // as above
    pub fn zone(&mut self) -> &mut Zone<'b> {
        &mut self.zone
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
        Sharing::of(Ways {
            mmu: &mut self.mmu,
            spaces: self.spaces.turns(TAKER),
            vmas: self.vmas.belongings(),
            regions: self.regions.turns(TAKER),
            frames: self.frames.in_turn(TAKER),
            limits: self.limits.common(),
            spare: self.spare,
            tray: &mut self.tray,
            others: Others::None,
        })
    }

    /// Does something in an address space; `None` if it is gone.
    #[inline]
    pub(crate) fn enter<T>(
        &mut self,
        space: SpaceId,
        act: impl FnOnce(&mut InSpace<'_, '_, M>) -> T,
    ) -> Option<T> {
        self.sharing().enter(space).as_mut().map(act)
    }

    /// The same in one whose process lives, and that is neither being copied nor changed.
    ///
    /// # Errors
    /// `ESRCH` and `EAGAIN` if not, or as what is done.
    pub(crate) fn within<T>(
        &mut self,
        space: SpaceId,
        act: impl FnOnce(&mut InSpace<'_, '_, M>) -> Result<T, Errno>,
    ) -> Result<T, Errno> {
        let done = self.enter(space, |space| {
            space.each().space.check_alive()?;
            act(space)
        });
        done.ok_or(Errno::ESRCH)?
    }

    /// The VMAs of an address space.
    pub(crate) fn vmas_in(&mut self, space: SpaceId) -> Vmas<'_> {
        self.vmas.own(typed::<M::Space>(space))
    }
}
