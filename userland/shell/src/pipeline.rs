//! Runs programs of which each reads what the one before it writes.
//!
//! ```text
//!   program 0 ──write──> shell <──read── program 1
//!       └─────signal──────>^<─────signal─────┘         when it ends
//! ```
//!
//! The programs find an endpoint of the shell in place of their console, and cannot tell: it answers the same
//! messages. Their ends are signals to the same endpoint, and so is Control-C.

use crate::foreground::{Finished, INTERRUPT, Interrupts};
use crate::session::{Argv, NOT_FOUND, Session};
use crate::{builtin, launch};
use abi::console::ConsoleRequest;
use abi::process::End;
use abi::{Arrival, Badge, Errno, Handle, IpcError, Words, Words6};
use alloc::format;
use alloc::vec::Vec;
use rt::ipc::{Endpoint, Message};
use rt::spawn::{Child, Ended};
use rt::time::Duration;
use rt::{Error, Failure, Incoming, Outgoing, println, sys};
use shell::pipe::Pipes;

/// Each program has a bit among the signals, and Control-C has one.
const MOST_PROGRAMS: usize = 63;

/// A program of a pipeline.
struct Stage {
    argv: Argv,
    /// Unless it could not be started.
    child: Option<Child>,
    end: Option<End>,
}

/// A pipeline that runs.
struct Running {
    pipes: Pipes,
    stages: Vec<Stage>,
    interrupted: bool,
    cpu_time: Duration,
}

/// What a message is answered with.
type Answer = Result<(Words6, Vec<u8>), Errno>;

/// Runs programs with their arguments; answers how the last one ended.
///
/// # Errors
/// One of them is no program, there are too many, or messages do not arrive.
pub fn run(session: &Session, stages: Vec<Argv>) -> Result<Finished, Failure> {
    check(&stages)?;
    let endpoint = Endpoint::create()?;
    let interrupts = session.controls_console().then(|| Interrupts::to(&endpoint));
    let _interrupts = interrupts.transpose()?;
    let mut running = Running {
        pipes: Pipes::new(stages.len()),
        stages: Vec::new(),
        interrupted: false,
        cpu_time: Duration::ZERO,
    };
    for argv in stages {
        running.start(session, argv, &endpoint)?;
    }
    running.serve(&endpoint)?;
    let end = running.stages.last().and_then(|stage| stage.end);
    Ok(Finished {
        end: end.unwrap_or(End::Exited(0)),
        interrupted: running.interrupted,
        cpu_time: running.cpu_time,
    })
}

fn check(stages: &[Argv]) -> Result<(), Failure> {
    if stages.len() > MOST_PROGRAMS {
        return Err(Failure::new(format!(
            "a pipeline has {MOST_PROGRAMS} programs at most"
        )));
    }
    for name in stages.iter().filter_map(|argv| argv.first()) {
        if builtin::BUILTINS.iter().any(|(builtin, ..)| builtin == name) {
            return Err(Failure::new(format!(
                "{name} is the shell's own and cannot be part of a pipeline"
            )));
        }
    }
    Ok(())
}

impl Running {
    /// Starts the next program, whose console is `endpoint`. One that cannot be started has ended.
    fn start(&mut self, session: &Session, argv: Argv, endpoint: &Endpoint) -> Result<(), Failure> {
        let place = self.stages.len();
        let client = endpoint.client(Badge(place as u64 + 1))?;
        let child = launch::start(session, &argv, Some(client.get()));
        let child = child.inspect_err(|failure| println!("shell: {failure}")).ok();
        if let Some(child) = &child {
            child.signal_end(endpoint.signaller(Badge(1 << place))?.get())?;
        }
        let end = child.is_none().then_some(End::Exited(NOT_FOUND));
        self.stages.push(Stage {
            argv,
            child,
            end: None,
        });
        if let Some(end) = end {
            self.note_end(place, end);
        }
        Ok(())
    }

    /// Answers messages until all programs have ended.
    fn serve(&mut self, endpoint: &Endpoint) -> Result<(), Error> {
        let mut incoming = Incoming::new();
        while !self.pipes.all_ended() {
            let message = endpoint.receive(&mut incoming)?;
            match message.arrival {
                Arrival::Signals => self.take_signals(message.words[0])?,
                Arrival::Call => self.reply(endpoint, message, &incoming)?,
                Arrival::Message | Arrival::Fault => {}
            }
        }
        Ok(())
    }

    fn reply(&mut self, endpoint: &Endpoint, message: Message, incoming: &Incoming) -> Result<(), Error> {
        let answer = self.answer(message, incoming);
        let answer = match &answer {
            Ok((words, bytes)) => Ok((*words, Outgoing::bytes(bytes))),
            Err(errno) => Err(*errno),
        };
        match endpoint.reply(answer) {
            // A program that was ended meanwhile.
            Err(Error::Ipc(IpcError::PeerGone | IpcError::NoCaller)) => Ok(()),
            other => other,
        }
    }

    fn answer(&mut self, message: Message, incoming: &Incoming) -> Answer {
        let Message {
            label, words, badge, ..
        } = message;
        let program = usize::try_from(badge.0 - 1).map_err(|_| Errno::EINVAL)?;
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

    /// Programs have ended, or all are to be.
    fn take_signals(&mut self, signals: u64) -> Result<(), Error> {
        if signals & INTERRUPT != 0 {
            println!("^C");
            self.interrupted = true;
        }
        for place in 0..self.stages.len() {
            let stage = &self.stages[place];
            let ends = self.interrupted || signals & 1 << place != 0;
            let Some(child) = stage.child.as_ref().filter(|_| ends && stage.end.is_none()) else {
                continue;
            };
            if self.interrupted {
                child.kill()?;
            }
            let end = child.wait()?;
            self.cpu_time += child.cpu_time()?;
            if !self.interrupted && !matches!(end, End::Exited(_)) {
                println!("{} {}", stage.argv[0], Ended(end));
            }
            self.note_end(place, end);
        }
        Ok(())
    }

    fn note_end(&mut self, place: usize, end: End) {
        self.pipes.end(place);
        self.stages[place].end = Some(end);
    }
}
