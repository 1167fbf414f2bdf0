//! The memory manager as a whole: its parts, its storage, its counts.

use crate::account::{Account, Accounts};
use crate::frame::{BadRam, Frames, NeverMapped, Spare};
use crate::identity::{Credential, Identity};
use crate::limits::Limits;
use crate::mmu::Mmu;
use crate::part::Tray;
use crate::region::{KeyBucket, Region, RegionTable};
use crate::sharing::Apart;
use crate::space::{AnySpace, Space, SpaceId};
use crate::vma::Vma;
use abi::Errno;
use abi::memory::Usage;
use abi::system::FrameCounts;
use addr::{Frame, FrameRange};
use slots::{Id, One, Pool, Slot, Slots};

/// Room for everything the memory manager keeps. It allocates nothing itself.
pub struct Storage<H: 'static> {
    /// For what is apart.
    pub apart: &'static mut Apart,
    /// As many as [`frame_words`](crate::frame_words) says, or more; they may hold anything.
    pub frame_words: &'static mut [u64],
    /// One for each address space.
    pub spaces: &'static mut [Slot<Space<H>>],
    /// One for each user that has regions. The next one gets none when all are used.
    pub accounts: &'static mut [Slot<Account>],
    /// One for each region; those that are being taken apart keep theirs for a while.
    pub regions: &'static mut [Slot<Region>],
    /// One for each VMA of any address space.
    pub vmas: &'static mut [Slot<Vma>],
    /// At least one, best as many as regions.
    pub keys: &'static mut [KeyBucket],
}

/// Why a memory manager cannot be made of what was given.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BadStorage {
    /// The list of RAM, or the words for it.
    Ram(BadRam),
    /// There is not one bucket for keys.
    NoKeyBuckets,
}

/// For a CPU without a spare.
static NO_SPARE: Spare = Spare::none();

/// Page allocator, region table and VMA sets of all processes.
pub struct MemoryManager<M: Mmu> {
    pub(crate) mmu: M,
    pub(crate) frames: One<Frames>,
    /// What first touches of who has all this use.
    pub(crate) spare: &'static Spare,
    pub(crate) spaces: Slots<Space<M::Space>>,
    pub(crate) regions: RegionTable,
    pub(crate) accounts: Accounts,
    pub(crate) vmas: Pool<Vma>,
    pub(crate) limits: One<Limits>,
    /// Frames of runs that were taken.
    pub(crate) in_runs: u64,
    pub(crate) tray: Tray,
}

impl<M: Mmu> MemoryManager<M> {
    /// A memory manager that owns all frames of `ram`: up to 32 ranges in ascending order, which
    /// nobody else uses.
    ///
    /// # Errors
    /// [`BadStorage`] says what is wrong with the arguments.
    pub fn new(
        storage: Storage<M::Space>,
        ram: &[FrameRange],
        mmu: M,
        limits: Limits,
    ) -> Result<Self, BadStorage> {
        let Storage {
            apart,
            frame_words,
            spaces,
            accounts,
            regions,
            vmas,
            keys,
        } = storage;
        if keys.is_empty() {
            return Err(BadStorage::NoKeyBuckets);
        }
        let Apart {
            frames,
            vmas: free,
            limits: place,
        } = apart;
        let regions = RegionTable::new(regions, keys);
        Ok(Self {
            mmu,
            frames: One::new(frames, Frames::new(frame_words, ram).map_err(BadStorage::Ram)?),
            spare: &NO_SPARE,
            spaces: Slots::new(spaces),
            limits: One::new(place, limits.within(regions.capacity())),
            regions,
            accounts: Accounts::new(accounts),
            vmas: Pool::new(vmas, free),
            in_runs: 0,
            tray: Tray::EMPTY,
        })
    }

    /// Puts other limits in force. What exists already is not touched by lower ones.
    pub fn set_limits(&mut self, limits: Limits) {
        *self.limits = limits.within(self.regions.capacity());
    }

    /// Creates an address space for a process.
    ///
    /// # Errors
    /// `ENOMEM` if no frame is left for its root table, `ENFILE` if there are as many address
    /// spaces as there can be.
    pub fn create_space(&mut self, identity: Identity) -> Result<SpaceId, Errno> {
        if self.spaces.available() == 0 {
            return Err(Errno::ENFILE);
        }
        let mut promise = self.frames.promise(1)?;
        let root = self.frames.take(&mut promise);
        let hardware = self.mmu.create_space(root);
        let id = self
            .spaces
            .insert_with(|| Space::new(hardware, identity))
            .map_err(|_| Errno::ENFILE)?;
        Ok(id.elsewhere())
    }

    /// Takes `count` frames in a row for the kernel itself, for a device that wants them so: the first
    /// one's number is a multiple of `alignment`, a power of two. Their contents are anything.
    ///
    /// # Errors
    /// `ENOMEM` if there are none that nobody was promised: a run of `count` frames is looked for in a free
    /// block of the next power of two, 1 GiB at most.
    pub fn take_run(&mut self, count: u64, alignment: u64) -> Result<FrameRange, Errno> {
        let run = self.frames.take_run(count, alignment)?;
        self.in_runs += count;
        Ok(run)
    }

    /// Gives back what [`take_run`](Self::take_run) answered, or a part of it. No translation and no device
    /// leads there any more.
    ///
    /// # Panics
    /// If more is given back than was taken.
    pub fn give_back_run(&mut self, run: FrameRange) {
        self.in_runs -= run.count();
        self.frames.give_back_run(run, &NeverMapped);
    }

    /// Gives these CPUs, which have none, a [`Spare`] each, as far as there are frames that nobody was promised.
    pub fn give_spares(&mut self, spares: &'static [Spare]) {
        self.frames.give_spares(spares);
    }

    /// The memory manager as the CPU with this spare enters it.
    #[inline]
    pub fn on(&mut self, spare: &'static Spare) -> &mut Self {
        self.spare = spare;
        self
    }

    /// The frames that were zeroed ahead and are still free.
    pub fn zeroed_ahead(&self) -> impl Iterator<Item = Frame> {
        self.frames.zeroed()
    }

    /// How many frames there are and what became of them.
    pub fn frame_counts(&self) -> FrameCounts {
        self.frames.counts()
    }

    /// What an address space holds, `None` if it is gone.
    pub fn usage(&self, space: SpaceId) -> Option<Usage> {
        let space = self.spaces.get(typed(space))?;
        Some(Usage {
            mapped: space.mapped,
            private: space.pages.present + space.pages.shared,
            tables: space.tables.present + 1,
            mappings: space.mappings.into(),
            pages_quota: space.quota.pages,
            mappings_quota: space.most_mappings(&self.limits),
        })
    }

    /// On whose behalf requests of an address space are made, `None` if it is gone.
    pub fn credential(&self, space: SpaceId) -> Option<Credential> {
        self.spaces
            .get(typed(space))
            .map(|space| space.identity.credential)
    }

    /// Changes that for what is asked from now on: what is attached stays attached.
    pub fn set_credential(&mut self, space: SpaceId, credential: Credential) {
        if let Some(space) = self.spaces.get_mut(typed(space)) {
            space.identity.credential = credential;
        }
    }

    /// Lets `new` act for the process that `old` has acted for, which still does so until its end.
    pub fn succeed(&mut self, old: SpaceId, new: SpaceId) {
        if let Some((old, new)) = self.spaces.pair_mut(typed(old), typed(new)) {
            new.identity = old.identity;
        }
    }

    /// The hardware side of an address space, for the context switch.
    pub fn mmu_space_mut(&mut self, space: SpaceId) -> Option<(&mut M, &mut M::Space)> {
        let space = self.spaces.get_mut(typed(space))?;
        Some((&mut self.mmu, &mut space.hardware))
    }

    /// The hardware.
    pub fn mmu(&self) -> &M {
        &self.mmu
    }

    /// The hardware, for what concerns no address space in particular.
    pub fn mmu_mut(&mut self) -> &mut M {
        &mut self.mmu
    }

    /// An address space whose process lives, and that is neither being copied nor changed.
    pub(crate) fn alive(&self, space: SpaceId) -> Result<&Space<M::Space>, Errno> {
        let space = self.spaces.get(typed(space)).ok_or(Errno::ESRCH)?;
        space.check_alive()?;
        Ok(space)
    }
}

/// An identifier as the pool of address spaces knows it.
pub(crate) fn typed<H>(space: Id<AnySpace>) -> Id<Space<H>> {
    Id::from_parts(space.index(), space.generation())
}
