//! Sets of CPUs, as far as programs have a say in where they run.

use crate::{Errno, Word};

/// CPUs by their numbers, which are counted from 0 in the order in which they were started: a bit for each, the lowest
/// for number 0.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct CpuSet(pub u64);

impl CpuSet {
    /// Every CPU that there could be.
    pub const ALL: Self = Self(u64::MAX);

    /// One CPU; none from number 64 on.
    pub const fn of(cpu: u32) -> Self {
        match 1_u64.checked_shl(cpu) {
            Some(bit) => Self(bit),
            None => Self(0),
        }
    }

    /// Whether this CPU is among them.
    #[inline]
    pub const fn contains(self, cpu: u32) -> bool {
        self.0 & Self::of(cpu).0 != 0
    }

    /// Those of both.
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Those of either.
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether it has all of `others`.
    pub const fn contains_all(self, others: Self) -> bool {
        others.0 & !self.0 == 0
    }

    /// Whether it has none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl Word for CpuSet {
    fn into_word(self) -> u64 {
        self.0
    }

    fn from_word(word: u64) -> Result<Self, Errno> {
        Ok(Self(word))
    }
}

#[cfg(test)]
mod tests {
    use super::CpuSet;

    #[test]
    fn a_set_has_the_cpus_it_is_made_of() {
        let set = CpuSet::of(0).union(CpuSet::of(63));
        assert!(set.contains(0) && set.contains(63) && !set.contains(1));
        assert_eq!(set.intersection(CpuSet(6)), CpuSet(0));
        for missing in [64, u32::MAX] {
            assert!(CpuSet::of(missing).is_empty() && !CpuSet::ALL.contains(missing));
        }
    }
}
