//! What the system as a whole is asked. Only `init` has this handle at first.

use crate::device::DeviceFacts;
use crate::memory::Protection;
use crate::process::Pid;
use crate::request::{numbered, requests, words};

requests! {
    /// A request to the system.
    SystemRequest {
        /// Which machine this is. The message's bytes of the answer are the board's name.
        Describe = 0x400 {} -> Machine;
        /// How many frames there are and what became of them.
        CountFrames = 0x401 {} -> FrameCounts;
        /// The process with the lowest number above `after`; the answer's bytes are its name.
        ///
        /// `ESRCH` there is none.
        NextProcess = 0x402 {
            /// Start with `Pid(0)`.
            after: Pid,
        } -> ProcessFacts;
        /// Ends everything. No answer comes.
        ShutDown = 0x403 {
            /// For whoever started the machine, where the machine can pass it on.
            status: u32,
            /// What becomes of it.
            end: MachineEnd,
        } -> ();
        /// Reads the kernel's log from `position` on; the answer's bytes are text.
        ///
        /// `EAGAIN` nothing is there yet.
        ReadLog = 0x404 {
            /// Bytes since the start; 0 finds the oldest text still kept.
            position: u64,
        } -> (u64,);
        /// Ends the process with this number; the answer comes when it is gone. Whoever holds the system
        /// may end any process but the first: its end would be everybody's.
        ///
        /// `ESRCH` no process has that number; `EPERM` it is the first; `EINVAL` it is the caller's own.
        KillProcess = 0x405 {
            /// Whom.
            pid: Pid,
        } -> ();
        /// The mapping of a process that takes up `address`, or else the next one above.
        ///
        /// `ESRCH` no process has that number; `ENOENT` nothing is mapped from there on.
        NextMapping = 0x406 {
            /// Whose.
            pid: Pid,
            /// Start with 0, go on with the end of the last one.
            address: u64,
        } -> Mapping;
        /// For how many ticks of the system counter the threads of a process have had a CPU, the kernel's work
        /// for them included.
        ///
        /// `ESRCH` no process has that number.
        CountTicks = 0x410 {
            /// Whose.
            pid: Pid,
        } -> (u64,);
        /// A device of the board that a program may drive. The answer carries a handle to it.
        ///
        /// `ENOENT` there is none with that number; `EMFILE` too many handles.
        OpenDevice = 0x414 {
            /// Which, counted from 0.
            number: u64,
        } -> DeviceFacts;
    }
}

words! {
    /// A machine.
    Machine {
        /// CPUs the device tree lists.
        cpus: u32,
        /// CPUs that run this system.
        running: u32,
        /// Bytes of RAM the device tree lists.
        ram: u64,
        /// Bytes of the kernel image in memory.
        image: u64,
        /// Ticks per second of CNTVCT_EL0.
        clock_hz: u64,
        /// Address space identifiers of the CPU, in bits.
        asid_bits: u32,
    }
}

words! {
    /// Frames of the page allocator.
    FrameCounts {
        /// All that the allocator got.
        total: u64,
        /// Not in use.
        free: u64,
        /// Not in use, but promised.
        promised: u64,
    }
}

words! {
    /// A process.
    ProcessFacts {
        /// Number.
        pid: Pid,
        /// Number of its parent, 0 for `init`.
        parent: Pid,
        /// What it does.
        state: ProcessState,
        /// Pages of all its mappings.
        mapped: u64,
        /// Frames that are its alone, tables included.
        frames: u64,
        /// The ASID it has now, 0 if none.
        asid: u32,
    }
}

words! {
    /// A mapping of a process.
    Mapping {
        /// First address.
        start: u64,
        /// First address behind it.
        end: u64,
        /// Access.
        protection: Protection,
        /// What is behind it.
        kind: MappingKind,
        /// Identifier of the segment that is attached there, -1 if none is.
        id: i32,
        /// Its key, 0 if it has none, or none any more.
        key: i32,
    }
}

/// What is behind a mapping.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u64)]
pub enum MappingKind {
    /// Private pages.
    Private = 1,
    /// An attached segment, through tables of the process.
    Paged = 2,
    /// An attached segment, through its own tables, which all who have it attached share.
    Linked = 3,
    /// A thread's message page.
    MessagePage = 4,
    /// Memory that is no frame of the allocator: a device, or the archive of programs.
    Physical = 5,
    /// An attached segment of 2 MiB blocks.
    Blocks = 6,
}

numbered!(MappingKind: Private, Paged, Linked, MessagePage, Physical, Blocks);

/// What a process does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u64)]
pub enum ProcessState {
    /// Made, not started.
    New = 1,
    /// Runs, or could.
    Ready = 2,
    /// Waits for a message, an answer, input or a child.
    Waiting = 3,
    /// Ended, and not yet forgotten by its parent.
    Ended = 4,
}

impl ProcessState {
    /// One word for lists.
    pub const fn name(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Ready => "ready",
            Self::Waiting => "waiting",
            Self::Ended => "ended",
        }
    }
}

numbered!(ProcessState: New, Ready, Waiting, Ended);

/// What becomes of the machine when everything has ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u64)]
pub enum MachineEnd {
    /// It is switched off; where nothing can do that, it halts.
    PowerOff = 0,
    /// It starts anew, with its firmware.
    Restart = 1,
}

numbered!(MachineEnd: PowerOff, Restart);
