//! Instructions that EL0 must not execute, or that nobody handles.

use core::arch::asm;

macro_rules! instructions {
    ($($(#[doc = $doc:literal])* $variant:ident: $name:literal => $text:literal,)*) => {
        /// An instruction that ends a program.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum Instruction { $($(#[doc = $doc])* $variant,)* }

        impl Instruction {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// Its name on the command line.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// Executes it.
            #[inline(never)]
            pub fn execute(self) {
                match self {
                    $(Self::$variant => {
                        // SAFETY: EL0 may not do this, so it traps. Should it be executed all
                        // the same, it changes no memory, and of the registers only those named.
                        unsafe {
                            asm!("mov x10, xzr", $text, clobber_abi("C"), options(nostack));
                        }
                    })*
                }
            }
        }
    };
}

instructions! {
    /// Permanently undefined.
    Undefined: "undefined" => "udf #0",
    /// Not allocated to any instruction.
    Unallocated: "unallocated" => ".inst 0xffffffff",
    /// A breakpoint.
    Breakpoint: "breakpoint" => "brk #1",
    /// The trap of debuggers by halting.
    Halt: "halt" => "hlt #0xf000",
    /// A call that belongs to a Linux personality.
    LinuxCall: "linux-call" => "svc #0",
    /// A call with a number that nobody knows.
    UnknownCall: "unknown-call" => "svc #0xffff",
    /// To a hypervisor.
    HypervisorCall: "hypervisor-call" => "hvc #0",
    /// To the firmware.
    FirmwareCall: "firmware-call" => "smc #0",
    /// Reads the kernel's system control register.
    ReadControl: "read-control" => "mrs x9, sctlr_el1",
    /// Turns the MMU off.
    WriteControl: "write-control" => "msr sctlr_el1, x10",
    /// Reads where the translation tables are.
    ReadTables: "read-tables" => "mrs x9, ttbr0_el1",
    /// Uses other translation tables.
    WriteTables: "write-tables" => "msr ttbr0_el1, x10",
    /// Uses other exception vectors.
    WriteVectors: "write-vectors" => "msr vbar_el1, x10",
    /// Masks interrupts.
    MaskInterrupts: "mask-interrupts" => "msr daifset, #0xf",
    /// Returns from an exception that was none.
    ExceptionReturn: "exception-return" => "eret",
    /// Invalidates the TLB.
    InvalidateTlb: "invalidate-tlb" => "tlbi vmalle1",
    /// Invalidates a line of the data cache, with what was written to it.
    InvalidateCache: "invalidate-cache" => "dc ivac, x10",
    /// Translates an address as the kernel would.
    Translate: "translate" => "at s1e1r, x10",
    /// Sets the timer that the kernel uses.
    WriteTimer: "write-timer" => "msr cntp_tval_el0, x10",
}
