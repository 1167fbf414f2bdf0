//! Builds and runs the test programs behind the claims, and reads their standard output.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use super::claims::Claim;
use crate::workspace::{Package, Workspace, cargo};

/// What became of one test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestResult {
    /// The package it belongs to.
    pub package: String,
    /// The test program: the package's own name, or that of a file under `tests/`.
    pub target: String,
    /// Its full name, as the test runner prints it.
    pub name: String,
    /// The result.
    pub outcome: Outcome,
}

/// A test's result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It passed.
    Passed,
    /// It failed.
    Failed,
    /// It was skipped, so it shows nothing.
    Ignored,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Ignored => "was ignored",
        })
    }
}

/// A compiled test program.
#[derive(Debug, PartialEq, Eq)]
struct TestProgram {
    package: String,
    target: String,
    path: PathBuf,
}

/// Runs every test program that contains a claimed test, and returns all their results.
///
/// # Errors
///
/// When a program cannot be built or started. A failing test is a result.
pub fn run(workspace: &Workspace, claims: &[Claim]) -> Result<Vec<TestResult>> {
    let wanted: BTreeSet<(&str, &str)> = claims
        .iter()
        .map(|claim| (claim.proof.package(), claim.proof.target()))
        .collect();
    let packages: BTreeSet<&str> = wanted.iter().map(|(package, _)| *package).collect();
    let mut results = Vec::new();
    for program in compile(workspace, &packages)? {
        if wanted.contains(&(program.package.as_str(), program.target.as_str())) {
            eprintln!("Running the tests {} of {}", program.target, program.package);
            results.extend(run_program(workspace, &program)?);
        }
    }
    Ok(results)
}

fn compile(workspace: &Workspace, packages: &BTreeSet<&str>) -> Result<Vec<TestProgram>> {
    if packages.is_empty() {
        return Ok(Vec::new());
    }
    let mut command = cargo();
    command.args(["test", "--no-run", "--message-format=json-render-diagnostics"]);
    for package in packages {
        command.args(["--package", package]);
    }
    let output = command
        .current_dir(workspace.root())
        .stderr(Stdio::inherit())
        .output()
        .context("cannot start cargo; install Rust, or put cargo on PATH")?;
    ensure!(
        output.status.success(),
        "cargo could not build the tests; its messages are above"
    );
    let messages = String::from_utf8_lossy(&output.stdout);
    test_programs(workspace.packages(), &messages)
}

fn test_programs(packages: &[Package], messages: &str) -> Result<Vec<TestProgram>> {
    #[derive(Deserialize)]
    struct Message {
        manifest_path: Option<PathBuf>,
        target: Option<Target>,
        profile: Option<Profile>,
        executable: Option<PathBuf>,
    }
    #[derive(Deserialize)]
    struct Target {
        name: String,
        kind: Vec<String>,
    }
    #[derive(Deserialize)]
    struct Profile {
        test: bool,
    }
    let names: BTreeMap<_, _> = packages.iter().map(|p| (p.folder(), &p.name)).collect();
    let mut programs = Vec::new();
    for line in messages.lines().filter(|line| line.starts_with('{')) {
        let message: Message =
            serde_json::from_str(line).context("cargo reported a build in an unknown form")?;
        let (Some(manifest), Some(target)) = (message.manifest_path, message.target) else {
            continue;
        };
        let (Some(Profile { test: true }), Some(path)) = (message.profile, message.executable) else {
            continue;
        };
        let Some(package) = manifest.parent().and_then(|folder| names.get(folder)) else {
            continue;
        };
        // A library and a binary both stand for the package's `src` folder.
        let own = target.kind.iter().any(|kind| kind == "test");
        programs.push(TestProgram {
            package: (*package).clone(),
            target: if own { target.name } else { (*package).clone() },
            path,
        });
    }
    Ok(programs)
}

fn run_program(workspace: &Workspace, program: &TestProgram) -> Result<Vec<TestResult>> {
    let mut packages = workspace.packages().iter();
    let package = packages.find(|package| package.name == program.package);
    let folder = package.map_or(workspace.root(), Package::folder);
    let output = Command::new(&program.path)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("cannot start {}", program.path.display()))?;
    let text = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        eprintln!("{text}");
    }
    let of_line = |(name, outcome): (&str, Outcome)| TestResult {
        package: program.package.clone(),
        target: program.target.clone(),
        name: name.into(),
        outcome,
    };
    Ok(text.lines().filter_map(result_line).map(of_line).collect())
}

/// Reads a line such as `test module::name ... ok`.
fn result_line(line: &str) -> Option<(&str, Outcome)> {
    let (name, result) = line.strip_prefix("test ")?.rsplit_once(" ... ")?;
    let outcome = match result.split([',', ' ']).next()? {
        "ok" => Outcome::Passed,
        "FAILED" => Outcome::Failed,
        "ignored" => Outcome::Ignored,
        _ => return None,
    };
    Some((name.trim_end().trim_end_matches(" - should panic"), outcome))
}

#[cfg(test)]
mod tests {
    use super::{Outcome, result_line};

    #[test]
    fn the_runners_lines_are_read() {
        let read = |line| result_line(line);
        assert_eq!(read("test a::b ... ok"), Some(("a::b", Outcome::Passed)));
        assert_eq!(
            read("test demo[cpu=max]  ... FAILED"),
            Some(("demo[cpu=max]", Outcome::Failed))
        );
        assert_eq!(read("test x ... ignored, slow"), Some(("x", Outcome::Ignored)));
        assert_eq!(read("test x - should panic ... ok"), Some(("x", Outcome::Passed)));
    }

    #[test]
    fn other_lines_are_not_results() {
        for line in [
            "running 3 tests",
            "test result: ok. 3 passed",
            "test x ... maybe",
            "ok",
        ] {
            assert_eq!(result_line(line), None, "{line}");
        }
    }
}
