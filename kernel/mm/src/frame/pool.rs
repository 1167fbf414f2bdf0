//! The pool: free frames that were zeroed while nobody ran, so that a first touch finds one ready.
//!
//! A frame is in the pool, at hand, in the allocator, or in use, so which ones are zeroed is exact. A frame
//! that comes back is dirty, whatever is in it. All of the pool is free: when frames are scarce, or those of
//! a block lie here, it is given to the allocator like any others.

use super::run::Run;

/// Most runs that are ready: 4096 frames, if memory is in large pieces.
const MOST_RUNS: usize = 8;

pub(super) struct Pool {
    /// Zeroed; those beyond `count` are empty.
    ready: [Run; MOST_RUNS],
    count: usize,
    /// About to be zeroed, from the lowest on.
    dirty: Run,
}

impl Pool {
    pub const EMPTY: Self = Self {
        ready: [Run::EMPTY; MOST_RUNS],
        count: 0,
        dirty: Run::EMPTY,
    };

    /// Takes a zeroed one out.
    #[inline]
    pub fn pop(&mut self) -> Option<usize> {
        let last = self.count.checked_sub(1)?;
        let run = self.ready.get_mut(last)?;
        let position = run.pop();
        self.count -= usize::from(run.count() == 0);
        position
    }

    /// Whether more can be zeroed if there is something to be zeroed.
    pub fn has_room(&self) -> bool {
        self.dirty.count() > 0 || self.count < MOST_RUNS
    }

    /// The next one to be zeroed. Whoever takes it out puts it back by [`push`](Self::push).
    pub fn next_dirty(&mut self) -> Option<usize> {
        self.dirty.pop()
    }

    /// Gives it frames to zero.
    ///
    /// # Panics
    /// If it has some.
    pub fn refill(&mut self, run: Run) {
        assert!(self.dirty.count() == 0, "the pool has frames to zero");
        self.dirty = run;
    }

    /// Puts a zeroed one in.
    ///
    /// # Panics
    /// If there is no room.
    pub fn push(&mut self, position: usize) {
        let top = self
            .count
            .checked_sub(1)
            .and_then(|last| self.ready.get_mut(last));
        if !top.is_some_and(|run| run.extend(position)) {
            self.ready[self.count] = Run::new(position, 1);
            self.count += 1;
        }
    }

    /// Takes a run out, zeroed or not.
    pub fn pop_run(&mut self) -> Option<Run> {
        let zeroed = self.count.checked_sub(1);
        let run = match zeroed {
            Some(last) => &mut self.ready[last],
            None => &mut self.dirty,
        };
        self.count = zeroed.unwrap_or(0);
        Some(core::mem::replace(run, Run::EMPTY)).filter(|run| run.count() > 0)
    }

    /// Whether the frame at `position` is in it.
    pub fn contains(&self, position: usize) -> bool {
        let mut runs = self.ready[..self.count].iter().chain([&self.dirty]);
        runs.any(|run| run.contains(position))
    }

    /// All that are zeroed.
    pub fn zeroed(&self) -> impl Iterator<Item = usize> {
        let runs = self.ready[..self.count].iter();
        runs.flat_map(|run| run.start()..run.start() + run.count())
    }
}
