//! Mutants as cargo-mutants lists them.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

/// One change of the source.
#[derive(Clone, Debug, Deserialize)]
pub struct Mutant {
    /// The folder of the workspace and the path in it, a place, and what is done there.
    pub name: String,
    /// The file, seen from the root of the workspace.
    pub file: String,
    pub genre: Genre,
    pub span: Span,
    /// What takes the place of the span.
    pub replacement: String,
    /// None in a constant.
    pub function: Option<Function>,
}

/// What is changed.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Hash)]
pub enum Genre {
    FnValue,
    BinaryOperator,
    UnaryOperator,
    MatchArm,
    MatchArmGuard,
    StructField,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Function {
    pub return_type: String,
}

/// From the first character to behind the last.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Span {
    pub start: Position,
    pub end: Position,
}

/// Both count from 1, columns in characters.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Position {
    pub line: usize,
    pub column: usize,
}

impl Position {
    /// The byte of the text that is here.
    pub fn offset(self, text: &str) -> usize {
        let lines = text.split_inclusive('\n').take(self.line - 1);
        let before: usize = lines.map(str::len).sum();
        let line = text[before..].chars().take(self.column - 1);
        before + line.map(char::len_utf8).sum::<usize>()
    }
}

/// All mutants of files and folders.
///
/// # Errors
///
/// cargo-mutants is not installed, or does not like what it was asked.
pub fn list(files: &[String]) -> Result<Vec<Mutant>> {
    let mut command = Command::new("cargo");
    command.args(["mutants", "--list", "--json"]);
    for file in files {
        let all = if Path::new(file).is_dir() { "/**" } else { "" };
        command.args(["--file", &format!("{file}{all}")]);
    }
    let output = command.output().context("cannot start cargo")?;
    ensure!(
        output.status.success(),
        "`cargo mutants --list` failed; `cargo install cargo-mutants` installs it:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let list: Vec<Mutant> =
        serde_json::from_slice(&output.stdout).context("cargo-mutants lists them otherwise")?;
    ensure!(
        !list.is_empty(),
        "there is nothing to change in {}",
        files.join(" ")
    );
    Ok(list)
}
