//! Compiles the copy with all mutants in it, except those that the compiler refuses.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use crate::copy::Crate;
use crate::mutant::Mutant;
use crate::outcome::Outcome;
use crate::rewrite::{Blame, Rewritten};
use crate::site::gives_iterator;

const IN_A_CONSTANT: &str = "it is in a constant, which is computed before the choice";
const NO_PLACE: &str = "there is no way to choose it at run time";
const NO_CHOICE: &str = "the compiler does not accept the choice";

/// Compiles the crate's tests and gives their programs. Mutants that are not in them have an outcome then.
///
/// # Errors
///
/// Something else than a mutant does not compile.
pub fn build(of: &Crate, mutants: &[Mutant], outcomes: &mut [Outcome]) -> Result<Vec<PathBuf>> {
    for (mutant, outcome) in mutants.iter().zip(&mut *outcomes) {
        if mutant.function.is_none() {
            *outcome = Outcome::NotTried(IN_A_CONSTANT);
        }
    }
    // The library first, and elsewhere, so that of the tests only what is new is built again.
    let ways = [
        ("library", &["check", "--lib"][..]),
        ("tests", &["test", "--no-run", "--lib", "--tests"]),
    ];
    let mut messages = Vec::new();
    for (copy, arguments) in ways {
        loop {
            let changed = rewrite(of, mutants, outcomes)?;
            of.write(copy, &changed)?;
            messages = cargo(of, copy, arguments)?;
            if !judge(&messages, &changed, mutants, outcomes)? {
                break;
            }
        }
    }
    Ok(messages.into_iter().filter_map(Message::program).collect())
}

/// The source with all mutants that are open.
fn rewrite(of: &Crate, mutants: &[Mutant], outcomes: &mut [Outcome]) -> Result<BTreeMap<String, Rewritten>> {
    let files: BTreeSet<&str> = mutants.iter().map(|mutant| &*mutant.file).collect();
    let mut changed = BTreeMap::new();
    for file in files {
        let open = mutants.iter().enumerate();
        let open = open.filter(|(number, mutant)| mutant.file == file && outcomes[*number] == Outcome::Open);
        let (rewritten, sites) = of.rewrite(file, &open.collect::<Vec<_>>())?;
        changed.insert(file.to_owned(), rewritten);
        let left = sites
            .left
            .into_iter()
            .map(|number| (number, Outcome::NotTried(NO_PLACE)));
        let refused = sites
            .refused
            .into_iter()
            .map(|number| (number, Outcome::DoesNotCompile));
        for (number, outcome) in left.chain(refused) {
            outcomes[number] = outcome;
        }
    }
    Ok(changed)
}

/// Looks for mutants that are to blame for errors, and says whether there were errors.
fn judge(
    messages: &[Message],
    changed: &BTreeMap<String, Rewritten>,
    mutants: &[Mutant],
    outcomes: &mut [Outcome],
) -> Result<bool> {
    let errors: Vec<_> = messages.iter().filter_map(Message::error).collect();
    let spans = errors
        .iter()
        .flat_map(|error| &error.spans)
        .filter(|span| span.is_primary);
    let blamed = spans.filter_map(|span| {
        changed
            .get(&span.file_name)?
            .blame(&(span.byte_start..span.byte_end))
    });
    let blamed: Vec<_> = blamed.collect();
    let texts = errors.iter().map(|error| &*error.rendered);
    ensure!(
        errors.is_empty() || !blamed.is_empty(),
        "this is no mutant's fault:\n{}",
        texts.collect::<String>()
    );
    for blame in blamed {
        match blame {
            Blame::Mutant(number) if is_honest(&mutants[number]) => {
                outcomes[number] = Outcome::DoesNotCompile
            }
            Blame::Mutant(number) => outcomes[number] = Outcome::NotTried(NO_CHOICE),
            Blame::Choice(numbers) => {
                for number in numbers {
                    outcomes[number] = Outcome::NotTried(NO_CHOICE);
                }
            }
        }
    }
    Ok(!errors.is_empty())
}

/// Whether what does not compile here would not elsewhere: all values of `impl Trait` must be of one type.
fn is_honest(mutant: &Mutant) -> bool {
    let function = mutant.function.as_ref();
    gives_iterator(mutant) || function.is_none_or(|function| !function.return_type.contains("impl "))
}

/// What cargo says in a line of JSON.
#[derive(Deserialize)]
struct Message {
    message: Option<Diagnostic>,
    executable: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Diagnostic {
    level: String,
    rendered: String,
    spans: Vec<Place>,
}

#[derive(Deserialize)]
struct Place {
    file_name: String,
    byte_start: usize,
    byte_end: usize,
    is_primary: bool,
}

impl Message {
    fn program(self) -> Option<PathBuf> {
        self.executable
    }

    fn error(&self) -> Option<&Diagnostic> {
        self.message.as_ref().filter(|message| message.level == "error")
    }
}

fn cargo(of: &Crate, copy: &str, arguments: &[&str]) -> Result<Vec<Message>> {
    let mut command = Command::new("cargo");
    command.args(arguments).args(["--message-format", "json"]);
    command.current_dir(of.in_copy(copy));
    // Optimised a little, checked as usual, and of no use to a debugger.
    for profile in ["DEV", "TEST"] {
        command.env(format!("CARGO_PROFILE_{profile}_OPT_LEVEL"), "1");
        command.env(format!("CARGO_PROFILE_{profile}_DEBUG"), "0");
    }
    command
        .env("CARGO_INCREMENTAL", "0")
        .env("CARGO_TARGET_DIR", of.work.join("target"));
    // A mutant need not please any lint, and the module that chooses needs what only the standard library may use.
    command
        .env("RUSTFLAGS", "--cap-lints=warn")
        .env("RUSTC_BOOTSTRAP", of.crates()?);
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .context("cannot start cargo")?;
    let lines = output
        .stdout
        .split(|&byte| byte == b'\n')
        .filter(|line| !line.is_empty());
    lines
        .map(|line| serde_json::from_slice(line).context("cargo says something else"))
        .collect()
}
