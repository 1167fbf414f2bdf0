//! What a process is asked: by itself about itself, by its parent about a child.

use crate::request::{numbered, requests, words};
use crate::time::ClockReading;
use crate::{Badge, CpuSet, Errno, Field, Handle, Rights, Word, Words, Words6};

/// Process number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub struct Pid(pub u32);

impl Word for Pid {
    fn into_word(self) -> u64 {
        self.0.into()
    }

    fn from_word(word: u64) -> Result<Self, Errno> {
        u32::from_word(word).map(Self)
    }
}

/// How important a thread is: of those that could run, the ones with the highest priority do, in turns.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct Priority(pub u8);

impl Priority {
    /// How many there are.
    pub const COUNT: usize = 1 << u8::BITS;
    /// The lowest.
    pub const LEAST: Self = Self(0);
    /// That of the first program, and of all others unless somebody says otherwise.
    pub const USUAL: Self = Self(128);
    /// The highest.
    pub const MOST: Self = Self(u8::MAX);
    /// Its place among all, counted from the lowest.
    #[inline]
    pub const fn index(self) -> usize {
        self.0 as usize
    }

    /// Whether it is higher than `other`, which may be nobody's.
    #[inline]
    pub fn outranks(self, other: Option<Self>) -> bool {
        other.is_none_or(|other| self.0 > other.0)
    }
}

impl Word for Priority {
    fn into_word(self) -> u64 {
        self.0.into()
    }

    fn from_word(word: u64) -> Result<Self, Errno> {
        u8::try_from(word).map(Self).map_err(|_| Errno::EINVAL)
    }
}

/// Most bytes of a process's name.
pub const NAME_BYTES: usize = 32;
/// Most supplementary groups of a process.
pub const MOST_GROUPS: usize = 8;
/// Bytes of a group in a message, the lowest first.
pub const GROUP_BYTES: usize = 4;

requests! {
    /// A request to a process. Those marked "Own" are a process's requests to itself; from anybody
    /// else, its parent too, they get `EPERM`.
    ProcessRequest {
        /// Own: creates a child. The message's bytes are its name. The answer carries two
        /// handles: the child, and the child's memory manager.
        ///
        /// `EINVAL` the name is empty, too long or not UTF-8; `ENOMEM` no frames; `ENFILE`,
        /// `EMFILE` too many processes, or too many handles of the caller.
        Create = 0x100 {} -> (Pid,);
        /// Child, before its start: gives it the one handle of the message as its handle
        /// `place`, in place of what was there.
        ///
        /// `EINVAL` no such place, not one handle, or a process that has not started and was
        /// created after the child; `EPERM` the handle lacks the right to pass it on; `EBADF` there
        /// is no such handle; `EBUSY` the child has started.
        Give = 0x101 {
            /// Place in the child's handle table.
            place: u32,
        } -> ();
        /// Child: starts it. It finds the four words in x2-x5 and the message's bytes in its
        /// message page.
        ///
        /// `EBUSY` it has started.
        Start = 0x102 {
            /// Address of its first instruction.
            entry: u64,
            /// Its first stack pointer.
            stack: u64,
            /// Word for x2.
            word0: u64,
            /// Word for x3.
            word1: u64,
            /// Word for x4.
            word2: u64,
            /// Word for x5.
            word3: u64,
        } -> ();
        /// Own: ends, with all threads. No answer comes.
        Exit = 0x103 {
            /// For the parent.
            status: i32,
        } -> ();
        /// Child: waits until it has ended and all it held is given back. Can be asked again, and
        /// by several at once.
        ///
        /// `EINVAL` it is the caller itself.
        Wait = 0x104 {} -> End;
        /// Child: ends it. Returns when it is gone.
        ///
        /// `EINVAL` it is the caller itself.
        Kill = 0x105 {} -> ();
        /// Own: creates an endpoint. The answer carries one handle with all rights.
        ///
        /// `ENFILE`, `EMFILE` too many endpoints or handles.
        CreateEndpoint = 0x106 {} -> ();
        /// Own: makes another handle to the same object. The answer carries it.
        ///
        /// `EBADF` no such handle; `EPERM` it lacks the right to pass on, or the rights asked
        /// for; `EINVAL` a badge for a handle that has one; `EMFILE` too many handles.
        Derive = 0x107 {
            /// From this.
            handle: Handle,
            /// With these rights.
            rights: Rights,
            /// And this badge, 0 for the same.
            badge: Badge,
        } -> ();
        /// Own: closes a handle.
        ///
        /// `EBADF` no such handle.
        Close = 0x108 {
            /// This one.
            handle: Handle,
        } -> ();
        /// Own or child: its number.
        Identify = 0x10a {} -> (Pid,);
        /// Own or child: what time it is.
        ReadClock = 0x10b {} -> ClockReading;
        /// Own: makes a child that is a copy of the caller and goes on where the caller does, with
        /// the same registers. The caller is answered the child's number and one handle, the child;
        /// the child is answered 0. Private memory is copied when one of the two writes to it;
        /// attachments are attachments of both. Handles that name the caller or its memory manager
        /// name the child's own there; endpoints can be called and not received from; other
        /// processes and their memory managers are left out. All others are the same, at the same
        /// places.
        ///
        /// `ENOMEM` what the child may write to cannot be promised, or there is no slot for a mapping;
        /// `ENFILE`, `EMFILE` too many processes, or too many handles of the caller; `EPERM` handle 2
        /// is not the caller's own memory manager: whoever stands in between would take the
        /// child's requests for the caller's; `EAGAIN` memory is being moved to the caller.
        Fork = 0x110 {} -> (Pid,);
        /// Own: becomes the process whose handle is the one of the message, and which has not started:
        /// takes over its memory, its handles and its name, and starts as it would, with the
        /// message's bytes in its message page. Number, parent, credential, and the handles by which
        /// others know the caller, stay. What the caller had is given back before, its attachments
        /// too; no answer comes.
        ///
        /// `EINVAL` not one handle; `EBADF` no process; `EPERM` the handle lacks the right to call it;
        /// `EBUSY` it has started. Then all is as before.
        Become = 0x111 {
            /// As in `Start`.
            entry: u64,
            /// As in `Start`.
            stack: u64,
            /// Word for x2.
            word0: u64,
            /// Word for x3.
            word1: u64,
            /// Word for x4.
            word2: u64,
            /// Word for x5.
            word3: u64,
        } -> ();
        /// Own: the calling thread waits until the system counter, as programs read it (CNTVCT_EL0), is at
        /// `deadline`, or goes on at once if it has passed that.
        Sleep = 0x11a {
            /// Ticks.
            deadline: u64,
        } -> ();
        /// Own: makes another thread of the caller's process, with a message page of its own. The answer
        /// carries its number and a handle of it. It begins at `entry` with `word` in x2; x0, x1 and
        /// x3-x8 say that nothing came along, and all others are 0.
        ///
        /// `EAGAIN` the process has [`MOST_THREADS`](crate::layout::MOST_THREADS) threads, those included
        /// that have ended while a handle names them; `ENFILE`, `EMFILE` too many threads, or too many
        /// handles of the caller; `ENOMEM` no frame for its message page.
        CreateThread = 0x112 {
            /// Address of its first instruction.
            entry: u64,
            /// Its first stack pointer.
            stack: u64,
            /// Word for x2.
            word: u64,
            /// TPIDR_EL0: a pointer of the thread's own.
            pointer: u64,
        } -> (u32,);
        /// Own: ends the thread that asks, which gets no answer. Its message page stays, for the next thread with
        /// its number. The last thread takes its process along.
        ExitThread = 0x113 {
            /// For those who wait.
            status: i32,
        } -> ();
        /// Own or child: for how many ticks of the system counter its threads have had a CPU, the kernel's work
        /// for them included. Of one that has ended, too.
        CountTicks = 0x11b {} -> (u64,);
        /// Own or child: sets its priority, and the highest that it may ask for from now on. A child begins with
        /// those of who makes it.
        ///
        /// `EPERM` the priority is higher than that, or that is higher than the caller's own and the caller is
        /// not user 0; `EINVAL` no priority; `ESRCH` it has ended.
        SetPriority = 0x11c {
            /// How important it is.
            priority: Priority,
            /// The highest.
            highest: Priority,
        } -> ();
        /// Own or child: its priority, and the highest that it may ask for.
        ///
        /// `ESRCH` it has ended.
        ReadPriority = 0x11d {} -> PriorityFacts;
        /// Own, or child before its start: sets user and group, and the supplementary groups to those in
        /// the message's bytes, four bytes each, at most 8. A child begins with what its parent is. What
        /// a process has attached, and the handles it has, stay.
        ///
        /// `EPERM` the caller is not user 0 and asks for anything but what it is itself; `EINVAL` a user
        /// or group of -1, or bytes that are no groups; `EBUSY` the child has started.
        SetCredential = 0x118 {
            /// User.
            uid: u32,
            /// Group.
            gid: u32,
        } -> ();
        /// Own or child: its user, group and, in the answer's bytes, supplementary groups.
        ///
        /// `ESRCH` it has ended.
        ReadCredential = 0x119 {} -> UserAndGroup;
        /// Own: takes the caller of the message that the thread received last along as a handle, with
        /// which whoever holds it can answer, once, whenever and in whatever order (`Reply`). The
        /// answer carries that handle. If it, and every copy of it, is closed without an answer, the caller
        /// gets [`PeerGone`](crate::IpcError::PeerGone).
        ///
        /// `ESRCH` no caller waits for the thread's answer; `EMFILE` too many handles of the process.
        TakeCaller = 0x120 {} -> ();
        /// Child: signals the endpoint whose handle is the one of the message when the process has ended, or at
        /// once if it has: so that its end can be waited for together with other things. `Wait` then answers at
        /// once how it ended. Only who asked last is told; the endpoint is not kept.
        ///
        /// `EINVAL` not one handle, or the caller's own process; `EBADF` no endpoint; `EPERM` the handle is not
        /// one to signal with.
        SignalEnd = 0x128 {} -> ();
        /// Child: waits as `Wait` does, and closes a handle of the caller's that names it when it has ended. If the wait ends
        /// otherwise, the handle is still there.
        ///
        /// `EBADF` the handle does not name it; `EINVAL` it is the caller itself.
        WaitAndClose = 0x129 {
            /// This one.
            handle: Handle,
        } -> End;
        /// Own or child: from now on whoever receives at the endpoint whose handle is the one of the message is told
        /// of each fault of one of its threads, and decides what becomes of it ([`fault`](crate::fault)), with the
        /// badge of that handle; without a handle nobody is, and a fault ends the process. The endpoint is not kept:
        /// when nobody can receive there any more, it is as if nobody had been named. Not told are an error of the
        /// memory system, and a fault of the thread that was the last to wait there for a message. A copy of the
        /// process begins with the same handler, and a process that becomes another keeps its own.
        ///
        /// `EINVAL` more than one handle; `EBADF` no endpoint; `EPERM` the handle is not one to call or to pass on;
        /// `ESRCH` it has ended.
        HandleFaults = 0x130 {} -> ();
        /// Own: a handle of the thread whose fault the calling thread has received last, and has neither answered nor
        /// taken along, with all rights. The answer carries it.
        ///
        /// `ESRCH` there is none; `EMFILE` too many handles of the process.
        OpenFaulted = 0x131 {} -> ();
        /// Own or child: lets all its threads run on these CPUs alone, of which those count that run. A thread that runs
        /// or waits elsewhere goes on among them from its next turn on; the caller, before it gets the answer. A
        /// child, a copy and a new thread begin with the CPUs of the thread that makes them.
        ///
        /// `EINVAL` none of these CPUs runs; `ESRCH` it has ended.
        SetCpus = 0x140 {
            /// Where they may run.
            cpus: CpuSet,
        } -> ();
        /// Own or child: on which CPUs a thread of it may run; of its own process, the thread that asks.
        ///
        /// `ESRCH` it has ended.
        ReadCpus = 0x141 {} -> CpuFacts;
    }
}

words! {
    /// Where a thread runs.
    CpuFacts {
        /// The CPUs that it may run on.
        cpus: CpuSet,
        /// The number of the one that it runs on, or did last.
        cpu: u32,
    }
}

words! {
    /// How important a process is.
    PriorityFacts {
        /// By itself.
        priority: Priority,
        /// The highest that it may ask for.
        highest: Priority,
    }
}

words! {
    /// Whose permissions a process has. There are only effective ids.
    UserAndGroup {
        /// User. For user 0 permissions are no obstacle.
        uid: u32,
        /// Group.
        gid: u32,
    }
}

/// How a process ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// It called exit with this status.
    Exited(i32),
    /// It did something the machine does not allow, at this address.
    Faulted(FaultKind, u64),
    /// Its parent killed it.
    Killed,
}

/// What a process did that ended it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u64)]
pub enum FaultKind {
    /// Touched an address where nothing is mapped.
    Unmapped = 1,
    /// Touched memory in a way its mapping does not allow.
    NotPermitted = 2,
    /// Touched memory for which no frame could be had.
    OutOfMemory = 3,
    /// Unaligned or otherwise impossible access.
    BadAccess = 4,
    /// An instruction that does not exist or is not allowed.
    BadInstruction = 5,
    /// A breakpoint that nobody handles.
    Breakpoint = 6,
    /// An error reported by the memory system.
    Hardware = 7,
}

numbered!(
    FaultKind: Unmapped, NotPermitted, OutOfMemory, BadAccess, BadInstruction, Breakpoint, Hardware,
);

impl Words for End {
    const NAMES: &'static [&'static str] = &["how", "what", "address"];
    const FIELDS: &'static [Field] = &[
        Field {
            name: "how",
            kind: "u64",
            text: &["1 exited, 2 faulted, 3 killed."],
        },
        Field {
            name: "what",
            kind: "u64",
            text: &["Its exit status, or a [`FaultKind`]."],
        },
        Field {
            name: "address",
            kind: "u64",
            text: &["Of a fault."],
        },
    ];

    fn into_words(self) -> Words6 {
        match self {
            Self::Exited(status) => [1, status.into_word(), 0, 0, 0, 0],
            Self::Faulted(kind, address) => [2, kind.into_word(), address, 0, 0, 0],
            Self::Killed => [3, 0, 0, 0, 0, 0],
        }
    }

    fn from_words(words: &Words6) -> Result<Self, Errno> {
        match words[0] {
            1 => i32::from_word(words[1]).map(Self::Exited),
            2 => FaultKind::from_word(words[1]).map(|kind| Self::Faulted(kind, words[2])),
            3 => Ok(Self::Killed),
            _ => Err(Errno::EINVAL),
        }
    }
}

words! {
    /// What `init` finds in its start message (x2-x5).
    InitStart {
        /// Address of the program archive, mapped read-only; 0 if there is none.
        archive: u64,
        /// Its bytes.
        archive_bytes: u64,
    }
}
