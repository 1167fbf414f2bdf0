//! Runs the tests with one mutant chosen, and sees whether any fails.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use wait_timeout::ChildExt;

use crate::outcome::Outcome;

/// One test, and what was seen of it with no mutant chosen.
#[derive(Debug)]
pub struct Test {
    program: PathBuf,
    /// The folder in which it runs.
    folder: PathBuf,
    name: String,
    time: Duration,
    /// The mutants that it comes past.
    reached: HashSet<usize>,
}

/// All tests of a program, each of them run with no mutant chosen.
///
/// # Errors
///
/// One fails although nothing is wrong.
pub fn measure(program: &Path, folder: &Path, work: &Path) -> Result<Vec<Test>> {
    let output = Command::new(program)
        .args(["--list", "--format", "terse"])
        .output();
    let list = String::from_utf8(output.context("cannot start the tests")?.stdout)?;
    let names = list.lines().filter_map(|line| line.strip_suffix(": test"));
    names
        .map(|name| Test::measure(program, folder, name, &work.join("reached")))
        .collect()
}

impl Test {
    fn measure(program: &Path, folder: &Path, name: &str, list: &Path) -> Result<Self> {
        fs::write(list, "")?;
        let mut test = Self {
            program: program.to_owned(),
            folder: folder.to_owned(),
            name: name.to_owned(),
            time: Duration::from_secs(30),
            reached: HashSet::new(),
        };
        let begin = Instant::now();
        let status = test.run("GRANULE_MUTANTS_REACHED", &list.to_string_lossy())?;
        let passed = status.is_some_and(|status| status.success());
        ensure!(passed, "the test {name} fails although nothing is changed");
        test.time = begin.elapsed();
        let reached = fs::read_to_string(list)?;
        test.reached = reached.lines().filter_map(|line| line.parse().ok()).collect();
        Ok(test)
    }

    /// Runs it until it ends; if that takes much too long, there is no status.
    fn run(&self, variable: &str, value: &str) -> Result<Option<ExitStatus>> {
        // A mutant may ask for all memory there is.
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "ulimit -v 4000000 && exec \"$0\" --exact \"$1\""]);
        command
            .arg(&self.program)
            .arg(&self.name)
            .current_dir(&self.folder);
        command.env(variable, value).env("RUST_BACKTRACE", "0");
        // Anything at all, but the same each time, and no better example of what fails.
        command.env("PROPTEST_CASES", "48").env("PROPTEST_RNG_SEED", "1");
        command
            .env("PROPTEST_MAX_SHRINK_ITERS", "0")
            .env("PROPTEST_DISABLE_FAILURE_PERSISTENCE", "1");
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let mut child = command.spawn().context("cannot start the tests")?;
        let status = child.wait_timeout((self.time * 20).max(Duration::from_secs(5)))?;
        if status.is_none() {
            child.kill()?;
            child.wait()?;
        }
        Ok(status)
    }
}

/// Tries a mutant with the tests that come past it, in their order.
///
/// # Errors
///
/// A program cannot be started.
pub fn try_mutant(number: usize, tests: &[Test]) -> Result<Outcome> {
    let mut outcome = Outcome::Unreached;
    for test in tests.iter().filter(|test| test.reached.contains(&number)) {
        outcome = match test.run("GRANULE_MUTANT", &number.to_string())? {
            Some(status) if status.success() => Outcome::Survived,
            Some(_) => return Ok(Outcome::Caught(test.name.clone())),
            None => return Ok(Outcome::NeverEnds(test.name.clone())),
        };
    }
    Ok(outcome)
}

/// Puts the quickest first.
pub fn sort(tests: &mut [Test]) {
    tests.sort_by_key(|test| test.time);
}
