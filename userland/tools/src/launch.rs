//! Programs that run another program.

use crate::options::Usage;
use abi::process::End;
use alloc::format;
use rt::archive::Archive;
use rt::spawn::{Command, Ended};
use rt::{Failure, Outcome, Start, sys};

/// How to start the program `name` of the archive that came with `start`, with these arguments, that archive and the
/// same environment. What works on the system as a whole does not get its handle.
///
/// # Errors
/// There is no such program.
pub fn command<'a>(
    usage: &Usage,
    start: &'a Start,
    name: &'a str,
    arguments: &[&'a str],
) -> Result<Command<'a>, Failure> {
    let archive =
        Archive::from_start(start).ok_or_else(|| usage.failure("there is no archive of programs"))?;
    let file = archive
        .program(name)
        .ok_or_else(|| Failure::new(format!("{}: {name}: there is no such program", usage.name())))?;
    let command = Command::new(name, file)
        .args(arguments.iter().copied())
        .archive(archive);
    Ok(start
        .vars()
        .fold(command, |command, (name, value)| command.env(name, value)))
}

/// Ends this program as the program `name` has ended: with the same status.
///
/// # Errors
/// It did not end by itself.
pub fn end_as(name: &str, end: End) -> Outcome {
    match end {
        End::Exited(status) => sys::process::exit(status),
        end => Err(Failure::new(format!("{name} {}", Ended(end)))),
    }
}
