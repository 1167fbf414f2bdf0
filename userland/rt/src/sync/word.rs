//! A word that is waited for: the kernel compares it, and keeps a queue for it.

use crate::Error;
use crate::sys::memory;
use crate::time::Instant;
use abi::Errno;
use abi::memory::{FOREVER, MOST_WOKEN};
use core::sync::atomic::{AtomicU32, AtomicU64};

/// What can be waited for.
pub trait Word {
    /// Where the 32 bits are that count.
    fn address(&self) -> u64;
}

impl Word for AtomicU32 {
    fn address(&self) -> u64 {
        self.as_ptr().expose_provenance() as u64
    }
}

/// Its lower half counts.
impl Word for AtomicU64 {
    fn address(&self) -> u64 {
        // The first of two: this is little-endian.
        self.as_ptr().expose_provenance() as u64
    }
}

/// Waits until somebody wakes `word`, if it is `expected`. May come back for no reason at all, so who calls looks
/// at what they are waiting for again.
///
/// What others did before they changed the word is seen after it was loaded anew with `Ordering::Acquire`, not by
/// having waited.
///
/// # Errors
/// As [`abi::memory::WaitWord`], but for `EAGAIN`, which is no error.
pub fn wait(word: &impl Word, expected: u32) -> Result<(), Error> {
    changed_is_woken(memory::wait_word(word.address(), expected, FOREVER))
}

/// The same, but not longer than until `moment`.
///
/// # Errors
/// The same, and `ETIMEDOUT`.
pub fn wait_until(word: &impl Word, expected: u32, moment: Instant) -> Result<(), Error> {
    changed_is_woken(memory::wait_word(word.address(), expected, moment.ticks))
}

fn changed_is_woken(waited: Result<(), Error>) -> Result<(), Error> {
    match waited {
        Err(Error::Refused(Errno::EAGAIN)) => Ok(()),
        other => other,
    }
}

/// Whether one who waited until a moment came back before it.
///
/// # Errors
/// As [`wait`].
pub(crate) fn in_time(waited: Result<(), Error>) -> Result<bool, Error> {
    match waited {
        Err(Error::Refused(Errno::ETIMEDOUT)) => Ok(false),
        other => other.map(|()| true),
    }
}

/// Wakes up to `count` of those who wait for `word`, and at most [`MOST_WOKEN`]. Answers how many there were. Who
/// begins to wait meanwhile finds the word as it is now: change it before.
///
/// # Errors
/// As [`abi::memory::WakeWord`].
pub fn wake(word: &impl Word, count: u32) -> Result<u32, Error> {
    memory::wake_word(word.address(), count)
}

/// Wakes one of those who wait for `woken`, if there is any, and [waits](wait) for `word`, which may be the same: for
/// less than both cost apart. The one that is woken goes on in place of
/// this thread, unless somebody more important waits.
///
/// # Errors
/// As [`wait`] and [`wake`].
pub fn wake_and_wait(woken: &impl Word, word: &impl Word, expected: u32) -> Result<(), Error> {
    let (woken, address) = (woken.address(), word.address());
    changed_is_woken(memory::wake_and_wait(woken, address, expected, FOREVER))
}

/// The same, but waits not longer than until `moment`.
///
/// # Errors
/// The same, and `ETIMEDOUT`.
pub fn wake_and_wait_until(
    woken: &impl Word,
    word: &impl Word,
    expected: u32,
    moment: Instant,
) -> Result<(), Error> {
    let (woken, address) = (woken.address(), word.address());
    changed_is_woken(memory::wake_and_wait(woken, address, expected, moment.ticks))
}

/// Wakes all who wait for `word`.
///
/// # Errors
/// As [`abi::memory::WakeWord`].
pub fn wake_all(word: &impl Word) -> Result<(), Error> {
    while wake(word, MOST_WOKEN)? == MOST_WOKEN {}
    Ok(())
}
