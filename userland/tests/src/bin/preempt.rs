//! Shows that nobody can keep the CPU: two processes that never call the kernel, and this one,
//! which neither does for a while, all make progress.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

extern crate alloc;

use abi::process::End;
use abi::shm::{Mode, ShmId, ShmKey};
use alloc::format;
use alloc::string::ToString;
use core::sync::atomic::{AtomicU64, Ordering};
use rt::shm::Shm;
use rt::sys::process::yield_now;
use rt::time::{Duration, Instant};
use rt::{Failure, Outcome, Start, println};
use tests::{Family, Frames};

/// How often this process gets its turn back from siblings that never yield.
const TURNS: u32 = 10;
/// How long it does not let go of the CPU itself.
const SPIN: Duration = Duration::from_millis(300);
/// And at most, if nobody has made progress by then: an emulated CPU may have to wait for a real one.
const LONGEST_SPIN: Duration = Duration::from_secs(10);

rt::program!(run);

fn run(start: &Start) -> Outcome {
    match (start.arg(0), start.arg(1)) {
        (Some(place), Some(id)) => count_forever(place.parse()?, id.parse()?),
        _ => lead(&Family::new("preempt", start)?),
    }
}

/// Counts in word `place` of a segment, and does nothing else.
fn count_forever(place: usize, id: i32) -> Outcome {
    let id = ShmId::from_raw(id).ok_or_else(|| Failure::new("preempt: that is no shmid"))?;
    let attachment = Shm::from_id(id).attach()?;
    let counter = &attachment.words()[place];
    loop {
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

fn lead(family: &Family) -> Outcome {
    let frames = Frames::count();
    let segment = Shm::create(ShmKey::PRIVATE, 4096, Mode::from_bits(0o600))?;
    let attachment = segment.attach()?;
    let id = segment.id().raw().to_string();
    let siblings = [
        family.start(["0", id.as_str()])?,
        family.start(["1", id.as_str()])?,
    ];
    let counters = &attachment.words()[..siblings.len()];

    while counters
        .iter()
        .any(|counter| counter.load(Ordering::Relaxed) == 0)
    {
        yield_now();
    }
    for _ in 0..TURNS {
        yield_now();
    }
    println!("preempt: had {TURNS} turns beside siblings that never yield");
    let progress = progress_while_spinning(counters);
    println!(
        "preempt: they counted to {} and {} meanwhile",
        progress[0], progress[1]
    );

    for sibling in &siblings {
        sibling.kill()?;
        let end = sibling.wait()?;
        if end != End::Killed {
            return Err(Failure::new(format!(
                "preempt: a killed sibling ended as {end:?}"
            )));
        }
    }
    drop((siblings, attachment));
    segment.remove()?;
    frames.check()?;
    if progress.contains(&0) {
        return Err(Failure::new("preempt: a sibling did not run"));
    }
    println!("preempt: everybody made progress");
    Ok(())
}

/// How far the others count while this process does not let go of the CPU.
fn progress_while_spinning(counters: &[AtomicU64]) -> [u64; 2] {
    let read = || [0, 1].map(|place: usize| counters[place].load(Ordering::Relaxed));
    let before = read();
    let start = Instant::now();
    loop {
        let (after, elapsed) = (read(), start.elapsed());
        let progress = [after[0].wrapping_sub(before[0]), after[1].wrapping_sub(before[1])];
        let is_over = elapsed >= SPIN && !progress.contains(&0);
        if is_over || elapsed >= LONGEST_SPIN {
            return progress;
        }
        core::hint::spin_loop();
    }
}
