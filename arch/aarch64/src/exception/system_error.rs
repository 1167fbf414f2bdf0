//! System errors (SError) that are pending already: taken once, on purpose, and told.
//!
//! An SError is not about the instruction it is taken at. It comes when the memory system reports it,
//! and stays pending while PSTATE.A masks it, as in firmware and in the kernel (Arm ARM, "Asynchronous
//! exception types"). A program is the first to run with it unmasked, and would have to answer for
//! what firmware or boot did.

use crate::cpu::PerCpu;
use crate::exception::kernel::Frame;
use aarch64_cpu::asm::barrier;
use core::arch::asm;
use core::sync::atomic::{AtomicU64, Ordering};

/// What [`take_pending`] waits for on one CPU, or has got there: ESR_EL1, which is never one of the two
/// numbers below. Each CPU has its own, as several may ask at once while they begin.
pub(crate) struct Taken(AtomicU64);

const NOT_ASKED: u64 = 0;
const ASKED: u64 = 1;

impl Taken {
    /// Nobody waits.
    pub const fn nothing() -> Self {
        Self(AtomicU64::new(NOT_ASKED))
    }
}

/// PSTATE.A.
const MASKED: u64 = 1 << 8;

/// Takes the SError that is pending on this CPU, and returns its syndrome (ESR_EL1). For boot, during
/// which no thread runs here.
pub fn take_pending() -> Option<u64> {
    let Taken(taken) = &PerCpu::current().system_error;
    taken.store(ASKED, Ordering::Relaxed);
    // What was written so far has arrived or failed.
    barrier::dsb(barrier::SY);
    // SAFETY: The vectors are installed, and bring an SError to `expected`, which masks it again. All
    // registers but those that belong to programs are kept.
    unsafe { asm!("msr daifclr, #4", "isb", "msr daifset, #4") };
    let syndrome = taken.swap(NOT_ASKED, Ordering::Relaxed);
    (syndrome != ASKED).then_some(syndrome)
}

/// Whether the SError that the kernel was interrupted with is the one that [`take_pending`] waits for.
pub(crate) fn expected(frame: &mut Frame) -> bool {
    let Taken(taken) = &PerCpu::current().system_error;
    let asked = taken.compare_exchange(ASKED, frame.esr, Ordering::Relaxed, Ordering::Relaxed);
    // One is enough: another that comes at once would come for ever.
    frame.pstate |= MASKED;
    asked.is_ok()
}
