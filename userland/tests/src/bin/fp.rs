//! Fills the FP/SIMD registers of several processes with words of their own, lets the others
//! run, and looks whether they are still there.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

extern crate alloc;

use abi::process::End;
use alloc::format;
use alloc::string::ToString;
use alloc::vec::Vec;
use rt::spawn::Ended;
use rt::{Failure, Outcome, Start, hazard, println};
use tests::{Family, Frames};

const PROCESSES: u64 = 4;
const ROUNDS: u64 = 500;
/// Long enough that now and then a time slice ends in between.
const SPINS: u64 = 20_000;

rt::program!(run);

fn run(start: &Start) -> Outcome {
    match start.arg(0) {
        Some(seed) => hold(seed.parse()?),
        None => lead(&Family::new("fp", start)?),
    }
}

fn lead(family: &Family) -> Outcome {
    let frames = Frames::count();
    let mut members = Vec::new();
    for seed in 1..PROCESSES {
        members.push(family.start([seed.to_string().as_str()])?);
    }
    hold(PROCESSES)?;
    for member in &members {
        let end = member.wait()?;
        if end != End::Exited(0) {
            return Err(Failure::new(format!(
                "fp: process {} {}",
                member.pid().0,
                Ended(end)
            )));
        }
    }
    drop(members);
    frames.check()?;
    println!("fp: {PROCESSES} processes kept their registers");
    Ok(())
}

fn hold(seed: u64) -> Outcome {
    match hazard::fp_registers_changed(seed, ROUNDS, SPINS) {
        0 => Ok(()),
        changed => Err(Failure::new(format!(
            "fp: process {seed} lost {changed} registers"
        ))),
    }
}
