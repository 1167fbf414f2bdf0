//! Which machine this is.

use crate::SYSTEM;
use rt::sys::system;
use rt::{Incoming, Outcome, println};

const MIB: u64 = 1 << 20;

/// Prints board, CPUs and RAM.
pub fn print() -> Outcome {
    let mut name = Incoming::new();
    let machine = system::describe(SYSTEM, &mut name)?;
    let frames = system::count_frames(SYSTEM)?;
    let board = core::str::from_utf8(name.bytes()).unwrap_or("an unnamed board");
    let (running, cpus, ram) = (machine.running, machine.cpus, machine.ram / MIB);
    let (free, total) = (frames.free, frames.total);
    println!("init: {board}: {running} of {cpus} CPUs, {ram} MiB of RAM, {free} of {total} frames free");
    Ok(())
}
