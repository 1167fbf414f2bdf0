//! What the first program alone can measure: how long booting took, and how much RAM it cost.

use crate::SYSTEM;
use abi::layout::PAGE_BYTES;
use rt::archive::Archive;
use rt::sys::{memory, system};
use rt::time::Instant;
use rt::{Incoming, Outcome, println};

/// Prints both as program `bench` prints what it measures. `started` is when `init` began.
pub fn print(archive: Archive, started: Instant) -> Outcome {
    println!("bench: boot_to_init {}", started.since_start().as_nanos());
    println!("bench: ram_overhead_kib {}", overhead(archive)? / 1024);
    Ok(())
}

/// Bytes of RAM that no program can have: what boot keeps for the kernel, and what firmware keeps.
/// The archive and what this program occupies itself do not count.
fn overhead(archive: Archive) -> Result<u64, rt::Error> {
    let machine = system::describe(SYSTEM, &mut Incoming::new())?;
    let own = memory::count_usage()?;
    let for_programs = system::count_frames(SYSTEM)?.free + own.private + own.tables;
    let in_archive = (archive.bytes().len() as u64).div_ceil(PAGE_BYTES);
    Ok(machine.ram - (for_programs + in_archive) * PAGE_BYTES)
}
