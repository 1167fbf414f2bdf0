//! Whether FP/SIMD registers stay what they are while other programs run.

use core::arch::asm;

/// Registers V0-V31 as pairs of words.
type Registers = [[u64; 2]; 32];

/// FPCR while it waits: round towards zero, flush to zero, default NaN.
const FPCR: u64 = 0b11 << 22 | 1 << 24 | 1 << 25;
/// FPSR while it waits: inexact, and saturated.
const FPSR: u64 = 1 << 4 | 1 << 27;

/// Fills all FP/SIMD registers with a pattern made from `seed`, then `rounds` times lets others
/// run, by a yield and by `spins` turns of a loop that an interrupt may end. Returns how many
/// registers are not what they were, FPCR and FPSR among them.
pub fn fp_registers_changed(seed: u64, rounds: u64, spins: u64) -> usize {
    let before: Registers = core::array::from_fn(|register| {
        let word = seed
            .wrapping_add(register as u64)
            .wrapping_mul(0x9e37_79b9_7f4a_7c15);
        [word, !word]
    });
    let (after, control) = hold(&before, rounds.max(1), spins.max(1));
    let changed = before
        .iter()
        .zip(&after)
        .filter(|(before, after)| before != after)
        .count();
    let expected = [FPCR, FPSR];
    changed
        + control
            .iter()
            .zip(&expected)
            .filter(|(now, then)| now != then)
            .count()
}

fn hold(before: &Registers, rounds: u64, spins: u64) -> (Registers, [u64; 2]) {
    let mut after: Registers = [[0; 2]; 32];
    let (fpcr, fpsr);
    // SAFETY: loads from `before` and stores to `after`, 512 bytes each; all registers that are
    // used or that a trap changes are named; FPCR and FPSR are put back.
    unsafe {
        asm!(
            "mrs x24, fpcr",
            "mrs x25, fpsr",
            "ld1 {{v0.2d-v3.2d}}, [x20], #64",
            "ld1 {{v4.2d-v7.2d}}, [x20], #64",
            "ld1 {{v8.2d-v11.2d}}, [x20], #64",
            "ld1 {{v12.2d-v15.2d}}, [x20], #64",
            "ld1 {{v16.2d-v19.2d}}, [x20], #64",
            "ld1 {{v20.2d-v23.2d}}, [x20], #64",
            "ld1 {{v24.2d-v27.2d}}, [x20], #64",
            "ld1 {{v28.2d-v31.2d}}, [x20]",
            "msr fpcr, x26",
            "msr fpsr, x27",
            "2: mov x8, #{operation}",
            "svc #1",
            "mov x9, x23",
            "3: subs x9, x9, #1",
            "b.ne 3b",
            "subs x22, x22, #1",
            "b.ne 2b",
            "mrs x26, fpcr",
            "mrs x27, fpsr",
            "st1 {{v0.2d-v3.2d}}, [x21], #64",
            "st1 {{v4.2d-v7.2d}}, [x21], #64",
            "st1 {{v8.2d-v11.2d}}, [x21], #64",
            "st1 {{v12.2d-v15.2d}}, [x21], #64",
            "st1 {{v16.2d-v19.2d}}, [x21], #64",
            "st1 {{v20.2d-v23.2d}}, [x21], #64",
            "st1 {{v24.2d-v27.2d}}, [x21], #64",
            "st1 {{v28.2d-v31.2d}}, [x21]",
            "msr fpcr, x24",
            "msr fpsr, x25",
            operation = const abi::Operation::Yield as u64,
            inout("x20") before.as_ptr() => _,
            inout("x21") after.as_mut_ptr() => _,
            inout("x22") rounds => _,
            in("x23") spins,
            out("x24") _,
            out("x25") _,
            inout("x26") FPCR => fpcr,
            inout("x27") FPSR => fpsr,
            out("v0") _, out("v1") _, out("v2") _, out("v3") _, out("v4") _, out("v5") _,
            out("v6") _, out("v7") _, out("v8") _, out("v9") _, out("v10") _, out("v11") _,
            out("v12") _, out("v13") _, out("v14") _, out("v15") _, out("v16") _, out("v17") _,
            out("v18") _, out("v19") _, out("v20") _, out("v21") _, out("v22") _, out("v23") _,
            out("v24") _, out("v25") _, out("v26") _, out("v27") _, out("v28") _, out("v29") _,
            out("v30") _, out("v31") _,
            out("x0") _, out("x1") _, out("x2") _, out("x3") _, out("x4") _, out("x5") _,
            out("x6") _, out("x7") _, out("x8") _, out("x9") _, out("x10") _, out("x11") _,
            out("x12") _, out("x13") _, out("x14") _, out("x15") _, out("x16") _, out("x17") _,
            options(nostack),
        );
    }
    (after, [fpcr, fpsr])
}
