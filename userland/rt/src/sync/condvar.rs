//! Waiting, under a lock, for what others will do under it.
//!
//! The word counts notifications. Who waits has read it while it had the lock, so nothing that was changed under the
//! lock after that, and notified of, goes unseen: the word is another one then.

use crate::Error;
use crate::atomic::{AtomicU32, Ordering};
use crate::sync::{Held, in_time, wake, wake_all};
use crate::time::Instant;

/// A condition variable, as one process or thread knows it: a word that all who use it share.
///
/// ```no_run
/// use core::sync::atomic::Ordering::Relaxed;
/// use rt::shm::Attachment;
/// use rt::sync::{Condvar, Lock};
/// use abi::process::Pid;
///
/// /// Takes one from a store that others fill under the same lock, and notify of that.
/// fn take_one(segment: &Attachment, own: Pid) -> Result<(), rt::Error> {
///     let [lock, filled, store, ..] = segment.half_words() else {
///         return Ok(());
///     };
///     let held = Lock::new(lock, own).lock()?;
///     let held = Condvar::new(filled).wait_while(held, || store.load(Relaxed) == 0)?;
///     store.fetch_sub(1, Relaxed);
///     drop(held);
///     Ok(())
/// }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Condvar<'a> {
    word: &'a AtomicU32,
}

impl<'a> Condvar<'a> {
    /// The condition variable in `word`, which may start as anything.
    pub const fn new(word: &'a AtomicU32) -> Self {
        Self { word }
    }

    /// Makes the lock free, waits to be notified, and takes the lock again. May come back for no reason at all.
    ///
    /// # Errors
    /// As [`wait`](crate::sync::wait). The lock is not held then.
    pub fn wait<'l>(&self, held: Held<'l>) -> Result<Held<'l>, Error> {
        let (lock, seen) = (held.lock(), self.seen());
        held.release_and_wait(self.word, seen)?;
        lock.lock()
    }

    /// The same, until `condition` is not so any more. It is looked at under the lock only.
    ///
    /// # Errors
    /// The same.
    pub fn wait_while<'l>(
        &self,
        mut held: Held<'l>,
        mut condition: impl FnMut() -> bool,
    ) -> Result<Held<'l>, Error> {
        while condition() {
            held = self.wait(held)?;
        }
        Ok(held)
    }

    /// As [`wait`](Self::wait), but not longer than until `moment`, and then as long as others have the lock. Answers, too,
    /// whether it came back before `moment`.
    ///
    /// # Errors
    /// The same.
    pub fn wait_until<'l>(&self, held: Held<'l>, moment: Instant) -> Result<(Held<'l>, bool), Error> {
        let (lock, seen) = (held.lock(), self.seen());
        let is_in_time = in_time(held.release_and_wait_until(self.word, seen, moment))?;
        Ok((lock.lock()?, is_in_time))
    }

    /// Wakes one of those who wait, if there is any. What it waits for was changed under the lock.
    ///
    /// # Errors
    /// As [`wake`].
    pub fn notify_one(&self) -> Result<(), Error> {
        self.count();
        wake(self.word, 1).map(|_| ())
    }

    /// Wakes all who wait.
    ///
    /// # Errors
    /// As [`wake`].
    pub fn notify_all(&self) -> Result<(), Error> {
        self.count();
        wake_all(self.word)
    }

    fn count(&self) {
        // Relaxed: what is seen after it is seen by taking the lock.
        self.word.fetch_add(1, Ordering::Relaxed);
    }

    /// What the word is under the lock.
    fn seen(&self) -> u32 {
        self.word.load(Ordering::Relaxed)
    }
}
