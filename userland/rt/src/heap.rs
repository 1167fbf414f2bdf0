//! The heap: one arena of private pages, at a place from which the kernel never chooses, so that
//! nothing else is put where it grows.

mod gate;

use crate::place::{HEAP_END as END, HEAP_START as START};
use crate::sys;
use abi::memory::Protection;
use core::alloc::Layout;
use core::ptr::{NonNull, with_exposed_provenance_mut};
use gate::Gate;
use talc::TalcLock;
use talc::base::Talc;
use talc::base::binning::Binning;
use talc::source::Source;

/// The arena grows by multiples of this, in bytes.
const STEP: u64 = 64 * 1024;

#[global_allocator]
static HEAP: TalcLock<Gate, Arena> = TalcLock::new(Arena {
    end: START,
    heap_end: None,
});

/// Keeps all other threads out of the heap until what this returns is dropped; whoever holds it must not
/// use the heap either.
pub(crate) fn lock() -> impl Drop {
    HEAP.lock()
}

#[derive(Debug)]
struct Arena {
    /// First address not mapped yet.
    end: u64,
    /// Where the allocator believes its memory ends.
    heap_end: Option<NonNull<u8>>,
}

// SAFETY: the pointer is into memory that belongs to the allocator, whichever thread uses it.
unsafe impl Send for Arena {}

// SAFETY: mapping allocates nothing on this heap.
unsafe impl Source for Arena {
    fn acquire<B: Binning>(talc: &mut Talc<Self, B>, layout: Layout) -> Result<(), ()> {
        let start = talc.source.end;
        let length = growth(start - START, layout).filter(|length| *length <= END - start);
        let length = length.ok_or(())?;
        let protection = Protection::READ | Protection::WRITE;
        sys::memory::map(start, length, protection).map_err(|_| ())?;
        talc.source.end = start + length;
        let heap_end = match talc.source.heap_end {
            // SAFETY: `old` is the end of the allocator's only arena, and the pages behind it,
            // up to the new end, were mapped for it.
            Some(old) => Some(unsafe { talc.extend(old, pointer(start + length)) }),
            // SAFETY: the pages were mapped for the allocator just now.
            None => unsafe { talc.claim(pointer(start), length as usize) },
        };
        talc.source.heap_end = heap_end;
        heap_end.map(|_| ()).ok_or(())
    }
}

/// How much to map for this allocation: enough for it, and at least as much as there is, so that
/// a large heap consists of few mappings.
fn growth(present: u64, layout: Layout) -> Option<u64> {
    let wanted = u64::try_from(layout.size()).ok()?;
    let wanted = wanted.checked_add(u64::try_from(layout.align()).ok()?)?;
    wanted
        .checked_add(STEP)?
        .max(present)
        .checked_next_multiple_of(STEP)
}

fn pointer(address: u64) -> *mut u8 {
    with_exposed_provenance_mut(address as usize)
}
