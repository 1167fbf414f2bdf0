//! Where the kernel's objects live: memory for typed slots, taken once, in proportion to RAM.

use crate::exit;
use crate::machine::{Machine, MemoryPlace, SharedMemory};
use crate::ram::{Ram, frames_for};
use aarch64::context::FpState;
use aarch64::cpu::PerCpu;
use aarch64::mmu::{self, Hardware};
use abi::shm::ShmSetting;
use addr::GRANULE;
use boards::Board;
use kcore::ipc::Endpoint;
use kcore::object::device::{Device, MOST_DEVICES};
use kcore::object::word::{AwaitedWord, AwaitedWords};
use kcore::process::Process;
use kcore::thread::Thread;
use kcore::{Cpu, Kernel, MAX_CPUS, Place, Queued, Registers, Shown, Storage};
use mm::{BadStorage, KeyBucket, Limits, MemoryManager};
use slots::Slot;
use vmsa::asid::AsidBits;

/// How many of everything there can be.
#[derive(Clone, Copy)]
pub struct Counts {
    /// Processes, address spaces, and users that have segments.
    processes: usize,
    /// One for each process, and some more.
    pub threads: usize,
    endpoints: usize,
    regions: usize,
    mappings: usize,
}

impl Counts {
    /// For a machine with `frames` frames. One with 512 MiB gets 128 processes, 84 threads more, 4096 segments
    /// and 2048 mappings, or a few more.
    ///
    /// A process takes seven mappings, and a thread more takes two: its stack and its message page. So this is enough for nearly
    /// all that there can be, besides one that has as many mappings as a process may have.
    pub fn for_frames(frames: u64) -> Self {
        let one_in = |share: u64, least: usize, most: usize| {
            usize::try_from(frames / share).map_or(most, |count| count.clamp(least, most))
        };
        let processes = one_in(1010, 48, 1024);
        Self {
            processes,
            threads: processes + one_in(1500, 64, 2048),
            endpoints: one_in(1000, 64, 1024),
            regions: 2 * one_in(63, 128, 16384),
            mappings: one_in(62, 1536, 32768),
        }
    }

    /// Frames that the kernel takes for all of them, and for itself.
    fn frames(self) -> u64 {
        let objects = [
            frames_for::<Registers>(self.threads),
            frames_for::<FpState>(self.threads),
            frames_for::<Slot<Process>>(self.processes),
            frames_for::<Cpu>(MAX_CPUS),
            frames_for::<Shown>(MAX_CPUS),
            frames_for::<u64>(AsidBits::MOST.words()),
            frames_for::<Slot<Thread>>(self.threads),
            frames_for::<Slot<mm::Space<mmu::Space>>>(self.processes),
            frames_for::<Slot<Endpoint>>(self.endpoints),
            frames_for::<Place>(self.threads),
            frames_for::<Slot<Device>>(MOST_DEVICES),
            frames_for::<Slot<AwaitedWord>>(self.threads),
            frames_for::<Slot<mm::Region>>(self.regions),
            frames_for::<KeyBucket>(self.regions),
            frames_for::<Slot<mm::Account>>(self.processes),
            frames_for::<Slot<mm::Vma>>(self.mappings),
            frames_for::<mm::Apart>(1),
            frames_for::<MemoryPlace>(MAX_CPUS),
            frames_for::<Kernel<Machine>>(1),
            frames_for::<SharedMemory>(1),
        ];
        objects.iter().sum()
    }
}

/// For translation tables of the kernel, and the page allocator's words.
const TABLE_FRAMES: u64 = 64;
/// For the first program: 1 MiB.
const PROGRAM_FRAMES: u64 = 256;

/// Ends the machine if it has too little RAM for the fewest objects and a program, and says how much it needs.
pub fn check_room(board: &Board, ram: &Ram) {
    let whole = board.memory.ram_bytes();
    if whole == 0 {
        exit::cannot_start(format_args!(
            "the device tree lists no RAM; it is the loader who fills that in"
        ));
    }
    let needed = Counts::for_frames(0).frames() + TABLE_FRAMES + PROGRAM_FRAMES;
    if ram.frames() < needed {
        exit::cannot_start(format_args!(
            "there is too little RAM: of {} KiB, {} KiB are free beside image, device tree and initrd, and {} KiB \
             are needed at least",
            whole / 1024,
            ram.frames() * GRANULE / 1024,
            needed * GRANULE / 1024
        ));
    }
}

/// Room for processes, threads, endpoints and devices.
pub fn kernel_storage(ram: &mut Ram, counts: Counts, queued: Queued) -> Storage {
    let cpus = PerCpu::count();
    Storage {
        processes: ram.take_slots(counts.processes),
        cpus: ram.take_slice(cpus, Cpu::idle),
        shown: ram.take_slice(cpus, Shown::idle),
        threads: ram.take_slots(counts.threads),
        endpoints: ram.take_slots(counts.endpoints),
        queued,
        devices: ram.take_slots(MOST_DEVICES),
    }
}

/// A place for each thread in queues that are apart from it.
pub fn queued(ram: &mut Ram, counts: Counts) -> Queued {
    ram.take_slice(counts.threads, Place::free)
}

/// The words that threads wait for: no more than there are threads.
pub fn awaited_words(ram: &mut Ram, counts: Counts, queued: Queued) -> AwaitedWords {
    AwaitedWords::new(ram.take_slots(counts.threads), queued)
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
        apart: ram.take_place().write(mm::Apart::empty()),
        spaces: ram.take_slots(counts.processes),
        regions: ram.take_slots(counts.regions),
        vmas: ram.take_slots(counts.mappings),
        accounts: ram.take_slots(counts.processes),
        keys: ram.take_slice(counts.regions, || KeyBucket::EMPTY),
    };
    match MemoryManager::new(storage, ram.ranges(), hardware, limits(board, counts)) {
        Ok(memory) => memory,
        Err(BadStorage::Ram(error)) => panic!("the memory manager cannot manage this RAM: {error:?}"),
        Err(BadStorage::NoKeyBuckets) => panic!("the memory manager needs a bucket for keys"),
    }
}

/// What `bootargs` say, within what there is room for.
fn limits(board: &Board, counts: Counts) -> Limits {
    let mappings = u32::try_from(counts.mappings / 2).map_or(u32::MAX, |some| some.max(MAPPINGS_PER_PROCESS));
    let options = board.options();
    let number = |name: &str| options.option(name).and_then(|value| value.parse().ok());
    let limits = Limits {
        shmseg: mappings,
        mappings,
        ..Limits::WIDEST
    };
    ShmSetting::ALL.into_iter().fold(limits, |limits, setting| {
        let value = number(setting.name()).and_then(|value| limits.with(setting, value).ok());
        value.unwrap_or(limits)
    })
}

/// Half of all, so that one process cannot take them away from the others, but not less than this.
const MAPPINGS_PER_PROCESS: u32 = 1024;
