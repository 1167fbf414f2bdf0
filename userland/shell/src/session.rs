//! A session: what is remembered from one command to the next, and how lists of commands run.

use crate::complete::Words;
use crate::foreground::{Finished, Watch};
use crate::jobs::Jobs;
use crate::{SYSTEM, builtin, launch, pipeline};
use abi::process::End;
use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use rt::archive::Archive;
use rt::line::History;
use rt::log::KernelLog;
use rt::spawn::{Child, Ended, fork};
use rt::time::{Duration, Instant};
use rt::{Error, Failure, Start, println, sys};
use shell::parse::{Chain, Command, Link, ParseError, Pipeline, parse};

/// Status of a command that does not exist, and of one that cannot be started: POSIX, "Exit Status for Commands".
pub const NOT_FOUND: i32 = 127;
/// Status of what makes no sense.
const USAGE: i32 = 2;
/// Added to a signal's number for what would have died of it.
const SIGNALLED: i32 = 128;
const SIGINT: i32 = 2;
const SIGKILL: i32 = 9;
const SIGSEGV: i32 = 11;

/// A session.
pub struct Session {
    archive: Option<Archive>,
    /// Those that were set, and the script's arguments.
    variables: BTreeMap<String, String>,
    history: History,
    pub(crate) jobs: Jobs,
    status: i32,
    leaving: bool,
    /// Control-C has ended what ran.
    interrupted: bool,
    /// How long what ran in the foreground has had a CPU.
    cpu_time: Duration,
    /// It is a copy that runs in the background.
    in_background: bool,
}

/// The words of a command.
pub type Argv = Vec<String>;

impl Session {
    /// With what a shell was started with.
    pub fn new(start: &Start) -> Self {
        let arguments = (0..).zip(start.args());
        let arguments = arguments.map(|(place, word): (u32, _)| (place.to_string(), word.to_string()));
        let inherited = start
            .vars()
            .map(|(name, value)| (name.to_string(), value.to_string()));
        Self {
            archive: Archive::from_start(start),
            variables: arguments.chain(inherited).collect(),
            history: History::new(),
            jobs: Jobs::default(),
            status: 0,
            leaving: false,
            interrupted: false,
            cpu_time: Duration::ZERO,
            in_background: false,
        }
    }

    /// Where the programs are.
    pub fn archive(&self) -> Option<Archive> {
        self.archive
    }

    /// Status of the last command: `$?`.
    pub fn status(&self) -> i32 {
        self.status
    }

    /// Whether somebody said `exit`.
    pub fn is_leaving(&self) -> bool {
        self.leaving
    }

    /// Whether Control-C has ended what ran last.
    pub fn was_interrupted(&self) -> bool {
        self.interrupted
    }

    /// Whether Control-C is for what it runs.
    pub fn controls_console(&self) -> bool {
        !self.in_background
    }

    /// Leaves after this command.
    pub fn leave(&mut self) {
        self.leaving = true;
    }

    /// The lines typed so far.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// Keeps the lines typed so far, for those who ask.
    pub fn remember(&mut self, history: &History) {
        self.history = history.clone();
    }

    /// What may be typed where.
    pub fn words_to_complete(&self) -> Words {
        Words::new(self.archive)
    }

    /// Variables that programs find in their environment: all but the script's arguments.
    pub fn environment(&self) -> impl Iterator<Item = (&str, &str)> {
        let variables = self.variables.iter();
        let named = variables.filter(|(name, _)| !name.starts_with(|first: char| first.is_ascii_digit()));
        named.map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Takes a variable out of it.
    pub fn unset(&mut self, name: &str) {
        self.variables.remove(name);
    }

    /// Says what is wrong; the command has failed.
    pub fn complain(&mut self, sentence: &str) {
        println!("shell: {sentence}");
        self.status = USAGE;
    }

    /// Says which jobs have ended.
    pub fn tell_of_jobs(&mut self) {
        self.jobs.tell_ended();
    }

    /// Runs a line.
    ///
    /// # Errors
    /// It cannot be read; nothing of it was run.
    pub fn run_text(&mut self, text: &str) -> Result<(), ParseError> {
        let chains = parse(text)?;
        self.interrupted = false;
        for chain in chains {
            if self.leaving || self.interrupted {
                break;
            }
            self.run_chain(&chain);
        }
        Ok(())
    }

    fn run_chain(&mut self, chain: &Chain) {
        if chain.background {
            self.run_in_background(chain);
        } else {
            self.run_in_foreground(chain);
        }
    }

    fn run_in_foreground(&mut self, chain: &Chain) {
        self.status = self.run_pipeline(&chain.first);
        for (link, pipeline) in &chain.rest {
            let runs = match link {
                Link::And => self.status == 0,
                Link::Or => self.status != 0,
            };
            if runs && !self.leaving && !self.interrupted {
                self.status = self.run_pipeline(pipeline);
            }
        }
    }

    fn run_pipeline(&mut self, pipeline: &Pipeline) -> i32 {
        let started = Instant::now();
        self.cpu_time = Duration::ZERO;
        let mut log = KernelLog::from_now_on(SYSTEM);
        let status = match &pipeline.commands[..] {
            [command] => self.run_command(command),
            commands => {
                let stages: Vec<Argv> = commands.iter().map(|command| self.words(command)).collect();
                pipeline::run(self, &stages).map(|finished| self.finish(finished))
            }
        };
        log.print_new();
        let status = status.unwrap_or_else(|failure| {
            println!("shell: {failure}");
            NOT_FOUND
        });
        if pipeline.timed {
            println!("\nreal\t{}", Took(started.elapsed()));
            println!("cpu\t{}", Took(self.cpu_time));
        }
        status
    }

    fn run_command(&mut self, command: &Command) -> Result<i32, Failure> {
        let argv = self.words(command);
        for (name, word) in &command.assignments {
            let value = word.expand(&|name| self.value(name)).unwrap_or_default();
            self.variables.insert(name.clone(), value);
        }
        let Some((name, arguments)) = argv.split_first() else {
            return Ok(0);
        };
        if let Some(status) = builtin::run(self, name, arguments) {
            return Ok(status);
        }
        let watch = self.watch()?;
        let child = launch::start(self, &argv, None)?;
        let finished = watch.finish(&child)?;
        if !finished.interrupted && !matches!(finished.end, End::Exited(_)) {
            println!("{name} {}", Ended(finished.end));
        }
        Ok(self.finish(finished))
    }

    /// Takes note of a Control-C that has ended nothing, and answers what that is worth.
    pub fn interrupt(&mut self) -> i32 {
        self.interrupted = true;
        SIGNALLED + SIGINT
    }

    /// Takes note of how something has ended, and answers its status.
    pub fn finish(&mut self, finished: Finished) -> i32 {
        self.cpu_time += finished.cpu_time;
        if finished.interrupted {
            return self.interrupt();
        }
        status(finished.end)
    }

    /// To wait with, from before a program starts.
    ///
    /// # Errors
    /// As [`Watch::new`].
    pub fn watch(&self) -> Result<Watch, Error> {
        Watch::new(self.controls_console())
    }

    /// Runs by itself, in a copy of the shell if it is more than one program.
    fn run_in_background(&mut self, chain: &Chain) {
        let child = match (&chain.first.commands[..], &chain.rest[..]) {
            // First its number, and then what it prints.
            ([command], []) => {
                let announce = |pid| self.jobs.announce(pid);
                launch::start_announced(self, &self.words(command), None, announce)
            }
            _ => self
                .fork_for(chain)
                .inspect(|child| self.jobs.announce(child.pid())),
        };
        self.status = match child {
            Ok(child) => {
                self.jobs.add(chain.text.clone(), child);
                0
            }
            Err(failure) => {
                println!("shell: {failure}");
                NOT_FOUND
            }
        };
    }

    fn fork_for(&mut self, chain: &Chain) -> Result<Child, Failure> {
        let child = fork(|| {
            self.in_background = true;
            self.run_in_foreground(chain);
            sys::process::exit(self.status)
        })?;
        Ok(child)
    }

    fn words(&self, command: &Command) -> Argv {
        let words = command.words.iter();
        let words = words.filter_map(|word| word.expand(&|name| self.value(name)));
        words
            .map(|word| self.jobs.number_of(&word).unwrap_or(word))
            .collect()
    }

    fn value(&self, name: &str) -> Option<String> {
        match name {
            "?" => Some(self.status.to_string()),
            _ => self.variables.get(name).cloned(),
        }
    }
}

/// A time as `time` has it elsewhere.
struct Took(Duration);

impl fmt::Display for Took {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (minutes, seconds) = (self.0.as_secs() / 60, self.0.as_secs() % 60);
        write!(f, "{minutes}m{seconds}.{:03}s", self.0.subsec_millis())
    }
}

/// A program's end as a number.
fn status(end: End) -> i32 {
    match end {
        End::Exited(status) => status,
        End::Faulted(..) => SIGNALLED + SIGSEGV,
        End::Killed => SIGNALLED + SIGKILL,
    }
}
