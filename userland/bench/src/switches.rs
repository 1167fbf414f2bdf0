//! Switches to somebody more important, and back: by a signal, by waiting, by an interrupt.
//!
//! One side notes when it begins, the other when it goes on. The counter ticks every 16 instructions, so each round
//! begins at another place between two ticks, and the average knows better.

use crate::measure::Row;
use abi::process::Priority;
use abi::shm::{Mode, ShmKey};
use abi::{Badge, Handle, Operation};
use core::hint::{black_box, spin_loop};
use core::sync::atomic::{AtomicU64, Ordering};
use rt::ipc::Endpoint;
use rt::shm::Shm;
use rt::spawn::fork;
use rt::svc::trap;
use rt::sys::process::{set_priority, yield_now};
use rt::time::{Duration, Instant, of_ticks, sleep_until};
use rt::{Failure, Outcome};

const ROUNDS: u64 = 4096;
/// Instructions between two ticks of the counter.
const TICK: u64 = 16;
/// The argument with which this program measures that, in a process that has used no FP/SIMD register.
pub const ARGUMENT: &str = "switching";

/// Where this process, which is the more important one, and its copy meet. All are ticks.
struct Meeting<'a> {
    /// The more important one is about to wait.
    opened: &'a AtomicU64,
    signalled: &'a AtomicU64,
    waited: &'a AtomicU64,
    /// What it has all taken.
    signals: &'a AtomicU64,
    waits: &'a AtomicU64,
}

impl<'a> Meeting<'a> {
    fn at(words: &'a [AtomicU64]) -> Self {
        Self {
            opened: &words[0],
            signalled: &words[1],
            waited: &words[2],
            signals: &words[3],
            waits: &words[4],
        }
    }

    /// Lets the less important one begin as soon as this one waits.
    fn open(&self) -> Outcome {
        set_priority(Handle::SELF, Priority(129), Priority::MOST)?;
        self.opened.store(1, Ordering::Relaxed);
        Ok(())
    }

    fn await_opening(&self) {
        while self.opened.load(Ordering::Relaxed) == 0 {
            yield_now();
        }
    }
}

/// Measures them.
pub fn measure() -> Result<[Row; 3], Failure> {
    let segment = Shm::create(ShmKey::PRIVATE, 4096, Mode::from_bits(0o600))?;
    let attachment = segment.attach()?;
    segment.remove()?;
    let meeting = Meeting::at(attachment.words());
    signal_and_wait(&meeting)?;
    let cost = cost_of_noting(meeting.signalled);
    let row = |id, all: &AtomicU64| {
        let average = nanoseconds(all.load(Ordering::Relaxed)) / ROUNDS;
        Row::new(id, average.saturating_sub(cost))
    };
    let interrupt = Row::new("irq_to_user", interrupt(&meeting)?);
    Ok([
        row("notify_switch", meeting.signals),
        row("wait_block", meeting.waits),
        interrupt,
    ])
}

fn signal_and_wait(meeting: &Meeting<'_>) -> Outcome {
    let endpoint = Endpoint::create()?;
    let signaller = endpoint.signaller(Badge(1))?;
    let child = fork(|| {
        meeting.await_opening();
        let all = (0..ROUNDS).map(|round| signal(meeting, signaller.get(), round));
        meeting.waits.store(all.sum(), Ordering::Relaxed);
        Ok(())
    })?;
    meeting.open()?;
    for _ in 0..ROUNDS {
        note(meeting.waited);
        operate(Operation::Receive, endpoint.handle());
        let now = Instant::now();
        meeting
            .signals
            .fetch_add(now.ticks() - read(meeting.signalled), Ordering::Relaxed);
    }
    note(meeting.waited);
    child.wait()?;
    Ok(())
}

/// Signals, and answers how long the wait of the other side has taken.
fn signal(meeting: &Meeting<'_>, signaller: Handle, round: u64) -> u64 {
    stagger(round);
    note(meeting.signalled);
    operate(Operation::Signal, signaller);
    Instant::now().ticks() - read(meeting.waited)
}

/// How late this process goes on, on average, after the timer's interrupt while another one runs.
fn interrupt(meeting: &Meeting<'_>) -> Result<u64, Failure> {
    meeting.opened.store(0, Ordering::Relaxed);
    let child = fork(|| {
        meeting.await_opening();
        loop {
            spin_loop();
        }
    })?;
    set_priority(child.handle(), Priority::USUAL, Priority::USUAL)?;
    meeting.open()?;
    let late = |round| {
        let deadline = Instant::now().after(Duration::from_micros(20));
        sleep_until(deadline);
        stagger(round);
        Instant::now().ticks() - deadline.ticks()
    };
    let all: u64 = (0..ROUNDS).map(late).sum();
    child.kill()?;
    let average = nanoseconds(all) / ROUNDS;
    Ok(average.saturating_sub(cost_of_staggering()))
}

/// So that the rounds begin at all places between two ticks.
#[inline(always)]
fn stagger(round: u64) {
    for turn in 0..round % TICK {
        black_box(turn);
    }
}

fn cost_of_staggering() -> u64 {
    let start = Instant::now();
    (0..ROUNDS).for_each(stagger);
    nanoseconds(Instant::now().ticks() - start.ticks()) / ROUNDS
}

fn cost_of_noting(place: &AtomicU64) -> u64 {
    let cost = |round| {
        stagger(round);
        note(place);
        Instant::now().ticks() - read(place)
    };
    nanoseconds((0..ROUNDS).map(cost).sum()) / ROUNDS
}

#[inline(always)]
fn note(place: &AtomicU64) {
    place.store(Instant::now().ticks(), Ordering::Relaxed);
}

fn read(place: &AtomicU64) -> u64 {
    place.load(Ordering::Relaxed)
}

#[inline(always)]
fn operate(operation: Operation, object: Handle) {
    trap([object.raw().into(), 0, 0, 0, 0, 0, 0, 0, operation as u64]);
}

fn nanoseconds(ticks: u64) -> u64 {
    u64::try_from(of_ticks(ticks).as_nanos()).unwrap_or(u64::MAX)
}
