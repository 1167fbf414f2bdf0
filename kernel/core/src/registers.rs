//! The registers of a thread while it does not run.

use crate::message::Message;
use abi::Words6;
use abi::thread::ThreadRegisters;
use core::sync::atomic::{Ordering, compiler_fence};

/// Everything of a thread's state that an exception saves, in the order the vectors store it.
///
/// A blocked thread *is* this and a state; no kernel stack belongs to it. FP/SIMD registers are
/// kept elsewhere, and only for threads that use them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
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

    /// Flags N, Z, C and V of PSTATE (Arm ARM, "SPSR_EL1"): all of it that is a program's alone.
    const FLAGS: u64 = 0xf << 28;

    /// Those that whoever controls the thread may see.
    pub fn visible(&self) -> ThreadRegisters {
        ThreadRegisters {
            x: self.x,
            sp: self.sp,
            pc: self.pc,
            pstate: self.pstate,
            pointer: self.tpidr,
        }
    }

    /// Sets them, but for what of PSTATE a program cannot set itself.
    pub fn set_visible(&mut self, new: &ThreadRegisters) {
        *self = Self {
            x: new.x,
            sp: new.sp,
            pc: new.pc,
            pstate: self.pstate & !Self::FLAGS | new.pstate & Self::FLAGS,
            tpidr: new.pointer,
            tpidrro: self.tpidrro,
        };
    }

    /// The six words of a message (x2 to x7).
    pub fn words(&self) -> Words6 {
        [self.x[2], self.x[3], self.x[4], self.x[5], self.x[6], self.x[7]]
    }

    /// Keeps a message until somebody receives it: x1 tag, x2-x7 words.
    pub fn set_message(&mut self, message: Message<'_>) {
        self.x[1] = message.tag.encode();
        let [w0, w1, w2, w3, w4, w5] = *message.words;
        [self.x[2], self.x[3], self.x[4]] = [w0, w1, w2];
        [self.x[5], self.x[6], self.x[7]] = [w3, w4, w5];
    }

    /// Puts in place what a trap answers with: x0 outcome, x1 tag, x2-x7 words, x8 badge.
    pub fn set_answer(&mut self, outcome: u64, message: Message<'_>, badge: u64) {
        self.x[0] = outcome;
        self.set_message(message);
        // Nine zeroes in a row would be a call of `memset`, which takes four times as long as the stores.
        compiler_fence(Ordering::SeqCst);
        self.x[8] = badge;
    }
}
