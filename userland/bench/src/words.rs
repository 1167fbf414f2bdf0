//! Waiting for a word of a segment, and waking another process there.

use crate::measure::Row;
use abi::shm::{Mode, ShmId, ShmKey};
use alloc::string::ToString;
use core::sync::atomic::{AtomicU32, Ordering};
use rt::archive::Archive;
use rt::shm::Shm;
use rt::spawn::Command;
use rt::sync::{wait, wake_and_wait};
use rt::{Error, Failure, Outcome, Start};

const COUNT: u64 = 2000;
/// The argument with which this program is the other process; then comes the segment.
pub const ARGUMENT: &str = "answer";
const MINE: u32 = 0;
const OTHERS: u32 = 1;

/// Measures how long it takes until it is one's own turn again.
pub fn measure(archive: Archive) -> Result<[Row; 1], Failure> {
    let missing = || Failure::new("bench: it is not in the archive");
    let file = archive.program("bench").ok_or_else(missing)?;
    let segment = Shm::create(ShmKey::PRIVATE, 4096, Mode::from_bits(0o600))?;
    let memory = segment.attach()?;
    let other = Command::new("bench", file)
        .args([ARGUMENT, segment.id().raw().to_string().as_str()])
        .spawn()?;
    let turn = &memory.half_words()[0];
    let row = Row::measure("word_wait_wake_rtt", COUNT, || pass_and_await(turn, OTHERS, MINE))?;
    other.kill()?;
    drop(memory);
    segment.remove()?;
    Ok([row])
}

/// The other process.
pub fn answer(start: &Start) -> Outcome {
    let id = start.arg(1).map(str::parse).transpose()?;
    let id = id.and_then(ShmId::from_raw);
    let id = id.ok_or_else(|| Failure::new("bench: that is no segment"))?;
    let memory = Shm::from_id(id).attach()?;
    let turn = &memory.half_words()[0];
    await_turn(turn, OTHERS)?;
    loop {
        pass_and_await(turn, MINE, OTHERS)?;
    }
}

/// Makes it the other's turn, wakes that one, and waits until it is one's own again.
fn pass_and_await(turn: &AtomicU32, others: u32, own: u32) -> Result<(), Error> {
    turn.store(others, Ordering::Release);
    wake_and_wait(turn, turn, others)?;
    await_turn(turn, own)
}

fn await_turn(turn: &AtomicU32, own: u32) -> Result<(), Error> {
    loop {
        match turn.load(Ordering::Acquire) {
            whose if whose == own => return Ok(()),
            whose => wait(turn, whose)?,
        }
    }
}
