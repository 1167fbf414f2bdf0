//! How a world begins.

use abi::process::Pid;
use addr::{Frame, FrameRange, PageCount};
use machine::{Machine, Speculation};
use mm::mmu::Mmu;
use mm::{
    Credential, Identity, KeyBucket, Limits, MemoryManager, Region, Space, SpaceId, Spare, Storage, Vma,
    frame_words,
};
use slots::Slot;

/// A memory manager and what tests need beside it.
pub struct World {
    pub mm: MemoryManager<Machine>,
    /// Seconds since the epoch.
    pub now: i64,
    /// A process of user 0 that only looks.
    pub root: SpaceId,
    pub next_pid: u32,
    pub pids: Vec<(SpaceId, Pid)>,
    /// Whether everything is checked after every step.
    pub thorough: bool,
    /// Of the CPUs that touches come from, one after the other.
    pub spares: &'static [Spare],
    pub turn: usize,
}

const RAM_START: Frame = Frame::from_number(0x4_0000);

/// How many frames of RAM behind those of the allocator are not the allocator's.
const KEPT: PageCount = PageCount::new(8).expect("some");

/// How many users can have segments.
pub const ACCOUNTS: usize = 8;

/// How large a world is.
#[derive(Clone, Copy)]
pub struct Size {
    /// Frames of the allocator.
    pub frames: u64,
    pub spaces: usize,
    pub regions: usize,
    pub vmas: usize,
    pub limits: Limits,
}

impl Size {
    /// Enough for most tests: 16 MiB.
    pub const USUAL: Self = Self {
        frames: 4096,
        spaces: 24,
        regions: 64,
        vmas: 256,
        limits: Limits::WIDEST,
    };
}

impl World {
    /// A world of the usual size whose TLBs have always cached everything, on two CPUs.
    pub fn new() -> Self {
        Self::of(Size::USUAL)
    }

    /// A world of this size.
    pub fn of(size: Size) -> Self {
        Self::on(
            size,
            |machine| machine.with_cpus(2).with_speculation(Speculation::Everything),
            true,
        )
    }

    /// A world that is not checked after every step, for tests with very many of them.
    pub fn quick(size: Size) -> Self {
        Self::on(size, |machine| machine, false)
    }

    /// A world on a machine of choice.
    pub fn on(size: Size, machine: impl FnOnce(Machine) -> Machine, thorough: bool) -> Self {
        let ram = FrameRange::new(RAM_START, size.frames).expect("some RAM");
        let all = FrameRange::new(RAM_START, size.frames + KEPT.get()).expect("some more");
        let mut mm = MemoryManager::new(
            storage(size, ram),
            &[ram],
            machine(Machine::new(all)),
            size.limits,
        )
        .expect("storage as large as it has to be");
        let pid = Pid(1);
        let root = mm
            .create_space(Identity {
                credential: Credential::ROOT,
                pid,
            })
            .expect("the first space");
        Self {
            mm,
            now: 1000,
            root,
            next_pid: 2,
            pids: vec![(root, pid)],
            thorough,
            spares: &[],
            turn: 0,
        }
    }

    /// The same world, with so many CPUs that have a spare each.
    pub fn with_spares(mut self, cpus: usize) -> Self {
        self.spares = (0..cpus).map(|_| Spare::none()).collect::<Vec<_>>().leak();
        self.mm.give_spares(self.spares);
        self
    }

    /// The next CPU serves a touch, with its spare if there are any.
    pub fn change_cpu(&mut self) {
        self.turn += 1;
        if let Some(spare) = self.spares.get(self.turn % self.spares.len().max(1)) {
            spare.zero(|frame| self.mm.mmu_mut().zero(frame));
            self.mm.on(spare);
        }
    }
}

impl Size {
    /// RAM that is not the allocator's.
    pub fn kept(&self) -> FrameRange {
        FrameRange::new(RAM_START.offset(self.frames), KEPT.get()).expect("some")
    }
}

fn storage(size: Size, ram: FrameRange) -> Storage<machine::Space> {
    let words = frame_words(&[ram]).expect("one good range");
    Storage {
        frame_words: vec![!0; words].leak(),
        apart: Box::leak(Box::new(mm::Apart::empty())),
        spaces: (0..size.spaces)
            .map(|_| Slot::<Space<_>>::empty())
            .collect::<Vec<_>>()
            .leak(),
        regions: (0..size.regions)
            .map(|_| Slot::<Region>::empty())
            .collect::<Vec<_>>()
            .leak(),
        vmas: (0..size.vmas)
            .map(|_| Slot::<Vma>::empty())
            .collect::<Vec<_>>()
            .leak(),
        accounts: (0..ACCOUNTS).map(|_| Slot::empty()).collect::<Vec<_>>().leak(),
        keys: (0..16).map(|_| KeyBucket::EMPTY).collect::<Vec<_>>().leak(),
    }
}
