//! A line typed at the prompt becomes a command, or a sentence about what is wrong with it.

use abi::shm::ShmId;
use core::fmt;

/// What to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Command<'a> {
    /// Nothing: the line is empty.
    Nothing,
    /// List the commands.
    Help,
    /// List the shared memory segments.
    ListSegments,
    /// Remove a segment.
    RemoveSegment(ShmId),
    /// Show how much memory is free.
    ShowFrames,
    /// List the processes.
    ListProcesses,
    /// List the programs.
    ListPrograms,
    /// Run a program.
    Run {
        /// Its name.
        name: &'a str,
        /// The rest of the line: its arguments, between spaces.
        args: &'a str,
    },
    /// Leave, which powers the machine off.
    Exit,
    /// Restart the machine.
    Reboot,
}

/// What is wrong with a line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ParseError<'a> {
    /// There is no such command.
    Unknown(&'a str),
    /// The command needs an argument.
    Missing {
        /// How the command is used.
        usage: &'static str,
    },
    /// The command takes no more arguments.
    TooMuch(&'a str),
    /// Not the identifier of a segment.
    NotAnId(&'a str),
}

/// Commands and what they do, for `help`.
pub const COMMANDS: &[(&str, &str)] = &[
    ("help", "list the commands"),
    ("ipcs", "list the shared memory segments"),
    ("ipcrm SHMID", "remove a shared memory segment"),
    ("free", "show how much memory is free"),
    ("ps", "list the processes"),
    ("run", "list the programs"),
    ("run NAME [ARGUMENT...]", "run a program and wait for its end"),
    ("exit", "power the machine off"),
    ("reboot", "restart the machine"),
];

/// Reads a line.
///
/// # Errors
/// What is wrong with it.
pub fn parse(line: &str) -> Result<Command<'_>, ParseError<'_>> {
    let (command, rest) = split_word(line);
    match command {
        "" => Ok(Command::Nothing),
        "help" => alone(Command::Help, rest),
        "ipcs" => alone(Command::ListSegments, rest),
        "ipcrm" => remove(rest),
        "free" => alone(Command::ShowFrames, rest),
        "ps" => alone(Command::ListProcesses, rest),
        "run" => Ok(run(rest)),
        "exit" => alone(Command::Exit, rest),
        "reboot" => alone(Command::Reboot, rest),
        unknown => Err(ParseError::Unknown(unknown)),
    }
}

fn run(rest: &str) -> Command<'_> {
    match split_word(rest) {
        ("", _) => Command::ListPrograms,
        (name, args) => Command::Run { name, args },
    }
}

fn remove(rest: &str) -> Result<Command<'_>, ParseError<'_>> {
    let (id, rest) = split_word(rest);
    if id.is_empty() {
        return Err(ParseError::Missing { usage: "ipcrm SHMID" });
    }
    let number = id.parse().ok().and_then(ShmId::from_raw);
    let number = number.ok_or(ParseError::NotAnId(id))?;
    alone(Command::RemoveSegment(number), rest)
}

fn alone<'a>(command: Command<'a>, rest: &'a str) -> Result<Command<'a>, ParseError<'a>> {
    if rest.is_empty() {
        Ok(command)
    } else {
        Err(ParseError::TooMuch(rest))
    }
}

/// The first word, and what follows it, without spaces around.
fn split_word(text: &str) -> (&str, &str) {
    let text = text.trim_ascii();
    match text.split_once(|c: char| c.is_ascii_whitespace()) {
        Some((word, rest)) => (word, rest.trim_ascii()),
        None => (text, ""),
    }
}

impl fmt::Display for ParseError<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(command) => {
                write!(f, "there is no command `{command}`; `help` lists those there are")
            }
            Self::Missing { usage } => write!(f, "something is missing: `{usage}`"),
            Self::TooMuch(rest) => write!(f, "`{rest}` is too much"),
            Self::NotAnId(id) => write!(f, "`{id}` is no shmid; `ipcs` lists those there are"),
        }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::{COMMANDS, Command, ParseError, parse};
    use abi::shm::ShmId;
    use std::string::ToString;

    #[test]
    fn every_command_that_help_lists_is_understood() {
        for (usage, _) in COMMANDS {
            let line = usage.replace("SHMID", "5");
            assert!(parse(&line).is_ok(), "{usage}");
        }
    }

    #[test]
    fn spaces_around_words_do_not_matter() {
        assert_eq!(parse("  \t "), Ok(Command::Nothing));
        assert_eq!(parse("  help  "), Ok(Command::Help));
        let id = ShmId::from_raw(32770).expect("valid");
        assert_eq!(parse("ipcrm    32770 "), Ok(Command::RemoveSegment(id)));
    }

    #[test]
    fn a_program_gets_the_rest_of_the_line() {
        assert_eq!(parse("run"), Ok(Command::ListPrograms));
        let command = Command::Run {
            name: "hostile",
            args: "random 7  100",
        };
        assert_eq!(parse("run hostile  random 7  100 "), Ok(command));
    }

    #[test]
    fn mistakes_are_named() {
        assert_eq!(parse("halp"), Err(ParseError::Unknown("halp")));
        assert_eq!(parse("exit now"), Err(ParseError::TooMuch("now")));
        assert_eq!(parse("ipcrm -1"), Err(ParseError::NotAnId("-1")));
        assert_eq!(
            parse("ipcrm 99999999999"),
            Err(ParseError::NotAnId("99999999999"))
        );
        let missing = parse("ipcrm").expect_err("an argument is missing");
        assert!(missing.to_string().contains("ipcrm SHMID"));
    }
}
