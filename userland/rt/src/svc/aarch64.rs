//! The real trap.

use super::Registers;
use abi::MessagePage;
use core::arch::asm;
use core::ptr::NonNull;

/// The trap, with what becomes of x9.
macro_rules! trap {
    ($registers:ident, $($x9:tt)*) => {{
        let [mut x0, mut x1, mut x2, mut x3, mut x4, mut x5, mut x6, mut x7, mut x8] = $registers;
        // SAFETY: the kernel keeps all registers but those named here, and writes no memory but the
        // message page, which is reached through raw pointers only (and this block is a barrier to
        // the compiler, as it does not say `nomem`). Requests that ask for the program's own memory
        // to be changed: see the crate's documentation.
        unsafe {
            asm!(
                "svc #1",
                inlateout("x0") x0, inlateout("x1") x1, inlateout("x2") x2,
                inlateout("x3") x3, inlateout("x4") x4, inlateout("x5") x5,
                inlateout("x6") x6, inlateout("x7") x7, inlateout("x8") x8,
                $($x9)*, lateout("x10") _, lateout("x11") _,
                lateout("x12") _, lateout("x13") _, lateout("x14") _,
                lateout("x15") _, lateout("x16") _, lateout("x17") _,
                options(nostack),
            );
        }
        [x0, x1, x2, x3, x4, x5, x6, x7, x8]
    }};
}

#[inline(always)]
pub(crate) fn trap(registers: Registers) -> Registers {
    trap!(registers, lateout("x9") _)
}

pub(crate) fn trap_until(registers: Registers, deadline: u64) -> Registers {
    trap!(registers, inlateout("x9") deadline => _)
}

/// The message page of this thread.
pub(crate) fn message_page() -> NonNull<MessagePage> {
    let address: usize;
    // SAFETY: reads a register that programs may read and the kernel alone writes.
    unsafe {
        asm!("mrs {}, tpidrro_el0", out(reg) address, options(nomem, nostack, preserves_flags));
    }
    NonNull::new(core::ptr::with_exposed_provenance_mut(address))
        .expect("the kernel maps a message page for every thread")
}
