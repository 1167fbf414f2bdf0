//! Waiting until others change memory that is shared with them, without looking at it all the time.
//!
//! [`wait`] and [`wake`] are what everything else is made of, [`crate::ring`] included. They work on any word:
//! of a segment, for processes that have it attached, wherever; of private memory, for the threads of one
//! process.
//!
//! | | its word says | waits |
//! | --- | --- | --- |
//! | [`Lock`] | who holds it | until nobody does |
//! | [`Condvar`] | how often somebody was notified | until that happens again, without the lock meanwhile |
//! | [`Once`] | whether it has been done | until it has, by whoever is first |
//! | [`OnceLock`] | the same of a value, for threads | until it is there |

mod condvar;
mod lock;
mod once;
mod once_lock;
mod word;

pub use condvar::Condvar;
pub use lock::{Held, Lock};
pub use once::Once;
pub use once_lock::OnceLock;
pub(crate) use word::in_time;
pub use word::{Word, wait, wait_until, wake, wake_all, wake_and_wait, wake_and_wait_until};

/// How often one looks whether another CPU has done what one waits for before one sleeps: as long as sleeping and
/// being woken takes.
pub(crate) const LOOKS: usize = 100;
