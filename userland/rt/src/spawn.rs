//! Starts programs: loads an ELF file into a new process, as the kernel does for `init`.
//!
//! Each program segment is one request to the child's memory manager, which copies it from where it is in the file.

mod copied;
mod ended;
mod fork;
mod process;

pub use ended::Ended;
pub use fork::fork;
pub use process::{Child, Unstarted};

use crate::archive::Archive;
use crate::pipeline::{Event, Pipeline};
use crate::{Credential, Error, call, place, sys};
use abi::layout::STACK_TOP;
use abi::memory::{Map, Protection};
use abi::process::{Become, End, Start};
use abi::{BUFFER_BYTES, CpuSet, Handle};
use alloc::string::String;
use alloc::vec::Vec;
use core::convert::Infallible;
use core::fmt;
use loader::{LoadError, Plan};

/// What to start, and what to give it.
#[derive(Clone, Debug)]
pub struct Command<'a> {
    name: &'a str,
    file: &'a [u8],
    arguments: Strings,
    variables: Strings,
    handles: Vec<(u32, Handle)>,
    archive: Option<Archive>,
    credential: Option<Credential>,
    cpus: Option<CpuSet>,
}

/// Strings with a NUL character behind each.
#[derive(Clone, Debug, Default)]
struct Strings {
    text: String,
    count: u64,
}

impl Strings {
    /// One more, of these parts.
    fn push(&mut self, parts: &[&str]) {
        parts.iter().for_each(|part| self.text.push_str(part));
        self.text.push('\0');
        self.count += 1;
    }
}

/// A process that has everything but its first instruction executed.
#[derive(Debug)]
pub struct Loaded {
    process: Unstarted,
    start: Start,
    text: String,
}

impl Loaded {
    /// The process, to give it more.
    pub fn process(&self) -> &Unstarted {
        &self.process
    }

    /// Lets this process become it.
    ///
    /// # Errors
    /// As [`Become`].
    pub fn exec(self) -> Result<Infallible, SpawnError> {
        let Start {
            entry,
            stack,
            word0,
            word1,
            word2,
            word3,
        } = self.start;
        let request = Become {
            entry,
            stack,
            word0,
            word1,
            word2,
            word3,
        };
        sys::process::become_prepared(self.process.handle(), request, self.text.as_bytes())
            .map_err(during("becoming it"))
    }

    /// Starts it.
    ///
    /// # Errors
    /// As [`Start`].
    pub fn start(self) -> Result<Child, SpawnError> {
        self.process
            .start(self.start, self.text.as_bytes())
            .map_err(during("starting it"))
    }
}

impl<'a> Command<'a> {
    /// The program in `file`, as a process called `name`, with this program's console.
    pub fn new(name: &'a str, file: &'a [u8]) -> Self {
        let handles = Vec::from([(Handle::CONSOLE.index(), Handle::CONSOLE)]);
        Self {
            name,
            file,
            arguments: Strings::default(),
            variables: Strings::default(),
            handles,
            archive: None,
            credential: None,
            cpus: None,
        }
    }

    /// Adds an argument.
    pub fn arg(mut self, arg: &str) -> Self {
        self.arguments.push(&[arg]);
        self
    }

    /// Adds arguments.
    pub fn args<'s>(self, args: impl IntoIterator<Item = &'s str>) -> Self {
        args.into_iter().fold(self, Self::arg)
    }

    /// Adds a variable to the environment.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.variables.push(&[name, "=", value]);
        self
    }

    /// Gives the child another console than this program's, a pipe for instance.
    pub fn console(self, console: Handle) -> Self {
        self.give(Handle::CONSOLE.index(), console)
    }

    /// Lets the child find `handle` at `place` of its handle table; the last one given there
    /// counts. Place 4 is [`Handle::PARENT`].
    pub fn give(mut self, place: u32, handle: Handle) -> Self {
        self.handles.retain(|&(taken, _)| taken != place);
        self.handles.push((place, handle));
        self
    }

    /// Gives the child a copy of the archive, so that it can start programs itself.
    pub fn archive(self, archive: Archive) -> Self {
        Self {
            archive: Some(archive),
            ..self
        }
    }

    /// Makes it another user's process, which only user 0 may.
    pub fn credential(self, credential: Credential) -> Self {
        Self {
            credential: Some(credential),
            ..self
        }
    }

    /// Lets it run on these CPUs alone, and all that it starts.
    pub fn cpus(self, cpus: CpuSet) -> Self {
        Self {
            cpus: Some(cpus),
            ..self
        }
    }

    /// Starts it.
    ///
    /// # Errors
    /// The reason. Nothing is left of the process then.
    pub fn spawn(&self) -> Result<Child, SpawnError> {
        self.load()?.start()
    }

    /// Starts it with a pipe in place of a console, from which it reads `input`, and waits for its end. Returns that, and
    /// what it has written.
    ///
    /// # Errors
    /// The reason why it was not started.
    pub fn output(self, input: &[u8]) -> Result<(End, Vec<u8>), SpawnError> {
        let waiting = during("waiting for what it writes");
        let mut pipeline = Pipeline::new(1, input).map_err(&waiting)?;
        let console = pipeline.console().map_err(&waiting)?;
        let child = self.console(console.get()).spawn()?;
        pipeline.add(Some(child)).map_err(&waiting)?;
        let (mut end, mut output) = (End::Killed, Vec::new());
        while let Some(event) = pipeline.next_event().map_err(&waiting)? {
            match event {
                Event::Written(bytes) => output.extend(bytes),
                Event::Ended(_, _, how) => end = how,
                Event::Signals(_) => {}
            }
        }
        Ok((end, output))
    }

    /// Lets this process become it, as `exec` does: what this program has mapped, attached and open
    /// goes, and the new one starts with what was given to it. Number, parent and credential
    /// stay.
    ///
    /// # Errors
    /// The reason. This program goes on as if nothing had been tried.
    pub fn exec(&self) -> Result<Infallible, SpawnError> {
        self.load()?.exec()
    }

    /// Makes the process and fills its memory, but does not start it yet.
    ///
    /// # Errors
    /// The reason. Nothing is left of the process then.
    pub fn load(&self) -> Result<Loaded, SpawnError> {
        let text = self.text()?;
        let plan = loader::plan(self.file).map_err(SpawnError::NotLoadable)?;
        let process = Unstarted::create(self.name).map_err(during("creating the process"))?;
        load(&plan, process.memory())?;
        self.give_memory(process.memory())?;
        for &(place, handle) in &self.handles {
            process
                .give(place, handle)
                .map_err(during("giving it a handle"))?;
        }
        if let Some(credential) = &self.credential {
            credential
                .give_to(process.handle())
                .map_err(during("making it another user's"))?;
        }
        if let Some(cpus) = self.cpus {
            sys::process::set_cpus(process.handle(), cpus).map_err(during("choosing its CPUs"))?;
        }
        let start = self.start_message(&plan);
        Ok(Loaded { process, start, text })
    }

    /// The start message's text, as `start.rs` takes it apart.
    fn text(&self) -> Result<String, SpawnError> {
        let text = self.arguments.text.clone() + &self.variables.text;
        let strings = self.arguments.count + self.variables.count;
        if text.matches('\0').count() as u64 != strings {
            return Err(SpawnError::NulInArgument);
        }
        if text.len() > BUFFER_BYTES {
            return Err(SpawnError::TooManyArguments);
        }
        Ok(text)
    }

    /// The stack, and the archive if it gets one.
    fn give_memory(&self, memory: Handle) -> Result<(), SpawnError> {
        call(memory, Map::FIRST_STACK).map_err(during("mapping its stack"))?;
        if let Some(archive) = self.archive {
            let bytes = archive.bytes();
            copied::map(
                memory,
                place::ARCHIVE,
                bytes,
                bytes.len() as u64,
                Protection::READ,
            )
            .map_err(during("giving it the archive"))?;
        }
        Ok(())
    }

    fn start_message(&self, plan: &Plan<'_>) -> Start {
        let (archive, length) = match self.archive {
            Some(archive) => (place::ARCHIVE, archive.bytes().len() as u64),
            None => (0, 0),
        };
        Start {
            entry: plan.entry().raw(),
            stack: STACK_TOP,
            word0: archive,
            word1: length,
            word2: self.arguments.count,
            word3: 0,
        }
    }
}

fn load(plan: &Plan<'_>, memory: Handle) -> Result<(), SpawnError> {
    for segment in plan.segments() {
        let address = segment.pages.start().start().raw() + segment.offset;
        let length = segment.pages.end().start().raw() - address;
        copied::map(memory, address, segment.bytes, length, segment.protection)
            .map_err(during("loading its program segments"))?;
    }
    Ok(())
}

/// Why a program was not started.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SpawnError {
    /// The file is no program for this system.
    NotLoadable(LoadError),
    /// The arguments and the environment do not fit into a message.
    TooManyArguments,
    /// One of them has a NUL character in it, which is what ends them.
    NulInArgument,
    /// A request was refused.
    Failed {
        /// What was being done.
        step: &'static str,
        /// What was answered.
        error: Error,
    },
}

impl fmt::Display for SpawnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotLoadable(why) => write!(f, "the file {why}"),
            Self::TooManyArguments => {
                write!(f, "arguments and environment have more than {BUFFER_BYTES} bytes")
            }
            Self::NulInArgument => f.write_str("an argument has a NUL character in it"),
            Self::Failed { step, error } => write!(f, "{step} failed: {error}"),
        }
    }
}

impl core::error::Error for SpawnError {}

fn during(step: &'static str) -> impl Fn(Error) -> SpawnError {
    move |error| SpawnError::Failed { step, error }
}
