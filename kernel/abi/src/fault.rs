//! What the handler of a process's faults is asked, by the kernel in the name of the thread that has faulted.

use crate::process::{FaultKind, Pid};
use crate::request::{numbered, requests};

requests! {
    /// A request to the handler of a process's faults: whoever receives at the endpoint that
    /// [`HandleFaults`](crate::process::HandleFaults) has named. It is received as
    /// [`Arrival::Fault`](crate::Arrival::Fault), so no program can send one.
    FaultRequest {
        /// The thread has done what the machine does not allow, and waits. Answered with label 0, it does
        /// once more what it was about to do, with the registers that it had or that
        /// [`WriteRegisters`](crate::thread::WriteRegisters) has given it. With any error, or without an answer, its process ends as
        /// one does whose faults nobody handles. Whatever else the answer brings is not looked at.
        Resolve = 0x700 {
            /// What it has done.
            kind: FaultKind,
            /// How it has touched memory, if that is what it has done.
            access: FaultAccess,
            /// What it has touched, or the address of an instruction that it cannot execute.
            address: u64,
            /// The address of the instruction.
            pc: u64,
            /// The number of its process.
            pid: Pid,
            /// Its own number in that process.
            thread: u32,
        } -> ();
    }
}

/// How memory was touched.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u64)]
pub enum FaultAccess {
    /// Not at all: it is no fault of memory, or no access that the machine tells.
    None = 0,
    /// Read.
    Read = 1,
    /// Written.
    Write = 2,
    /// Executed.
    Execute = 3,
}

numbered!(FaultAccess: None, Read, Write, Execute);
