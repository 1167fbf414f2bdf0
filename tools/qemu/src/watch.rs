//! What a kernel that refuses to start must not do on the way: take exceptions, or reach for memory that is not there.
//!
//! QEMU knows and can be asked to say so, on its standard error.

use std::process::Command;

use anyhow::Result;

use crate::expect::{Failure, Script};
use crate::guest::{self, Report};

/// Plays the script as [`guest::play`] does. The machine may take `aborts` exceptions.
///
/// # Errors
///
/// When the command cannot be started.
pub fn play(command: &mut Command, script: &Script, aborts: usize) -> Result<Report> {
    command.args(["-d", "int,guest_errors"]);
    let mut report = guest::play(command, script)?;
    if report.verdict.is_ok() {
        report.verdict = judge(&report.complaints, aborts);
    }
    Ok(report)
}

/// The first line that tells of an exception too many is a failure.
fn judge(report: &str, aborts: usize) -> Result<(), Failure> {
    let mut found = report.lines().filter(|line| is_wild(line));
    match found.nth(aborts) {
        Some(line) => Err(Failure::Wild(format!("QEMU reports `{line}`"))),
        None => Ok(()),
    }
}

/// Interrupts, firmware calls and semihosting are exceptions too, but none that mean a mistake.
fn is_wild(line: &str) -> bool {
    let mistakes = [
        "[Undefined Instruction]",
        "[Prefetch Abort]",
        "[Data Abort]",
        "[SError]",
        "[Illegal",
    ];
    let taken = line.starts_with("Taking exception") && mistakes.iter().any(|kind| line.contains(kind));
    taken || line.starts_with("Invalid read") || line.starts_with("Invalid write")
}

#[cfg(test)]
mod tests {
    use super::judge;

    const REPORT: &str = "Taking exception 16 [Semihosting call] on CPU 0
Taking exception 4 [Data Abort] on CPU 0
...from EL1 to EL1
Invalid read at addr 0x0, size 4, region '(null)', reason: rejected
Taking exception 4 [Data Abort] on CPU 0
";

    #[test]
    fn aborts_and_accesses_to_nothing_are_wild_but_calls_are_not() {
        assert_eq!(
            judge("Taking exception 11 [Hypervisor Call] on CPU 0\n", 0),
            Ok(())
        );
        assert!(judge(REPORT, 0).is_err());
    }

    #[test]
    fn as_many_as_are_in_order_may_come_and_no_more() {
        assert!(judge(REPORT, 2).is_err());
        assert_eq!(judge(REPORT, 3), Ok(()));
    }
}
