//! Does what a hostile program might do, to show that the kernel and all others outlive it.
//!
//! ```text
//! hostile                     every act of the list, each in a process of its own
//! hostile ACT                 one act, in this process
//! hostile random SEED COUNT   COUNT messages made of nonsense
//! hostile spin                never lets go of the CPU, never ends
//! ```
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

extern crate alloc;

mod acts;
mod bombs;
mod handles;
mod instructions;
mod memory;
mod messages;
mod registers;

use abi::process::{End, FaultKind};
use acts::{Act, Expected};
use alloc::format;
use rt::spawn::Ended;
use rt::{Failure, Outcome, Start, hazard, println};
use tests::{Family, Frames};

rt::program!(run);

fn run(start: &Start) -> Outcome {
    match start.arg(0) {
        None => perform_all(&family(start)?),
        Some("random") => {
            let number = |place| start.arg(place).and_then(|arg| arg.parse().ok());
            messages::send_nonsense(number(1).unwrap_or(1), number(2).unwrap_or(10_000))
        }
        Some("spin") => hazard::spin(),
        Some("read-at") => memory::read_at(start.arg(1)),
        Some(name) => match acts::all().find(|act| act.name == name) {
            Some(act) => (act.perform)(&family(start)?),
            None => Err(Failure::new(format!("hostile: there is no act {name}"))),
        },
    }
}

fn family(start: &Start) -> Result<Family, Failure> {
    Family::new("hostile", start)
}

fn perform_all(family: &Family) -> Outcome {
    let (mut performed, mut failed) = (0, 0);
    for act in acts::all() {
        performed += 1;
        if let Err(failure) = supervise(family, &act) {
            failed += 1;
            println!("hostile: {}: FAILED: {failure}", act.name);
        }
    }
    if failed == 0 {
        println!("hostile: survived {performed} acts");
        Ok(())
    } else {
        Err(Failure::new(format!(
            "hostile: {failed} of {performed} acts went wrong"
        )))
    }
}

/// Lets a child do it, and looks how that ends and whether all it had came back.
fn supervise(family: &Family, act: &Act) -> Outcome {
    let frames = Frames::count();
    let command = family.command([act.name]).archive(family.archive());
    let end = command.spawn()?.wait()?;
    println!("hostile: {}: {}", act.name, Ended(end));
    frames.check()?;
    let is_expected = match (act.expected, end) {
        (Expected::Success | Expected::Harmless, End::Exited(0)) => true,
        (Expected::Harmless, End::Faulted(FaultKind::BadInstruction, _)) => true,
        (Expected::Fault(kinds), End::Faulted(kind, _)) => kinds.contains(&kind),
        _ => false,
    };
    if is_expected {
        Ok(())
    } else {
        Err(Failure::new(format!("expected {:?}", act.expected)))
    }
}
