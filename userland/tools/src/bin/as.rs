//! Runs a program as another user: `as UID[:GID[,GROUP...]] PROGRAM [ARGUMENT...]`.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

use abi::Handle;
use rt::{Outcome, Start};
use tools::options::Usage;
use tools::{launch, names};

const USAGE: Usage = Usage {
    line: "as UID[:GID[,GROUP...]] PROGRAM [ARGUMENT...]",
    letters: "",
    help: "Runs a program as another user, which only user 0 may. What works on the system as a whole is not given\n\
           to it.",
};

rt::program!(run_as);

fn run_as(start: &Start) -> Outcome {
    let words = USAGE.words(start);
    let [user, name, arguments @ ..] = &words[..] else {
        return Err(USAGE.failure("it takes a user and a program"));
    };
    let user = names::user(user).map_err(|wrong| USAGE.failure(&wrong))?;
    user.give_to(Handle::SELF)?;
    match launch::command(&USAGE, start, name, arguments)?.exec()? {}
}
