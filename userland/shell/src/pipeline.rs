//! Runs programs of which each reads what the one before it writes.
//!
//! ```text
//!   program 0 ──write──> shell <──read── program 1
//!       ^                  ^                 ^
//!   copy of the shell ──ended──────── copy of the shell
//! ```
//!
//! The programs find an endpoint of the shell in place of their console, and cannot tell: it answers the same
//! messages. Only who waits for a process learns of its end, and the shell waits for messages; so a copy of the shell
//! starts each program, waits for it, and says how it ended.

use crate::session::{Argv, NOT_FOUND, Session, status};
use crate::{builtin, launch};
use abi::console::ConsoleRequest;
use abi::process::End;
use abi::{Badge, Errno, Handle, IpcError, Label, Words, Words6};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use rt::ipc::{self, Endpoint, Message};
use rt::spawn::{Ended, fork};
use rt::{Error, Failure, Incoming, Outcome, Outgoing, println, sys};
use shell::pipe::Pipes;

/// What a copy of the shell says: the words are an [`End`].
const ENDED: Label = Label(0xff00);

/// A pipeline that runs.
struct Running {
    pipes: Pipes,
    ends: Vec<Option<End>>,
}

/// What a message is answered with.
type Answer = Result<(Words6, Vec<u8>), Errno>;

/// Runs programs with their arguments; answers the status of the last.
///
/// # Errors
/// One of them is no program, or messages do not arrive.
pub fn run(session: &Session, stages: &[Argv]) -> Result<i32, Failure> {
    for name in stages.iter().filter_map(|argv| argv.first()) {
        if builtin::BUILTINS.iter().any(|(builtin, ..)| builtin == name) {
            return Err(Failure::new(format!(
                "{name} is the shell's own and cannot be part of a pipeline"
            )));
        }
    }
    let endpoint = Endpoint::create()?;
    let mut running = Running {
        pipes: Pipes::new(stages.len()),
        ends: stages.iter().map(|_| None).collect(),
    };
    let mut copies = Vec::new();
    for (argv, badge) in stages.iter().zip(1..) {
        let client = endpoint.client(Badge(badge))?;
        copies.push(fork(|| oversee(session, argv, client.get()))?);
    }
    let served = running.serve(&endpoint);
    for copy in copies {
        // It has said what there was to say; the last one still waits for an answer.
        copy.kill()?;
    }
    served?;
    Ok(running.ends.last().copied().flatten().map_or(0, status))
}

/// The part of a copy of the shell: runs one program with `pipe` for a console, and says how it ended.
fn oversee(session: &Session, argv: &[String], pipe: Handle) -> Outcome {
    let end = launch::start(session, argv, Some(pipe)).and_then(|child| Ok(child.wait()?));
    let end = end.unwrap_or_else(|failure| {
        println!("shell: {failure}");
        End::Exited(NOT_FOUND)
    });
    if !matches!(end, End::Exited(_)) {
        println!("{} {}", argv[0], Ended(end));
    }
    // The shell may have ended meanwhile, and then nobody needs to know.
    ipc::ask(
        pipe,
        ENDED,
        end.into_words(),
        Outgoing::NOTHING,
        &mut Incoming::new(),
    )
    .ok();
    Ok(())
}

impl Running {
    /// Answers messages until all programs have ended.
    fn serve(&mut self, endpoint: &Endpoint) -> Result<(), Error> {
        let mut incoming = Incoming::new();
        let mut message = endpoint.receive(&mut incoming)?;
        loop {
            let answer = self.answer(message, &incoming);
            if self.pipes.all_ended() {
                return Ok(());
            }
            let answer = match &answer {
                Ok((words, bytes)) => Ok((*words, Outgoing::bytes(bytes))),
                Err(errno) => Err(*errno),
            };
            message = match endpoint.reply_receive(answer, &mut incoming) {
                // A program that was ended meanwhile.
                Err(Error::Ipc(IpcError::PeerGone | IpcError::NoCaller)) => {
                    endpoint.receive(&mut incoming)?
                }
                next => next?,
            };
        }
    }

    fn answer(&mut self, message: Message, incoming: &Incoming) -> Answer {
        let Message {
            label, words, badge, ..
        } = message;
        let program = usize::try_from(badge.0 - 1).map_err(|_| Errno::EINVAL)?;
        if label == ENDED {
            self.note_end(program, End::from_words(&words)?);
            return Ok(([0; 6], Vec::new()));
        }
        match ConsoleRequest::decode(label, &words)? {
            ConsoleRequest::Write(_) => {
                let taken = self.write(program, incoming.bytes())?;
                Ok(((taken as u64,).into_words(), Vec::new()))
            }
            ConsoleRequest::Read(read) => {
                let bytes = self.pipes.read(program, read.most)?;
                Ok(((bytes.len() as u64,).into_words(), bytes))
            }
            ConsoleRequest::SignalInterrupt(_) => Err(Errno::ENOSYS),
        }
    }

    fn write(&mut self, program: usize, bytes: &[u8]) -> Result<usize, Errno> {
        if !self.pipes.is_last(program) {
            return self.pipes.write(program, bytes);
        }
        // A console that fails is nobody's who would read it.
        sys::console::write_all(Handle::CONSOLE, bytes).map_err(|_| Errno::EPIPE)?;
        Ok(bytes.len())
    }

    fn note_end(&mut self, program: usize, end: End) {
        self.pipes.end(program);
        if let Some(place) = self.ends.get_mut(program) {
            *place = Some(end);
        }
    }
}
