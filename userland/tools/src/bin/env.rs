//! Prints the environment: `env`.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

use rt::{Outcome, Start, println};
use tools::options::{Options, Usage};

const USAGE: Usage = Usage {
    line: "env",
    letters: "",
    help: "Prints the environment. The shell runs a program with another one: NAME=word PROGRAM.",
};

rt::program!(env);

fn env(start: &Start) -> Outcome {
    if !Options::of(start, &USAGE)?.operands.is_empty() {
        return Err(USAGE.failure("it takes nothing"));
    }
    for (name, value) in start.vars() {
        println!("{name}={value}");
    }
    Ok(())
}
