//! A QEMU case: a file under `cases/` that says what to boot, what to type and what must come.
//!
//! ```toml
//! summary = "The prompt answers and powers the machine off."
//! bootargs = "asid-bits=4"                    # optional
//! initrd = "programs"                         # or missing, empty, noise, cut, script, other-abi; optional
//! deadline = 60                               # seconds, optional
//! proves = ["G-31"]                           # rows of docs/conformance.tsv, optional
//! witness = "ok {id}"                         # a line that must come for each of them, optional
//! machines = [{}, { cpu = "max", smp = 1 }]   # optional; the case runs on each, {} is the default virt,
//!                                             # { board = "raspi4b" } the other board
//! status = 0                                  # exit status the guest must choose, optional
//! firmware = "none"                           # or qemu, optional: none means at EL3, if the machine is secure
//! debugger = """                              # gdb's commands, optional: then gdb follows them with the
//! break-in fp fp::hold                        # machine attached, and the rest is about what gdb says
//! continue
//! """
//! halts = true                                # the guest says `halted` instead, optional
//! forbid = ["leak"]                           # regexes, optional; a line that begins with `panic:` always fails
//! anywhere = ["^consumer: done"]              # regexes of lines that must come in any order, optional
//! script = [
//!     { line = "Granule" },                   # a line that contains the text
//!     { regex = 'checksum (?<sum>\w+)' },     # a line that matches; a named group is remembered
//!     { line = "checksum {sum}" },            # and can be demanded again
//!     { prompt = "> " },                      # waits for an unfinished line that ends with the text
//!     { send = "exit" },                      # types the text and Enter; `keys` types the text alone
//! ]
//! ```
//!
//! With `[[trees]]` the case runs once for each of them, which is a device tree with something changed
//! ([`tree`](mod@crate::tree) lists the keys). One that has a key `says` has a script of its own: the kernel must say
//! that it cannot start and why, and end the machine with status 1. A machine's key `load-at` puts the kernel at that address.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use regex::Regex;
use serde::Deserialize;

use crate::expect::{End, Script, Step};
use crate::initrd::Initrd;
use crate::machine::Machine;
use crate::tree::Tree;

/// A case, ready to be run.
#[derive(Debug, Clone)]
pub struct Case {
    /// The file's name without `.toml`.
    pub name: String,
    /// What the case shows, in one sentence.
    pub summary: String,
    /// The machines it runs on, at least one.
    pub machines: Vec<Machine>,
    /// Words for the kernel's command line.
    pub bootargs: String,
    /// What the machine gets for an initrd.
    pub initrd: Initrd,
    /// Who starts the kernel.
    pub firmware: Firmware,
    /// What is changed in the device tree, if anything is.
    pub tree: Option<Tree>,
    /// Rows of the conformance catalogue that it proves.
    pub proves: Vec<String>,
    /// What gdb is told, if the case is about it.
    pub debugger: Option<String>,
    /// What the machine must do; or gdb.
    pub script: Script,
}

/// What runs before the kernel.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Firmware {
    /// What QEMU has in its place, which enters the kernel at EL1 or EL2.
    #[default]
    Qemu,
    /// Nothing, so that the kernel is entered at the machine's highest exception level.
    None,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct CaseFile {
    summary: String,
    #[serde(default = "one_machine")]
    machines: Vec<Machine>,
    #[serde(default)]
    bootargs: String,
    #[serde(default)]
    initrd: Initrd,
    #[serde(default = "one_minute")]
    deadline: u64,
    #[serde(default)]
    proves: Vec<String>,
    #[serde(default)]
    witness: Option<String>,
    #[serde(default)]
    forbid: Vec<String>,
    #[serde(default)]
    anywhere: Vec<String>,
    #[serde(default)]
    status: i32,
    #[serde(default)]
    firmware: Firmware,
    #[serde(default)]
    debugger: Option<String>,
    #[serde(default)]
    halts: bool,
    #[serde(default)]
    trees: Vec<Tree>,
    #[serde(default)]
    script: Vec<StepLine>,
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "lowercase")]
enum StepLine {
    Line(String),
    Regex(String),
    Prompt(String),
    Send(String),
    Keys(String),
}

fn one_machine() -> Vec<Machine> {
    vec![Machine::default()]
}

fn one_minute() -> u64 {
    60
}

/// Reads all cases of a folder, sorted by name.
///
/// # Errors
///
/// When a file cannot be read or is not a case; the message names it.
pub fn read_all(folder: &Path) -> Result<Vec<Case>> {
    let entries =
        fs::read_dir(folder).with_context(|| format!("cannot list the cases in {}", folder.display()))?;
    let mut cases = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            cases.extend(read(&path).with_context(|| format!("in {}", path.display()))?);
        }
    }
    cases.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(cases)
}

fn read(path: &Path) -> Result<Vec<Case>> {
    let name = path.file_stem().expect("a listed file has a name");
    parse(&name.to_string_lossy(), &fs::read_to_string(path)?)
}

/// The cases of a file: one, or one for each of its device trees.
fn parse(name: &str, text: &str) -> Result<Vec<Case>> {
    let mut file: CaseFile = toml::from_str(text)?;
    let trees = std::mem::take(&mut file.trees);
    if trees.is_empty() {
        return Ok(vec![case(name, file)?]);
    }
    trees
        .into_iter()
        .map(|tree| with_tree(name, file.clone(), tree))
        .collect()
}

fn with_tree(name: &str, mut file: CaseFile, tree: Tree) -> Result<Case> {
    if let Some(says) = &tree.says {
        file.script = vec![StepLine::Line(format!("Granule cannot start: {says}"))];
        file.status = 1;
        file.halts = tree.halts;
    }
    let mut case = case(&format!("{name}/{}", tree.name), file)?;
    case.tree = Some(tree);
    Ok(case)
}

fn case(name: &str, file: CaseFile) -> Result<Case> {
    ensure!(
        !file.machines.is_empty(),
        "`machines` is empty, so the case would never run"
    );
    let steps: Vec<Step> = file.script.into_iter().map(Step::from).collect();
    check_steps(&steps)?;
    let mut anywhere = file.anywhere;
    anywhere.extend(file.witness.iter().flat_map(|line| witnesses(line, &file.proves)));
    let mut forbidden = vec!["^panic:".to_owned()];
    forbidden.extend(file.forbid);
    Ok(Case {
        name: name.into(),
        summary: file.summary,
        machines: file.machines,
        bootargs: file.bootargs,
        initrd: file.initrd,
        firmware: file.firmware,
        tree: None,
        proves: file.proves,
        debugger: file.debugger,
        script: Script {
            steps,
            anywhere: regexes(&anywhere)?,
            forbidden: regexes(&forbidden)?,
            end: if file.halts {
                End::Halt
            } else {
                End::Status(file.status)
            },
            deadline: Duration::from_secs(file.deadline),
        },
    })
}

/// What must be seen so that a row counts as proved: `line` with the row's id, and nothing else.
fn witnesses(line: &str, rows: &[String]) -> Vec<String> {
    rows.iter()
        .map(|id| format!("^{}$", regex::escape(&line.replace("{id}", id))))
        .collect()
}

/// Finds a mistake in an expression now, not when a machine has run for a minute.
fn check_steps(steps: &[Step]) -> Result<()> {
    ensure!(
        steps
            .iter()
            .any(|step| !matches!(step, Step::Send(_) | Step::Keys(_))),
        "the script waits for nothing, so it would pass whatever the machine does"
    );
    // `{name}` stands for captured text; any text will do for this check.
    let reference = Regex::new(r"\{[A-Za-z_]\w*\}").expect("the pattern is valid");
    for step in steps {
        if let Step::Regex(pattern) = step {
            Regex::new(&reference.replace_all(pattern, "x"))?;
        }
    }
    Ok(())
}

fn regexes(patterns: &[String]) -> Result<Vec<Regex>> {
    Ok(patterns
        .iter()
        .map(|pattern| Regex::new(pattern))
        .collect::<Result<_, _>>()?)
}

impl From<StepLine> for Step {
    fn from(line: StepLine) -> Self {
        match line {
            StepLine::Line(text) => Self::Line(text),
            StepLine::Regex(text) => Self::Regex(text),
            StepLine::Prompt(text) => Self::Prompt(text),
            StepLine::Send(text) => Self::Send(text),
            StepLine::Keys(text) => Self::Keys(text),
        }
    }
}

impl Case {
    /// The name under which the case runs on this machine: `demo`, or `demo[cpu=max]`.
    #[must_use]
    pub fn trial_name(&self, machine: &Machine) -> String {
        match machine.label().as_str() {
            "" => self.name.clone(),
            label => format!("{}[{label}]", self.name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Case, parse};
    use crate::expect::{End, Ending, Session};

    const CASE: &str = r#"
        summary = "An example."
        machines = [{}, { cpu = "max", smp = 1 }]
        proves = ["G-31"]
        status = 3
        script = [ { line = "Granule" }, { regex = 'sum (?<sum>\w{2,})' }, { regex = "^{sum}$" } ]
    "#;

    fn example() -> Case {
        parse("demo", CASE).unwrap().remove(0)
    }

    #[test]
    fn a_case_runs_once_on_each_of_its_machines_under_a_name_of_its_own() {
        let case = example();
        let names: Vec<_> = case.machines.iter().map(|m| case.trial_name(m)).collect();
        assert_eq!(names, ["demo", "demo[cpu=max,smp=1]"]);
    }

    #[test]
    fn the_steps_of_the_file_are_the_steps_that_are_played() {
        let case = example();
        let play = |output: &str, status| {
            let mut session = Session::new(&case.script);
            session.feed(output.as_bytes());
            session.end(Ending::Ended(End::Status(status)))
        };
        assert_eq!(play("Granule 0.1\nsum ab\nab\n", 3), Ok(()));
        assert!(play("Granule 0.1\nsum ab\nab\n", 0).is_err());
        assert!(play("Granule 0.1\nsum ab\nac\n", 3).is_err());
    }

    #[test]
    fn a_panic_is_forbidden_without_being_mentioned() {
        let case = example();
        assert!(case.script.forbidden.iter().any(|p| p.is_match("panic: at")));
    }

    #[test]
    fn a_case_with_trees_runs_once_for_each_and_ends_as_the_tree_says() {
        let text = r#"
            summary = "Trees."
            script = [ { line = "booted" } ]
            trees = [
                { name = "good" },
                { name = "bad", says = "no timer" },
                { name = "none", says = "no tree", halts = true },
            ]
        "#;
        let cases = parse("tree", text).unwrap();
        let names: Vec<_> = cases.iter().map(|case| case.name.as_str()).collect();
        assert_eq!(names, ["tree/good", "tree/bad", "tree/none"]);
        let play = |case: &Case, output: &str, end| {
            let mut session = Session::new(&case.script);
            session.feed(output.as_bytes());
            session.end(Ending::Ended(end))
        };
        assert_eq!(play(&cases[0], "booted\n", End::Status(0)), Ok(()));
        assert_eq!(
            play(&cases[1], "Granule cannot start: no timer\n", End::Status(1)),
            Ok(())
        );
        assert_eq!(
            play(&cases[2], "Granule cannot start: no tree\n", End::Halt),
            Ok(())
        );
        assert!(play(&cases[1], "booted\n", End::Status(1)).is_err());
    }

    #[test]
    fn a_case_that_waits_for_nothing_is_refused() {
        for script in ["[]", r#"[{ send = "exit" }]"#] {
            let text = format!("summary = 'x'\nscript = {script}");
            assert!(parse("x", &text).is_err(), "{script}");
        }
    }

    #[test]
    fn mistakes_in_a_case_file_are_found_before_a_machine_starts() {
        for wrong in [
            "script = [{ line = 'a' }]",
            "summary = 'x'\nscript = [{ lines = 'a' }]",
            "summary = 'x'\nscript = [{ regex = '(' }]",
            "summary = 'x'\nscript = [{ line = 'a' }]\nforbid = ['(']",
            "summary = 'x'\nscript = [{ line = 'a' }]\nmachines = []",
            "summary = 'x'\nscript = [{ line = 'a' }]\ndeadlin = 3",
        ] {
            assert!(parse("x", wrong).is_err(), "{wrong}");
        }
    }
}
