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
use kcore::MAX_CPUS;
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
/// about the registers of the CPU that runs it.
pub struct FpUnit<'a> {
    states: &'a mut [FpState],
    /// By CPU: whose values the registers hold, and who alone has access to them.
    owners: [Option<u32>; MAX_CPUS],
}

impl<'a> FpUnit<'a> {
    /// Closed to programs on every CPU, as they are when it starts; `states` has an entry for each thread.
    pub fn new(states: &'a mut [FpState]) -> Self {
        Self {
            states,
            owners: [None; MAX_CPUS],
        }
    }

    /// Opens the registers to `thread`, which runs and has trapped. It finds zeroes in them.
    pub fn first_use(&mut self, thread: u32) {
        self.save_owner();
        self.states[thread as usize] = FpState::UNUSED;
        self.load(thread);
        open();
    }

    /// Whether nobody has access to them.
    #[inline]
    pub fn is_closed(&mut self) -> bool {
        self.owner().is_none()
    }

    /// Prepares for `thread`, which has used them or not, to run.
    #[inline(never)] // so that nobody else pays for its stack frame
    pub fn switch_to(&mut self, thread: u32, usage: FpUsage) {
        if *self.owner() == Some(thread) {
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
    pub fn copy(&mut self, from: u32, to: u32) {
        if *self.owner() == Some(from) {
            // SAFETY: As in `save_owner`. The registers keep what they hold, for `from` goes on.
            unsafe { fp_save(&raw mut self.states[from as usize]) };
        }
        self.states[to as usize] = self.states[from as usize];
    }

    /// Forgets that `thread`, which has ended, had anything in the registers. What is kept of them nobody gets to
    /// see: the next thread of that number has zeroes at its first use, or a copy of another one's.
    pub fn forget(&mut self, thread: u32) {
        if *self.owner() == Some(thread) {
            *self.owner() = None;
            close();
        }
    }

    /// Saves what the thread that ran last has in the registers, so that it can go on elsewhere.
    pub fn put_away(&mut self) {
        if self.save_owner() {
            close();
        }
    }

    #[inline]
    fn owner(&mut self) -> &mut Option<u32> {
        &mut self.owners[PerCpu::current().id().index()]
    }

    /// Whether anybody had access to the registers; nobody has any more.
    fn save_owner(&mut self) -> bool {
        let Some(owner) = self.owner().take() else {
            return false;
        };
        // SAFETY: The registers may be read by EL1; they are stored to memory that is borrowed.
        unsafe { fp_save(&raw mut self.states[owner as usize]) };
        true
    }

    fn load(&mut self, thread: u32) {
        // SAFETY: No compiled code of the kernel keeps anything in these registers.
        unsafe { fp_load(&raw const self.states[thread as usize]) };
        *self.owner() = Some(thread);
    }
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
