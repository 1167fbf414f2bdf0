//! Checks rules of the shared memory catalogue on the real kernel, through the whole way from a
//! program's call to the MMU.
//!
//! Prints `ok ID` or `FAIL ID: why` for each rule. `conform alone` keeps to those that take no other process.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

extern crate alloc;

mod accounting;
mod attach;
mod children;
mod concurrent;
mod control;
mod create;
mod detach;
mod expect;
mod fork;
mod limits;
mod list;
mod race;
mod remove;
mod users;

use alloc::format;
use rt::{Failure, Outcome, Start, println};
use tests::{Family, Frames};

/// Rules that are checked together.
pub struct Rule {
    /// Their names in the catalogue.
    ids: &'static [&'static str],
    check: Check,
}

/// Fails with the reason if a rule does not hold.
enum Check {
    /// Without any other process.
    Alone(fn() -> Outcome),
    /// With others.
    InCompany(fn(&Family) -> Outcome),
}

/// A rule for the tables of the modules.
const fn rule(ids: &'static [&'static str], check: fn(&Family) -> Outcome) -> Rule {
    let check = Check::InCompany(check);
    Rule { ids, check }
}

/// A rule about what one process does.
const fn alone(ids: &'static [&'static str], check: fn() -> Outcome) -> Rule {
    let check = Check::Alone(check);
    Rule { ids, check }
}

const RULES: &[&[Rule]] = &[
    create::RULES,
    attach::RULES,
    detach::RULES,
    control::RULES,
    remove::RULES,
    list::RULES,
    limits::RULES,
    accounting::RULES,
    children::RULES,
    fork::RULES,
    users::RULES,
    concurrent::RULES,
];

rt::program!(run);

fn run(start: &Start) -> Outcome {
    match start.arg(0) {
        None => check(&Family::new("conform", start)?, |_| true),
        Some("alone") => check(&Family::new("conform", start)?, |rule| {
            matches!(rule.check, Check::Alone(_))
        }),
        Some("as") => users::act(start.arg(1), start.arg(2)),
        Some(part) => children::play(part, start.arg(1)),
    }
}

fn check(family: &Family, wanted: fn(&Rule) -> bool) -> Outcome {
    let (mut good, mut bad) = (0, 0);
    for rule in RULES.iter().copied().flatten().filter(|rule| wanted(rule)) {
        let outcome = rule.check(family);
        for id in rule.ids {
            match &outcome {
                Ok(()) => println!("ok {id}"),
                Err(failure) => println!("FAIL {id}: {failure}"),
            }
        }
        let count = rule.ids.len();
        if outcome.is_ok() {
            good += count
        } else {
            bad += count
        }
    }
    println!("conform: {good} rules hold, {bad} do not");
    if bad == 0 {
        Ok(())
    } else {
        Err(Failure::new(format!("conform: {bad} rules do not hold")))
    }
}

impl Rule {
    /// Whether it holds, and whether all frames are back.
    fn check(&self, family: &Family) -> Outcome {
        let frames = Frames::count();
        match self.check {
            Check::Alone(check) => check()?,
            Check::InCompany(check) => check(family)?,
        }
        frames.check()
    }
}
