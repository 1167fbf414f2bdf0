//! The threads of a process: a list through them, and the numbers that they have.

use crate::thread::{Thread, ThreadId};
use abi::layout::MOST_THREADS;
use slots::Slots;

/// Threads of one process, newest first, those included that have ended and are remembered.
#[derive(Default)]
pub struct Threads {
    first: Option<ThreadId>,
    count: u32,
    /// One bit for each number that a thread has which has not ended.
    numbers: u64,
}

const _: () = assert!(MOST_THREADS <= u64::BITS);

impl Threads {
    /// No thread.
    pub const NONE: Self = Self {
        first: None,
        count: 0,
        numbers: 0,
    };

    /// The newest; the next ones follow as `Thread::sibling`.
    pub fn first(&self) -> Option<ThreadId> {
        self.first
    }

    /// How many there are, those included that have ended.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// How many of them have not ended.
    pub fn living(&self) -> u32 {
        self.numbers.count_ones()
    }

    /// The lowest number that another thread can have; `None` if there are as many threads as there can be.
    pub fn free_number(&self) -> Option<u32> {
        (self.count < MOST_THREADS).then_some(self.numbers.trailing_ones())
    }

    /// All of them.
    pub fn iter<'a>(
        &self,
        threads: &'a Slots<Thread>,
    ) -> impl Iterator<Item = (ThreadId, &'a Thread)> + use<'a> {
        let mut next = self.first;
        core::iter::from_fn(move || {
            let id = next?;
            let thread = threads.get(id)?;
            next = thread.sibling;
            Some((id, thread))
        })
    }

    /// Adds `id`, a thread that is in no list and whose number is free.
    pub(crate) fn add(&mut self, threads: &mut Slots<Thread>, id: ThreadId) {
        if let Some(thread) = threads.get_mut(id) {
            thread.sibling = self.first.replace(id);
            self.numbers |= 1 << thread.number;
            self.count += 1;
        }
    }

    /// The thread with this number has ended. It stays in the list until it is removed.
    pub(crate) fn end(&mut self, number: u32) {
        self.numbers &= !(1 << number);
    }

    /// Takes out `id`, which has ended.
    pub(crate) fn remove(&mut self, threads: &mut Slots<Thread>, id: ThreadId) {
        let rest = threads.get_mut(id).and_then(|thread| thread.sibling.take());
        let before = self.iter(threads).find(|(_, thread)| thread.sibling == Some(id));
        match before.map(|(before, _)| before) {
            Some(before) => {
                if let Some(before) = threads.get_mut(before) {
                    before.sibling = rest;
                }
            }
            None => self.first = rest,
        }
        self.count -= 1;
    }

    /// Whether the list has as many threads as are counted, and those that have not ended their numbers. For checks.
    pub(crate) fn is_counted(&self, threads: &Slots<Thread>) -> bool {
        // So that a ring ends, too.
        let all = || self.iter(threads).take(MOST_THREADS as usize + 1);
        let living = || all().filter(|(_, thread)| !thread.has_ended());
        let numbers = living().fold(0, |numbers, (_, thread)| numbers | 1 << thread.number);
        all().count() == self.count as usize
            && living().count() == self.living() as usize
            && numbers == self.numbers
    }
}
