//! Checks rules of the shared memory catalogue on the real kernel, through the whole way from a
//! program's call to the MMU.
//!
//! Prints `ok ID` or `FAIL ID: why` for each rule.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

extern crate alloc;

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
    /// Fails with the reason if one does not hold.
    check: fn(&Family) -> Outcome,
}

/// A rule for the tables of the modules.
const fn rule(ids: &'static [&'static str], check: fn(&Family) -> Outcome) -> Rule {
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
    children::RULES,
    fork::RULES,
    users::RULES,
    concurrent::RULES,
];

rt::program!(run);

fn run(start: &Start) -> Outcome {
    match start.arg(0) {
        None => check_all(&Family::new("conform", start)?),
        Some("as") => users::act(start.arg(1), start.arg(2)),
        Some(part) => children::play(part, start.arg(1)),
    }
}

fn check_all(family: &Family) -> Outcome {
    let (mut good, mut bad) = (0, 0);
    for rule in RULES.iter().copied().flatten() {
        let frames = Frames::count();
        let outcome = (rule.check)(family).and_then(|()| frames.check());
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
