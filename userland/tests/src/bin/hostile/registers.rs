//! Acts with system registers: a program reaches none but those of a short list, and what it
//! writes to one of these is its own.
//!
//! Every register that EL0 could have is tried, by number, so that one which a new CPU brings along is
//! noticed here: it would carry words from one process to another.

use abi::process::{End, FaultKind};
use alloc::format;
use rt::{Failure, Outcome, println};
use tests::Snippet;

/// A system register, by op0, op1, CRn, CRm and op2 (Arm ARM, "System instruction class encoding
/// space"): bits 20 to 5 of the instructions MRS and MSR.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Register(u32);

const fn register(op0: u32, op1: u32, crn: u32, crm: u32, op2: u32) -> Register {
    Register(op0 << 14 | op1 << 11 | crn << 7 | crm << 3 | op2)
}

/// What a program may do with a register that it reaches.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Use {
    Read,
    /// And write; then it is switched with the thread.
    ReadWrite,
}

/// All registers that a program may reach, on CPUs that have them.
const OPEN: &[(&str, Register, Use)] = &[
    ("CTR_EL0", register(3, 3, 0, 0, 1), Use::Read),
    ("DCZID_EL0", register(3, 3, 0, 0, 7), Use::Read),
    ("RNDR", register(3, 3, 2, 4, 0), Use::Read),
    ("RNDRRS", register(3, 3, 2, 4, 1), Use::Read),
    ("NZCV", register(3, 3, 4, 2, 0), Use::ReadWrite),
    ("DIT", register(3, 3, 4, 2, 5), Use::ReadWrite),
    ("SSBS", register(3, 3, 4, 2, 6), Use::ReadWrite),
    ("TCO", register(3, 3, 4, 2, 7), Use::ReadWrite),
    ("FPCR", register(3, 3, 4, 4, 0), Use::ReadWrite),
    ("FPSR", register(3, 3, 4, 4, 1), Use::ReadWrite),
    // What else of the counters is open: nothing, it says.
    ("PMUSERENR_EL0", register(3, 3, 9, 14, 0), Use::Read),
    ("AMUSERENR_EL0", register(3, 3, 13, 2, 3), Use::Read),
    ("TPIDR_EL0", register(3, 3, 13, 0, 2), Use::ReadWrite),
    ("TPIDRRO_EL0", register(3, 3, 13, 0, 3), Use::Read),
    ("CNTFRQ_EL0", register(3, 3, 14, 0, 0), Use::Read),
    ("CNTVCT_EL0", register(3, 3, 14, 0, 2), Use::Read),
    ("CNTVCTSS_EL0", register(3, 3, 14, 0, 6), Use::Read),
];

impl Register {
    /// All that EL0 could have: op1 is 3 for them, op0 is 2 for those of debugging.
    fn of_el0() -> impl Iterator<Item = Self> {
        [2, 3].into_iter().flat_map(|op0| {
            let first = register(op0, 3, 0, 0, 0).0;
            (first..first + (1 << 11)).map(Self)
        })
    }

    fn read_to(self, general: u32) -> u32 {
        0xd520_0000 | self.0 << 5 | general
    }

    fn write_from(self, general: u32) -> u32 {
        0xd500_0000 | self.0 << 5 | general
    }

    fn known(self) -> Option<Use> {
        let found = OPEN.iter().find(|(_, register, _)| *register == self);
        found.map(|(.., allowed)| *allowed)
    }

    fn name(self) -> &'static str {
        let found = OPEN.iter().find(|(_, register, _)| *register == self);
        found.map_or("unknown", |(name, ..)| name)
    }
}

/// Tries all, to read and to write, each in a process of its own.
pub fn reach() -> Outcome {
    let (mut read, mut written) = (0, 0);
    for register in Register::of_el0() {
        if attempt(register, register.read_to(2), register.known().is_some())? {
            read += 1;
        }
        let writable = register.known() == Some(Use::ReadWrite);
        if attempt(register, register.write_from(2), writable)? {
            written += 1;
        }
    }
    println!("hostile: {read} system registers could be read, {written} written");
    Ok(())
}

/// Whether that was possible; it is an error if it must not be.
fn attempt(register: Register, instruction: u32, allowed: bool) -> Result<bool, Failure> {
    match Snippet::default().then(instruction).run(2, [0; 4])? {
        End::Faulted(FaultKind::BadInstruction, _) => Ok(false),
        End::Exited(_) if allowed => Ok(true),
        end => Err(Failure::new(format!(
            "hostile: instruction {instruction:#x}, {}: {end:?}",
            register.name()
        ))),
    }
}

/// Writes words of two processes to each register that can be written, while both run, and looks
/// whether each finds its own again, and nobody any afterwards.
pub fn keep() -> Outcome {
    for (name, register, _) in OPEN.iter().filter(|(.., allowed)| *allowed == Use::ReadWrite) {
        let before = halves(*register)?;
        let children = [PATTERN, !PATTERN].map(|pattern| holder(*register).start(19, [pattern, 0, 0, 0]));
        for child in children {
            match child?.wait()? {
                End::Exited(0) | End::Faulted(FaultKind::BadInstruction, _) => {}
                end => return Err(Failure::new(format!("hostile: {name} was not kept: {end:?}"))),
            }
        }
        if halves(*register)? != before {
            return Err(Failure::new(format!(
                "hostile: {name} tells one process of another"
            )));
        }
    }
    Ok(())
}

/// Bits of both values everywhere.
const PATTERN: u64 = 0xa5c3_96f0_5a3c_690f;
/// How often the two take turns.
const TURNS: u32 = 8;

/// Writes x2 to the register, lets others run, and ends with 1 if another value is there then.
fn holder(register: Register) -> Snippet {
    let mut snippet = Snippet::default()
        .then(register.write_from(2))
        .then(register.read_to(20));
    for _ in 0..TURNS {
        snippet = snippet.pause();
    }
    snippet.then(register.read_to(21)).differ(19, 20, 21)
}

/// What a new process finds in the register.
fn halves(register: Register) -> Result<[End; 2], Failure> {
    const SHIFT_X2_RIGHT_BY_32: u32 = 0xd360_fc42;
    let read = || Snippet::default().then(register.read_to(2));
    let low = read().run(2, [0; 4])?;
    Ok([low, read().then(SHIFT_X2_RIGHT_BY_32).run(2, [0; 4])?])
}
