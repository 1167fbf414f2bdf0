//! Where the kernel's objects live: memory for typed slots, taken once, in proportion to RAM.

use crate::ram::Ram;
use aarch64::mmu::Hardware;
use boards::Board;
use kcore::Storage;
use mm::{BadStorage, KeyBucket, Limits, MemoryManager};

/// How many of everything there can be.
#[derive(Clone, Copy)]
pub struct Counts {
    /// Processes, threads and address spaces.
    pub processes: usize,
    endpoints: usize,
    regions: usize,
    mappings: usize,
}

impl Counts {
    /// For a machine with `frames` frames. One with 512 MiB gets 128 processes, 4096 segments
    /// and 4096 mappings.
    pub fn for_frames(frames: u64) -> Self {
        let one_in = |share: u64, least: usize, most: usize| {
            usize::try_from(frames / share).map_or(most, |count| count.clamp(least, most))
        };
        Self {
            processes: one_in(1000, 48, 1024),
            endpoints: one_in(1000, 64, 1024),
            regions: one_in(31, 256, 32768),
            mappings: one_in(31, 1024, 65536),
        }
    }
}

/// Room for processes, threads and endpoints.
pub fn kernel_storage(ram: &mut Ram, counts: Counts) -> Storage {
    Storage {
        processes: ram.take_slots(counts.processes),
        threads: ram.take_slots(counts.processes),
        endpoints: ram.take_slots(counts.endpoints),
    }
}

/// The memory manager, which owns all RAM that is left when its own storage is taken: nobody can
/// take any afterwards.
pub fn memory_manager(
    hardware: Hardware,
    mut ram: Ram,
    counts: Counts,
    board: &Board,
) -> MemoryManager<Hardware> {
    let words = match mm::frame_words(ram.ranges()) {
        Ok(words) => words,
        Err(error) => panic!("the memory manager cannot manage this RAM: {error:?}"),
    };
    let storage = mm::Storage {
        frame_words: ram.take_slice(words, || 0),
        spaces: ram.take_slots(counts.processes),
        regions: ram.take_slots(counts.regions),
        vmas: ram.take_slots(counts.mappings),
        keys: ram.take_slice(counts.regions, || KeyBucket::EMPTY),
    };
    match MemoryManager::new(storage, ram.ranges(), hardware, limits(board)) {
        Ok(memory) => memory,
        Err(BadStorage::Ram(error)) => panic!("the memory manager cannot manage this RAM: {error:?}"),
        Err(BadStorage::NoKeyBuckets) => panic!("the memory manager needs a bucket for keys"),
    }
}

/// What `bootargs` say, within what there is room for.
fn limits(board: &Board) -> Limits {
    let options = board.options();
    let number = |name: &str| options.option(name).and_then(|value| value.parse().ok());
    let count = |name: &str| number(name).map(|value: u64| u32::try_from(value).unwrap_or(u32::MAX));
    Limits {
        shmmni: count("shmmni").unwrap_or(Limits::WIDEST.shmmni),
        shmmax: number("shmmax").unwrap_or(Limits::WIDEST.shmmax),
        shmall: number("shmall").unwrap_or(Limits::WIDEST.shmall),
        shmseg: count("shmseg").unwrap_or(MAPPINGS_PER_PROCESS),
        mappings: MAPPINGS_PER_PROCESS,
    }
}

/// So that one process cannot take all slots.
const MAPPINGS_PER_PROCESS: u32 = 1024;
