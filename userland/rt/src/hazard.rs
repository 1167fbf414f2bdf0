//! What no ordinary program does: for programs that test what the kernel does about it.
//!
//! Most of these end the program. None changes memory that Rust code owns: addresses there are
//! refused with a panic.

mod fp_registers;
mod general_registers;
mod instruction;

pub use fp_registers::fp_registers_changed;
pub use general_registers::{Changed, spin_watched, trap_watched};
pub use instruction::{Instruction, undefined};

use crate::place::{HEAP_END, HEAP_START};
use abi::layout::{MESSAGE_PAGES, PAGE_BYTES, STACK_BYTES, STACK_MOST, STACK_TOP};
use core::arch::asm;
use core::ops::Range;

unsafe extern "C" {
    // From the link script; only their addresses mean something.
    static __text_start: u8;
    static __text_end: u8;
    static __data_start: u8;
    static __data_end: u8;
}

/// Addresses of the program's instructions.
pub fn text() -> Range<u64> {
    (&raw const __text_start).addr() as u64..(&raw const __text_end).addr() as u64
}

/// Addresses of the program's variables.
pub fn data() -> Range<u64> {
    (&raw const __data_start).addr() as u64..(&raw const __data_end).addr() as u64
}

/// Addresses of the program's stack when it starts.
pub fn stack() -> Range<u64> {
    STACK_TOP - STACK_BYTES..STACK_TOP
}

/// Addresses that the program's stack may grow into.
pub fn room_of_stack() -> Range<u64> {
    STACK_TOP - STACK_MOST..STACK_TOP - STACK_BYTES
}

/// Loads the 64-bit word at any address.
pub fn read(address: u64) -> u64 {
    let value;
    // SAFETY: if nothing is there to be read, the program ends; a load changes nothing.
    unsafe {
        asm!("ldr {}, [{}]", out(reg) value, in(reg) address,
            options(nostack, readonly, preserves_flags));
    }
    value
}

/// Stores a 64-bit word at an address that is not Rust's.
///
/// # Panics
/// If it is: in a variable, on the stack or on the heap.
pub fn write(address: u64, value: u64) {
    let word = address..address.saturating_add(8);
    for owned in [data(), room_of_stack(), stack(), HEAP_START..HEAP_END] {
        assert!(
            word.end <= owned.start || owned.end <= word.start,
            "{address:#x} is Rust's"
        );
    }
    // SAFETY: no Rust object is there. The text may be, but then it is not writable.
    unsafe {
        asm!("str {}, [{}]", in(reg) value, in(reg) address, options(nostack, preserves_flags));
    }
}

/// Calls whatever instructions are at `address` as a C function without arguments.
///
/// # Panics
/// If they are the program's own.
pub fn call(address: u64) -> u64 {
    let is_instruction = text().contains(&address) && address.is_multiple_of(4);
    assert!(!is_instruction, "{address:#x} is a function of the program");
    let result;
    // SAFETY: nothing that Rust put there can be executed; whoever mapped pages with other
    // instructions answers for them.
    unsafe {
        asm!("blr {}", in(reg) address, lateout("x0") result, clobber_abi("C"));
    }
    result
}

/// Makes instructions that were just written at `address` visible to instruction fetches there
/// (Arm ARM, "Concurrent modification and execution of instructions").
pub fn publish_code(address: u64) {
    // SAFETY: cache maintenance changes no contents; an unmapped address ends the program.
    unsafe {
        asm!("dc cvau, {0}", "dsb ish", "ic ivau, {0}", "dsb ish", "isb", in(reg) address,
            options(nostack, preserves_flags));
    }
}

/// Uses up the stack and then more: calls itself until a guard page ends it.
#[inline(never)]
pub fn overflow_stack(depth: u64) -> u64 {
    let frame = core::hint::black_box([depth; 32]);
    if depth == u64::MAX {
        return 0;
    }
    overflow_stack(depth + 1).wrapping_add(frame[(depth % 32) as usize])
}

/// Never ends, and never calls the kernel.
pub fn spin() -> ! {
    loop {
        core::hint::spin_loop();
    }
}

/// Asks for the message page to be unmapped; what the kernel says to that.
///
/// # Errors
/// As [`abi::memory::Unmap`].
pub fn unmap_message_page() -> Result<(), crate::Error> {
    crate::sys::memory::unmap(MESSAGE_PAGES, PAGE_BYTES)
}
