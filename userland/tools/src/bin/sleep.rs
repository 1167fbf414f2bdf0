//! Waits: `sleep SECONDS`.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

use rt::time::{self, Duration};
use rt::{Outcome, Start};
use tools::options::{Options, Usage};

const USAGE: Usage = Usage {
    line: "sleep SECONDS",
    letters: "",
    help: "Lets so many seconds pass, 0.5 for instance, while others run.",
};

rt::program!(sleep);

fn sleep(start: &Start) -> Outcome {
    let options = Options::of(start, &USAGE)?;
    let [seconds] = &options.operands[..] else {
        return Err(USAGE.failure("it takes one number"));
    };
    let time = duration(seconds).ok_or_else(|| USAGE.failure("that is no number of seconds"))?;
    time::sleep(time);
    Ok(())
}

/// `5` or `0.25`, without floating point.
fn duration(text: &str) -> Option<Duration> {
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = u32::try_from(fraction.len()).ok().filter(|&digits| digits <= 9)?;
    let nanoseconds = fraction
        .parse::<u32>()
        .ok()?
        .checked_mul(10_u32.pow(9 - digits))?;
    Some(Duration::new(seconds.parse().ok()?, nanoseconds))
}
