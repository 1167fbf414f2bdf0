//! Prints the time of day, and for how long the machine runs: `uptime`.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

use rt::sys::process::read_clock;
use rt::{Outcome, Start, println};
use tools::options::{Options, Usage};
use tools::times::UptimeLine;

const USAGE: Usage = Usage {
    line: "uptime",
    letters: "",
    help: "Prints the time of day, if it is known, and for how long the machine runs.",
};

rt::program!(uptime);

fn uptime(start: &Start) -> Outcome {
    Options::of(start, &USAGE)?;
    println!("{}", UptimeLine(read_clock()?));
    Ok(())
}
