//! Ending the emulator with an exit status, for tests (Arm, "Semihosting for AArch32 and AArch64",
//! SYS_EXIT_EXTENDED).
//!
//! Where nobody listens, the HLT is undefined; the kernel's own exception handler recognises it by
//! its address and goes on behind it.

use core::arch::global_asm;
use core::convert::Infallible;

global_asm!(
    ".pushsection .text.semihosting, \"ax\"",
    ".balign 4",
    "semihosting_call:",
    "semihosting_hlt:",
    "    hlt     #0xf000",
    "    ret",
    ".popsection",
);

unsafe extern "C" {
    fn semihosting_call(operation: u64, block: *const ExitBlock) -> u64;
    static semihosting_hlt: u8;
}

/// ADP_Stopped_ApplicationExit and the status.
#[repr(C)]
struct ExitBlock {
    reason: u64,
    status: u64,
}

/// Ends the emulator with `status`, or does `otherwise` if there is no semihosting. It does not come back:
/// the exception taken where nobody listens costs a program its TPIDR_EL0 and TPIDRRO_EL0 (`vectors.S`).
pub fn exit_or(status: u32, otherwise: impl FnOnce() -> Infallible) -> ! {
    const SYS_EXIT_EXTENDED: u64 = 0x20;
    const APPLICATION_EXIT: u64 = 0x2_0026;
    let block = ExitBlock {
        reason: APPLICATION_EXIT,
        status: u64::from(status),
    };
    // SAFETY: The call reads `block`, which lives across it, and does not come back, or comes back
    // without having changed anything of the kernel's (see `is_call`).
    unsafe { semihosting_call(SYS_EXIT_EXTENDED, &raw const block) };
    match otherwise() {}
}

/// Whether the instruction at `pc` is the call of this module.
pub(crate) fn is_call(pc: u64) -> bool {
    pc == (&raw const semihosting_hlt).addr() as u64
}
