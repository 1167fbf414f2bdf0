//! Instructions that EL0 must not execute, that nobody handles, or that only some CPUs have.

use core::arch::asm;

/// Executes one that does not exist, and saves no register before: so FP/SIMD registers are not used, as they are by
/// [`Instruction::execute`].
pub fn undefined() {
    // SAFETY: it traps, and has no effect.
    unsafe { asm!("udf #0", options(nostack)) }
}

macro_rules! instructions {
    ($($(#[doc = $doc:literal])* $variant:ident: $name:literal => $($text:literal),+;)*) => {
        /// An instruction that ends a program, or might.
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
                        // SAFETY: most of them trap. One that is executed all the same changes
                        // no memory, and of the registers only those named.
                        unsafe {
                            asm!(".arch armv9.4-a+sve+sme+mops+gcs+memtag+ls64", "mov x9, xzr", "mov x10, xzr", $($text,)+
                                clobber_abi("C"), options(nostack));
                        }
                    })*
                }
            }
        }
    };
}

instructions! {
    /// Permanently undefined.
    Undefined: "undefined" => "udf #0";
    /// Not allocated to any instruction.
    Unallocated: "unallocated" => ".inst 0xffffffff";
    /// A breakpoint.
    Breakpoint: "breakpoint" => "brk #1";
    /// The trap of debuggers by halting.
    Halt: "halt" => "hlt #0xf000";
    /// A call that belongs to a Linux personality.
    LinuxCall: "linux-call" => "svc #0";
    /// A call with a number that nobody knows.
    UnknownCall: "unknown-call" => "svc #0xffff";
    /// The trap of a call, but for its number.
    OtherCall: "other-call" => "mov x8, xzr", "svc #2";
    /// The trap of an answer, but for its number.
    OtherReply: "other-reply" => "mov x8, #2", "svc #3";
    /// To a hypervisor.
    HypervisorCall: "hypervisor-call" => "hvc #0";
    /// To the firmware.
    FirmwareCall: "firmware-call" => "smc #0";
    /// Reads the kernel's system control register.
    ReadControl: "read-control" => "mrs x9, sctlr_el1";
    /// Turns the MMU off.
    WriteControl: "write-control" => "msr sctlr_el1, x10";
    /// Reads where the translation tables are.
    ReadTables: "read-tables" => "mrs x9, ttbr0_el1";
    /// Uses other translation tables.
    WriteTables: "write-tables" => "msr ttbr0_el1, x10";
    /// Uses other exception vectors.
    WriteVectors: "write-vectors" => "msr vbar_el1, x10";
    /// Masks interrupts.
    MaskInterrupts: "mask-interrupts" => "msr daifset, #0xf";
    /// Returns from an exception that was none.
    ExceptionReturn: "exception-return" => "eret";
    /// Invalidates the TLB.
    InvalidateTlb: "invalidate-tlb" => "tlbi vmalle1";
    /// Invalidates a line of the data cache, with what was written to it.
    InvalidateCache: "invalidate-cache" => "dc ivac, x10";
    /// Translates an address as the kernel would.
    Translate: "translate" => "at s1e1r, x10";
    /// Sets the timer that the kernel uses.
    WriteTimer: "write-timer" => "msr cntp_tval_el0, x10";
    /// Enters debug state.
    EnterDebug: "enter-debug" => "dcps1";
    /// Returns from debug state.
    LeaveDebug: "leave-debug" => "drps";
    /// Uses the kernel's stack pointer.
    SelectStack: "select-stack" => "msr spsel, #1";
    /// Lets the kernel reach programs' memory.
    AllowAccess: "allow-access" => "msr pan, #0";
    /// Lets the kernel's loads be those of a program.
    OverrideAccess: "override-access" => "msr uao, #1";
    /// Masks interrupts, those that cannot be masked among them.
    MaskAll: "mask-all" => "msr allint, #1";
    /// Forgets predictions, of others as well.
    ForgetPredictions: "forget-predictions" => "cfp rctx, x10";
    /// SVE: the length of its vectors.
    VectorLength: "vector-length" => "rdvl x9, #1";
    /// SVE: a predicate.
    Predicate: "predicate" => "ptrue p0.b";
    /// SME: streaming mode and its array.
    StartStreaming: "start-streaming" => "smstart";
    /// SME: the length of its vectors.
    StreamingLength: "streaming-length" => "rdsvl x9, #1";
    /// A load of 64 bytes at once.
    Load64: "load-64" => "mov x10, sp", "ld64b x0, [x10]";
    /// A transaction.
    StartTransaction: "start-transaction" => ".inst 0xd5233069";
    /// Sets memory, none here.
    SetMemory: "set-memory" => "setp [x9]!, x10!, xzr";
    /// Copies memory, none here.
    CopyMemory: "copy-memory" => "mov x11, xzr", "cpyfp [x9]!, [x11]!, x10!";
    /// Guarded control stack: pushes to it.
    PushGuarded: "push-guarded" => "gcspushm x9";
    /// Guarded control stack: changes to another.
    SwitchGuarded: "switch-guarded" => "gcsss1 x9";
    /// Signs a pointer.
    SignPointer: "sign-pointer" => "pacia x9, x10";
    /// Signs data.
    SignData: "sign-data" => "pacga x9, x10, x10";
    /// A branch target.
    BranchTarget: "branch-target" => "bti c";
    /// Waits for an interrupt.
    Wait: "wait" => "wfi";
    /// Waits for an event, until a time that has passed.
    WaitEventUntil: "wait-event-until" => "wfet x10";
    /// Waits for an interrupt, until a time that has passed.
    WaitUntil: "wait-until" => "wfit x10";
    /// Makes timing independent of data.
    ConstantTime: "constant-time" => "msr dit, #1";
    /// Lets loads pass stores.
    AllowBypass: "allow-bypass" => "msr ssbs, #1";
    /// Memory tagging: checks nothing.
    CheckNoTags: "check-no-tags" => "msr tco, #1";
    /// Memory tagging: makes a tag.
    MakeTag: "make-tag" => "irg x9, x10";
    /// Memory tagging: stores a tag.
    StoreTag: "store-tag" => "stg x9, [sp]";
    /// Memory tagging: loads a tag.
    LoadTag: "load-tag" => "ldg x9, [sp]";
    /// Cleans a line of the data cache to persistent memory.
    CleanPersistent: "clean-persistent" => "mov x10, sp", "dc cvap, x10";
    /// Says that stores need not be gathered.
    GatherHint: "gather-hint" => "dgh";
    /// A barrier for speculation.
    SpeculationBarrier: "speculation-barrier" => "sb";
}
