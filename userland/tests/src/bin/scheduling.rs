//! Shows how the kernel shares out time: sleepers sleep as long as they asked for, and nobody is charged for it.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

extern crate alloc;

use abi::Handle;
use abi::process::{End, Priority};
use alloc::format;
use alloc::string::ToString;
use alloc::vec::Vec;
use rt::sys::process::{count_ticks, read_priority, set_priority};
use rt::time::{self, Duration, Instant};
use rt::{Failure, Outcome, Start, println};
use tests::{Family, Frames};

/// As many as boards have.
const CPUS: usize = 4;

rt::program!(run);

fn run(start: &Start) -> Outcome {
    match (start.arg(0), start.arg(1)) {
        (Some("sleep"), Some(milliseconds)) => sleep(Duration::from_millis(milliseconds.parse()?)),
        (Some("spin"), _) => loop {
            core::hint::spin_loop();
        },
        _ => lead(&Family::new("scheduling", start)?),
    }
}

fn lead(family: &Family) -> Outcome {
    let frames = Frames::count();
    sleep(Duration::from_nanos(1))?;
    sleep(Duration::from_millis(50))?;
    time::sleep_until(Instant::now());
    println!("scheduling: slept at least as long as asked for");
    only_work_is_charged()?;
    many_sleep(family)?;
    a_sleeper_can_be_killed(family)?;
    the_important_run_first(family)?;
    frames.check()?;
    println!("scheduling: everything is as it should be");
    Ok(())
}

/// Time that this process sleeps is not time that it has a CPU.
fn only_work_is_charged() -> Outcome {
    let used = || count_ticks(Handle::SELF).map(time::of_ticks);
    let (start, before) = (Instant::now(), used()?);
    sleep(Duration::from_millis(50))?;
    let (after, elapsed) = (used()?, start.elapsed());
    if after <= before || after - before >= elapsed {
        return Err(Failure::new(format!(
            "scheduling: charged for {:?} of {elapsed:?}",
            after.saturating_sub(before)
        )));
    }
    println!("scheduling: charged for work and not for sleep");
    Ok(())
}

fn sleep(time: Duration) -> Outcome {
    let start = Instant::now();
    time::sleep(time);
    let slept = start.elapsed();
    if slept < time {
        return Err(Failure::new(format!(
            "scheduling: slept {slept:?} instead of {time:?}"
        )));
    }
    Ok(())
}

fn many_sleep(family: &Family) -> Outcome {
    let times = [70, 10, 50, 50, 30, 1, 90, 20].map(|milliseconds: u64| milliseconds.to_string());
    let children = times.iter().map(|time| family.start(["sleep", time.as_str()]));
    let children = children.collect::<Result<Vec<_>, _>>()?;
    for child in &children {
        let end = child.wait()?;
        if end != End::Exited(0) {
            return Err(Failure::new(format!("scheduling: a sleeper ended as {end:?}")));
        }
    }
    println!("scheduling: {} slept at the same time", children.len());
    Ok(())
}

/// It has not slept long enough by far.
fn a_sleeper_can_be_killed(family: &Family) -> Outcome {
    let sleeper = family.start(["sleep", "1000000000"])?;
    time::sleep(Duration::from_millis(10));
    sleeper.kill()?;
    match sleeper.wait()? {
        End::Killed => Ok(()),
        end => Err(Failure::new(format!(
            "scheduling: a killed sleeper ended as {end:?}"
        ))),
    }
}

/// Somebody who never lets go of the CPU, on every CPU twice, does not keep this process from running.
fn the_important_run_first(family: &Family) -> Outcome {
    let (usual, less) = (Priority::USUAL, Priority(Priority::USUAL.0 - 1));
    set_priority(Handle::SELF, less, Priority::MOST)?;
    let hogs = (0..2 * CPUS).map(|_| family.start(["spin"]));
    let hogs = hogs.collect::<Result<Vec<_>, _>>()?;
    set_priority(Handle::SELF, usual, Priority::MOST)?;
    let facts = read_priority(hogs[0].handle())?;
    if (facts.priority, facts.highest) != (less, Priority::MOST) {
        return Err(Failure::new(format!(
            "scheduling: a child is as important as {facts:?}"
        )));
    }
    for _ in 0..10 {
        sleep(Duration::from_millis(5))?;
    }
    for hog in &hogs {
        hog.kill()?;
    }
    println!("scheduling: the important run first");
    Ok(())
}
