//! A world with memory.

use crate::common::{World, leak};
use addr::{Frame, FrameRange};
use mm::{Limits, MemoryManager, Storage};

/// 8 MiB of RAM on a pretend machine.
const FRAMES: u64 = 2048;

/// A kernel whose first process runs.
pub fn world() -> World {
    let ram = FrameRange::new(Frame::from_number(0x40000), FRAMES).expect("not empty");
    let words = mm::frame_words(&[ram]);
    let storage = Storage {
        frame_words: vec![0; words.expect("good ranges")].leak(),
        spaces: leak(64),
        regions: leak(32),
        vmas: leak(512),
        keys: (0..32).map(|_| mm::KeyBucket::EMPTY).collect::<Vec<_>>().leak(),
    };
    let memory = MemoryManager::new(storage, &[ram], machine::Machine::new(ram), Limits::WIDEST);
    World::new(memory.expect("good storage"))
}
