//! The spare: a frame that a CPU zeroes for its next first touch, without any lock.
//!
//! Zeroing takes most of a first touch's time. So a CPU zeroes its spare before it asks for the lock, that of the frame zone, and the touch takes
//! the spare and leaves the frame it was promised in its place. A spare is thus a frame in use like any other, a
//! different one each time, and what is free or promised is counted as if there were none.
//!
//! ```text
//!              its CPU, no lock            its CPU, no lock
//!     dirty ──────────────────────> away ──────────────────> zeroed
//!       ^                                                       │
//!       └───────────────────────────────────────────────────────┘
//!                 exchanged by a touch, with the lock
//! ```
//!
//! Whoever has the lock may also take a spare that is not away, and give another frame for it: it may be all that a block
//! lacks. State and frame are one word, so the CPU it belongs to and who takes it cannot both have it.

use crate::atomic::{AtomicU64, Ordering};
use addr::Frame;

/// The frame of one CPU, on a cache line of its own.
#[repr(align(64))]
pub struct Spare(AtomicU64);

/// No frame. Else the frame's number is in the bits above `STATE`.
const NONE: u64 = 0;
const STATE: u64 = 3;
const DIRTY: u64 = 1;
const AWAY: u64 = 2;
const ZEROED: u64 = 3;

impl Spare {
    /// A CPU that has no spare, so that its touches zero while they have the address space.
    pub const fn none() -> Self {
        Self(AtomicU64::new(NONE))
    }

    /// Zeroes the frame by `zero`, which is visible to whoever sees a translation to the frame later, if that has not
    /// been done. For the CPU whose spare it is; without any lock, as it takes a while.
    #[inline]
    pub fn zero(&self, zero: impl FnOnce(Frame)) {
        let dirty = self.0.load(Ordering::Relaxed);
        // What was done to the frame before it was given comes before the zeroes.
        if dirty & STATE == DIRTY && self.replace(dirty, with(dirty, AWAY)) {
            zero(frame_of(dirty));
            self.0.store(with(dirty, ZEROED), Ordering::Release);
        }
    }

    /// Exchanges the frame for `dirty` if it is zeroed; else nothing has happened. For whoever has the lock.
    #[inline]
    pub(crate) fn exchange(&self, dirty: Frame) -> Option<Frame> {
        let seen = self.0.load(Ordering::Acquire);
        if seen & STATE != ZEROED {
            return None;
        }
        // Nobody without the lock changes what is zeroed.
        self.give(dirty);
        Some(frame_of(seen))
    }

    /// Takes the frame, whatever is in it, unless it is being zeroed just now. For whoever has the lock.
    pub(crate) fn take(&self) -> Option<Frame> {
        let seen = self.0.load(Ordering::Relaxed);
        let is_there = matches!(seen & STATE, DIRTY | ZEROED) && self.replace(seen, NONE);
        is_there.then(|| frame_of(seen))
    }

    /// Gives it a frame, which it has none of. For whoever has the lock.
    pub(crate) fn give(&self, dirty: Frame) {
        let word = dirty.number() << STATE.count_ones() | DIRTY;
        self.0.store(word, Ordering::Release);
    }

    /// Whether it has a frame.
    pub(crate) fn is_there(&self) -> bool {
        self.0.load(Ordering::Relaxed) != NONE
    }

    fn replace(&self, seen: u64, by: u64) -> bool {
        let replaced = self
            .0
            .compare_exchange(seen, by, Ordering::Acquire, Ordering::Relaxed);
        replaced.is_ok()
    }
}

const fn with(word: u64, state: u64) -> u64 {
    word & !STATE | state
}

const fn frame_of(word: u64) -> Frame {
    Frame::from_number(word >> STATE.count_ones())
}
