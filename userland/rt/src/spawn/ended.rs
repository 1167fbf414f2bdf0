//! How a process ended, in words.

use abi::process::{End, FaultKind};
use core::fmt;

/// Prints as the end of a sentence that starts with the process's name.
#[derive(Clone, Copy, Debug)]
pub struct Ended(pub End);

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            End::Exited(status) => write!(f, "exited with status {status}"),
            End::Faulted(kind, address) => {
                write!(f, "was ended for {} at {address:#x}", deed(kind))
            }
            End::Killed => f.write_str("was killed"),
        }
    }
}

/// What the process did.
fn deed(kind: FaultKind) -> &'static str {
    match kind {
        FaultKind::Unmapped => "touching memory that is not mapped",
        FaultKind::NotPermitted => "an access that the mapping does not permit",
        FaultKind::OutOfMemory => "touching memory when none was left",
        FaultKind::BadAccess => "an impossible memory access",
        FaultKind::BadInstruction => "an instruction that does not exist or is not allowed",
        FaultKind::Breakpoint => "a breakpoint that nobody handles",
        FaultKind::Hardware => "an error in the memory system",
    }
}
