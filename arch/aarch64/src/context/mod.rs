//! FP/SIMD registers of threads.
//!
//! A thread's first FP or SIMD instruction traps
//! ([`Cause::FpTrapped`](crate::exception::syndrome::Cause::FpTrapped)). From then on its registers
//! are saved and loaded whenever another thread takes its place, so that no thread's values are in
//! the CPU while another runs that could get at them.

use crate::cpu::PerCpu;
use aarch64_cpu::registers::CPACR_EL1;
use core::arch::global_asm;
use core::mem::offset_of;
use core::sync::atomic::{AtomicU32, Ordering};
use slots::{Parts, Row};
use tock_registers::interfaces::Writeable;

/// The FP/SIMD registers of one thread.
#[derive(Clone, Copy)]
#[repr(C, align(16))]
pub struct FpState {
    v: [u128; 32],
    fpcr: u64,
    fpsr: u64,
}

/// Whether a thread has used FP/SIMD.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FpUsage {
    /// Its first use will trap.
    Never,
    /// It has.
    Used,
}

impl FpState {
    /// Of a thread that has not used them: all zero, which is also the default mode of FPCR.
    pub const UNUSED: Self = Self {
        v: [0; 32],
        fpcr: 0,
        fpsr: 0,
    };
}

global_asm!(
    include_str!("fp.S"),
    V = const offset_of!(FpState, v),
    FPCR = const offset_of!(FpState, fpcr),
    FPSR = const offset_of!(FpState, fpsr),
);

unsafe extern "C" {
    fn fp_save(state: *mut FpState);
    fn fp_load(state: *const FpState);
}

/// The FP/SIMD registers of all CPUs, and what every thread keeps of them, by thread number. Each method is
/// about the registers of the CPU that runs it, and about threads that are that one's: at home there, or any while it has
/// all of the kernel. That is what callers of the unsafe ones vouch for.
#[derive(Clone, Copy)]
pub struct FpUnit {
    states: Parts<[FpState]>,
}

/// Whose values a CPU's registers hold, and who alone has access to them.
pub(crate) struct FpOwner(AtomicU32);

impl FpOwner {
    const NOBODY: u32 = u32::MAX;

    pub(crate) const fn nobody() -> Self {
        Self(AtomicU32::new(Self::NOBODY))
    }

    #[inline]
    fn get(&self) -> Option<u32> {
        let owner = self.0.load(Ordering::Relaxed);
        (owner != Self::NOBODY).then_some(owner)
    }

    fn set(&self, owner: Option<u32>) {
        self.0.store(owner.unwrap_or(Self::NOBODY), Ordering::Relaxed);
    }
}

impl FpUnit {
    /// Closed to programs on every CPU, as they are when it starts; `states` has an entry for each thread.
    pub fn new(states: &'static mut [FpState]) -> Self {
        Self {
            states: *Row::new(states).parts(),
        }
    }

    /// Opens the registers to `thread`, which runs and has trapped. It finds zeroes in them.
    ///
    /// # Safety
    /// The thread is this CPU's.
    pub unsafe fn first_use(mut self, thread: u32) {
        self.save_owner();
        *self.state(thread) = FpState::UNUSED;
        self.load(thread);
        open();
    }

    /// Whether nobody has access to them.
    #[inline]
    pub fn is_closed(self) -> bool {
        owner().get().is_none()
    }

    /// Prepares for `thread`, which has used them or not, to run.
    ///
    /// # Safety
    /// The thread is this CPU's.
    #[inline(never)] // so that nobody else pays for its stack frame
    pub unsafe fn switch_to(mut self, thread: u32, usage: FpUsage) {
        if owner().get() == Some(thread) {
            return;
        }
        let was_open = self.save_owner();
        match usage {
            FpUsage::Used => self.load(thread),
            FpUsage::Never => {}
        }
        match (was_open, usage) {
            (false, FpUsage::Used) => open(),
            (true, FpUsage::Never) => close(),
            (true, FpUsage::Used) | (false, FpUsage::Never) => {}
        }
    }

    /// Gives `to`, which has not started, what `from`, which has used them, has in the registers.
    ///
    /// # Safety
    /// Both threads are this CPU's.
    pub unsafe fn copy(mut self, from: u32, to: u32) {
        if owner().get() == Some(from) {
            // SAFETY: As in `save_owner`. The registers keep what they hold, for `from` goes on.
            unsafe { fp_save(self.state(from)) };
        }
        let copied = *self.state(from);
        *self.state(to) = copied;
    }

    /// Forgets that `thread`, which has ended, had anything in the registers. What is kept of them nobody gets to
    /// see: the next thread of that number has zeroes at its first use, or a copy of another one's.
    pub fn forget(self, thread: u32) {
        if owner().get() == Some(thread) {
            owner().set(None);
            close();
        }
    }

    /// Saves what the thread that ran last has in the registers, so that it can go on elsewhere.
    pub fn put_away(mut self) {
        if self.save_owner() {
            close();
        }
    }

    /// Whether anybody had access to the registers; nobody has any more.
    fn save_owner(&mut self) -> bool {
        let Some(thread) = owner().get() else {
            return false;
        };
        owner().set(None);
        // SAFETY: The registers may be read by EL1; they are stored to memory that is borrowed.
        unsafe { fp_save(self.state(thread)) };
        true
    }

    fn load(&mut self, thread: u32) {
        // SAFETY: No compiled code of the kernel keeps anything in these registers.
        unsafe { fp_load(self.state(thread)) };
        owner().set(Some(thread));
    }

    /// What is kept for `thread`, which is this CPU's.
    fn state(&mut self, thread: u32) -> &mut FpState {
        // SAFETY: No other CPU uses what is kept for a thread that is this one's, and `self`, the only way to it
        // here, is borrowed.
        unsafe { self.states.element(thread as usize).only() }
    }
}

#[inline]
fn owner() -> &'static FpOwner {
    &PerCpu::current().fp_owner
}

/// The next FP or SIMD instruction of a program does not trap. Like [`close`], this is about EL0 alone, and the return
/// there synchronises the context (Arm ARM, "Context synchronization event"): no ISB.
fn open() {
    CPACR_EL1.write(CPACR_EL1::FPEN::TrapNothing);
}

/// The next FP or SIMD instruction of a program traps.
fn close() {
    CPACR_EL1.write(CPACR_EL1::FPEN::TrapEl0);
}
