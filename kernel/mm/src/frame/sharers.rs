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

/// What a frame was that has one sharer more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Shared {
    /// Shared already.
    Before,
    /// Somebody's alone, who shares it now, too.
    Now,
}

/// What was done to a frame that has one sharer less.
#[derive(Debug)]
pub(crate) enum Left {
    /// Nothing: whoever has it has it alone.
    Alone,
    /// There is none any more, so it can be had alone, or be given back.
    Last,
    /// Others have it still. Who shared it may take a frame for its own copy.
    One(Promise),
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
    pub(crate) fn sharers(&self, frame: Frame) -> u64 {
        self.ram
            .position(frame)
            .map_or(0, |position| self.sharers.count(position))
    }

    /// What of `perms` a program may do to `frame` without a copy.
    pub(crate) fn allowed(&self, frame: Frame, perms: Perms) -> Perms {
        match self.sharers(frame) {
            0 => perms,
            _ => perms.difference(Perms::WRITE),
        }
    }

    /// How many frames are shared, and how many are promised to their sharers.
    pub(crate) fn shared(&self) -> (u64, u64) {
        (self.sharers.frames, self.sharers.copies.frames())
    }

    /// All shared frames, and how many share each.
    pub(crate) fn all_shared(&self) -> impl Iterator<Item = (Frame, u64)> {
        let positions = 0..self.ram.positions();
        let counts = positions.map(|position| (position, self.sharers.count(position)));
        counts
            .filter(|(_, count)| *count > 0)
            .map(|(position, count)| (self.ram.frame(position), count))
    }

    /// Adds a sharer to a frame that somebody has, alone or with others. `copies` gives the promise of
    /// the frame that it, or another one, may need for a copy. `None` if there are as many
    /// sharers as there can be.
    pub(crate) fn share(&mut self, frame: Frame, copies: &mut Promise) -> Option<Shared> {
        let position = self.shared_position(frame);
        let (count, shared) = match self.sharers.count(position) {
            0 => (2, Shared::Now),
            MOST_SHARERS => return None,
            count => (count + 1, Shared::Before),
        };
        self.sharers.set(position, count);
        self.sharers.frames += u64::from(shared == Shared::Now);
        self.sharers.copies.merge(copies.split(1));
        Some(shared)
    }

    /// Takes a sharer away from a frame.
    pub(crate) fn leave(&mut self, frame: Frame) -> Left {
        let position = self.shared_position(frame);
        match self.sharers.count(position) {
            0 => Left::Alone,
            1 => {
                self.sharers.set(position, 0);
                self.sharers.frames -= 1;
                Left::Last
            }
            count => {
                self.sharers.set(position, count - 1);
                Left::One(self.sharers.copies.split(1))
            }
        }
    }

    fn shared_position(&self, frame: Frame) -> usize {
        self.ram
            .position(frame)
            .expect("only frames that were taken are shared")
    }
}
