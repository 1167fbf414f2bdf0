//! Frames of private pages that several address spaces have since a fork.
//!
//! For each frame there is a count of those who share it, 0 for a frame that somebody has alone. Nobody
//! writes to a shared frame. Each of its sharers may want a frame of its own one day, but the last
//! one can keep this: so for each but one of them a frame is promised, here, since nobody can know
//! which of them will be the last.
//!
//! The counts have four bits ([decision 20](../../../../docs/decisions/0020-four-bits-count-sharers.md)).
//! Whoever would be one too many gets a copy at once, against the promise that it comes with.

use super::{Frames, Promise};
use addr::{Frame, Perms};

const BITS: usize = 4;
const IN_A_WORD: usize = u64::BITS as usize / BITS;

/// Most sharers of a frame.
pub(crate) const MOST_SHARERS: u64 = (1 << BITS) - 1;

/// Counts by position, and what they add up to.
pub(super) struct Sharers {
    counts: &'static mut [u64],
    /// Frames with a count.
    frames: u64,
    /// Of a frame for each count of these frames above 1.
    copies: Promise,
}

impl Sharers {
    /// How many words the counts of `positions` frames need.
    pub const fn words_for(positions: usize) -> usize {
        positions.div_ceil(IN_A_WORD)
    }

    /// No frame is shared. `words` are as many as [`words_for`](Self::words_for) says, or more.
    pub fn new(words: &'static mut [u64]) -> Self {
        words.fill(0);
        Self {
            counts: words,
            frames: 0,
            copies: Promise::none(),
        }
    }

    fn count(&self, position: usize) -> u64 {
        self.counts[position / IN_A_WORD] >> shift(position) & MOST_SHARERS
    }

    fn set(&mut self, position: usize, count: u64) {
        let word = &mut self.counts[position / IN_A_WORD];
        *word = *word & !(MOST_SHARERS << shift(position)) | count << shift(position);
    }
}

fn shift(position: usize) -> usize {
    position % IN_A_WORD * BITS
}

impl Frames {
    /// How many address spaces share `frame`; 0 if it is not shared.
    pub fn sharers(&self, frame: Frame) -> u64 {
        self.ram
            .position(frame)
            .map_or(0, |position| self.sharers.count(position))
    }

    /// What of `perms` a program may do to `frame` without a copy.
    pub fn allowed(&self, frame: Frame, perms: Perms) -> Perms {
        match self.sharers(frame) {
            0 => perms,
            _ => perms.difference(Perms::WRITE),
        }
    }

    /// How many frames are shared, and how many are promised to their sharers.
    pub fn shared(&self) -> (u64, u64) {
        (self.sharers.frames, self.sharers.copies.frames())
    }

    /// All shared frames, and how many share each.
    pub fn all_shared(&self) -> impl Iterator<Item = (Frame, u64)> {
        let positions = 0..self.ram.positions();
        let counts = positions.map(|position| (position, self.sharers.count(position)));
        counts
            .filter(|(_, count)| *count > 0)
            .map(|(position, count)| (self.ram.frame(position), count))
    }

    /// Makes a frame that somebody has alone one that can be shared, with that one sharer.
    pub fn begin_sharing(&mut self, frame: Frame) {
        let position = self.shared_position(frame);
        debug_assert_eq!(self.sharers.count(position), 0, "{frame:?} is shared already");
        self.sharers.set(position, 1);
        self.sharers.frames += 1;
    }

    /// Adds a sharer, with the promise of the frame that it, or another one, may need for a copy.
    ///
    /// # Panics
    /// If there are [`MOST_SHARERS`] already.
    pub fn add_sharer(&mut self, frame: Frame, copy: Promise) {
        let position = self.shared_position(frame);
        let count = self.sharers.count(position);
        assert!(
            0 < count && count < MOST_SHARERS,
            "{frame:?} with {count} sharers cannot have another one"
        );
        self.sharers.set(position, count + 1);
        self.sharers.copies.merge(copy);
    }

    /// Takes away a sharer that is not the only one, and answers the promise of a frame: for its
    /// own copy, or to be kept by whoever needs none any more.
    pub fn remove_sharer(&mut self, frame: Frame) -> Promise {
        let position = self.shared_position(frame);
        let count = self.sharers.count(position);
        debug_assert!(count > 1, "the only sharer of {frame:?} has it alone");
        self.sharers.set(position, count - 1);
        self.sharers.copies.split(1)
    }

    /// Lets the only sharer have the frame alone.
    pub fn end_sharing(&mut self, frame: Frame) {
        let position = self.shared_position(frame);
        debug_assert_eq!(self.sharers.count(position), 1, "others share {frame:?}");
        self.sharers.set(position, 0);
        self.sharers.frames -= 1;
    }

    fn shared_position(&self, frame: Frame) -> usize {
        self.ram
            .position(frame)
            .expect("only frames that were taken are shared")
    }
}
