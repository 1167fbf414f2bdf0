//! Waiting until others change memory that is shared with them, without looking at it all the time.
//!
//! [`wait`] and [`wake`] are what everything else is made of, [`crate::ring`] included. They work on any word:
//! of a segment, for processes that have it attached, wherever; of private memory, for the threads of one
//! process.

mod lock;
mod word;

pub use lock::{Held, Lock};
pub use word::{Word, wait, wait_until, wake, wake_all};

/// How often one looks whether another CPU has done what one waits for before one sleeps: as long as sleeping and
/// being woken takes.
pub(crate) const LOOKS: usize = 100;
