//! Switching to another process, and starting and ending one.

use crate::measure::{Row, each};
use abi::layout::PAGE_BYTES;
use abi::process::End;
use abi::shm::{Mode, ShmKey};
use core::sync::atomic::Ordering;
use rt::archive::Archive;
use rt::shm::Shm;
use rt::spawn::{Command, Ended, fork};
use rt::sys::process::yield_now;
use rt::{Error, Failure, Outcome};

const SWITCHES: u64 = 2000;
const SPAWNS: u64 = 50;
const FORKS: u64 = 200;
const SHARED_BYTES: u64 = 64 << 20;

/// Measures both.
pub fn measure(archive: Archive) -> Result<[Row; 2], Failure> {
    let program = |name| {
        let missing = || Failure::new("bench: its programs are not in the archive");
        archive.program(name).ok_or_else(missing)
    };
    let bench = program("bench")?;
    let other = Command::new("bench", bench).arg("yield").spawn()?;
    let counted = Command::new("bench", bench).arg("yields").spawn()?.wait()?;
    other.kill()?;
    let End::Exited(there_and_back) = counted else {
        return Err(Failure::new("bench: nobody counted switches"));
    };

    let command = Command::new("nothing", program("nothing")?);
    let spawn = Row::measure("spawn_exit_wait", SPAWNS, || {
        let child = command.spawn().map_err(|_| rt::Error::Garbled)?;
        match child.join()? {
            End::Exited(0) => Ok(()),
            _ => Err(rt::Error::Garbled),
        }
    })?;
    let switch = u64::from(there_and_back.cast_unsigned()) / 2;
    Ok([Row::new("yield_switch", switch), spawn])
}

/// Lets a process that does nothing else measure `part` and print it: one that has little memory, and has not used
/// FP/SIMD registers.
pub fn measure_alone(archive: Archive, part: &str) -> Outcome {
    let missing = || Failure::new("bench: it is not in the archive");
    let file = archive.program("bench").ok_or_else(missing)?;
    match Command::new("bench", file).arg(part).spawn()?.wait()? {
        End::Exited(0) => Ok(()),
        end => Err(Failure::new(alloc::format!(
            "bench: who measured {part} {}",
            Ended(end)
        ))),
    }
}

/// What that process measures: a copy that ends at once, and how much more it costs when much shared memory
/// is attached.
pub fn fork_many() -> Result<[Row; 2], Failure> {
    let alone = Row::measure("fork_exit_wait", FORKS, fork_exit_wait)?;
    let segment = Shm::create(ShmKey::PRIVATE, SHARED_BYTES, Mode::from_bits(0o600))?;
    let attachment = segment.attach()?;
    for page in attachment.words().chunks(PAGE_BYTES as usize / 8) {
        page[0].store(1, Ordering::Relaxed);
    }
    let sharing = each(FORKS, fork_exit_wait);
    drop(attachment);
    segment.remove()?;
    let extra = sharing?.saturating_sub(alone.value);
    Ok([alone, Row::new("fork_shm64m_extra", extra)])
}

fn fork_exit_wait() -> Result<(), Error> {
    match fork(|| Ok(()))?.join()? {
        End::Exited(0) => Ok(()),
        _ => Err(Error::Garbled),
    }
}

/// A process that exits with what a switch to the other one and back costs. It has not used FP/SIMD registers.
pub fn count_yields() -> Outcome {
    let there_and_back = each(SWITCHES, || {
        yield_now();
        Ok(())
    })?;
    rt::sys::process::exit(i32::try_from(there_and_back).unwrap_or(i32::MAX))
}

/// The other process.
pub fn yield_forever() -> Outcome {
    loop {
        yield_now();
    }
}
