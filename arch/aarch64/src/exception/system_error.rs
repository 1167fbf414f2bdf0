//! System errors (SError) that are pending already: taken once, on purpose, and told.
//!
//! An SError is not about the instruction it is taken at. It comes when the memory system reports it,
//! and stays pending while PSTATE.A masks it, as in firmware and in the kernel (Arm ARM, "Asynchronous
//! exception types"). A program is the first to run with it unmasked, and would have to answer for
//! what firmware or boot did.

use crate::exception::kernel::Frame;
use aarch64_cpu::asm::barrier;
use core::arch::asm;
use core::sync::atomic::{AtomicU64, Ordering};

/// What [`take_pending`] waits for, or has got: ESR_EL1, which is never one of the first two.
static TAKEN: AtomicU64 = AtomicU64::new(NOT_ASKED);
const NOT_ASKED: u64 = 0;
const ASKED: u64 = 1;

/// PSTATE.A.
const MASKED: u64 = 1 << 8;

/// Takes the SError that is pending on this CPU, and returns its syndrome (ESR_EL1). For boot, which has
/// one CPU and no thread.
pub fn take_pending() -> Option<u64> {
    TAKEN.store(ASKED, Ordering::Relaxed);
    // What was written so far has arrived or failed.
    barrier::dsb(barrier::SY);
    // SAFETY: The vectors are installed, and bring an SError to `expected`, which masks it again. All
    // registers but those that belong to programs are kept.
    unsafe { asm!("msr daifclr, #4", "isb", "msr daifset, #4") };
    let taken = TAKEN.swap(NOT_ASKED, Ordering::Relaxed);
    (taken != ASKED).then_some(taken)
}

/// Whether the SError that the kernel was interrupted with is the one that [`take_pending`] waits for.
pub(crate) fn expected(frame: &mut Frame) -> bool {
    let asked = TAKEN.compare_exchange(ASKED, frame.esr, Ordering::Relaxed, Ordering::Relaxed);
    // One is enough: another that comes at once would come for ever.
    frame.pstate |= MASKED;
    asked.is_ok()
}
