//! `memcpy`, in place of the one that comes with `core`, which takes a word at a time, and bytes that lie askew one by
//! one.
//!
//! It copies 64 bytes in ten instructions. Registers of FP/SIMD could do it in six, but then every program would be one
//! that uses them, and switching to it would take longer.

use core::arch::global_asm;

global_asm!(
    ".pushsection .text.memcpy, \"ax\", %progbits",
    ".global memcpy",
    ".type memcpy, %function",
    ".balign 16",
    "memcpy:", // x0: to where, x1: from where, x2: how many bytes; answers x0
    ".cfi_startproc",
    "mov x3, x0",
    "subs x2, x2, #64",
    "b.lo 2f",
    "1: ldp x6, x7, [x1, #16]",
    "ldp x8, x9, [x1, #32]",
    "ldp x10, x11, [x1, #48]",
    "ldp x4, x5, [x1], #64",
    "stp x6, x7, [x3, #16]",
    "stp x8, x9, [x3, #32]",
    "stp x10, x11, [x3, #48]",
    "stp x4, x5, [x3], #64",
    "subs x2, x2, #64",
    "b.hs 1b",
    // What is left is in the lower six bits, which taking 64 away does not change.
    "2: tbz x2, #5, 3f",
    "ldp x4, x5, [x1], #16",
    "ldp x6, x7, [x1], #16",
    "stp x4, x5, [x3], #16",
    "stp x6, x7, [x3], #16",
    "3: tbz x2, #4, 4f",
    "ldp x4, x5, [x1], #16",
    "stp x4, x5, [x3], #16",
    "4: tbz x2, #3, 5f",
    "ldr x4, [x1], #8",
    "str x4, [x3], #8",
    "5: tbz x2, #2, 6f",
    "ldr w4, [x1], #4",
    "str w4, [x3], #4",
    "6: tbz x2, #1, 7f",
    "ldrh w4, [x1], #2",
    "strh w4, [x3], #2",
    "7: tbz x2, #0, 8f",
    "ldrb w4, [x1]",
    "strb w4, [x3]",
    "8: ret",
    ".cfi_endproc",
    ".size memcpy, . - memcpy",
    ".popsection",
);
