//! Keeps 40 processes alive that all use the same addresses, each for words of its own.
//!
//! With the boot argument `asid-bits=4` there are fewer ASIDs than processes, so that they are
//! recycled all the time; whoever then sees another's translation finds another's words.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use abi::process::End;
use abi::shm::{Mode, ShmId, ShmKey};
use alloc::string::ToString;
use alloc::vec::Vec;
use alloc::{format, vec};
use core::sync::atomic::{AtomicU64, Ordering};
use rt::shm::Shm;
use rt::spawn::Ended;
use rt::sys::process::yield_now;
use rt::{Failure, Outcome, Start, println};
use tests::{Family, Frames};

extern crate alloc;

const PROCESSES: u64 = 40;
const ROUNDS: u64 = 50;
const PAGES: usize = 4;
const WORDS_IN_A_PAGE: usize = 512;

/// At one address in every process.
static WORDS: [AtomicU64; PAGES * WORDS_IN_A_PAGE] = [const { AtomicU64::new(0) }; PAGES * WORDS_IN_A_PAGE];

rt::program!(run);

fn run(start: &Start) -> Outcome {
    match (start.arg(0), start.arg(1)) {
        (Some(number), Some(id)) => member(number.parse()?, id.parse()?),
        _ => leader(&Family::new("asid", start)?),
    }
}

fn leader(family: &Family) -> Outcome {
    let frames = Frames::count();
    let meeting = Shm::create(ShmKey::PRIVATE, 4096, Mode::from_bits(0o600))?;
    let id = meeting.id().raw().to_string();
    let mut members = Vec::new();
    for number in 1..=PROCESSES {
        members.push(family.start([number.to_string().as_str(), id.as_str()])?);
    }
    let mut failures = vec![];
    for member in &members {
        match member.wait()? {
            End::Exited(0) => {}
            end => failures.push(format!("process {} {}", member.pid().0, Ended(end))),
        }
    }
    drop(members);
    meeting.remove()?;
    frames.check()?;
    if failures.is_empty() {
        println!("asid: {PROCESSES} processes kept apart");
        Ok(())
    } else {
        Err(Failure::new(failures.join("\n")))
    }
}

fn member(number: u64, id: i32) -> Outcome {
    fill(number);
    let id = ShmId::from_raw(id).ok_or_else(|| Failure::new("asid: that is no shmid"))?;
    meet(id)?;
    for round in 0..ROUNDS {
        yield_now();
        if let Some((place, word)) = find_foreign(number) {
            let address = &raw const WORDS[place];
            let sentence = format!("asid: round {round}: process {number} sees {word:#x} at {address:?}");
            return Err(Failure::new(sentence));
        }
    }
    Ok(())
}

/// Waits until all members are there, so that all are alive at once.
fn meet(id: ShmId) -> Outcome {
    let place = Shm::from_id(id).attach()?;
    let arrived = &place.words()[0];
    arrived.fetch_add(1, Ordering::AcqRel);
    while arrived.load(Ordering::Acquire) < PROCESSES {
        yield_now();
    }
    Ok(())
}

fn fill(number: u64) {
    for (place, word) in WORDS.iter().enumerate() {
        word.store(pattern(number, place), Ordering::Relaxed);
    }
}

/// A word that is not this process's own.
fn find_foreign(number: u64) -> Option<(usize, u64)> {
    // One word of each page would do; some more are not many.
    let places = (0..WORDS.len()).step_by(61);
    places
        .map(|place| (place, WORDS[place].load(Ordering::Relaxed)))
        .find(|&(place, word)| word != pattern(number, place))
}

fn pattern(number: u64, place: usize) -> u64 {
    number << 32 | place as u64
}
