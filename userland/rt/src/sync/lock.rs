//! A lock in memory that is shared.
//!
//! ```text
//!   0                      nobody holds it
//!   H                      whoever locks as H holds it, and nobody waits
//!   H | CONTENDED          H holds it, and others may be waiting for the word
//! ```
//!
//! Nobody goes to the kernel unless somebody has to wait.

use crate::Error;
use crate::atomic::{AtomicU32, Ordering};
use crate::sync::{wait, wait_until, wake, wake_and_wait, wake_and_wait_until};
use crate::time::Instant;
use abi::process::Pid;

const FREE: u32 = 0;
const CONTENDED: u32 = 1 << 31;

/// A lock, as one process or thread knows it: a word that all who use it share, and under which number it locks.
///
/// A holder that ends leaves the lock held: what it guards may be half-changed, and only whoever learns of the end
/// can know what to make of that, and say [`release_of`](Self::release_of).
///
/// ```no_run
/// use rt::shm::Shm;
/// use rt::sync::Lock;
/// use rt::sys::process::identify;
/// use abi::Handle;
/// use abi::shm::ShmKey;
///
/// # fn main() -> Result<(), rt::Failure> {
/// let segment = Shm::open(ShmKey(4711))?.attach()?;
/// let lock = Lock::new(&segment.half_words()[0], identify(Handle::SELF)?);
/// let held = lock.lock()?;
/// // Nobody else is here until `held` is dropped.
/// drop(held);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Lock<'a> {
    word: &'a AtomicU32,
    holder: u32,
}

/// As long as it lives, the lock is held.
#[derive(Debug)]
#[must_use = "the lock is free again when this is dropped"]
pub struct Held<'a> {
    lock: Lock<'a>,
}

/// Whether anybody waits for a lock.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Waiters {
    Perhaps,
    None,
}

impl<'a> Lock<'a> {
    /// The lock in `word`, which starts free if it is 0, for `holder`, which is 1 at least: the program itself, or
    /// if its threads use the lock, another number for each of them.
    pub const fn new(word: &'a AtomicU32, holder: Pid) -> Self {
        Self {
            word,
            holder: holder.0 & !CONTENDED,
        }
    }

    /// Takes the lock; `None` if somebody holds it.
    pub fn try_lock(&self) -> Option<Held<'a>> {
        self.take_free(self.holder).ok()
    }

    /// Takes the lock, and waits until it can.
    ///
    /// # Errors
    /// As [`wait`].
    pub fn lock(&self) -> Result<Held<'a>, Error> {
        let mut own = self.holder;
        loop {
            let found = match self.take_free(own) {
                Ok(held) => return Ok(held),
                Err(found) => found,
            };
            if found & CONTENDED != 0 || self.replace(found, found | CONTENDED) {
                wait(self.word, found | CONTENDED)?;
                // Others may be waiting, too, and the one who woke this one has forgotten them.
                own = self.holder | CONTENDED;
            }
        }
    }

    /// Makes the lock free if `ended`, of which it is certain that it does nothing any more, still holds it.
    /// Answers whether it did.
    ///
    /// # Errors
    /// As [`wake`].
    pub fn release_of(&self, ended: Pid) -> Result<bool, Error> {
        let released = self.free_from(ended);
        // One that did not hold it may have been woken to take it, in place of another one that waits.
        wake(self.word, 1)?;
        Ok(released)
    }

    /// Answers whether `ended` held it.
    fn free_from(&self, ended: Pid) -> bool {
        loop {
            let found = self.word.load(Ordering::Acquire);
            if found & !CONTENDED != ended.0 {
                return false;
            }
            // Somebody may just have said that they wait.
            if self.replace(found, FREE) {
                return true;
            }
        }
    }

    /// Answers what the word was if it was not free.
    fn take_free(&self, own: u32) -> Result<Held<'a>, u32> {
        // Acquire: what the last holder did is seen.
        let exchanged = self
            .word
            .compare_exchange(FREE, own, Ordering::Acquire, Ordering::Relaxed);
        exchanged.map(|_| Held { lock: *self })
    }

    /// Makes the lock free, whose [`Held`] was forgotten.
    #[cfg(target_os = "none")]
    pub(crate) fn release(&self) {
        drop(Held { lock: *self });
    }

    /// The answer of a request that should have woken who waits for this lock as well. If its other half was refused,
    /// it has not.
    fn woken(&self, answer: Result<(), Error>) -> Result<(), Error> {
        answer.inspect_err(|_| {
            // As for `drop`: it can fail only where nobody could wait.
            wake(self.word, 1).ok();
        })
    }

    /// Makes the lock free. Answers whether one who waits for that is to be woken.
    fn free(&self) -> Waiters {
        // Release: the next holder sees what this one did.
        if self.word.swap(FREE, Ordering::Release) & CONTENDED != 0 {
            Waiters::Perhaps
        } else {
            Waiters::None
        }
    }

    fn replace(&self, found: u32, with: u32) -> bool {
        let exchanged = self
            .word
            .compare_exchange(found, with, Ordering::AcqRel, Ordering::Relaxed);
        exchanged.is_ok()
    }
}

impl<'a> Held<'a> {
    /// Which lock it is.
    pub(crate) const fn lock(&self) -> Lock<'a> {
        self.lock
    }

    /// Makes the lock free, and waits for `word`, if it is `expected`.
    ///
    /// # Errors
    /// As [`wait`].
    pub(crate) fn release_and_wait(self, word: &AtomicU32, expected: u32) -> Result<(), Error> {
        let lock = self.into_lock();
        match lock.free() {
            Waiters::Perhaps => lock.woken(wake_and_wait(lock.word, word, expected)),
            Waiters::None => wait(word, expected),
        }
    }

    /// The same, not longer than until `moment`.
    ///
    /// # Errors
    /// As [`wait_until`].
    pub(crate) fn release_and_wait_until(
        self,
        word: &AtomicU32,
        expected: u32,
        moment: Instant,
    ) -> Result<(), Error> {
        let lock = self.into_lock();
        match lock.free() {
            Waiters::Perhaps => lock.woken(wake_and_wait_until(lock.word, word, expected, moment)),
            Waiters::None => wait_until(word, expected, moment),
        }
    }

    /// The lock, which goes on being held.
    const fn into_lock(self) -> Lock<'a> {
        let lock = self.lock;
        core::mem::forget(self);
        lock
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        if self.lock.free() == Waiters::Perhaps {
            // It can fail only if there is no memory manager to ask, and then nobody could wait either.
            wake(self.lock.word, 1).ok();
        }
    }
}
