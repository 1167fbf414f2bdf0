//! The frame zone: all frames, for whoever takes them in turn.
//!
//! It is the innermost of the memory manager's locks, and held for a few instructions: to promise, to take a frame, or
//! to give one back. It is held longer for a piece of 64 frames that go back, those of a region that is taken apart with a look at its tables. What is
//! done to frames is done without it, with two exceptions: one is zeroed ahead while it is nobody's, and one that is shared is copied before others can have it alone.

use super::{Ahead, Frames, Promise, Spare, Taken, ZEROED_AT_ONCE};
use crate::mmu::{FrameSource, Mmu};
use addr::Frame;
use slots::{InTurn, One, Owner};

/// The right to take all frames for a moment.
pub(crate) struct Zone<'a> {
    frames: InTurn<'a, Frames>,
    /// Of the CPU that has this right.
    spare: &'static Spare,
}

impl<'a> Zone<'a> {
    /// For the CPU with this spare.
    #[inline(always)] // into what is to be short
    pub fn new(frames: InTurn<'a, Frames>, spare: &'static Spare) -> Self {
        Self { frames, spare }
    }

    /// For whoever has all frames.
    pub fn of(frames: &'a mut One<Frames>, spare: &'static Spare) -> Self {
        Self::new(frames.in_turn(Owner::new(0)), spare)
    }

    /// The same right, for a while.
    #[inline(always)] // as above
    pub fn lend(&mut self) -> Zone<'_> {
        Zone::new(self.frames.lend(), self.spare)
    }

    /// All frames, as soon as nobody else has them.
    #[inline(always)] // as above
    pub fn lock(&mut self) -> slots::Taken<'_, Frames> {
        self.frames.take()
    }

    /// Zeroes some free frames for those who take zeroed ones later. Answers whether there are more.
    pub fn zero_ahead(&mut self, mmu: &mut impl Mmu) -> Ahead {
        for _ in 0..ZEROED_AT_ONCE {
            // One at a time, so that others take theirs in between.
            if self.lock().zero_one_ahead(mmu) == Ahead::Done {
                return Ahead::Done;
            }
        }
        Ahead::More
    }

    /// Takes a frame that is zeroed against `promise`, which is done now if nobody has done it before.
    ///
    /// # Panics
    /// If the promise is worth nothing.
    #[inline]
    pub fn take_zeroed(&mut self, mmu: &mut impl Mmu, promise: &mut Promise) -> Frame {
        let taken = self.frames.take().take_either(promise, self.spare);
        zeroed(taken, mmu)
    }

    /// The same for a page of a region.
    #[inline]
    pub fn take_zeroed_for_region(&mut self, mmu: &mut impl Mmu, promise: &mut Promise) -> Frame {
        let mut frames = self.frames.take();
        frames.count_in_regions(1);
        let taken = frames.take_either(promise, self.spare);
        drop(frames);
        zeroed(taken, mmu)
    }
}

#[inline]
fn zeroed(taken: Taken, mmu: &mut impl Mmu) -> Frame {
    match taken {
        Taken::Zeroed(frame) => frame,
        Taken::Dirty(frame) => {
            mmu.zero(frame);
            frame
        }
    }
}

/// Frames for tables, against a promise made for them.
pub(crate) struct TableSource<'a> {
    pub zone: Zone<'a>,
    pub promise: &'a mut Promise,
    /// Counts what is taken.
    pub taken: &'a mut u64,
}

impl FrameSource for TableSource<'_> {
    fn take(&mut self) -> Frame {
        *self.taken += 1;
        self.zone.lock().take(self.promise)
    }
}
