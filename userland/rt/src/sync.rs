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

#[cfg(test)]
mod tests {
    use super::Lock;
    use crate::{Error, fake};
    use abi::process::Pid;
    use abi::{Errno, Tag};
    use core::sync::atomic::{AtomicU32, Ordering};
    use std::cell::RefCell;
    use std::rc::Rc;
    use std::vec;
    use std::vec::Vec;

    const WAKE: u16 = 0x22b;
    const WAKE_AND_WAIT: u16 = 0x22c;

    #[test]
    fn who_waits_for_a_lock_is_woken_also_if_its_holder_may_not_wait_for_a_word() {
        let asked = Rc::new(RefCell::new(Vec::new()));
        let seen = Rc::clone(&asked);
        fake::install(move |sent, _| {
            let label = Tag::decode(sent[1]).expect("well-formed").label().0;
            seen.borrow_mut().push(label);
            let refused = if label == WAKE { 0 } else { Errno::EFAULT as u64 };
            [0, refused, 0, 0, 0, 0, 0, 0, 0]
        });
        let (locked, condition) = (AtomicU32::new(0), AtomicU32::new(0));
        let held = Lock::new(&locked, Pid(5)).lock().expect("it is free");
        let somebody_waits = 1 << 31;
        locked.fetch_or(somebody_waits, Ordering::Relaxed);
        let answer = held.release_and_wait(&condition, 0);
        assert_eq!(answer, Err(Error::Refused(Errno::EFAULT)));
        assert_eq!(locked.load(Ordering::Relaxed), 0, "it is free");
        assert_eq!(*asked.borrow(), vec![WAKE_AND_WAIT, WAKE]);
    }
}
