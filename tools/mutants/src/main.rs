//! `just mutants FILE...`: makes the code wrong in every way that cargo-mutants knows, and lists what no test notices.
//!
//! cargo-mutants compiles the crate and its tests anew for each mutant, and that is nearly all the time it takes. Here they are
//! compiled once, in a copy of the tree, with all mutants in them, and an environment variable chooses one.

#![forbid(unsafe_code)]

mod build;
mod copy;
mod mutant;
mod outcome;
mod report;
mod rewrite;
mod site;
#[cfg(test)]
mod tests;
mod trial;

use std::fs;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use anyhow::{Context, Result};
use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};

use copy::Crate;
use mutant::Mutant;
use outcome::Outcome;
use trial::Test;

/// Lists changes of the source that no test notices.
#[derive(Parser)]
#[command(name = "granule-mutants")]
struct Arguments {
    /// Files and folders of one crate, `kernel/mm/src` for instance.
    #[arg(required = true)]
    files: Vec<String>,
    /// Try only those that were missed the last time.
    #[arg(long)]
    missed: bool,
    /// How many to try at a time.
    #[arg(long, default_value_t = 2)]
    jobs: usize,
}

fn main() -> ExitCode {
    match find(&Arguments::parse()) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("granule-mutants: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Gives how many were missed.
fn find(arguments: &Arguments) -> Result<usize> {
    let mutants = mutant::list(&arguments.files)?;
    let of = Crate::of(&mutants)?;
    let mut outcomes = vec![Outcome::Open; mutants.len()];
    let results = of.results();
    let before = fs::read_to_string(&results).unwrap_or_default();
    let paths = build::build(&of, &mutants, &mut outcomes)?;
    let folder = of.in_copy("tests");
    let mut tests = Vec::new();
    for program in paths {
        tests.extend(trial::measure(&program, &folder, &of.work)?);
    }
    trial::sort(&mut tests);
    if arguments.missed {
        report::keep_noticed(&before, &mutants, &mut outcomes);
    }
    try_all(&mutants, &mut outcomes, &tests, arguments.jobs)?;
    fs::write(&results, report::lines(&mutants, &outcomes))?;
    print!("{}", report::summary(&mutants, &outcomes));
    println!("All of them are in {}", results.display());
    Ok(outcomes.iter().filter(|outcome| outcome.is_missed()).count())
}

/// Tries all that are open, several at a time.
fn try_all(mutants: &[Mutant], outcomes: &mut [Outcome], tests: &[Test], jobs: usize) -> Result<()> {
    let open = outcomes
        .iter()
        .enumerate()
        .filter(|(_, outcome)| **outcome == Outcome::Open);
    let open: Vec<usize> = open.map(|(number, _)| number).collect();
    let style = ProgressStyle::with_template("{pos}/{len} {wide_bar} {eta}")?;
    let progress = ProgressBar::new(open.len() as u64).with_style(style);
    let next = AtomicUsize::new(0);
    let outcomes = Mutex::new(outcomes);
    let work = || -> Result<()> {
        while let Some(&number) = open.get(next.fetch_add(1, Ordering::Relaxed)) {
            let outcome = trial::try_mutant(number, tests)?;
            if outcome.is_missed() {
                progress.suspend(|| println!("{outcome}: {}", mutants[number].name));
            }
            outcomes.lock().expect("nobody panicked")[number] = outcome;
            progress.inc(1);
        }
        Ok(())
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..jobs).map(|_| scope.spawn(work)).collect();
        let mut ends = workers
            .into_iter()
            .map(|worker| worker.join().expect("it has not panicked"));
        ends.try_for_each(|end| end.context("a trial failed"))
    })?;
    progress.finish_and_clear();
    Ok(())
}
