//! Threads that borrow what lies on the stack of who starts them.

use super::running::{Running, Take};
use crate::Error;
use alloc::vec::Vec;
use core::cell::RefCell;
use core::marker::PhantomData;

/// Runs `work`, which can start threads that borrow what is outside of it, and waits until all of them have ended.
///
/// ```no_run
/// use core::sync::atomic::{AtomicU32, Ordering};
///
/// # fn main() -> Result<(), rt::Error> {
/// let numbers = [1, 2, 3, 4];
/// let largest = AtomicU32::new(0);
/// rt::thread::scope(|scope| {
///     let (first, second) = numbers.split_at(2);
///     for half in [first, second] {
///         let largest = &largest;
///         scope.spawn(move || {
///             for number in half {
///                 largest.fetch_max(*number, Ordering::Relaxed);
///             }
///         })?;
///     }
///     Ok(())
/// })?;
/// assert_eq!(largest.into_inner(), 4);
/// # Ok(())
/// # }
/// ```
///
/// A panic ends the process with all threads. One that ends itself by [`crate::sys::thread::exit`] has ended, too; if it is the
/// one that runs `work`, its stack stays for the others' sake. These can start threads in a scope of their own.
pub fn scope<'env, T>(work: impl for<'scope> FnOnce(&'scope Scope<'scope, 'env>) -> T) -> T {
    let scope = Scope {
        threads: Threads::default(),
        scope: PhantomData,
        env: PhantomData,
    };
    work(&scope)
}

/// Starts threads inside of [`scope`]. What they borrow lives at least for `'scope`, which is as long as they do; it may
/// be older than that, of `'env`.
#[derive(Debug)]
pub struct Scope<'scope, 'env: 'scope> {
    threads: Threads,
    /// As with `std`, the lifetimes are these, neither longer nor shorter.
    scope: PhantomData<&'scope mut &'scope ()>,
    env: PhantomData<&'env mut &'env ()>,
}

impl<'scope> Scope<'scope, '_> {
    /// Runs `work` in another thread of this process.
    ///
    /// # Errors
    /// As [`abi::process::CreateThread`] and [`abi::memory::Map`].
    pub fn spawn<F, T>(&'scope self, work: F) -> Result<ScopedJoinHandle<'scope, T>, Error>
    where
        F: FnOnce() -> T + Send + 'scope,
        T: Send + 'scope,
    {
        // SAFETY: the scope ends after the thread, and what is borrowed after the scope.
        let (running, take) = unsafe { Running::begin(work) }?;
        let (threads, place) = (&self.threads, self.threads.push(running));
        Ok(ScopedJoinHandle {
            threads,
            place,
            take,
            result: PhantomData,
        })
    }
}

/// A thread of a scope. Dropping this is nothing to the thread.
#[derive(Debug)]
pub struct ScopedJoinHandle<'scope, T> {
    threads: &'scope Threads,
    place: usize,
    take: Take<T>,
    result: PhantomData<T>,
}

impl<T> ScopedJoinHandle<'_, T> {
    /// Waits for the thread's end and returns what its work returned; `None` if it ended otherwise.
    pub fn join(self) -> Option<T> {
        let mut running = self.threads.take(self.place)?;
        // SAFETY: `spawn` put it there, together with `take` here.
        unsafe { running.wait_and_end(self.take) }
    }
}

/// Those of a scope, in the order in which they came; none in place of one that was joined. Who drops this waits for all.
#[derive(Debug, Default)]
struct Threads(RefCell<Vec<Option<Running>>>);

impl Threads {
    /// Returns its place.
    fn push(&self, running: Running) -> usize {
        let mut threads = self.0.borrow_mut();
        threads.push(Some(running));
        threads.len() - 1
    }

    fn take(&self, place: usize) -> Option<Running> {
        self.0.borrow_mut().get_mut(place)?.take()
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        let threads = self.0.get_mut().drain(..);
        threads.flatten().for_each(Running::wait_and_forget);
    }
}
