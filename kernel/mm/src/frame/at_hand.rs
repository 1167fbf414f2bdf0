//! The frames at hand: runs of neighbours that are taken from, and given back to, one by one.
//!
//! Pages are touched and given back in order, more often than not. So the buddy allocator is asked
//! for a block at a time, and frames that are given back wait until their neighbours are: each
//! then costs a few instructions, and the blocks that go back need little joining.
//!
//! What comes back out of order makes a run of its own. The latest few runs are kept: what a small process has is taken
//! from them, and comes back to them, without the allocator.

use super::run::Run;
use core::mem::replace;

/// Runs that are kept besides the one in use.
pub(super) const OTHERS: usize = 16;

pub(super) struct AtHand {
    /// Taken from, and added to.
    top: Run,
    /// Those before, a ring: the latest is the one before `next`, and what is empty is the end.
    others: [Run; OTHERS],
    next: usize,
}

impl AtHand {
    pub const EMPTY: Self = Self {
        top: Run::EMPTY,
        others: [Run::EMPTY; OTHERS],
        next: 0,
    };

    pub fn contains(&self, position: usize) -> bool {
        self.runs().any(|run| run.contains(position))
    }

    /// All runs, empty ones too.
    pub fn runs(&self) -> impl Iterator<Item = &Run> {
        self.others.iter().chain([&self.top])
    }

    /// Takes one out.
    #[inline]
    pub fn pop(&mut self) -> Option<usize> {
        self.top.pop().or_else(|| self.pop_below())
    }

    #[cold]
    fn pop_below(&mut self) -> Option<usize> {
        self.top = self.pop_other();
        self.top.pop()
    }

    /// Puts one in. Answers the run that has to go for that, if any.
    #[inline]
    #[must_use = "the frames of the run are nowhere any more"]
    pub fn push(&mut self, position: usize) -> Option<Run> {
        if self.top.extend(position) {
            return None;
        }
        self.push_run(Run::new(position, 1))
    }

    /// The same with a run.
    #[cold]
    #[must_use = "the frames of the run are nowhere any more"]
    pub fn push_run(&mut self, run: Run) -> Option<Run> {
        let before = replace(&mut self.top, run);
        if before.count() == 0 {
            return None;
        }
        let oldest = replace(&mut self.others[self.next], before);
        self.next = (self.next + 1) % OTHERS;
        Some(oldest).filter(|oldest| oldest.count() > 0)
    }

    /// Takes a run out; `None` if there is no frame.
    pub fn pop_run(&mut self) -> Option<Run> {
        if self.top.count() == 0 {
            self.top = self.pop_other();
        }
        Some(replace(&mut self.top, Run::EMPTY)).filter(|run| run.count() > 0)
    }

    /// The latest of the others, which may be empty.
    fn pop_other(&mut self) -> Run {
        self.next = (self.next + OTHERS - 1) % OTHERS;
        replace(&mut self.others[self.next], Run::EMPTY)
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::{AtHand, OTHERS, Run};
    use std::vec::Vec;

    fn all(hand: &mut AtHand) -> Vec<usize> {
        let mut positions: Vec<usize> = core::iter::from_fn(|| hand.pop()).collect();
        positions.sort_unstable();
        positions
    }

    #[test]
    fn what_comes_back_in_any_order_is_taken_again_each_once() {
        let mut hand = AtHand::EMPTY;
        let positions = [7, 3, 9, 8, 40, 4, 2, 41, 39];
        for position in positions {
            assert!(hand.push(position).is_none());
        }
        assert!(positions.iter().all(|&position| hand.contains(position)));
        assert_eq!(all(&mut hand), [2, 3, 4, 7, 8, 9, 39, 40, 41]);
        assert!(positions.iter().all(|&position| !hand.contains(position)));
        assert!(hand.pop().is_none() && hand.pop_run().is_none());
    }

    #[test]
    fn for_one_run_too_many_the_oldest_goes() {
        let mut hand = AtHand::EMPTY;
        let runs = 3 * OTHERS;
        let gone: Vec<Run> = (0..runs).filter_map(|run| hand.push(10 * run)).collect();
        let starts: Vec<usize> = gone.iter().map(Run::start).collect();
        let kept = runs - OTHERS - 1;
        assert_eq!(starts, (0..kept).map(|run| 10 * run).collect::<Vec<_>>());
        assert_eq!(hand.pop(), Some(10 * (runs - 1)), "the latest is taken first");
        assert_eq!(
            all(&mut hand),
            (kept..runs - 1).map(|run| 10 * run).collect::<Vec<_>>()
        );
    }

    #[test]
    fn runs_are_taken_whole_after_the_last_frame_of_the_latest_one_was() {
        let mut hand = AtHand::EMPTY;
        for position in [10, 20, 30] {
            assert!(hand.push(position).is_none());
        }
        assert_eq!(hand.pop(), Some(30));
        let taken: Vec<Run> = core::iter::from_fn(|| hand.pop_run()).collect();
        let starts: Vec<usize> = taken.iter().map(Run::start).collect();
        assert_eq!(starts, [20, 10]);
    }

    #[test]
    fn runs_are_taken_whole_until_there_is_none() {
        let mut hand = AtHand::EMPTY;
        assert!(hand.push_run(Run::new(100, 5)).is_none());
        assert!(hand.push(1).is_none());
        assert!(hand.push(2).is_none());
        let taken: Vec<Run> = core::iter::from_fn(|| hand.pop_run()).collect();
        let taken: Vec<_> = taken.iter().map(|run| (run.start(), run.count())).collect();
        assert_eq!(taken, [(1, 2), (100, 5)]);
    }
}
