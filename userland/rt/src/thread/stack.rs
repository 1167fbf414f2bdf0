//! The stack of a thread, with a block on top. A few that are given back are kept, for threads to come.
//!
//! ```text
//!     low                                                             high
//!     | gap | room to grow | stack, growing down <--  sp | block |
//!                                                        ^ TPIDR_EL0
//! ```

use crate::{Error, sys};
use abi::layout::PAGE_BYTES;
use core::ptr::{NonNull, with_exposed_provenance_mut};
use core::sync::atomic::{AtomicU64, Ordering};

/// Bytes of a thread's stack when it starts, block included unless that is larger.
const STACK_BYTES: u64 = 16 * 1024;
/// Bytes that it may grow by.
pub(super) const STACK_GROWTH: u64 = 240 * 1024;
/// How many are kept.
const MOST_KEPT: usize = 4;

static KEPT: Kept = Kept::none();

/// Pages that are a thread's stack, with a block on top.
#[derive(Debug)]
pub(super) struct Stack {
    lowest: u64,
    length: u64,
    block: NonNull<u8>,
}

// SAFETY: the block is used by one thread at a time, whoever holds this; what is looked at meanwhile is atomic.
unsafe impl Send for Stack {}

impl Stack {
    /// One with a block of `size` bytes, aligned as said, which hold anything.
    ///
    /// # Errors
    /// As [`abi::memory::Map`].
    pub(super) fn new(size: usize, alignment: usize) -> Result<Self, Error> {
        const SMALLEST_ALIGNMENT: u64 = 16; // of a stack pointer
        let alignment = (alignment as u64).max(SMALLEST_ALIGNMENT);
        let block_bytes = (size as u64).next_multiple_of(alignment);
        let length = STACK_BYTES + block_bytes / PAGE_BYTES * PAGE_BYTES;
        let kept = if length == STACK_BYTES { KEPT.take() } else { None };
        let lowest = kept.map_or_else(|| sys::memory::map_stack(length, STACK_GROWTH), Ok)?;
        let block = with_exposed_provenance_mut::<u8>((lowest + length - block_bytes) as usize);
        Ok(Self {
            lowest,
            length,
            block: NonNull::new(block).ok_or(Error::Garbled)?,
        })
    }

    pub(super) fn block(&self) -> NonNull<u8> {
        self.block
    }

    /// The first stack pointer: the block's address.
    pub(super) fn pointer(&self) -> u64 {
        self.block.addr().get() as u64
    }

    /// Nobody uses it any more: it is kept, or unmapped with what it has grown by.
    pub(super) fn give_back(self) {
        if self.length != STACK_BYTES || KEPT.keep(self.lowest).is_err() {
            let start = self.lowest - STACK_GROWTH;
            sys::memory::unmap(start, self.length + STACK_GROWTH).ok();
        }
    }
}

/// Where stacks of [`STACK_BYTES`] are that nobody uses; 0 is none.
#[derive(Debug)]
struct Kept([AtomicU64; MOST_KEPT]);

impl Kept {
    const fn none() -> Self {
        Self([const { AtomicU64::new(0) }; MOST_KEPT])
    }

    fn take(&self) -> Option<u64> {
        // Acquire: what the thread before did there is done.
        let mut places = self.0.iter().map(|place| place.swap(0, Ordering::Acquire));
        places.find(|&lowest| lowest != 0)
    }

    /// Keeps one, unless as many are kept as may be; then it is still the caller's.
    fn keep(&self, lowest: u64) -> Result<(), u64> {
        let put = |place: &AtomicU64| place.compare_exchange(0, lowest, Ordering::Release, Ordering::Relaxed);
        let is_kept = self.0.iter().any(|place| put(place).is_ok());
        is_kept.then_some(()).ok_or(lowest)
    }
}

#[cfg(test)]
mod tests {
    use super::{Kept, MOST_KEPT};

    #[test]
    fn a_few_stacks_are_kept_and_each_is_taken_once() {
        let (kept, count) = (Kept::none(), MOST_KEPT as u64);
        assert_eq!(kept.take(), None);
        for lowest in 1..=count {
            assert_eq!(kept.keep(lowest), Ok(()));
        }
        assert_eq!(kept.keep(9), Err(9), "no more than a few");
        let mut taken = [(); MOST_KEPT].map(|()| kept.take());
        taken.sort_unstable();
        assert_eq!(taken, [Some(1), Some(2), Some(3), Some(4)]);
        assert_eq!(kept.take(), None);
    }
}
