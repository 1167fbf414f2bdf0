//! The list of hostile acts, and how each is supposed to end.

use crate::{bombs, handles, instructions, memory, messages, registers};
use abi::process::FaultKind;
use rt::Outcome;
use rt::hazard::Instruction;
use tests::Family;

/// One hostile act.
#[derive(Clone, Copy)]
pub struct Act {
    /// Its name on the command line.
    pub name: &'static str,
    /// How it ends.
    pub expected: Expected,
    /// Does it. Ends the process if a fault is expected.
    pub perform: fn(&Family) -> Outcome,
}

/// How an act ends if the kernel is right.
#[derive(Clone, Copy, Debug)]
pub enum Expected {
    /// The program comes out of it.
    Success,
    /// The kernel ends the program for one of these.
    Fault(&'static [FaultKind]),
    /// The program comes out of it, or the CPU does not know the instruction.
    Harmless,
}

const UNMAPPED: Expected = Expected::Fault(&[FaultKind::Unmapped]);
const NOT_PERMITTED: Expected = Expected::Fault(&[FaultKind::NotPermitted]);
const BAD_ACCESS: Expected = Expected::Fault(&[FaultKind::BadAccess]);
/// Kernel memory may be mapped there or not; a program is not told which.
const FORBIDDEN: Expected = Expected::Fault(&[FaultKind::Unmapped, FaultKind::NotPermitted]);

/// All acts but those that need arguments.
pub fn all() -> impl Iterator<Item = Act> {
    ACTS.iter().copied().chain(INSTRUCTIONS.iter().copied())
}

const fn act(name: &'static str, expected: Expected, perform: fn(&Family) -> Outcome) -> Act {
    Act {
        name,
        expected,
        perform,
    }
}

const ACTS: &[Act] = &[
    act("read-null", UNMAPPED, |_| memory::read(0)),
    act("write-null", UNMAPPED, |_| memory::write(0)),
    act("jump-null", UNMAPPED, |_| memory::jump(0)),
    act("read-kernel", FORBIDDEN, |_| memory::read(0xffff_0000_0000_0000)),
    act("read-kernel-top", FORBIDDEN, |_| memory::read(u64::MAX - 7)),
    act("write-kernel", FORBIDDEN, |_| {
        memory::write(0xffff_ffff_8000_0000)
    }),
    act("jump-kernel", FORBIDDEN, |_| memory::jump(0xffff_0000_0000_0000)),
    act("read-behind-user-space", FORBIDDEN, |_| {
        memory::read(abi::layout::USER_END)
    }),
    act("read-between-spaces", FORBIDDEN, |_| {
        memory::read(0x0123_0000_0000_0000)
    }),
    act("jump-unaligned", BAD_ACCESS, |_| memory::jump_unaligned()),
    act("write-text", NOT_PERMITTED, |_| memory::write_text()),
    act("write-constant", NOT_PERMITTED, |_| memory::write_constant()),
    act("jump-to-data", NOT_PERMITTED, |_| memory::jump_to_data()),
    act("jump-to-stack", NOT_PERMITTED, |_| memory::jump_to_stack()),
    act("jump-to-heap", NOT_PERMITTED, |_| memory::jump_to_heap()),
    act("overflow-stack", UNMAPPED, |_| memory::overflow_stack()),
    act(
        "read-other-process",
        Expected::Success,
        memory::read_other_process,
    ),
    act("take-message-page", Expected::Success, |_| {
        memory::take_message_page()
    }),
    act("map-bomb", Expected::Success, |_| bombs::map()),
    act("map-large-bomb", Expected::Success, |_| bombs::map_large()),
    act("segment-bomb", Expected::Success, |_| bombs::create_segments()),
    act("attach-bomb", Expected::Success, |_| bombs::attach()),
    act("handle-bomb", Expected::Success, |_| bombs::derive_handles()),
    act("endpoint-bomb", Expected::Success, |_| bombs::create_endpoints()),
    act("process-bomb", Expected::Success, |_| bombs::create_processes()),
    act("region-bomb", Expected::Success, |_| bombs::create_regions()),
    act("fork-bomb", Expected::Success, |_| bombs::fork()),
    act("kill-strangers", Expected::Success, |_| handles::kill_strangers()),
    act("guess-handles", Expected::Success, |_| handles::guess()),
    act("use-closed-handle", Expected::Success, |_| handles::use_closed()),
    act("give-everything", Expected::Success, |_| {
        handles::give_everything()
    }),
    act("nonsense", Expected::Success, |_| {
        messages::send_nonsense(1, 5_000)
    }),
    act("reach-registers", Expected::Success, |_| registers::reach()),
    act("keep-registers", Expected::Success, |_| registers::keep()),
    act("execute-anything", Expected::Success, |_| {
        instructions::execute_anything(1, 2_000)
    }),
];

macro_rules! instructions {
    ($($instruction:ident: $expected:expr,)*) => {
        /// One act for each instruction that EL0 must not execute, or that might be harmless.
        const INSTRUCTIONS: &[Act] = &[$(act(
            Instruction::$instruction.name(),
            $expected,
            |_| execute(Instruction::$instruction),
        )),*];
    };
}

const BREAKPOINT: Expected = Expected::Fault(&[FaultKind::Breakpoint]);
const UNDEFINED: Expected = Expected::Fault(&[FaultKind::BadInstruction]);

instructions! {
    Undefined: UNDEFINED,
    Unallocated: UNDEFINED,
    Breakpoint: BREAKPOINT,
    Halt: UNDEFINED,
    LinuxCall: UNDEFINED,
    UnknownCall: UNDEFINED,
    OtherCall: UNDEFINED,
    OtherReply: UNDEFINED,
    HypervisorCall: UNDEFINED,
    FirmwareCall: UNDEFINED,
    ReadControl: UNDEFINED,
    WriteControl: UNDEFINED,
    ReadTables: UNDEFINED,
    WriteTables: UNDEFINED,
    WriteVectors: UNDEFINED,
    MaskInterrupts: UNDEFINED,
    ExceptionReturn: UNDEFINED,
    InvalidateTlb: UNDEFINED,
    InvalidateCache: UNDEFINED,
    Translate: UNDEFINED,
    WriteTimer: UNDEFINED,
    EnterDebug: UNDEFINED,
    LeaveDebug: UNDEFINED,
    SelectStack: UNDEFINED,
    AllowAccess: UNDEFINED,
    OverrideAccess: UNDEFINED,
    MaskAll: UNDEFINED,
    ForgetPredictions: UNDEFINED,
    // State that the kernel does not switch, so it stays closed.
    VectorLength: UNDEFINED,
    Predicate: UNDEFINED,
    StartStreaming: UNDEFINED,
    StreamingLength: UNDEFINED,
    Load64: UNDEFINED,
    StartTransaction: UNDEFINED,
    SetMemory: UNDEFINED,
    CopyMemory: UNDEFINED,
    // Harmless, or unknown to the CPU, or hints that do nothing.
    PushGuarded: Expected::Harmless,
    SwitchGuarded: Expected::Harmless,
    SignPointer: Expected::Harmless,
    SignData: Expected::Harmless,
    BranchTarget: Expected::Harmless,
    Wait: Expected::Success,
    WaitEventUntil: Expected::Harmless,
    WaitUntil: Expected::Harmless,
    ConstantTime: Expected::Harmless,
    AllowBypass: Expected::Harmless,
    CheckNoTags: Expected::Harmless,
    MakeTag: Expected::Harmless,
    StoreTag: Expected::Harmless,
    LoadTag: Expected::Harmless,
    CleanPersistent: Expected::Harmless,
    GatherHint: Expected::Harmless,
    SpeculationBarrier: Expected::Harmless,
}

const _: () = assert!(INSTRUCTIONS.len() == Instruction::ALL.len());

fn execute(instruction: Instruction) -> Outcome {
    instruction.execute();
    Ok(())
}
