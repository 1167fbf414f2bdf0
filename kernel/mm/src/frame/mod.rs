//! Frames: who may take one, and when one may be given back.
//!
//! A frame is taken only against a [`Promise`]. Whoever will need frames later, at a first touch
//! that must not fail, has them promised at once; the sum of all promises never exceeds what is
//! free, so a frame taken against one is always there. A frame is given back only with proof
//! that no translation leads to it any more ([`Unreachable`]).

mod bits;
mod buddy;
mod ram;
mod run;
mod sharers;

pub use ram::{BadRam, MOST_RANGES};
pub(crate) use sharers::{Left, Shared};

use crate::mmu::{Flushed, FrameSource};
use abi::Errno;
use abi::system::FrameCounts;
use addr::{Frame, FrameRange};
use buddy::{Buddy, ORDERS};
use ram::Ram;
use run::Run;
use sharers::Sharers;

/// How many frames the allocator is asked for at a time, as a power of two.
const ORDER_AT_HAND: usize = 5;

/// Frames in the largest block.
const LARGEST_BLOCK: u64 = 1 << (ORDERS - 1);

/// How many words [`Storage::frame_words`](crate::Storage::frame_words) must have for `ranges`
/// of RAM: about three quarters of a byte a frame, holes not counted.
///
/// # Errors
/// [`BadRam`] if there are too many ranges, or they are not in order.
pub fn frame_words(ranges: &[FrameRange]) -> Result<usize, BadRam> {
    Ram::new(ranges).map(|ram| words_for(ram.positions()))
}

fn words_for(positions: usize) -> usize {
    Buddy::words_for(positions) + Sharers::words_for(positions)
}

/// Not as many frames are free and not promised.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct OutOfFrames;

impl From<OutOfFrames> for Errno {
    fn from(_: OutOfFrames) -> Self {
        Self::ENOMEM
    }
}

/// The right to take a number of frames. Lives in the object it was made for; one that is
/// dropped while not empty is lost to everybody.
#[must_use = "a promise that is not kept or released takes frames away from everybody"]
#[derive(Debug)]
pub(crate) struct Promise {
    frames: u64,
}

impl Promise {
    /// A promise of nothing.
    pub const fn none() -> Self {
        Self { frames: 0 }
    }

    /// How many frames it is worth.
    pub const fn frames(&self) -> u64 {
        self.frames
    }

    /// Cuts a promise of `frames` off.
    ///
    /// # Panics
    /// If it is not worth as many.
    pub fn split(&mut self, frames: u64) -> Self {
        assert!(
            frames <= self.frames,
            "a promise of {} is not worth {frames}",
            self.frames
        );
        self.frames -= frames;
        Self { frames }
    }

    /// Adds `other` to this one.
    pub fn merge(&mut self, other: Self) {
        self.frames += other.frames;
    }

    /// All of it; nothing stays.
    pub fn take_all(&mut self) -> Self {
        core::mem::replace(self, Self::none())
    }
}

/// Proof that no CPU can reach a frame through any translation.
pub(crate) trait Unreachable {}

impl Unreachable for Flushed {}

/// All frames of the machine that programs and their tables may use.
pub(crate) struct Frames {
    ram: Ram,
    buddy: Buddy,
    /// Free frames that the allocator does not have.
    at_hand: Run,
    total: u64,
    free: u64,
    /// Never more than `free`.
    promised: u64,
    sharers: Sharers,
}

impl Frames {
    /// The frames of `ranges`, all free. `words` are [`frame_words`] or more.
    pub fn new(words: &'static mut [u64], ranges: &[FrameRange]) -> Result<Self, BadRam> {
        let ram = Ram::new(ranges)?;
        if words.len() < words_for(ram.positions()) {
            return Err(BadRam::TooFewWords);
        }
        let (words, rest) = words.split_at_mut(Buddy::words_for(ram.positions()));
        let (counts, _) = rest.split_at_mut(Sharers::words_for(ram.positions()));
        let mut buddy = Buddy::new(words, ram.positions());
        for range in ram.ranges() {
            let position = ram.position(range.start()).ok_or(BadRam::NotSorted)?;
            buddy.give_back_range(position, range.count() as usize);
        }
        let total = ranges.iter().map(|range| range.count()).sum();
        Ok(Self {
            ram,
            buddy,
            at_hand: Run::EMPTY,
            total,
            free: total,
            promised: 0,
            sharers: Sharers::new(counts),
        })
    }

    /// How many frames there are and what became of them.
    pub fn counts(&self) -> FrameCounts {
        FrameCounts {
            total: self.total,
            free: self.free,
            promised: self.promised,
        }
    }

    /// Whether `frame` is one of these and nobody has it.
    pub fn is_free(&self, frame: Frame) -> bool {
        self.ram
            .position(frame)
            .is_some_and(|position| self.is_position_free(position))
    }

    fn is_position_free(&self, position: usize) -> bool {
        self.at_hand.contains(position) || self.buddy.is_free(position)
    }

    /// Promises `frames` frames.
    pub fn promise(&mut self, frames: u64) -> Result<Promise, OutOfFrames> {
        if self.free - self.promised < frames {
            return Err(OutOfFrames);
        }
        self.promised += frames;
        Ok(Promise { frames })
    }

    /// Takes a promise back.
    pub fn release(&mut self, promise: Promise) {
        self.promised -= promise.frames;
    }

    /// Takes a frame against `promise`. Its contents are anything.
    ///
    /// # Panics
    /// If the promise is worth nothing.
    pub fn take(&mut self, promise: &mut Promise) -> Frame {
        self.release(promise.split(1));
        let position = match self.at_hand.pop() {
            Some(position) => position,
            None => self.take_from_buddy(),
        };
        self.free -= 1;
        self.ram.frame(position)
    }

    /// # Panics
    /// If nothing is left.
    fn take_from_buddy(&mut self) -> usize {
        let block = self.buddy.take(ORDER_AT_HAND);
        let (start, count) = block.expect("promises never exceed what is free");
        self.at_hand = Run::new(start + 1, count - 1);
        start
    }

    /// Gives a frame back.
    ///
    /// # Panics
    /// If it was never one of these frames.
    pub fn give_back(&mut self, frame: Frame, _: &impl Unreachable) {
        let position = self
            .ram
            .position(frame)
            .expect("only frames that were taken are given back");
        debug_assert!(!self.is_position_free(position), "{frame:?} is free already");
        if !self.at_hand.extend(position) {
            self.put_away();
            self.at_hand = Run::new(position, 1);
        }
        self.free += 1;
    }

    /// Gives what is at hand to the allocator.
    fn put_away(&mut self) {
        let run = core::mem::replace(&mut self.at_hand, Run::EMPTY);
        self.buddy.give_back_range(run.start(), run.count());
    }

    /// Gives a frame back whose owner may need another one: `promise` grows by one.
    pub fn exchange(&mut self, frame: Frame, proof: &impl Unreachable, promise: &mut Promise) {
        self.give_back(frame, proof);
        self.promised += 1;
        promise.frames += 1;
    }
}

/// Frames for tables, against a promise made for them.
pub(crate) struct TableSource<'a> {
    pub frames: &'a mut Frames,
    pub promise: &'a mut Promise,
    /// Counts what is taken.
    pub taken: &'a mut u64,
}

impl FrameSource for TableSource<'_> {
    fn take(&mut self) -> Frame {
        *self.taken += 1;
        self.frames.take(self.promise)
    }
}

#[cfg(test)]
mod tests;
