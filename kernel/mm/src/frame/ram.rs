//! Where RAM is: from frames to dense positions and back.
//!
//! RAM comes in ranges with holes between, some far above 4 GiB. The allocator counts in
//! *positions*, in which the holes are closed. A range keeps its alignment to the largest block,
//! so that a block's buddy has the same place in positions as in memory.

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

/// All ranges of RAM.
pub(super) struct Ram {
    spans: [Span; MOST_RANGES],
    /// How many of these there are.
    count: usize,
    positions: usize,
}

#[derive(Clone, Copy)]
struct Span {
    frames: FrameRange,
    /// Number of the frame at `position`: the range's start, rounded down to the largest block.
    base: u64,
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
        let first = *ranges.first().ok_or(BadRam::None)?;
        let mut positions = 0;
        let mut spans = [Span {
            frames: first,
            base: 0,
            position: 0,
        }; MOST_RANGES];
        for (span, &frames) in spans.iter_mut().zip(ranges) {
            let base = frames.start().number() & !(LARGEST_BLOCK - 1);
            *span = Span {
                frames,
                base,
                position: positions,
            };
            positions += (frames.end().number() - base).next_multiple_of(LARGEST_BLOCK) as usize;
        }
        Ok(Self {
            spans,
            count: ranges.len(),
            positions,
        })
    }

    /// One more than the largest position.
    pub fn positions(&self) -> usize {
        self.positions
    }

    /// The ranges.
    pub fn ranges(&self) -> impl Iterator<Item = FrameRange> {
        self.spans().iter().map(|span| span.frames)
    }

    /// The position of `frame`, `None` if it is not RAM.
    pub fn position(&self, frame: Frame) -> Option<usize> {
        let span = self.spans().iter().find(|span| span.frames.contains(frame))?;
        Some(span.position + (frame.number() - span.base) as usize)
    }

    /// The frame at `position`.
    pub fn frame(&self, position: usize) -> Frame {
        let mut span = &self.spans[0];
        for next in &self.spans()[1..] {
            if next.position > position {
                break;
            }
            span = next;
        }
        Frame::from_number(span.base + (position - span.position) as u64)
    }

    fn spans(&self) -> &[Span] {
        &self.spans[..self.count]
    }
}
