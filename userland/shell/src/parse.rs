//! A line typed at the prompt becomes a command, or a sentence about what is wrong with it.

use abi::shm::{ShmId, ShmKey};
use core::fmt;
use rt::Credential;

/// What to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Command<'a> {
    /// Nothing: the line is empty.
    Nothing,
    /// List the commands.
    Help,
    /// List the shared memory segments.
    ListSegments(Columns),
    /// Show the limits of shared memory.
    ShowLimits,
    /// Show what shared memory users have.
    ShowUsage,
    /// Remove a segment.
    RemoveSegment(Which),
    /// Show how much memory is free.
    ShowFrames,
    /// List the processes.
    ListProcesses,
    /// Show the date.
    ShowDate(DateFormat),
    /// Show since when the machine runs.
    ShowUptime,
    /// List the programs.
    ListPrograms,
    /// Show which user this is.
    ShowUser,
    /// Run a program.
    Run {
        /// As which user, if not this one.
        user: Option<Credential>,
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

/// What a list of segments says of each.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Columns {
    /// Key, owner, permissions, size, attachments.
    State,
    /// When it was attached, detached and changed.
    Times,
}

/// A way to name a segment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Which {
    /// By its identifier.
    Id(ShmId),
    /// By its key.
    Key(ShmKey),
}

/// How a date is shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DateFormat {
    /// As a date and a time of day.
    Calendar,
    /// As seconds since 1970.
    Seconds,
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
    /// Not the key of a segment.
    NotAKey(&'a str),
    /// Not a user with groups.
    NotAUser(&'a str),
}

const IPCRM: &str = "ipcrm [-m] SHMID | -M KEY";
const RUN_AS: &str = "run -u UID[:GID[,GROUP...]] NAME [ARGUMENT...]";

/// Commands and what they do, for `help`.
pub const COMMANDS: &[(&str, &str)] = &[
    ("help", "list the commands"),
    (
        "ipcs [-m] [-t]",
        "list the shared memory segments; -t: their times",
    ),
    (
        "ipcs -l | -u",
        "show limits of shared memory; -u: what users have of it",
    ),
    (IPCRM, "remove a shared memory segment"),
    ("free", "show how much memory is free"),
    ("ps", "list the processes"),
    (
        "date [-u] [+%s]",
        "show the date, in UTC; +%s: as seconds since 1970",
    ),
    ("uptime", "show since when the machine runs"),
    ("run", "list the programs"),
    ("run NAME [ARGUMENT...]", "run a program and wait for its end"),
    (
        "run -u USER NAME [ARGUMENT...]",
        "the same, as user UID[:GID[,GROUP...]]",
    ),
    ("id", "show which user this is"),
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
        "ipcs" => show_shared(rest),
        "ipcrm" => remove(rest),
        "free" => alone(Command::ShowFrames, rest),
        "ps" => alone(Command::ListProcesses, rest),
        "date" => date(rest),
        "uptime" => alone(Command::ShowUptime, rest),
        "run" => run(rest),
        "id" => alone(Command::ShowUser, rest),
        "exit" => alone(Command::Exit, rest),
        "reboot" => alone(Command::Reboot, rest),
        unknown => Err(ParseError::Unknown(unknown)),
    }
}

fn run(rest: &str) -> Result<Command<'_>, ParseError<'_>> {
    let (user, rest) = match split_word(rest) {
        ("-u", rest) => {
            let (word, rest) = split_word(rest);
            let user = credential(word).ok_or(ParseError::NotAUser(word))?;
            (Some(user), rest)
        }
        _ => (None, rest),
    };
    match (split_word(rest), user) {
        (("", _), None) => Ok(Command::ListPrograms),
        (("", _), Some(_)) => Err(ParseError::Missing { usage: RUN_AS }),
        ((name, args), user) => Ok(Command::Run { user, name, args }),
    }
}

/// `UID`, whose group has the same number, `UID:GID`, or that with `,GROUP` for each supplementary group.
fn credential(word: &str) -> Option<Credential> {
    let Some((uid, groups)) = word.split_once(':') else {
        let uid = word.parse().ok()?;
        return Some(Credential::new(uid, uid));
    };
    let mut groups = groups.split(',').map(str::parse);
    let credential = Credential::new(uid.parse().ok()?, groups.next()?.ok()?);
    let groups = groups.collect::<Result<_, _>>().ok()?;
    Some(Credential { groups, ..credential })
}

fn show_shared(rest: &str) -> Result<Command<'_>, ParseError<'_>> {
    match split_word(rest) {
        ("-l", rest) => alone(Command::ShowLimits, rest),
        ("-u", rest) => alone(Command::ShowUsage, rest),
        _ => list_segments(rest),
    }
}

fn list_segments(rest: &str) -> Result<Command<'_>, ParseError<'_>> {
    let mut columns = Columns::State;
    for word in rest.split_ascii_whitespace() {
        match word {
            "-m" => {}
            "-t" | "-mt" | "-tm" => columns = Columns::Times,
            other => return Err(ParseError::TooMuch(other)),
        }
    }
    Ok(Command::ListSegments(columns))
}

fn remove(rest: &str) -> Result<Command<'_>, ParseError<'_>> {
    match split_word(rest) {
        ("-M", rest) => remove_named(rest, |word| {
            key(word).map(Which::Key).ok_or(ParseError::NotAKey(word))
        }),
        ("-m", rest) => remove_named(rest, id),
        _ => remove_named(rest, id),
    }
}

fn remove_named<'a>(
    rest: &'a str,
    which: impl Fn(&'a str) -> Result<Which, ParseError<'a>>,
) -> Result<Command<'a>, ParseError<'a>> {
    match split_word(rest) {
        ("", _) => Err(ParseError::Missing { usage: IPCRM }),
        (word, rest) => alone(Command::RemoveSegment(which(word)?), rest),
    }
}

fn id(word: &str) -> Result<Which, ParseError<'_>> {
    let id = word.parse().ok().and_then(ShmId::from_raw);
    id.map(Which::Id).ok_or(ParseError::NotAnId(word))
}

/// As C writes numbers, `0x1267` or `4711`; the upper half of hexadecimal ones is negative. No segment has the
/// key 0, `IPC_PRIVATE`.
fn key(word: &str) -> Option<ShmKey> {
    let number = match word.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16).ok()?.cast_signed(),
        None => word.parse().ok()?,
    };
    Some(ShmKey(number)).filter(|&key| key != ShmKey::PRIVATE)
}

fn date(rest: &str) -> Result<Command<'_>, ParseError<'_>> {
    let mut format = DateFormat::Calendar;
    for word in rest.split_ascii_whitespace() {
        match word {
            // There is no other zone.
            "-u" => {}
            "+%s" => format = DateFormat::Seconds,
            other => return Err(ParseError::TooMuch(other)),
        }
    }
    Ok(Command::ShowDate(format))
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
            Self::NotAKey(key) => write!(f, "`{key}` is no key; `ipcs` lists those there are"),
            Self::NotAUser(user) => write!(f, "`{user}` is no user: `{RUN_AS}`"),
            Self::NotAnId(id) => write!(f, "`{id}` is no shmid; `ipcs` lists those there are"),
        }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::{COMMANDS, Columns, Command, Credential, DateFormat, ParseError, Which, parse};
    use abi::shm::{ShmId, ShmKey};
    use std::string::{String, ToString};
    use std::vec::Vec;

    #[test]
    fn every_command_that_help_lists_is_understood() {
        for (usage, _) in COMMANDS {
            for line in usages(usage) {
                assert!(parse(&line).is_ok(), "{line}");
            }
        }
    }

    /// The shortest and the longest line of a usage, for each alternative.
    fn usages(usage: &str) -> Vec<String> {
        let usage = usage.replace("SHMID", "5").replace("KEY", "0x1267");
        let usage = usage.replace("USER", "1000:100,7");
        let command = usage.split(' ').next().expect("a command");
        let alternatives = usage
            .split(" | ")
            .enumerate()
            .map(|(place, alternative)| match place {
                0 => alternative.to_string(),
                _ => std::format!("{command} {alternative}"),
            });
        let forms = alternatives.flat_map(|line| {
            let short = line.split(' ').filter(|word| !word.starts_with('['));
            [short.collect::<Vec<_>>().join(" "), line.replace(['[', ']'], "")]
        });
        forms.collect()
    }

    #[test]
    fn spaces_around_words_do_not_matter() {
        assert_eq!(parse("  \t "), Ok(Command::Nothing));
        assert_eq!(parse("  help  "), Ok(Command::Help));
        let id = ShmId::from_raw(32770).expect("valid");
        assert_eq!(
            parse("ipcrm    32770 "),
            Ok(Command::RemoveSegment(Which::Id(id)))
        );
    }

    #[test]
    fn a_segment_is_named_by_its_identifier_or_its_key() {
        let id = Which::Id(ShmId::from_raw(7).expect("valid"));
        assert_eq!(parse("ipcrm -m 7"), Ok(Command::RemoveSegment(id)));
        for (word, key) in [("4711", 4711), ("0x1267", 4711), ("-2", -2), ("0xfffffffe", -2)] {
            let line = std::format!("ipcrm -M {word}");
            let key = Which::Key(ShmKey(key));
            assert_eq!(parse(&line), Ok(Command::RemoveSegment(key)), "{line}");
        }
    }

    #[test]
    fn options_choose_what_is_shown() {
        for line in ["ipcs", "ipcs -m"] {
            assert_eq!(parse(line), Ok(Command::ListSegments(Columns::State)));
        }
        for line in ["ipcs -t", "ipcs -m -t", "ipcs -mt"] {
            assert_eq!(parse(line), Ok(Command::ListSegments(Columns::Times)));
        }
        assert_eq!(parse("ipcs -l"), Ok(Command::ShowLimits));
        assert_eq!(parse("ipcs -u "), Ok(Command::ShowUsage));
        assert_eq!(parse("ipcs -l -t"), Err(ParseError::TooMuch("-t")));
        for line in ["date", "date -u"] {
            assert_eq!(parse(line), Ok(Command::ShowDate(DateFormat::Calendar)));
        }
        for line in ["date +%s", "date -u +%s"] {
            assert_eq!(parse(line), Ok(Command::ShowDate(DateFormat::Seconds)));
        }
    }

    #[test]
    fn a_program_gets_the_rest_of_the_line() {
        assert_eq!(parse("run"), Ok(Command::ListPrograms));
        let command = Command::Run {
            user: None,
            name: "hostile",
            args: "random 7  100",
        };
        assert_eq!(parse("run hostile  random 7  100 "), Ok(command));
    }

    #[test]
    fn a_program_runs_as_the_user_and_in_the_groups_that_are_named() {
        let of = |line| match parse(line) {
            Ok(Command::Run { user, name, args }) => (user, name, args),
            other => panic!("{line}: {other:?}"),
        };
        let user = Credential::new(1000, 100);
        assert_eq!(of("run -u 7 x y"), (Some(Credential::new(7, 7)), "x", "y"));
        assert_eq!(of("run -u 1000:100 x"), (Some(user.clone()), "x", ""));
        let groups = [5, 6].into();
        let member = Credential { groups, ..user };
        assert_eq!(of("run  -u 1000:100,5,6  x"), (Some(member), "x", ""));
        for word in ["x", "-1", "1:", ":1", "1:2,", "1:2,x", "4294967296"] {
            let line = std::format!("run -u {word} x");
            assert_eq!(parse(&line), Err(ParseError::NotAUser(word)), "{line}");
        }
        assert_eq!(parse("run -u"), Err(ParseError::NotAUser("")));
        assert!(matches!(parse("run -u 1"), Err(ParseError::Missing { .. })));
    }

    #[test]
    fn mistakes_are_named() {
        assert_eq!(parse("halp"), Err(ParseError::Unknown("halp")));
        assert_eq!(parse("exit now"), Err(ParseError::TooMuch("now")));
        assert_eq!(parse("ipcs -q"), Err(ParseError::TooMuch("-q")));
        assert_eq!(parse("date +%Y"), Err(ParseError::TooMuch("+%Y")));
        assert_eq!(parse("ipcrm -1"), Err(ParseError::NotAnId("-1")));
        for word in ["0", "0x", "0x123456789", "x"] {
            let line = std::format!("ipcrm -M {word}");
            assert_eq!(parse(&line), Err(ParseError::NotAKey(word)));
        }
        assert_eq!(
            parse("ipcrm 99999999999"),
            Err(ParseError::NotAnId("99999999999"))
        );
        for line in ["ipcrm", "ipcrm -m", "ipcrm -M"] {
            let missing = parse(line).expect_err("an argument is missing");
            assert!(missing.to_string().contains("-M KEY"));
        }
    }
}
