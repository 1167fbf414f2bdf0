//! Shows that threads run on the CPUs that they may run on, and on no other.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

extern crate alloc;

use abi::process::{CpuFacts, End};
use abi::{CpuSet, Errno, Handle};
use alloc::format;
use alloc::vec::Vec;
use rt::spawn::{Ended, fork};
use rt::sys::process::{read_cpus, set_cpus};
use rt::thread::{JoinHandle, spawn, yield_now};
use rt::{Error, Failure, Outcome, Start, println};
use tests::{Family, Frames};

const ROUNDS: u32 = 200;

rt::program!(run);

type Part = fn(&Family) -> Outcome;

fn run(start: &Start) -> Outcome {
    if start.arg(0) == Some("stay") {
        return stay();
    }
    let family = Family::new("affinity", start)?;
    let parts: [(&str, Part); 5] = [
        ("a process goes where it may run", wander),
        ("what runs nowhere is refused", refuse),
        ("threads stay where they may run", keep_threads),
        ("a thread that runs is sent away", send_away),
        ("children and copies begin where their maker may run", inherit),
    ];
    for (what, part) in parts {
        let frames = Frames::count();
        part(&family)?;
        set_cpus(Handle::SELF, CpuSet::ALL)?;
        frames.check()?;
        println!("affinity: {what}");
    }
    Ok(())
}

/// The numbers of the CPUs that run.
fn running() -> Result<Vec<u32>, Error> {
    let CpuFacts { cpus, .. } = read_cpus(Handle::SELF)?;
    Ok((0..64).filter(|&cpu| cpus.contains(cpu)).collect())
}

/// The calling thread is on `cpu`, and may be there alone.
fn expect_here(cpu: u32) -> Outcome {
    expect_at(read_cpus(Handle::SELF)?, cpu)
}

fn expect_at(facts: CpuFacts, cpu: u32) -> Outcome {
    let cpus = CpuSet::of(cpu);
    if facts == (CpuFacts { cpus, cpu }) {
        return Ok(());
    }
    Err(Failure::new(format!("affinity: {facts:?} instead of CPU {cpu}")))
}

fn wander(_: &Family) -> Outcome {
    for round in 0..ROUNDS {
        let all = running()?;
        let cpu = all[round as usize % all.len()];
        set_cpus(Handle::SELF, CpuSet::of(cpu))?;
        expect_here(cpu)?;
        yield_now();
        expect_here(cpu)?;
        set_cpus(Handle::SELF, CpuSet::ALL)?;
    }
    Ok(())
}

fn refuse(_: &Family) -> Outcome {
    for cpus in [CpuSet(0), CpuSet::of(63)] {
        if set_cpus(Handle::SELF, cpus) != Err(Error::Refused(Errno::EINVAL)) {
            return Err(Failure::new(format!("affinity: {cpus:?} was not refused")));
        }
    }
    Ok(())
}

/// Two threads for each CPU, which take turns there, however often they yield.
fn keep_threads(_: &Family) -> Outcome {
    let all = running()?;
    let twice = all.iter().chain(&all).copied();
    let threads = twice.map(|cpu| {
        let thread = spawn(move || {
            while expect_here(cpu).is_err() {
                yield_now();
            }
            (0..ROUNDS).try_for_each(|_| {
                yield_now();
                expect_here(cpu)
            })
        })?;
        rt::sys::thread::set_cpus(thread.handle(), CpuSet::of(cpu))?;
        Ok(thread)
    });
    let threads: Result<Vec<_>, Error> = threads.collect();
    for outcome in threads?.into_iter().map(JoinHandle::join) {
        outcome.ok_or_else(|| Failure::new("affinity: a thread had no result"))??;
    }
    Ok(())
}

/// A thread that asks for nothing, and so has to be interrupted.
fn send_away(_: &Family) -> Outcome {
    let child = fork(|| {
        loop {
            core::hint::spin_loop();
        }
    })?;
    for cpu in running()?.into_iter().cycle().take(20) {
        set_cpus(child.handle(), CpuSet::of(cpu))?;
        while expect_at(read_cpus(child.handle())?, cpu).is_err() {
            yield_now();
        }
    }
    child.kill()?;
    Ok(())
}

fn inherit(family: &Family) -> Outcome {
    for cpu in running()? {
        set_cpus(Handle::SELF, CpuSet::of(cpu))?;
        let children = [family.start(["stay"])?, fork(move || expect_here(cpu))?];
        let thread = spawn(move || expect_here(cpu))?;
        thread
            .join()
            .ok_or_else(|| Failure::new("affinity: a thread had no result"))??;
        for child in children {
            match child.wait()? {
                End::Exited(0) => {}
                end => return Err(Failure::new(format!("affinity: it {}", Ended(end)))),
            }
        }
    }
    Ok(())
}

/// A program that may run on one CPU, whichever that is, and does.
fn stay() -> Outcome {
    let all = running()?;
    let &[cpu] = all.as_slice() else {
        return Err(Failure::new(format!("affinity: {all:?} are no single CPU")));
    };
    expect_here(cpu)?;
    Ok(())
}
