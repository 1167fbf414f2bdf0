//! Programs played by a script, one trap at a time. Every script is played twice: the test binaries
//! `shorter_way` and `long_way` differ in nothing but `WAY`.

mod accounts;
mod answers;
mod by_number;
mod cpus;
mod credentials;
mod deadlines;
mod devices;
mod exec;
mod fork;
mod hostile;
mod interposition;
mod job_control;
mod kills;
mod lives;
mod messages;
mod no_room;
mod priorities;
mod regions;
mod server;
mod shares;
mod signals;
mod sleep;
mod threads;
mod trace;
mod words;

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
