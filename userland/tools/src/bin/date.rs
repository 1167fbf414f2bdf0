//! Prints the date: `date [-u] [+%s]`.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

use rt::time::SystemTime;
use rt::{Failure, Outcome, Start, println};
use tools::options::{Options, Usage};
use tools::times::NO_DATE;

const USAGE: Usage = Usage {
    line: "date [-u] [+%s]",
    letters: "u",
    help: "Prints the date in UTC, or with +%s the seconds since 1970.",
};

rt::program!(date);

fn date(start: &Start) -> Outcome {
    // There is no other zone than -u.
    let options = Options::of(start, &USAGE)?;
    let now = SystemTime::now()?.ok_or_else(|| Failure::new(NO_DATE))?;
    match options.operands.first().map(|format| format.as_str()) {
        None => println!("{}", now.utc()),
        Some("+%s") => println!("{}", now.unix_seconds()),
        Some(_) => return Err(USAGE.failure("only the format +%s is known")),
    }
    Ok(())
}
