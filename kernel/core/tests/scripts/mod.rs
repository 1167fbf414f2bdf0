//! Programs played by a script, one trap at a time. Every script is played twice: the test binaries
//! `shorter_way` and `long_way` differ in nothing but `WAY`.

mod accounts;
mod across_cpus;
mod affinity;
mod answers;
mod by_number;
mod cancel;
mod cpus;
mod credentials;
mod deadlines;
mod devices;
mod exchange;
mod exec;
mod faults;
mod fork;
mod gaps;
mod handles;
mod hostile;
mod instructions;
mod interposition;
mod interrupts;
mod job_control;
mod kills;
mod lent;
mod lives;
mod messages;
mod no_room;
mod one_space;
mod passing;
mod priorities;
mod queues;
mod regions;
mod requests;
mod server;
mod server_slices;
mod shares;
mod sharing;
mod signals;
mod sleep;
mod taken_along;
mod threads;
mod touches;
mod trace;
mod wakes;
mod word_ways;
mod words;
mod work;

use abi::Handle;
use abi::layout::PAGE_BYTES;
use abi::memory::{Map, Protection};
use addr::VirtAddr;
use mm::Access;
use play::Size;
use play::World;

/// A kernel whose first process runs.
fn world() -> World {
    world_on(1)
}

/// The same, on the first of so many CPUs.
fn world_on(cpus: usize) -> World {
    play::world_of(Size::USUAL, crate::WAY, cpus)
}

/// The running process writes to as many new pages.
fn write_pages(world: &mut World, pages: u64) -> u64 {
    let map = Map::new(0, pages * PAGE_BYTES, Protection::WRITE);
    let (address,) = world.call(Handle::MEMORY, map).expect("room");
    for page in 0..pages {
        let address = VirtAddr::new(address + page * PAGE_BYTES);
        world.kernel.memory_fault(address, Access::Write);
    }
    world.run();
    address
}
