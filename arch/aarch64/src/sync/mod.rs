//! Locks whose order is checked by the compiler.
//!
//! The kernel runs with interrupts masked, so a lock can't be asked for by an interrupt handler of
//! the CPU that holds it, and whoever spins for it waits for other CPUs' bounded steps. It is not handed on in order of
//! arrival (a ticket lock): where an emulator has more CPUs than its host, the next in turn is mostly not running, and
//! each turn costs a time slice of the host's. The MMU has to be on: exclusives on Device memory
//! are not guaranteed to work.
//!
//! Every lock has a [`Level`]. Code that may take locks has a [`Held`], which says what the most
//! inner lock held is, and a lock can be taken only [`Before`] the type allows. Taking one lends
//! the `Held` out for as long as the guard lives, so the same level can't be taken twice either.
//!
//! ```
//! use aarch64::sync::{Held, Lock, level};
//! static KERNEL: Lock<u32, level::Kernel> = Lock::new(1);
//! static LOG: Lock<u32, level::Log> = Lock::new(2);
//!
//! let mut nothing = Held::nothing();
//! let (mut kernel, mut held) = KERNEL.lock(&mut nothing);
//! let (log, _) = LOG.lock(&mut held);
//! *kernel += *log;
//! ```
//!
//! The other way round does not compile:
//!
//! ```compile_fail,E0277
//! use aarch64::sync::{Held, Lock, level};
//! static KERNEL: Lock<u32, level::Kernel> = Lock::new(1);
//! static LOG: Lock<u32, level::Log> = Lock::new(2);
//!
//! let mut nothing = Held::nothing();
//! let (log, mut held) = LOG.lock(&mut nothing);
//! let (kernel, _) = KERNEL.lock(&mut held);
//! ```
//!
//! Whoever looks for a word of memory that somebody waits for does so before the memory manager is asked for anything:
//!
//! ```compile_fail,E0277
//! use aarch64::sync::{Held, Lock, level};
//! static WORDS: Lock<u32, level::Words> = Lock::new(1);
//! static MEMORY: Lock<u32, level::Memory> = Lock::new(2);
//!
//! let mut nothing = Held::nothing();
//! let (memory, mut held) = MEMORY.lock(&mut nothing);
//! let (words, _) = WORDS.lock(&mut held);
//! ```
//!
//! Nor does taking a lock twice:
//!
//! ```compile_fail,E0499
//! use aarch64::sync::{Held, Lock, level};
//! static KERNEL: Lock<u32, level::Kernel> = Lock::new(1);
//!
//! let mut nothing = Held::nothing();
//! let (mut once, _) = KERNEL.lock(&mut nothing);
//! let (twice, _) = KERNEL.lock(&mut nothing);
//! *once += *twice;
//! ```

//!
//! What a lock guards may contain a lock further inside ([`Lock::inside`]). Whoever reaches that holds the outer
//! one, and need not say so:
//!
//! ```
//! use aarch64::sync::{Held, Inside, Lock, level};
//! use kcore::Guarded;
//! static MEMORY: Lock<u32, level::Memory> = Lock::new(2);
//! static KERNEL: Lock<Inside<u32, level::Memory, level::Kernel>, level::Kernel> = Lock::new(MEMORY.inside());
//!
//! let mut nothing = Held::nothing();
//! let (mut kernel, _) = KERNEL.lock(&mut nothing);
//! assert_eq!(*kernel.lock(), 2);
//! ```
//!
//! Data of which CPUs use parts at a time is [`Shared`]. Whoever has the whole can lend it to others no further than
//! its type allows:
//!
//! ```compile_fail,E0277
//! use aarch64::sync::{Held, Shared, level};
//! use core::cell::Cell;
//! static DATA: Shared<Cell<u32>, (), level::Kernel> = Shared::new(Cell::new(1), ());
//!
//! let mut nothing = Held::nothing();
//! let (whole, _) = DATA.whole(&mut nothing);
//! std::thread::scope(|scope| {
//!     scope.spawn(|| whole.set(2));
//! });
//! ```
//!
//! That has to be further inside, too:
//!
//! ```compile_fail,E0277
//! use aarch64::sync::{Inside, Lock, level};
//! static KERNEL: Lock<u32, level::Kernel> = Lock::new(1);
//! static MEMORY: Lock<Inside<u32, level::Kernel, level::Memory>, level::Memory> = Lock::new(KERNEL.inside());
//! ```
//!
//! And nobody takes it twice:
//!
//! ```compile_fail,E0499
//! use aarch64::sync::{Inside, Lock, level};
//! use kcore::Guarded;
//! fn twice(memory: &mut Inside<u32, level::Memory, level::Kernel>) {
//!     let once = memory.lock();
//!     let twice = memory.lock();
//!     drop((once, twice));
//! }
//! ```

pub mod level;
mod shared;

pub use level::{Before, Level};
pub use shared::{Both, Meanwhile, Shared, Sharing, Turn, Whole};

use core::marker::PhantomData;
use core::ops::{Deref, DerefMut};
use kcore::Guarded;
use spin::mutex::{Mutex, MutexGuard};

/// Data that one CPU at a time may use, at a level.
pub struct Lock<T, L: Level> {
    mutex: Mutex<T>,
    level: PhantomData<L>,
}

/// The right to take locks inside of level `L`.
pub struct Held<'a, L: Level>(PhantomData<&'a mut L>);

/// The data of a lock that is held until this is dropped.
pub struct Guard<'a, T>(MutexGuard<'a, T>);

/// A lock of level `L` as a part of what a lock of level `P` guards, for as long as that is held.
pub struct Inside<'a, T: 'static, L: Level, P: Before<L>> {
    lock: &'static Lock<T, L>,
    held: Held<'a, P>,
}

impl<'a> Held<'a, level::Nothing> {
    /// For code that holds no lock: at an entry to the kernel, once.
    pub fn nothing() -> Self {
        Self(PhantomData)
    }
}

impl<L: Level> Held<'static, L> {
    /// For what is put into what a lock of that level guards, and nowhere else: whoever reaches it holds that.
    pub const fn inside() -> Self {
        Self(PhantomData)
    }
}

impl<L: Level> Held<'_, L> {
    /// The same right, for a while.
    #[inline]
    pub const fn lend(&mut self) -> Held<'_, L> {
        Held(PhantomData)
    }
}

impl<T, L: Level> Lock<T, L> {
    /// A lock around `value`, not held.
    pub const fn new(value: T) -> Self {
        Self {
            mutex: Mutex::new(value),
            level: PhantomData,
        }
    }

    /// Takes the lock, and waits for it if another CPU has it.
    pub fn lock<'a, P: Before<L>>(&'a self, _held: &'a mut Held<'_, P>) -> (Guard<'a, T>, Held<'a, L>) {
        (Guard(self.mutex.lock()), Held(PhantomData))
    }

    /// The lock, for whoever holds one of level `P`: to be put into what that one guards, and nowhere else.
    pub const fn inside<P: Before<L>>(&'static self) -> Inside<'static, T, L, P> {
        self.within(Held::inside())
    }

    /// The same, for whoever holds one now.
    #[inline]
    pub const fn within<'a, P: Before<L>>(&'static self, held: Held<'a, P>) -> Inside<'a, T, L, P> {
        Inside { lock: self, held }
    }

    /// Takes the lock if nobody has it, whatever is held: for last words, when order no longer
    /// counts.
    pub fn try_lock(&self) -> Option<Guard<'_, T>> {
        self.mutex.try_lock().map(Guard)
    }
}

impl<T, L: Level, P: Before<L>> Inside<'static, T, L, P> {
    /// The same for another part of what the lock of level `P` guards.
    pub const fn again(&self) -> Self {
        self.lock.inside()
    }
}

impl<T, L: Level, P: Before<L>> Guarded<T> for Inside<'_, T, L, P> {
    #[inline]
    fn lock(&mut self) -> impl DerefMut<Target = T> {
        self.lock.lock(&mut self.held).0
    }
}

impl<T> Deref for Guard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> DerefMut for Guard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

#[cfg(test)]
mod tests {
    use super::{Held, Lock, level};

    #[test]
    fn what_is_written_under_a_lock_is_read_under_it() {
        let lock: Lock<u32, level::Kernel> = Lock::new(1);
        let mut held = Held::nothing();
        *lock.lock(&mut held).0 += 1;
        assert_eq!(*lock.lock(&mut held).0, 2);
    }

    #[test]
    fn a_lock_that_is_held_cannot_be_tried() {
        let lock: Lock<u32, level::Kernel> = Lock::new(1);
        let mut held = Held::nothing();
        let (guard, _) = lock.lock(&mut held);
        assert!(lock.try_lock().is_none());
        drop(guard);
        assert!(lock.try_lock().is_some());
    }
}
