//! Runs a program as another user: `as UID[:GID[,GROUP...]] PROGRAM [ARGUMENT...]`.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

extern crate alloc;

use abi::Handle;
use alloc::format;
use alloc::vec::Vec;
use rt::archive::Archive;
use rt::spawn::Command;
use rt::{Failure, Outcome, Start};
use tools::names;
use tools::options::Usage;

const USAGE: Usage = Usage {
    line: "as UID[:GID[,GROUP...]] PROGRAM [ARGUMENT...]",
    letters: "",
    help: "Runs a program as another user, which only user 0 may. What works on the system as a whole is not given\n\
           to it.",
};

rt::program!(run_as);

fn run_as(start: &Start) -> Outcome {
    let words: Vec<&str> = start.args().collect();
    let [user, name, arguments @ ..] = &words[..] else {
        return Err(USAGE.failure(USAGE.help));
    };
    let user = names::user(user).map_err(|wrong| USAGE.failure(&wrong))?;
    let archive = Archive::from_start(start).ok_or_else(|| Failure::new("as: there is no archive"))?;
    let file = archive.program(name);
    let file = file.ok_or_else(|| Failure::new(format!("as: {name}: there is no such program")))?;
    let mut command = Command::new(name, file)
        .args(arguments.iter().copied())
        .archive(archive);
    for (name, value) in start.vars() {
        command = command.env(name, value);
    }
    user.give_to(Handle::SELF)?;
    match command.exec()? {}
}
