//! Processes: an address space, handles, a thread, and how all that begins and ends.

mod begin;
mod end;
mod exec;
mod fork;

pub use begin::FirstStart;

use crate::handle::HandleTable;
use crate::kernel::Kernel;
use crate::platform::Platform;
use crate::thread::{Queue, State, Thread};
use abi::process::{End, NAME_BYTES, Pid};
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
    /// Its thread, until that is gone.
    pub thread: Option<Id<Thread>>,
    /// Its handles.
    pub handles: HandleTable,
    /// Handles that name it. An ended process is forgotten when there is none.
    pub references: u32,
    /// Threads that wait for its end.
    pub waiters: Queue,
}

/// The life of a process.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stage {
    /// Made, not started.
    New,
    /// Runs.
    Alive,
    /// On its way out, for this reason. Its thread tears it down.
    Ending(End),
    /// All it held is given back.
    Ended(End),
}

/// A name of up to 32 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Name {
    bytes: [u8; NAME_BYTES],
    length: u8,
}

impl Name {
    /// `None` if empty, too long, not UTF-8, or with control characters, which would confuse
    /// whoever reads lists.
    pub fn new(bytes: &[u8]) -> Option<Self> {
        let text = core::str::from_utf8(bytes).ok()?;
        if text.is_empty() || text.chars().any(char::is_control) {
            return None;
        }
        let mut name = Self {
            bytes: [0; NAME_BYTES],
            length: u8::try_from(bytes.len()).ok()?,
        };
        name.bytes.get_mut(..bytes.len())?.copy_from_slice(bytes);
        Some(name)
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(&self.bytes[..usize::from(self.length)]).unwrap_or("?")
    }
}

impl<P: Platform> Kernel<P> {
    /// What others see a process do.
    pub(crate) fn visible_state(&mut self, process: ProcessId) -> ProcessState {
        let process = self.process(process);
        let (stage, thread) = (process.stage, process.thread);
        match (stage, thread.map(|thread| self.thread(thread).state)) {
            (Stage::New, _) => ProcessState::New,
            (Stage::Ended(_), _) | (_, None) => ProcessState::Ended,
            (_, Some(State::Ready | State::Working(_))) => ProcessState::Ready,
            (_, Some(_)) => ProcessState::Waiting,
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
