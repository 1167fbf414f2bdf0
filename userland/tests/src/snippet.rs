//! Processes that are no programs: some instructions, given as numbers, and then the end.

use abi::layout::{PAGE_BYTES, PROGRAM_BASE, STACK_TOP};
use abi::memory::Protection;
use abi::process::{End, Exit, Start};
use abi::{Handle, Request};
use alloc::vec::Vec;
use rt::spawn::{Child, Unstarted};
use rt::{Error, sys};

/// A general-purpose register, x0 to x30 by number.
pub type General = u32;

/// Instructions of a process. It starts with the words it is given in x2 to x5, and no stack; a
/// trap changes x0 to x17.
#[derive(Clone, Debug, Default)]
pub struct Snippet {
    code: Vec<u32>,
}

impl Snippet {
    /// Executes this.
    pub fn then(mut self, instruction: u32) -> Self {
        self.code.push(instruction);
        self
    }

    /// Leaves 1 in `to` if the two differ, else 0.
    pub fn differ(self, to: General, one: General, other: General) -> Self {
        let compare = 0xeb00_001f | other << 16 | one << 5;
        let set_if_not_equal = 0x9a9f_07e0 | to;
        self.then(compare).then(set_if_not_equal)
    }

    /// Lets others run.
    pub fn pause(self) -> Self {
        self.then(set(8, abi::Operation::Yield as u32)).then(TRAP)
    }

    /// Ends with the lower half of `status`.
    fn exit(self, status: General) -> Self {
        let copy_lower_half_to_x2 = 0x2a00_03e2 | status << 16;
        self.then(copy_lower_half_to_x2).call(Exit::LABEL.0)
    }

    /// A request of the process to itself.
    fn call(self, label: u16) -> Self {
        self.then(set(0, Handle::SELF.raw()))
            .then(set(1, label.into()))
            .then(set(8, 0))
            .then(TRAP)
    }

    /// Starts a process that executes this, and ends with the lower half of `status`.
    ///
    /// # Errors
    /// What the kernel refused.
    pub fn start(self, status: General, words: [u64; 4]) -> Result<Child, Error> {
        let code = self.exit(status).code;
        let process = Unstarted::create("snippet")?;
        let bytes: Vec<u8> = code
            .iter()
            .flat_map(|instruction| instruction.to_le_bytes())
            .collect();
        let protection = Protection::READ | Protection::EXEC;
        sys::memory::map_copy(process.memory(), &bytes, PROGRAM_BASE, PAGE_BYTES, protection)?;
        let [word0, word1, word2, word3] = words;
        let start = Start {
            entry: PROGRAM_BASE,
            stack: STACK_TOP,
            word0,
            word1,
            word2,
            word3,
        };
        process.start(start, b"")
    }

    /// The same, and waits for its end.
    ///
    /// # Errors
    /// What the kernel refused.
    pub fn run(self, status: General, words: [u64; 4]) -> Result<End, Error> {
        self.start(status, words)?.wait()
    }
}

/// `svc #1`.
const TRAP: u32 = 0xd400_0021;

/// `mov`.
fn set(register: General, value: u32) -> u32 {
    0xd280_0000 | value << 5 | register
}
