//! Prints the environment: `env`.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

use rt::{Outcome, Start, println};

rt::program!(env);

fn env(start: &Start) -> Outcome {
    for (name, value) in start.vars() {
        println!("{name}={value}");
    }
    Ok(())
}
