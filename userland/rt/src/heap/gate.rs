//! What lets one thread at a time into the heap.
//!
//! Who finds it closed sleeps: one that is more important than who is inside would otherwise look for ever, and the
//! other one never run.

use crate::atomic::AtomicU32;
use crate::sync::{LOOKS, Lock};
use abi::process::Pid;
use core::hint::spin_loop;
use core::mem::forget;
use talc::lock_api::{GuardSend, RawMutex};

/// Who is inside makes no difference.
const ANYBODY: Pid = Pid(1);

/// A [`Lock`] of its own; nothing in it allocates.
#[derive(Debug)]
pub struct Gate {
    word: AtomicU32,
}

impl Gate {
    const fn as_lock(&self) -> Lock<'_> {
        Lock::new(&self.word, ANYBODY)
    }
}

// SAFETY: a lock is held by one at a time.
unsafe impl RawMutex for Gate {
    #[allow(
        clippy::declare_interior_mutable_const,
        reason = "each lock is to begin with a free one of its own"
    )]
    const INIT: Self = Self {
        word: AtomicU32::new(0),
    };

    type GuardMarker = GuardSend;

    fn lock(&self) {
        for _ in 0..LOOKS {
            if self.try_lock() {
                return;
            }
            spin_loop();
        }
        // Without memory to wait with there is nothing better than to ask again.
        while self.as_lock().lock().map(forget).is_err() {}
    }

    fn try_lock(&self) -> bool {
        self.as_lock().try_lock().map(forget).is_some()
    }

    unsafe fn unlock(&self) {
        self.as_lock().release();
    }
}
