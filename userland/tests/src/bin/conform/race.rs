//! Processes that do something at the same time, on as many CPUs as there are.

use crate::expect::{PAGE, Temporary, equal};
use abi::process::End;
use alloc::vec::Vec;
use core::hint::spin_loop;
use core::sync::atomic::AtomicU64;
use core::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use rt::shm::Attachment;
use rt::spawn::fork;
use rt::sys::process::yield_now;
use rt::{Failure, Outcome};

/// Words that the racers and their parent share, 0 at first.
pub struct Track(Attachment);

/// Looks at a word that another CPU may change, before others of this CPU get a turn. Waiting without the kernel
/// leaves its lock to those who have something to ask.
const LOOKS: u32 = 1000;

/// Waits until something holds that another process brings about.
pub fn wait_until(holds: impl Fn() -> bool) {
    let look = |_| {
        spin_loop();
        holds()
    };
    while !(0..LOOKS).any(look) {
        yield_now();
    }
}

/// Lets so many racers do `act` at once, each with its number, and this program `part` meanwhile. When all have ended
/// as they should, what they left in the shared words is returned.
pub fn race(
    racers: usize,
    act: impl Fn(&Track, usize) -> Outcome,
    part: impl FnOnce(&Track) -> Outcome,
) -> Result<Track, Failure> {
    let track = Track(Temporary::private(PAGE)?.attach()?);
    let children = (0..racers).map(|number| {
        fork(|| {
            track.arrived().fetch_add(1, AcqRel);
            wait_until(|| track.gate().load(Acquire) != 0);
            act(&track, number)
        })
    });
    let children = children.collect::<Result<Vec<_>, _>>()?;
    wait_until(|| track.arrived().load(Acquire) == racers as u64);
    track.gate().store(1, Release);
    part(&track)?;
    for child in children {
        equal("the end of a racer", child.wait()?, End::Exited(0))?;
    }
    Ok(track)
}

/// The same for a program that has nothing to do meanwhile.
pub fn race_alone(racers: usize, act: impl Fn(&Track, usize) -> Outcome) -> Result<Track, Failure> {
    race(racers, act, |_| Ok(()))
}

impl Track {
    /// A word of theirs, by number.
    pub fn word(&self, number: usize) -> &AtomicU64 {
        &self.0.words()[2 + number]
    }

    /// Counts one more in that word.
    pub fn count(&self, number: usize) {
        self.word(number).fetch_add(1, Relaxed);
    }

    /// What is in that word.
    pub fn read(&self, number: usize) -> u64 {
        self.word(number).load(Acquire)
    }

    fn arrived(&self) -> &AtomicU64 {
        &self.0.words()[0]
    }

    fn gate(&self) -> &AtomicU64 {
        &self.0.words()[1]
    }
}
