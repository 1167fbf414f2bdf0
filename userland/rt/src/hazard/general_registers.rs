//! Whether general-purpose registers are as they must be after a trap, and after an interruption.

use crate::svc::{self, Registers};
use core::arch::naked_asm;
use core::fmt;
use core::ops::Range;

/// Traps with these registers, and with all others full of a pattern made from `seed`. Returns what the trap
/// answers with.
///
/// # Errors
/// x9 to x17 are not zero, or another register is not what it was.
pub fn trap_watched(registers: Registers, seed: u64) -> Result<Registers, Changed> {
    const CLEARED: Range<usize> = 9..18;
    let mut state = State::pattern(seed);
    state.0[..registers.len()].copy_from_slice(&registers);
    let mut due = state.pass(probe_trap);
    let mut answer = registers;
    answer.copy_from_slice(&state.0[..registers.len()]);
    due[..registers.len()].copy_from_slice(&answer);
    due[CLEARED].fill(0);
    state.compare(&due).map(|()| answer)
}

/// Spends `turns` turns of a loop, in which interrupts may come, with all registers but the loop's own full
/// of a pattern made from `seed`.
///
/// # Errors
/// One of them is not what it was.
pub fn spin_watched(turns: u64, seed: u64) -> Result<(), Changed> {
    let mut state = State::pattern(seed);
    state.0[0] = turns.max(1);
    let mut due = state.pass(probe_loop);
    due[0] = 0;
    state.compare(&due)
}

/// Registers that are not what they must be, as bits: bit 0 is x0.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Changed(u64);

impl fmt::Display for Changed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("wrong registers:")?;
        for number in (0..STACK).filter(|number| self.0 >> number & 1 != 0) {
            match number {
                TPIDR => f.write_str(" TPIDR_EL0"),
                FLAGS => f.write_str(" NZCV"),
                TPIDRRO => f.write_str(" TPIDRRO_EL0"),
                SP => f.write_str(" SP"),
                _ => write!(f, " x{number}"),
            }?;
        }
        Ok(())
    }
}

impl core::error::Error for Changed {}

/// All of a thread that it can see itself but the PC, which cannot be wrong without notice: x0 to x30, then
/// the words below.
///
/// While a probe runs, SP is the address of this. So SP is watched too, and to store the others takes none
/// of them.
#[repr(C, align(16))]
struct State([u64; STACK + 1]);

const TPIDR: usize = 31;
const FLAGS: usize = 32;
const TPIDRRO: usize = 33;
const SP: usize = 34;
/// No register: the stack pointer of a probe's caller.
const STACK: usize = 35;

impl State {
    /// Other words for each register and each seed; of the flags, Z at least is set.
    fn pattern(seed: u64) -> Self {
        let word = |number| (seed.wrapping_add(number as u64) | 1 << 63).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut state = Self(core::array::from_fn(word));
        state.0[FLAGS] = state.0[FLAGS] & 0xf000_0000 | 0x4000_0000;
        state.0[TPIDRRO] = svc::message_page().addr().get() as u64;
        state
    }

    /// Loads the registers, goes through a probe, and stores them. Returns what was loaded.
    fn pass(&mut self, probe: unsafe extern "C" fn(*mut State)) -> [u64; STACK + 1] {
        self.0[SP] = (&raw const *self).addr() as u64;
        let loaded = self.0;
        // SAFETY: A probe changes nothing but the state, which is this one, and what functions may change.
        unsafe { probe(self) };
        loaded
    }

    /// Whether the registers are what they must be.
    fn compare(&self, due: &[u64; STACK + 1]) -> Result<(), Changed> {
        let wrong = (0..STACK).filter(|&number| self.0[number] != due[number]);
        match wrong.fold(0, |bits, number| bits | 1 << number) {
            0 => Ok(()),
            bits => Err(Changed(bits)),
        }
    }
}

/// A function that loads the registers of its argument, executes some instructions, and stores the registers
/// there again.
macro_rules! probe {
    ($name:ident, $($instruction:literal),+) => {
        #[unsafe(naked)]
        unsafe extern "C" fn $name(state: *mut State) {
            naked_asm!(
                // What a function keeps.
                "stp x29, x30, [sp, #-16]!",
                "stp x27, x28, [sp, #-16]!",
                "stp x25, x26, [sp, #-16]!",
                "stp x23, x24, [sp, #-16]!",
                "stp x21, x22, [sp, #-16]!",
                "stp x19, x20, [sp, #-16]!",
                "mrs x1, tpidr_el0",
                "stp x1, x18, [sp, #-16]!",
                "mov x1, sp",
                "str x1, [x0, #{STACK}]",
                "mov sp, x0",
                "ldp x1, x2, [sp, #{TPIDR}]",
                "msr tpidr_el0, x1",
                "msr nzcv, x2",
                "ldp x0, x1, [sp, #16 * 0]",
                "ldp x2, x3, [sp, #16 * 1]",
                "ldp x4, x5, [sp, #16 * 2]",
                "ldp x6, x7, [sp, #16 * 3]",
                "ldp x8, x9, [sp, #16 * 4]",
                "ldp x10, x11, [sp, #16 * 5]",
                "ldp x12, x13, [sp, #16 * 6]",
                "ldp x14, x15, [sp, #16 * 7]",
                "ldp x16, x17, [sp, #16 * 8]",
                "ldp x18, x19, [sp, #16 * 9]",
                "ldp x20, x21, [sp, #16 * 10]",
                "ldp x22, x23, [sp, #16 * 11]",
                "ldp x24, x25, [sp, #16 * 12]",
                "ldp x26, x27, [sp, #16 * 13]",
                "ldp x28, x29, [sp, #16 * 14]",
                "ldr x30, [sp, #16 * 15]",
                $($instruction,)+
                "stp x0, x1, [sp, #16 * 0]",
                "stp x2, x3, [sp, #16 * 1]",
                "stp x4, x5, [sp, #16 * 2]",
                "stp x6, x7, [sp, #16 * 3]",
                "stp x8, x9, [sp, #16 * 4]",
                "stp x10, x11, [sp, #16 * 5]",
                "stp x12, x13, [sp, #16 * 6]",
                "stp x14, x15, [sp, #16 * 7]",
                "stp x16, x17, [sp, #16 * 8]",
                "stp x18, x19, [sp, #16 * 9]",
                "stp x20, x21, [sp, #16 * 10]",
                "stp x22, x23, [sp, #16 * 11]",
                "stp x24, x25, [sp, #16 * 12]",
                "stp x26, x27, [sp, #16 * 13]",
                "stp x28, x29, [sp, #16 * 14]",
                "str x30, [sp, #16 * 15]",
                "mrs x1, tpidr_el0",
                "mrs x2, nzcv",
                "stp x1, x2, [sp, #{TPIDR}]",
                "mrs x1, tpidrro_el0",
                "mov x2, sp",
                "stp x1, x2, [sp, #{TPIDRRO}]",
                "ldr x1, [sp, #{STACK}]",
                "mov sp, x1",
                "ldp x1, x18, [sp], #16",
                "msr tpidr_el0, x1",
                "ldp x19, x20, [sp], #16",
                "ldp x21, x22, [sp], #16",
                "ldp x23, x24, [sp], #16",
                "ldp x25, x26, [sp], #16",
                "ldp x27, x28, [sp], #16",
                "ldp x29, x30, [sp], #16",
                "ret",
                TPIDR = const 8 * TPIDR,
                TPIDRRO = const 8 * TPIDRRO,
                STACK = const 8 * STACK,
            )
        }
    };
}

// Pairs that a probe loads or stores with one instruction.
const _: () = assert!(FLAGS == TPIDR + 1 && SP == TPIDRRO + 1);

probe!(probe_trap, "svc #1");
// It leaves the flags alone.
probe!(probe_loop, "2: sub x0, x0, #1", "cbnz x0, 2b");
