//! Traps as people read them: who asks what of which object, and what is answered.
//!
//! ```text
//! trace: 3 producer memory.ShmAttach id=0 address=0 flags=0 -> 0x1000000000
//! trace: 3 producer memory.ShmGet key=7 size=0 flags=0 -> ENOENT
//! trace: 2 shell process.Wait ...
//! ```
//!
//! Names are those of the tables in `abi`. Three dots stand where no answer came at once.

use crate::handle::Object;
use crate::kernel::Kernel;
use crate::platform::Platform;
use crate::process::Name;
use crate::thread::{State, ThreadId};
use abi::console::ConsoleRequest;
use abi::device::DeviceRequest;
use abi::memory::MemoryRequest;
use abi::process::{Pid, ProcessRequest};
use abi::system::SystemRequest;
use abi::thread::ThreadRequest;
use abi::{Errno, Handle, IpcError, Label, Operation, Rights, Row, Tag, Words6};
use core::fmt::{self, Write};

/// Longest line. What is longer ends early.
const LINE_BYTES: usize = 240;

/// A call that says nothing to whoever reads: output that is seen anyway.
const SILENT: &str = "Write";

/// What is known of a call before it is served.
#[derive(Clone, Copy)]
struct Asked {
    thread: ThreadId,
    pid: Pid,
    name: Name,
    object: &'static str,
    /// Without one, the message is for a program, or for nobody.
    row: Option<&'static Row>,
    tag: Tag,
    words: Words6,
}

impl<P: Platform> Kernel<P> {
    /// Serves a trap as [`Kernel::trap`] does, and prints a line about it.
    pub fn trap_traced(&mut self) {
        let asked = self.asked();
        self.trap();
        let Some(asked) = asked.filter(Asked::is_worth_a_line) else {
            return;
        };
        let line = self.line(&asked);
        for &byte in line.bytes() {
            // A console is given time: this is for people, and slow.
            while !self.platform.console_put(byte) {}
        }
    }

    /// What the running thread is about to ask; `None` if it does not call.
    fn asked(&mut self) -> Option<Asked> {
        let thread = self.running()?;
        let registers = self.registers(thread);
        let (raw, tag, operation) = (registers.x[0], registers.x[1], registers.x[8]);
        let words = registers.words();
        if Operation::decode(operation & !Operation::UNTIL) != Ok(Operation::Call) {
            return None;
        }
        let tag = Tag::decode(tag).ok()?;
        let handle = Handle::from_raw(u32::try_from(raw).ok()?);
        let found = self.capability(thread, handle, Rights::empty()).ok();
        let (object, table) = table(found.map(|capability| capability.object));
        let row = table.iter().find(|row| row.label == tag.label());
        let (_, process) = self.process_of(thread);
        let (pid, name) = (process.pid, process.name);
        Some(Asked {
            thread,
            pid,
            name,
            object,
            row,
            tag,
            words,
        })
    }

    fn line(&mut self, asked: &Asked) -> Line {
        let mut line = Line::EMPTY;
        // A line takes all that is written to it; the results are the trait's.
        asked.write(&mut line).ok();
        match self.answer_to(asked) {
            Some((failure, tag, words)) => write_answer(&mut line, asked.row, failure, tag, &words).ok(),
            None => line.write_str(" ...").ok(),
        };
        line.end();
        line
    }

    /// What the thread finds in its registers, if it is an answer: no answer has the label of a request.
    fn answer_to(&mut self, asked: &Asked) -> Option<(u64, u64, Words6)> {
        let state = self.threads.get(asked.thread)?.state;
        let registers = self.registers(asked.thread);
        let is_answer = matches!(state, State::Ready) && registers.x[1] != asked.tag.encode();
        is_answer.then(|| (registers.x[0], registers.x[1], registers.words()))
    }
}

fn table(object: Option<Object>) -> (&'static str, &'static [Row]) {
    match object {
        Some(Object::Process(_)) => ("process", ProcessRequest::TABLE),
        Some(Object::Memory(_)) => ("memory", MemoryRequest::TABLE),
        Some(Object::Console) => ("console", ConsoleRequest::TABLE),
        Some(Object::System) => ("system", SystemRequest::TABLE),
        Some(Object::Thread(_)) => ("thread", ThreadRequest::TABLE),
        Some(Object::Endpoint(_)) => ("endpoint", &[]),
        Some(Object::Region(_)) => ("region", &[]),
        Some(Object::Device(_)) => ("device", DeviceRequest::TABLE),
        Some(Object::Reply(_)) => ("reply", &[]),
        None => ("nothing", &[]),
    }
}

impl Asked {
    fn is_worth_a_line(&self) -> bool {
        self.row.is_none_or(|row| row.name != SILENT)
    }

    fn write(&self, line: &mut Line) -> fmt::Result {
        write!(
            line,
            "trace: {} {} {}.",
            self.pid.0,
            self.name.as_str(),
            self.object
        )?;
        match self.row {
            Some(row) => {
                line.write_str(row.name)?;
                write_fields(line, row.fields, &self.words)
            }
            None => write!(line, "{:#x}", self.tag.label().0),
        }
    }
}

fn write_fields(line: &mut Line, names: &[&str], words: &Words6) -> fmt::Result {
    for (name, &word) in names.iter().zip(words) {
        write!(line, " {name}={}", Number(word))?;
    }
    Ok(())
}

fn write_answer(line: &mut Line, row: Option<&Row>, failure: u64, tag: u64, words: &Words6) -> fmt::Result {
    line.write_str(" ->")?;
    if let Some(error) = IpcError::decode(failure) {
        return write!(line, " {error:?}");
    }
    let label = Tag::decode(tag).map_or(Label::DONE, Tag::label);
    if label != Label::DONE {
        return match Errno::from_number(label.0) {
            Some(errno) => write!(line, " {}", errno.name()),
            None => write!(line, " {}", label.0),
        };
    }
    match row {
        Some(row) if !row.answer.is_empty() => write_fields(line, row.answer, words),
        Some(row) if row.answer_kind == "()" => line.write_str(" done"),
        _ => write!(line, " {}", Number(words[0])),
    }
}

/// Small numbers as people count, others as addresses are written.
struct Number(u64);

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            small @ 0..10_000 => write!(f, "{small}"),
            large => write!(f, "{large:#x}"),
        }
    }
}

/// Text that ends early if there is no room.
struct Line {
    bytes: [u8; LINE_BYTES],
    used: usize,
}

impl Line {
    const EMPTY: Self = Self {
        bytes: [0; LINE_BYTES],
        used: 0,
    };

    fn bytes(&self) -> &[u8] {
        &self.bytes[..self.used]
    }

    fn end(&mut self) {
        let last = self.used.min(LINE_BYTES - 1);
        self.bytes[last] = b'\n';
        self.used = last + 1;
    }
}

impl fmt::Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            if let Some(place) = self.bytes.get_mut(self.used) {
                *place = byte;
                self.used += 1;
            }
        }
        Ok(())
    }
}
