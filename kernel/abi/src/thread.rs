//! What a thread is asked by those who have a handle of it.

use crate::process::{CpuFacts, End, Pid, Priority};
use crate::request::{requests, words};
use crate::{CpuSet, Handle};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

requests! {
    /// A request to a thread.
    ThreadRequest {
        /// Waits until it has ended. Can be asked again, and by several at once. A thread that its process
        /// has taken along has ended as that did.
        ///
        /// `EINVAL` it is the caller itself.
        Join = 0x500 {} -> End;
        /// Which one it is.
        IdentifyThread = 0x501 {} -> ThreadFacts;
        /// Waits as `Join` does, and closes a handle of the caller's that names it: so a thread that nobody else has a handle
        /// of takes one request when it has done its work. When it has ended, that is; if the wait ends otherwise, the
        /// handle is still there.
        ///
        /// `EBADF` the handle does not name it; `EINVAL` it is the caller itself.
        JoinAndClose = 0x502 {
            /// This one.
            handle: Handle,
        } -> End;
        /// Sets its own priority. A thread begins with that of who makes it.
        ///
        /// `EPERM` its process may not ask for one that high; `EINVAL` no priority.
        SetThreadPriority = 0x510 {
            /// How important it is.
            priority: Priority,
        } -> ();
        /// Lets it run on these CPUs alone, as [`SetCpus`](crate::process::SetCpus) does.
        ///
        /// `EPERM` the handle lacks the right to control it; `EINVAL` none of these CPUs runs; `ESRCH` it has ended.
        SetThreadCpus = 0x514 {
            /// Where it may run.
            cpus: CpuSet,
        } -> ();
        /// On which CPUs it may run.
        ///
        /// `ESRCH` it has ended.
        ReadThreadCpus = 0x515 {} -> CpuFacts;
        /// Lets it wait no longer for others, for a word or for a time, whatever that is and until when:
        /// its trap comes back with [`Cancelled`](crate::IpcError::Cancelled). Answers 1 then. If it waits for
        /// nothing of that, nothing happens and the answer is 0: it may be about to, and will not remember
        /// that somebody has asked.
        ///
        /// `EPERM` the handle lacks the right to control it; `ESRCH` it has ended.
        Cancel = 0x520 {} -> (u32,);
        /// Its registers, while it waits for the handler of its fault: the answer's bytes are
        /// [`ThreadRegisters`].
        ///
        /// `EPERM` the handle lacks the right to control it; `EBUSY` it does not wait for that; `ESRCH` it has
        /// ended.
        ReadRegisters = 0x521 {} -> ();
        /// The same registers are to be those in the message's bytes when it goes on. Of its PSTATE, only the
        /// flags N, Z, C and V are taken from there.
        ///
        /// `EINVAL` the bytes are no [`ThreadRegisters`]; else as `ReadRegisters`.
        WriteRegisters = 0x522 {} -> ();
    }
}

/// The registers of a thread, but for FP and SIMD.
#[derive(Clone, Copy, PartialEq, Eq, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct ThreadRegisters {
    /// x0 to x30.
    pub x: [u64; 31],
    /// SP.
    pub sp: u64,
    /// The address of the instruction that comes next: of the one that has faulted, at first.
    pub pc: u64,
    /// PSTATE, as in SPSR_EL1.
    pub pstate: u64,
    /// TPIDR_EL0.
    pub pointer: u64,
}

impl ThreadRegisters {
    /// How many bytes they are in a message.
    pub const BYTES: usize = size_of::<Self>();

    /// As they are in a message.
    pub fn to_bytes(&self) -> [u8; Self::BYTES] {
        zerocopy::transmute!(*self)
    }

    /// Out of a message; `None` if it has more bytes, or fewer.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Self::read_from_bytes(bytes).ok()
    }
}

words! {
    /// Which one a thread is.
    ThreadFacts {
        /// The number of its process.
        pid: Pid,
        /// Its own number in that process, which another thread may have when it has ended.
        number: u32,
    }
}
