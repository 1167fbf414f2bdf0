//! The shell: runs what is typed at the prompt, or a script.
//!
//! | started as | |
//! | --- | --- |
//! | `shell` | a prompt |
//! | `shell FILE [ARGUMENT...]` | the lines of FILE, in the archive |
//! | `shell -c TEXT` | this text |
//!
//! As the first program (bootarg `init=shell`) it finds a script's name in bootarg `script=FILE`.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

extern crate alloc;

mod builtin;
mod complete;
mod foreground;
mod jobs;
mod launch;
mod pipeline;
mod session;

use abi::Handle;
use abi::process::Pid;
use abi::system::MachineEnd;
use alloc::format;
use rt::io::LineReader;
use rt::{Failure, Outcome, Start, sys};
use session::Session;

/// The system, which `init` gives to the shell.
const SYSTEM: Handle = Handle::PARENT;

const PROMPT: &str = "granule> ";

rt::program!(serve);

fn serve(start: &Start) -> Outcome {
    let mut session = Session::new(start);
    run(start, &mut session)?;
    let status = session.status();
    if sys::process::identify(Handle::SELF) == Ok(Pid(1)) {
        sys::system::shut_down(SYSTEM, MachineEnd::PowerOff, status.unsigned_abs())?;
    }
    sys::process::exit(status)
}

fn run(start: &Start, session: &mut Session) -> Outcome {
    match (start.arg(0), start.arg(1), script_by_bootarg(start)) {
        (Some("-c"), Some(text), _) => session.run_text(text)?,
        (Some("-c"), None, _) => return Err(Failure::new("shell: -c needs a text behind it")),
        (Some(file), _, _) | (None, _, Some(file)) => run_script(session, file)?,
        (None, _, None) => prompt(session)?,
    }
    Ok(())
}

/// The first program's text are the boot arguments.
fn script_by_bootarg(start: &Start) -> Option<&str> {
    let is_first = sys::process::identify(Handle::SELF) == Ok(Pid(1));
    let mut words = start.text().split_ascii_whitespace();
    words
        .find_map(|word| word.strip_prefix("script="))
        .filter(|_| is_first)
}

fn run_script(session: &mut Session, file: &str) -> Outcome {
    let bytes = session.archive().and_then(|archive| archive.file(file));
    let text = bytes.and_then(|bytes| core::str::from_utf8(bytes).ok());
    let text = text.ok_or_else(|| {
        Failure::new(format!(
            "shell: the archive has no text file {file}; `ls` lists its files"
        ))
    })?;
    for (number, line) in (1..).zip(text.lines()) {
        let ran = session.run_text(line);
        ran.map_err(|error| Failure::new(format!("shell: {file}, line {number}: {error}")))?;
        if session.is_leaving() || session.was_interrupted() {
            break;
        }
    }
    Ok(())
}

fn prompt(session: &mut Session) -> Outcome {
    // At a prompt it is a key: also in a shell that another one waits for.
    sys::console::signal_interrupt(Handle::CONSOLE, None).ok();
    let mut reader = LineReader::new();
    while !session.is_leaving() {
        session.tell_of_jobs();
        let words = session.words_to_complete();
        let line = reader.read_line_at(PROMPT, &|before| words.behind(before))?;
        let Some(line) = line else { break };
        session.remember(reader.history());
        if let Err(error) = session.run_text(&line) {
            session.complain(&format!("{error}"));
        }
    }
    Ok(())
}
