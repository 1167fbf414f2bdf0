//! The QEMU cases as trials of the standard test runner, some at a time.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::process::ExitCode;
use std::thread::available_parallelism;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use libtest_mimic::{Arguments, Failed, Trial};

use crate::bare;
use crate::build::build;
use crate::case::{Case, Firmware, read_all};
use crate::chain;
use crate::debug::{self, Debugger};
use crate::guest::{Report, play};
use crate::initrd::write_spoiled;
use crate::machine::{Boot, Console, Machine, ensure_qemu};
use crate::symbols::Symbols;
use crate::watch;
use crate::workspace::Workspace;

/// More machines at once than this would only slow each other down: each has up to four busy CPUs.
const MOST_MACHINES: usize = 3;

/// Builds once, then runs the cases that the arguments select.
///
/// The arguments are those of the standard test runner: a part of a name, `--list`, `--exact`, ...
///
/// # Errors
///
/// When the build fails or a case file is wrong. A failing case is in the exit status and on standard output.
pub fn run(arguments: Vec<String>) -> Result<ExitCode> {
    let program = OsString::from("granule test");
    let words = arguments.into_iter().map(OsString::from);
    let mut arguments = Arguments::from_iter(std::iter::once(program).chain(words));
    let workspace = Workspace::locate()?;
    let runs = runs(cases(&workspace)?, patience()?);
    let is_selected = |run: &&Run| !arguments.is_filtered_out(&Trial::test(run.name(), || Ok(())));
    let selected: Vec<&Run> = runs.iter().filter(is_selected).collect();
    let mut missing = Missing::default();
    if !arguments.list && !selected.is_empty() {
        ensure_qemu()?;
        build(&workspace)?;
        write_spoiled(&workspace)?;
        missing = Missing::look(&workspace, &selected);
    }
    let trials = runs
        .into_iter()
        .map(|run| run.trial(&workspace, &missing))
        .collect();
    let machines = available_parallelism().map_or(1, |cpus| cpus.get().min(MOST_MACHINES));
    arguments.test_threads.get_or_insert(machines);
    Ok(libtest_mimic::run(&arguments, trials).exit_code())
}

/// Reads the checked-in cases.
///
/// # Errors
///
/// When there is none, or a file is not a case.
pub fn cases(workspace: &Workspace) -> Result<Vec<Case>> {
    let folder = workspace.root().join("tools/qemu/cases");
    let cases = read_all(&folder)?;
    ensure!(
        !cases.is_empty(),
        "there is no case in {}, so nothing would be tested",
        folder.display()
    );
    Ok(cases)
}

/// A case on one of its machines.
struct Run {
    case: Case,
    machine: Machine,
}

fn runs(cases: Vec<Case>, patience: u32) -> Vec<Run> {
    let mut runs = Vec::new();
    for mut case in cases {
        case.script.deadline *= patience;
        for machine in case.machines.clone() {
            let case = case.clone();
            runs.push(Run { case, machine });
        }
    }
    runs
}

/// What some cases need and this host does not have, and why. The others run all the same.
#[derive(Default)]
struct Missing {
    /// Boards, by name.
    boards: BTreeMap<&'static str, String>,
    debugger: Option<String>,
}

impl Missing {
    fn look(workspace: &Workspace, runs: &[&Run]) -> Self {
        let machines = runs.iter().map(|run| &run.machine);
        let boards: BTreeMap<_, _> = machines.map(|machine| (machine.board.name(), machine)).collect();
        let missing = |(board, machine): (&'static str, &Machine)| {
            let why = reason(&format!("on {board}"), machine.fetch(workspace))?;
            Some((board, why))
        };
        Self {
            boards: boards.into_iter().filter_map(missing).collect(),
            debugger: reason("with gdb", find_debugger(runs)),
        }
    }

    fn of(&self, run: &Run) -> Option<&String> {
        let board = self.boards.get(run.machine.board.name());
        let debugger = self.debugger.as_ref();
        board.or(debugger.filter(|_| run.case.debugger.is_some()))
    }
}

fn reason(cases: &str, there: Result<()>) -> Option<String> {
    let why = format!("{:#}", there.err()?);
    if !must_be_complete() {
        eprintln!("The cases {cases} are ignored: {why}");
    }
    Some(why)
}

fn find_debugger(runs: &[&Run]) -> Result<()> {
    if runs.iter().any(|run| run.case.debugger.is_some()) {
        Debugger::find_with_python()?;
    }
    Ok(())
}

/// With `CI=true`, a case that cannot run has failed.
#[must_use]
pub fn must_be_complete() -> bool {
    std::env::var_os("CI").is_some_and(|value| value == "true")
}

impl Run {
    fn name(&self) -> String {
        self.case.trial_name(&self.machine)
    }

    fn trial(self, workspace: &Workspace, missing: &Missing) -> Trial {
        let (name, workspace) = (self.name(), workspace.clone());
        match missing.of(&self) {
            Some(why) => {
                let why = why.clone();
                Trial::test(name, || Err(why.into())).with_ignored_flag(!must_be_complete())
            }
            None => Trial::test(name, move || run_case(&workspace, &self.case, &self.machine)),
        }
    }
}

fn run_case(workspace: &Workspace, case: &Case, machine: &Machine) -> Result<(), Failed> {
    let report = boot_and_play(workspace, case, machine).map_err(|error| format!("{error:#}"))?;
    match &report.verdict {
        Ok(()) => Ok(()),
        Err(_) => {
            let report = Symbols::of_kernel(workspace).explain(&report.to_string());
            Err(format!("{}\n{report}", case.summary).into())
        }
    }
}

fn boot_and_play(workspace: &Workspace, case: &Case, machine: &Machine) -> Result<Report> {
    let boot = Boot {
        initrd: case.initrd.path(workspace),
        ..Boot::new(workspace, machine, &["exit=semihosting", &case.bootargs])?
    };
    let name = case.trial_name(machine);
    let boot = chain::boot(workspace, &name, machine, case.tree.as_ref(), boot)?;
    let mut command = match case.firmware {
        Firmware::Qemu => machine.command(&boot, Console::Stream),
        Firmware::None => bare::command(workspace, machine, &boot)?,
    };
    let refused = case.tree.as_ref().filter(|tree| tree.says.is_some());
    match (&case.debugger, refused) {
        (Some(commands), _) => debug::follow(workspace, &command, commands, &case.script),
        (None, Some(tree)) => watch::play(&mut command, &case.script, tree.aborts),
        (None, None) => play(&mut command, &case.script),
    }
}

/// How many times longer than written every deadline is: `GRANULE_PATIENCE`, for a slow or busy host.
fn patience() -> Result<u32> {
    match std::env::var("GRANULE_PATIENCE") {
        Ok(text) => text
            .parse()
            .with_context(|| format!("GRANULE_PATIENCE is `{text}`; it takes a whole number")),
        Err(_) => Ok(1),
    }
}

/// A deadline as a case file writes it, lengthened by `GRANULE_PATIENCE`.
///
/// # Errors
///
/// When the variable is not a whole number.
pub fn patient(deadline: Duration) -> Result<Duration> {
    Ok(deadline * patience()?)
}
