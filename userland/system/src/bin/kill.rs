//! Ends processes: `kill [-SIGNAL | -s SIGNAL] PID...`, `kill -l`.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

extern crate alloc;

use abi::process::Pid;
use abi::{Errno, Handle};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use rt::processes::process;
use rt::sys::system::kill_process;
use rt::{Error, Failure, Outcome, Start, println};
use system::signals::{DEADLY, Wanted, wanted};
use tools::names;
use tools::options::{Usage, each};

/// The system, which the shell gives to programs of this folder.
const SYSTEM: Handle = Handle::PARENT;

const USAGE: Usage = Usage {
    line: "kill [-SIGNAL | -s SIGNAL] PID... | -l",
    letters: "",
    help: "Ends processes, and comes back when they are gone. There are no signals that one could handle: all that -l \
           lists\nend a process for good, others are refused, and -0 only asks whether it exists.",
};

rt::program!(kill);

fn kill(start: &Start) -> Outcome {
    let words = USAGE.words(start);
    if words == ["-l"] {
        list();
        return Ok(());
    }
    let (wanted, words) = wanted(&words).map_err(|wrong| USAGE.failure(&wrong))?;
    let pids: Result<Vec<Pid>, String> = words.iter().map(|word| names::process(word)).collect();
    let pids = pids.map_err(|wrong| USAGE.failure(&wrong))?;
    if pids.is_empty() {
        return Err(USAGE.failure("nobody is named"));
    }
    each(pids, |pid| match wanted {
        Wanted::End => kill_process(SYSTEM, pid).map_err(|error| explained(pid, error)),
        Wanted::Existence => look_for(pid),
    });
    Ok(())
}

fn list() {
    let names: Vec<&str> = DEADLY.iter().map(|(name, _)| *name).collect();
    println!("{}", names.join(" "));
}

fn look_for(pid: Pid) -> Outcome {
    let found = process(SYSTEM, pid)?;
    let missing = || explained(pid, Error::Refused(Errno::ESRCH));
    found.map(|_| ()).ok_or_else(missing)
}

fn explained(pid: Pid, error: Error) -> Failure {
    let pid = pid.0;
    match error {
        Error::Refused(Errno::ESRCH) => Failure::new(format!("kill: ({pid}) - No such process")),
        Error::Refused(Errno::EPERM) => Failure::new(format!("kill: ({pid}) - Operation not permitted")),
        other => other.into(),
    }
}
