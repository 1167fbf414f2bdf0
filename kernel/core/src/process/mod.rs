//! Processes: an address space, handles, threads, and how all that begins and ends.

mod begin;
mod defer;
mod end;
mod exec;
mod fork;
mod join;
mod siblings;
mod threads;

pub use begin::FirstStart;
pub use threads::Threads;

use crate::handle::{Count, HandleTable};
use crate::handler::FaultHandler;
use crate::ipc::SignalTarget;
use crate::kernel::Kernel;
use crate::platform::Platform;
use crate::queue::Queue;
use crate::thread::State;
use abi::process::{End, NAME_BYTES, Pid, Priority};
use abi::system::ProcessState;
use mm::{SpaceId, Uid};
use slots::Id;

/// Names a process.
pub type ProcessId = Id<Process>;

/// A process.
pub struct Process {
    /// Its number.
    pub pid: Pid,
    /// How many processes were made before it. Unlike its number, it never starts over.
    pub serial: u64,
    /// Who created it; 0 for the first.
    pub parent: Pid,
    /// Whose it is, also when it has ended.
    pub user: Uid,
    /// For people.
    pub name: Name,
    /// Where it is in its life.
    pub stage: Stage,
    /// Its address space, until that is destroyed.
    pub space: Option<SpaceId>,
    /// Its threads.
    pub threads: Threads,
    /// Those of them that wait until another one's work on the address space is done.
    pub deferred: Queue,
    /// Its handles.
    pub handles: HandleTable,
    /// Handles that name it. An ended process is forgotten when there is none, and none that names one of
    /// its threads.
    pub references: Count,
    /// Threads that wait for its end.
    pub waiters: Queue,
    /// Who is told of its end besides.
    pub end_signal: Option<SignalTarget>,
    /// Who is told of the faults of its threads.
    pub fault_handler: Option<FaultHandler>,
    /// The highest priority that it may ask for.
    pub highest_priority: Priority,
    /// Ticks of the system counter for which threads that it does not have any more had a CPU.
    pub ticks: u64,
}

impl Process {
    /// What each is made of: nothing but zeroes, which are written where it is to be. A process with values of its own would be
    /// made elsewhere and copied, with all places for handles.
    const fn blank() -> Self {
        Self {
            pid: Pid(0),
            serial: 0,
            parent: Pid(0),
            user: Uid(0),
            name: Name::NONE,
            stage: Stage::New,
            space: None,
            threads: Threads::NONE,
            deferred: Queue::EMPTY,
            handles: HandleTable::empty(),
            references: Count::none(),
            waiters: Queue::EMPTY,
            end_signal: None,
            fault_handler: None,
            highest_priority: Priority(0),
            ticks: 0,
        }
    }
}

/// The life of a process.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)] // so that what is new is 0
pub enum Stage {
    /// Made, not started.
    New,
    /// Runs.
    Alive,
    /// On its way out, for this reason. The last thread that leaves takes it apart.
    Ending(End),
    /// All it held is given back.
    Ended(End),
}

/// A name of up to 32 bytes. It consists of words, so that it is copied by words.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(align(8))]
pub struct Name {
    bytes: [u8; NAME_BYTES],
    length: usize,
}

impl Name {
    const NONE: Self = Self {
        bytes: [0; NAME_BYTES],
        length: 0,
    };

    /// `None` if empty, too long, not UTF-8, or with control characters, which would confuse
    /// whoever reads lists.
    pub fn new(bytes: &[u8]) -> Option<Self> {
        let text = core::str::from_utf8(bytes).ok()?;
        if text.is_empty() || text.chars().any(char::is_control) {
            return None;
        }
        let mut name = Self {
            bytes: [0; NAME_BYTES],
            length: bytes.len(),
        };
        name.bytes.get_mut(..bytes.len())?.copy_from_slice(bytes);
        Some(name)
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(&self.bytes[..self.length]).unwrap_or("?")
    }
}

impl<P: Platform> Kernel<P> {
    /// What others see a process do.
    pub(crate) fn visible_state(&mut self, process: ProcessId) -> ProcessState {
        let Some(process) = self.processes.get(process) else {
            return ProcessState::Ended;
        };
        let runs = |state| matches!(state, State::Ready | State::Working(_));
        let mut threads = process.threads.iter(&self.threads);
        match process.stage {
            Stage::New => ProcessState::New,
            Stage::Ended(_) => ProcessState::Ended,
            _ if threads.any(|(_, thread)| runs(thread.state)) => ProcessState::Ready,
            _ => ProcessState::Waiting,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Name;

    #[test]
    fn names_are_short_readable_text() {
        assert_eq!(Name::new(b"shell").as_ref().map(Name::as_str), Some("shell"));
        assert!(Name::new(&[b'x'; 32]).is_some());
        for bad in [&b""[..], &[b'x'; 33], b"\xff", b"a\nb", b"\x1b[2J"] {
            assert!(Name::new(bad).is_none(), "{bad:?}");
        }
    }
}
