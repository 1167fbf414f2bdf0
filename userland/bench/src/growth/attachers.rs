//! More and more processes that have attached one segment.

use super::Sweep;
use crate::measure::time;
use abi::shm::{AttachFlags, Mode, ShmId, ShmKey};
use abi::{Badge, Handle, Label};
use alloc::string::ToString;
use core::sync::atomic::{AtomicU64, Ordering};
use rt::archive::Archive;
use rt::ipc::{Endpoint, ask};
use rt::shm::Shm;
use rt::spawn::Command;
use rt::sys::memory::{shm_attach, shm_detach};
use rt::sys::process::yield_now;
use rt::{Error, Failure, Incoming, Outcome, Outgoing, Start};

const COUNTS: [u64; 7] = [1, 2, 4, 8, 16, 32, 64];
const TIMES: u64 = 200;
const PAGE: u64 = abi::layout::PAGE_BYTES;
const WORDS: usize = PAGE as usize / 8;
const PAGES: u64 = 4096;
/// At the start of it, so many pages for each count: touched by nobody before that is measured.
const FRESH: u64 = 64;
/// Behind those: touched by everybody.
const OLD: usize = 512 * WORDS;
const RW: Mode = Mode::from_bits(0o600);
/// The argument with which this program is an attacher.
pub const ARGUMENT: &str = "attach";

/// Attaching, writing and detaching 16 MiB while it is attached by so many, the one that measures included.
pub fn measure(archive: Archive) -> Outcome {
    let file = archive.program("bench");
    let file = file.ok_or_else(|| Failure::new("bench: not in the archive"))?;
    let [place, segment] = [PAGE, PAGES * PAGE].map(|bytes| Shm::create(ShmKey::PRIVATE, bytes, RW));
    let (place, segment) = (place?, segment?);
    let meeting = place.attach()?;
    // Who calls there waits until it is gone.
    let waiting_room = Endpoint::create()?;
    let client = waiting_room.client(Badge(0))?;
    let mut others = 0;
    for (turn, count) in COUNTS.into_iter().enumerate() {
        while others + 1 < count {
            let ids = [place, segment].map(|shm| shm.id().raw().to_string());
            Command::new("bench", file)
                .args([ARGUMENT, &ids[0], &ids[1]])
                .give(Handle::PARENT.index(), client.get())
                .spawn()?;
            others += 1;
            wait_for(&meeting.words()[0], others);
        }
        measure_among(
            Sweep {
                name: "attachers",
                count,
            },
            segment,
            turn as u64,
        )?;
    }
    drop(waiting_room);
    wait_for(&meeting.words()[1], others);
    [place, segment].into_iter().try_for_each(Shm::remove)?;
    Ok(())
}

/// An attacher: reads what everybody touches, and then waits for the end of the one that measures.
pub fn attach(start: &Start) -> Outcome {
    let shm = |argument| -> Result<Shm, Failure> {
        let id = start.arg(argument).and_then(|id| id.parse().ok());
        let id = id.and_then(ShmId::from_raw);
        id.map(Shm::from_id)
            .ok_or_else(|| Failure::new("bench: attach needs two identifiers"))
    };
    let (meeting, attachment) = (shm(1)?.attach()?, shm(2)?.attach()?);
    for word in attachment.words()[OLD..].iter().step_by(WORDS) {
        core::hint::black_box(word.load(Ordering::Relaxed));
    }
    meeting.words()[0].fetch_add(1, Ordering::AcqRel);
    let end = ask(
        Handle::PARENT,
        Label(0),
        [0; 6],
        Outgoing::NOTHING,
        &mut Incoming::new(),
    );
    meeting.words()[1].fetch_add(1, Ordering::AcqRel);
    match end {
        Err(Error::Ipc(_)) => Ok(()),
        _ => Err(Failure::new("bench: nobody was to answer")),
    }
}

fn measure_among(sweep: Sweep, segment: Shm, turn: u64) -> Result<(), Error> {
    sweep.measure("shmat+shmdt", TIMES, || {
        shm_detach(shm_attach(segment.id(), 0, AttachFlags::empty())?)
    })?;
    let attachment = segment.attach()?;
    let fresh = &attachment.words()[(turn * FRESH) as usize * WORDS..][..FRESH as usize * WORDS];
    let write_fresh = || {
        fresh
            .iter()
            .step_by(WORDS)
            .for_each(|word| word.store(1, Ordering::Relaxed));
        Ok(())
    };
    let first = time(write_fresh)?;
    sweep.point(
        "first-touch-a-page",
        first.saturating_sub(time(write_fresh)?) / FRESH,
    );
    for word in attachment.words()[OLD..].iter().step_by(WORDS) {
        word.store(1, Ordering::Relaxed);
    }
    sweep.point("shmdt-touched", time(|| attachment.detach())?);
    Ok(())
}

fn wait_for(word: &AtomicU64, number: u64) {
    while word.load(Ordering::Acquire) < number {
        yield_now();
    }
    // The last one that came may not wait yet.
    yield_now();
}
