//! How many handles name an object.

use core::sync::atomic::{AtomicU32, Ordering};

/// A count of handles, which CPUs change at the same time. None of them makes it none: an object that nothing names any more ends,
/// and only who has the whole kernel ends one. It orders nothing, for whoever looks whether it is none has the whole kernel.
pub struct Count(AtomicU32);

impl Count {
    /// None.
    pub const fn none() -> Self {
        Self(AtomicU32::new(0))
    }

    /// How many there are.
    pub fn get(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }

    /// As many more.
    pub(crate) fn add(&self, more: u32) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    /// As many fewer.
    pub(crate) fn take(&self, fewer: u32) {
        self.0.fetch_sub(fewer, Ordering::Relaxed);
    }

    /// One fewer, unless that would be none. Whether it is.
    pub(crate) fn take_unless_last(&self) -> bool {
        let fewer = |count: u32| count.checked_sub(1).filter(|&left| left > 0);
        let (success, failure) = (Ordering::Relaxed, Ordering::Relaxed);
        self.0.fetch_update(success, failure, fewer).is_ok()
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::Count;

    #[test]
    fn whoever_takes_the_last_one_is_told_so() {
        let count = Count::none();
        count.add(2);
        assert!(count.take_unless_last());
        assert!(!count.take_unless_last());
        assert_eq!(count.get(), 1);
        count.take(1);
        assert!(!count.take_unless_last());
        assert_eq!(count.get(), 0);
    }

    #[test]
    fn of_many_who_take_one_each_all_but_one_do_not_take_the_last() {
        const EACH: u32 = 1000;
        let count = Count::none();
        count.add(2 * EACH);
        let taken: u32 = std::thread::scope(|scope| {
            let take = || {
                (0..EACH + 1)
                    .map(|_| u32::from(count.take_unless_last()))
                    .sum::<u32>()
            };
            let both = [scope.spawn(take), scope.spawn(take)];
            both.map(|one| one.join().expect("it ends")).iter().sum()
        });
        assert_eq!((taken, count.get()), (2 * EACH - 1, 1));
    }
}
