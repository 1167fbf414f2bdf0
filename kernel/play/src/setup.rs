//! A world with memory.

use crate::Way;
use crate::world::{World, leak};
use addr::{Frame, FrameRange};
use machine::{Machine, Speculation};
use mm::{Limits, MemoryManager, Storage};

/// How much of everything a world has.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Frames of RAM.
    pub frames: u64,
    /// Address spaces.
    pub spaces: usize,
    /// Segments.
    pub regions: usize,
    /// Mappings of all processes.
    pub vmas: usize,
}

impl Size {
    /// 8 MiB of RAM on a pretend machine, and enough of the rest.
    pub const USUAL: Self = Self {
        frames: 2048,
        spaces: 64,
        regions: 32,
        vmas: 512,
    };

    /// Worlds in which different things run out first.
    pub const SCARCE: [Self; 4] = [
        Self::USUAL,
        Self {
            frames: 120,
            ..Self::USUAL
        },
        Self {
            spaces: 6,
            ..Self::USUAL
        },
        Self {
            vmas: 16,
            regions: 3,
            ..Self::USUAL
        },
    ];
}

/// A kernel whose first process runs, on the first of `cpus` CPUs, in a world of this size. Its TLB has always cached everything it may.
pub fn world_of(size: Size, way: Way, cpus: usize) -> World {
    let ram = FrameRange::new(Frame::from_number(0x40000), size.frames).expect("not empty");
    let words = mm::frame_words(&[ram]);
    let storage = Storage {
        frame_words: vec![0; words.expect("good ranges")].leak(),
        apart: Box::leak(Box::new(mm::Apart::empty())),
        spaces: leak(size.spaces),
        regions: leak(size.regions),
        vmas: leak(size.vmas),
        accounts: leak(4),
        keys: (0..size.regions)
            .map(|_| mm::KeyBucket::EMPTY)
            .collect::<Vec<_>>()
            .leak(),
    };
    let memory = MemoryManager::new(
        storage,
        &[ram],
        Machine::new(ram)
            .with_cpus(cpus)
            .with_speculation(Speculation::Everything),
        Limits::WIDEST,
    );
    World::new(memory.expect("good storage"), way, cpus)
}
