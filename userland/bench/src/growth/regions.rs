//! More and more segments.

use super::{Round, Sweep};
use abi::shm::{AttachFlags, GetFlags, Mode, ShmCommand, ShmKey};
use alloc::vec::Vec;
use rt::shm::Shm;
use rt::sys::memory::{shm_attach, shm_control, shm_detach, shm_get};
use rt::{Error, Incoming};

const COUNTS: [u64; 9] = [1, 3, 10, 30, 100, 300, 1000, 3000, 10_000];
const TIMES: u64 = 1000;
const BYTES: u64 = abi::layout::PAGE_BYTES;
const RW: Mode = Mode::from_bits(0o600);

/// Finding, looking at, attaching, creating and removing one while there are so many of a page.
pub fn measure() -> Result<(), Error> {
    let mut segments = Vec::<Shm>::new();
    for count in COUNTS {
        for number in segments.len() as u64..count {
            segments.push(Shm::create(key(number), BYTES, RW)?);
        }
        measure_among(&segments)?;
    }
    segments.into_iter().try_for_each(Shm::remove)
}

/// As programs choose keys: near each other.
fn key(number: u64) -> ShmKey {
    ShmKey(0x6765_0001 + number as i32)
}

fn measure_among(segments: &[Shm]) -> Result<(), Error> {
    let count = segments.len() as u64;
    let sweep = Sweep {
        name: "regions",
        count,
    };
    let mut round = Round::of(count);
    sweep.measure("shmget", TIMES, || {
        shm_get(key(round.next()), BYTES, GetFlags::empty()).map(|_| ())
    })?;
    let mut incoming = Incoming::new();
    sweep.measure("IPC_STAT", TIMES, || {
        let id = segments[round.next() as usize].id().raw();
        shm_control(id, ShmCommand::Stat as i32, &[], &mut incoming).map(|_| ())
    })?;
    sweep.measure("shmat+shmdt", TIMES, || {
        let id = segments[round.next() as usize].id();
        shm_detach(shm_attach(id, 0, AttachFlags::empty())?)
    })?;
    sweep.measure("create+remove", TIMES, || {
        Shm::create(key(count), BYTES, RW)?.remove()
    })?;
    Ok(())
}
