//! Ends processes: `kill [-9] PID...`.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

extern crate alloc;

use abi::process::Pid;
use abi::{Errno, Handle};
use alloc::format;
use alloc::vec::Vec;
use rt::sys::system::kill_process;
use rt::{Error, Failure, Outcome, Start, println};
use tools::names;
use tools::options::Usage;

/// The system, which the shell gives to programs of this folder.
const SYSTEM: Handle = Handle::PARENT;

const USAGE: Usage = Usage {
    line: "kill PID...",
    letters: "",
    help: "Ends processes, and comes back when they are gone. There are no signals: -9, -KILL and the like change \
           nothing.",
};

rt::program!(kill);

fn kill(start: &Start) -> Outcome {
    let words: Vec<&str> = start.args().filter(|word| !is_signal(word)).collect();
    if words.contains(&"--help") {
        println!("usage: {}\n{}", USAGE.line, USAGE.help);
        return Ok(());
    }
    if words.is_empty() {
        return Err(USAGE.failure("nobody is named"));
    }
    for word in words {
        let pid = names::process(word).map_err(|wrong| USAGE.failure(&wrong))?;
        kill_process(SYSTEM, pid).map_err(|error| explained(pid, error))?;
    }
    Ok(())
}

/// `-9`, `-KILL`, `-SIGTERM`.
fn is_signal(word: &str) -> bool {
    let is_part = |character: char| character.is_ascii_uppercase() || character.is_ascii_digit();
    word.strip_prefix('-')
        .is_some_and(|rest| !rest.is_empty() && rest.chars().all(is_part))
}

fn explained(pid: Pid, error: Error) -> Failure {
    let pid = pid.0;
    match error {
        Error::Refused(Errno::ESRCH) => Failure::new(format!("kill: ({pid}) - No such process")),
        Error::Refused(Errno::EPERM) => Failure::new(format!("kill: ({pid}) - Operation not permitted")),
        other => other.into(),
    }
}
