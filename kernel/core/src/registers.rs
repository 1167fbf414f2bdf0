//! The registers of a thread while it does not run.

use abi::{Tag, Words6};

/// Everything of a thread's state that an exception saves, in the order the vectors store it.
///
/// A blocked thread *is* this and a state; no kernel stack belongs to it. FP/SIMD registers are
/// kept elsewhere, and only for threads that use them.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(16))]
pub struct Registers {
    /// x0 to x30.
    pub x: [u64; 31],
    /// SP_EL0.
    pub sp: u64,
    /// ELR_EL1: where the thread goes on.
    pub pc: u64,
    /// SPSR_EL1: flags, and EL0 with interrupts on.
    pub pstate: u64,
    /// TPIDR_EL0: the thread's own pointer.
    pub tpidr: u64,
    /// TPIDRRO_EL0: address of its message page.
    pub tpidrro: u64,
}

const _: () = assert!(size_of::<Registers>() == 36 * 8);

impl Registers {
    /// All zero: EL0, AArch64, interrupts on.
    pub const ZERO: Self = Self {
        x: [0; 31],
        sp: 0,
        pc: 0,
        pstate: 0,
        tpidr: 0,
        tpidrro: 0,
    };

    /// The six words of a message (x2 to x7).
    pub fn words(&self) -> Words6 {
        [self.x[2], self.x[3], self.x[4], self.x[5], self.x[6], self.x[7]]
    }

    /// Puts in place what a trap answers with: x0 outcome, x1 tag, x2-x7 words, x8 badge, x9-x17
    /// zero, so that nothing of the kernel's is left in them.
    pub fn set_answer(&mut self, outcome: u64, tag: Tag, words: Words6, badge: u64) {
        self.x[0] = outcome;
        self.x[1] = tag.encode();
        self.x[2..8].copy_from_slice(&words);
        self.x[8] = badge;
        self.x[9..18].fill(0);
    }
}
