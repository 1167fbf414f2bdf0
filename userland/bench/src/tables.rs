//! Memory that processes take for translation tables of the same segment.

use crate::measure::Row;
use abi::Handle;
use abi::shm::{Mode, ShmId, ShmKey};
use alloc::string::ToString;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, Ordering};
use rt::archive::Archive;
use rt::shm::Shm;
use rt::spawn::{Child, Command};
use rt::sys::memory::count_usage;
use rt::sys::process::yield_now;
use rt::sys::system::count_frames;
use rt::{Failure, Outcome, Start};

const PROCESSES: u64 = 8;
const BYTES: u64 = 64 << 20;
const PAGE: u64 = abi::layout::PAGE_BYTES;
const PAGE_KIB: u64 = PAGE / 1024;
const RW: Mode = Mode::from_bits(0o600);

/// Where the processes meet.
struct Meeting<'a> {
    /// How many have come, touched all pages, and may go.
    come: &'a AtomicU64,
    done: &'a AtomicU64,
    leave: &'a AtomicU64,
    /// Frames of their own that they took meanwhile, their stacks' for instance.
    own: &'a AtomicU64,
}

impl<'a> Meeting<'a> {
    fn at(words: &'a [AtomicU64]) -> Self {
        Self {
            come: &words[0],
            done: &words[1],
            leave: &words[2],
            own: &words[3],
        }
    }
}

/// Measures the tables of 8 processes that touch 64 MiB, the segment's own included: all frames
/// that went, but for the pages.
pub fn measure(archive: Archive) -> Result<Row, Failure> {
    let file = archive.program("bench");
    let file = file.ok_or_else(|| Failure::new("bench: not in the archive"))?;
    let place = Shm::create(ShmKey::PRIVATE, PAGE, RW)?;
    let segment = Shm::create(ShmKey::PRIVATE, BYTES, RW)?;
    let attachment = place.attach()?;
    let meeting = Meeting::at(attachment.words());
    let start = || {
        let ids = [place, segment].map(|shm| shm.id().raw().to_string());
        let args = ["touch", &ids[0], &ids[1]];
        Command::new("bench", file).args(args).spawn()
    };
    let mut children = Vec::<Child>::new();
    for number in 1..=PROCESSES {
        children.push(start()?);
        wait_for(meeting.come, number);
    }
    let before = count_frames(Handle::PARENT)?.free;
    meeting.done.store(1, Ordering::Release);
    wait_for(meeting.done, 1 + PROCESSES);
    let gone = before - count_frames(Handle::PARENT)?.free;
    let tables = gone - BYTES / PAGE - meeting.own.load(Ordering::Acquire);
    meeting.leave.store(1, Ordering::Release);
    for child in children {
        child.wait()?;
    }
    for shm in [place, segment] {
        shm.remove()?;
    }
    Ok(Row::new("shm_tables_8x64m_kib", tables * PAGE_KIB))
}

/// What each of the processes does.
pub fn touch(start: &Start) -> Outcome {
    let shm = |place| -> Result<Shm, Failure> {
        let id = start
            .arg(place)
            .and_then(|id| id.parse().ok())
            .and_then(ShmId::from_raw);
        id.map(Shm::from_id)
            .ok_or_else(|| Failure::new("bench: touch needs two identifiers"))
    };
    let (place, segment) = (shm(1)?.attach()?, shm(2)?);
    let meeting = Meeting::at(place.words());
    let before = count_usage()?.private;
    meeting.come.fetch_add(1, Ordering::AcqRel);
    wait_for(meeting.done, 1);
    let attachment = segment.attach()?;
    for word in attachment.words().iter().step_by(512) {
        word.fetch_add(1, Ordering::Relaxed);
    }
    meeting
        .own
        .fetch_add(count_usage()?.private - before, Ordering::AcqRel);
    meeting.done.fetch_add(1, Ordering::AcqRel);
    wait_for(meeting.leave, 1);
    Ok(())
}

fn wait_for(word: &AtomicU64, number: u64) {
    while word.load(Ordering::Acquire) < number {
        yield_now();
    }
}
