//! Where RAM is: from frames to dense positions and back.
//!
//! RAM comes in ranges with holes between, some far above 4 GiB. The allocator counts in
//! *positions*. All that lies in one of the largest blocks keeps its place there, so that a block's buddy has
//! the same place in positions as in memory; what has no RAM in any of them has no positions. So RAM is a
//! few *windows*, and a hole inside of one takes up positions that are never free.

use super::LARGEST_BLOCK;
use addr::{Frame, FrameRange};

/// Most ranges of RAM.
pub const MOST_RANGES: usize = 32;

/// Why a list of RAM ranges, or the storage for it, cannot be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BadRam {
    /// There is no range.
    None,
    /// More than [`MOST_RANGES`].
    TooManyRanges,
    /// The ranges are not in ascending order, or overlap.
    NotSorted,
    /// The words for the allocator are fewer than [`frame_words`](super::frame_words) says.
    TooFewWords,
}

/// All windows with RAM.
pub(super) struct Ram {
    windows: [Window; MOST_RANGES],
    /// How many of these there are.
    count: usize,
}

/// Frames from `start`, a multiple of the largest block, to `end`, and the position of the first.
#[derive(Clone, Copy)]
struct Window {
    start: u64,
    end: u64,
    position: usize,
}

impl Ram {
    pub fn new(ranges: &[FrameRange]) -> Result<Self, BadRam> {
        if ranges.len() > MOST_RANGES {
            return Err(BadRam::TooManyRanges);
        }
        if ranges.windows(2).any(|pair| pair[0].end() > pair[1].start()) {
            return Err(BadRam::NotSorted);
        }
        let (first, others) = ranges.split_first().ok_or(BadRam::None)?;
        let mut windows = [Window::at(*first, 0); MOST_RANGES];
        let mut last = 0;
        for range in others {
            if !windows[last].extend(*range) {
                windows[last + 1] = Window::at(*range, windows[last].position_behind());
                last += 1;
            }
        }
        Ok(Self {
            windows,
            count: last + 1,
        })
    }

    /// One more than the largest position.
    pub fn positions(&self) -> usize {
        let last = &self.windows[self.count - 1];
        last.position_of(last.end)
    }

    /// The position of `frame`, `None` if it is in no window.
    pub fn position(&self, frame: Frame) -> Option<usize> {
        let number = frame.number();
        // Those behind the last are as the first: what that has not got they have not either.
        let window = self.windows.iter().find(|window| number < window.end)?;
        (window.start <= number).then(|| window.position_of(number))
    }

    /// The frame at `position`.
    pub fn frame(&self, position: usize) -> Frame {
        let mut window = &self.windows[0];
        for next in &self.windows()[1..] {
            if next.position > position {
                break;
            }
            window = next;
        }
        Frame::from_number(window.start + (position - window.position) as u64)
    }

    fn windows(&self) -> &[Window] {
        &self.windows[..self.count]
    }
}

impl Window {
    fn at(range: FrameRange, position: usize) -> Self {
        Self {
            start: range.start().number() & !(LARGEST_BLOCK - 1),
            end: range.end().number(),
            position,
        }
    }

    /// Whether `range`, which is above, has become a part of it: if it starts where this one ends, or in
    /// the same of the largest blocks.
    fn extend(&mut self, range: FrameRange) -> bool {
        let follows = range.start().number() <= self.end.next_multiple_of(LARGEST_BLOCK);
        if follows {
            self.end = range.end().number();
        }
        follows
    }

    /// The first position that the next window may have.
    fn position_behind(&self) -> usize {
        self.position_of(self.end.next_multiple_of(LARGEST_BLOCK))
    }

    fn position_of(&self, number: u64) -> usize {
        self.position + (number - self.start) as usize
    }
}
