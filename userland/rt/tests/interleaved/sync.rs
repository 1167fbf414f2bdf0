//! The kernel's part: who waits for which word.

use crate::Error;
use crate::atomic::{AtomicU32, AtomicU64, Ordering};
use crate::time::Instant;
use loom::sync::{Condvar, Mutex};

pub use crate::lock::Held;

/// Looking more often finds what looking once might.
pub const LOOKS: usize = 1;

loom::lazy_static! {
    static ref KERNEL: Kernel = Kernel {
        waiting: Mutex::new(Vec::new()),
        woken: Condvar::new(),
    };
}

struct Kernel {
    /// By address, in the order in which they came; each has a number.
    waiting: Mutex<Vec<(usize, u64)>>,
    woken: Condvar,
}

/// A word that is waited for.
pub trait Word {
    fn low(&self) -> u32;

    fn address(&self) -> usize {
        std::ptr::from_ref(self).cast::<()>().addr()
    }
}

impl Word for AtomicU32 {
    fn low(&self) -> u32 {
        self.load(Ordering::Relaxed)
    }
}

impl Word for AtomicU64 {
    fn low(&self) -> u32 {
        self.load(Ordering::Relaxed) as u32
    }
}

pub fn wait(word: &impl Word, expected: u32) -> Result<(), Error> {
    let mut waiting = KERNEL.waiting.lock().expect("nobody fails inside");
    if word.low() != expected {
        return Ok(());
    }
    let own = (word.address(), number(&waiting));
    waiting.push(own);
    while waiting.contains(&own) {
        waiting = KERNEL.woken.wait(waiting).expect("nobody fails inside");
    }
    Ok(())
}

pub fn wake(word: &impl Word, count: u32) -> Result<u32, Error> {
    let mut waiting = KERNEL.waiting.lock().expect("nobody fails inside");
    let mut left = count;
    waiting.retain(|(address, _)| {
        let stays = *address != word.address() || left == 0;
        left -= u32::from(!stays);
        stays
    });
    KERNEL.woken.notify_all();
    Ok(count - left)
}

pub fn wake_all(word: &impl Word) -> Result<(), Error> {
    wake(word, u32::MAX).map(|_| ())
}

/// With time for others in between, as the kernel has none.
pub fn wake_and_wait(woken: &impl Word, word: &impl Word, expected: u32) -> Result<(), Error> {
    wake(woken, 1)?;
    wait(word, expected)
}

/// It is too late at once.
pub fn wake_and_wait_until(woken: &impl Word, _: &impl Word, _: u32, _: Instant) -> Result<(), Error> {
    wake(woken, 1).map(|_| ())
}

/// It is too late at once.
pub fn wait_until(_: &impl Word, _: u32, _: Instant) -> Result<(), Error> {
    Ok(())
}

pub fn in_time(waited: Result<(), Error>) -> Result<bool, Error> {
    waited.map(|()| false)
}

/// One that nobody who waits has.
fn number(waiting: &[(usize, u64)]) -> u64 {
    waiting.iter().map(|(_, number)| number + 1).max().unwrap_or(0)
}
