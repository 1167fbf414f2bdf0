//! Runs of free frames: neighbours that are taken, and put back, one by one.

/// Most frames in a run: what bounds the time it takes to put it away.
pub(super) const MOST_IN_RUN: usize = 512;

/// Positions that follow each other, all free.
pub(super) struct Run {
    start: usize,
    count: usize,
}

impl Run {
    pub const EMPTY: Self = Self { start: 0, count: 0 };

    pub const fn new(start: usize, count: usize) -> Self {
        Self { start, count }
    }

    pub const fn start(&self) -> usize {
        self.start
    }

    pub const fn count(&self) -> usize {
        self.count
    }

    pub fn contains(&self, position: usize) -> bool {
        position.wrapping_sub(self.start) < self.count
    }

    /// Takes the first one out.
    pub fn pop(&mut self) -> Option<usize> {
        let position = self.start;
        self.count = self.count.checked_sub(1)?;
        self.start += 1;
        Some(position)
    }

    /// Whether `position` was put in, which it is if it is next to either end and there is room.
    pub fn extend(&mut self, position: usize) -> bool {
        if self.count == MOST_IN_RUN {
            return false;
        }
        if position + 1 == self.start {
            self.start = position;
        } else if position != self.start + self.count {
            return false;
        }
        self.count += 1;
        true
    }
}
