//! Threads of this process.
//!
//! [`spawn`] starts one that may outlive the function which does; [`scope`] those that borrow from it and are
//! gone when it goes on. A panic ends the whole process, as everywhere. What is shared with others has to be [`Sync`];
//! they wait for each other by messages, or with [`crate::sync`].

mod running;
mod scope;
mod stack;
#[cfg(test)]
mod tests;

use crate::Error;
use abi::layout::{MESSAGE_PAGES, PAGE_BYTES};
use core::marker::PhantomData;
use running::{Running, Take};

pub use crate::sys::process::yield_now;
pub use scope::{Scope, ScopedJoinHandle, scope};

/// Runs `work` in another thread of this process.
///
/// ```no_run
/// # fn main() -> Result<(), rt::Error> {
/// let sum = rt::thread::spawn(|| (1..=100).sum::<u32>())?;
/// assert_eq!(sum.join(), Some(5050));
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// As [`abi::process::CreateThread`] and [`abi::memory::Map`].
pub fn spawn<F, T>(work: F) -> Result<JoinHandle<T>, Error>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    // SAFETY: it borrows nothing.
    let (running, take) = unsafe { Running::begin(work) }?;
    let result = PhantomData;
    Ok(JoinHandle {
        running,
        take,
        result,
    })
}

/// Which of its process's threads runs this; 0 is the one that a program starts with.
pub fn number() -> u32 {
    let page = crate::svc::message_page().addr().get() as u64;
    (page.saturating_sub(MESSAGE_PAGES) / PAGE_BYTES) as u32
}

/// A thread that was spawned. Who drops it waits for its end, unless that is the thread itself.
#[derive(Debug)]
pub struct JoinHandle<T> {
    running: Running,
    take: Take<T>,
    result: PhantomData<T>,
}

impl<T> JoinHandle<T> {
    /// Waits for the thread's end and returns what its work returned; `None` if it ended otherwise.
    pub fn join(mut self) -> Option<T> {
        self.running.wait().ok()?;
        // SAFETY: it has ended, and came with `take`.
        unsafe { self.running.end(self.take) }
    }

    /// Lets the thread wait no longer for whatever it waits for: that fails there with
    /// [`Cancelled`](abi::IpcError::Cancelled). Answers whether it waited; if not, it may be about to, so who wants
    /// it to stop tells it so in some other way first, and asks again until it has.
    ///
    /// # Errors
    /// As [`abi::thread::Cancel`].
    pub fn cancel(&self) -> Result<bool, Error> {
        crate::sys::thread::cancel(self.handle())
    }

    /// The thread, for requests.
    pub fn handle(&self) -> abi::Handle {
        self.running.handle()
    }

    /// Its number in this process.
    pub fn number(&self) -> u32 {
        self.running.number()
    }
}
