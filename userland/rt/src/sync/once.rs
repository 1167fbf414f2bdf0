//! What is done once, by whoever comes first.
//!
//! ```text
//!   NEW --> RUNNING ------------> DONE
//!              |                   ^
//!              +--> WAITED_FOR ----+  and all are woken
//! ```

use crate::Error;
use crate::atomic::{AtomicU32, Ordering};
use crate::sync::{wait, wake_all};

const NEW: u32 = 0;
const RUNNING: u32 = 1;
/// Running, and others may be waiting.
const WAITED_FOR: u32 = 2;
const DONE: u32 = 3;

/// Something that is to be done once, as one process or thread knows it: a word that all share who need it done.
///
/// One that ends in the middle of it leaves the others waiting, as with a [lock](super::Lock).
///
/// ```no_run
/// use core::sync::atomic::Ordering::Relaxed;
/// use rt::shm::Shm;
/// use rt::sync::Once;
/// use abi::shm::{Mode, ShmKey};
///
/// # fn main() -> Result<(), rt::Failure> {
/// // Whichever process comes first fills the segment; the others wait for that.
/// let segment = Shm::open_or_create(ShmKey(4711), 4096, Mode::from_bits(0o600))?.attach()?;
/// let [done, table @ ..] = segment.half_words() else { return Ok(()) };
/// Once::new(done).call_once(|| table.iter().for_each(|word| word.store(7, Relaxed)))?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Once<'a> {
    word: &'a AtomicU32,
}

impl<'a> Once<'a> {
    /// What `word`, which starts as 0, says of.
    pub const fn new(word: &'a AtomicU32) -> Self {
        Self { word }
    }

    /// Whether it has been done; then all that was done is seen.
    pub fn is_done(&self) -> bool {
        // Acquire: with what was done before it was said.
        self.word.load(Ordering::Acquire) == DONE
    }

    /// Does `work` if nobody has begun to, and otherwise waits until that is done.
    ///
    /// # Errors
    /// As [`wait`].
    pub fn call_once(&self, work: impl FnOnce()) -> Result<(), Error> {
        if self.becomes(NEW, RUNNING) {
            work();
            self.finish();
        }
        self.wait_until_done()
    }

    fn wait_until_done(&self) -> Result<(), Error> {
        while !self.is_done() {
            if self.becomes(RUNNING, WAITED_FOR) || self.word.load(Ordering::Relaxed) == WAITED_FOR {
                wait(self.word, WAITED_FOR)?;
            }
        }
        Ok(())
    }

    fn finish(&self) {
        // Release: who sees that it is done sees what was done.
        if self.word.swap(DONE, Ordering::Release) == WAITED_FOR {
            // It can fail only if there is no memory manager to ask, and then nobody could wait either.
            wake_all(self.word).ok();
        }
    }

    /// Whether the word was `from`, and is `to` now.
    fn becomes(&self, from: u32, to: u32) -> bool {
        let (success, failure) = (Ordering::Relaxed, Ordering::Relaxed);
        self.word.compare_exchange(from, to, success, failure).is_ok()
    }
}
