//! Starts a program by its name.

use crate::SYSTEM;
use crate::session::Session;
use abi::Handle;
use abi::process::Pid;
use alloc::format;
use alloc::string::String;
use rt::Failure;
use rt::spawn::{Child, Command, Loaded};

/// This program. It may start programs for the system, so it must hold the system itself.
const SHELL: &str = "shell";

/// Starts the program that the first word names with the others as arguments, and `console` in place of the shell's.
///
/// # Errors
/// There is no such program, or it cannot be started.
pub fn start(session: &Session, argv: &[String], console: Option<Handle>) -> Result<Child, Failure> {
    start_announced(session, argv, console, |_| ())
}

/// The same, and tells its number to `announce` before it runs.
///
/// # Errors
/// The same.
pub fn start_announced(
    session: &Session,
    argv: &[String],
    console: Option<Handle>,
    announce: impl FnOnce(Pid),
) -> Result<Child, Failure> {
    let (name, arguments) = argv
        .split_first()
        .ok_or_else(|| Failure::new("there is no command"))?;
    let archive = session
        .archive()
        .ok_or_else(|| Failure::new("there is no archive of programs"))?;
    let program = archive.find(name).ok_or_else(|| {
        Failure::new(format!(
            "{name}: there is no such program; `help` lists those there are"
        ))
    })?;
    let mut command = Command::new(name, program.file)
        .args(arguments.iter().map(String::as_str))
        .archive(archive);
    for (name, value) in session.environment() {
        command = command.env(name, value);
    }
    if let Some(console) = console {
        command = command.console(console);
    }
    if program.is_for_system || name == SHELL {
        command = command.give(Handle::PARENT.index(), SYSTEM);
    }
    let loaded = command.load().inspect(|loaded| announce(loaded.process().pid()));
    loaded
        .and_then(Loaded::start)
        .map_err(|error| Failure::new(format!("{name}: {error}")))
}
