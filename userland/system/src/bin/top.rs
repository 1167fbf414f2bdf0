//! Shows what the system does: `top [-b] [-n TIMES] [-d SECONDS]`.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

extern crate alloc;

use abi::Handle;
use abi::system::ProcessState;
use alloc::collections::BTreeMap;
use alloc::string::ToString;
use core::cmp::Reverse;
use core::fmt;
use rt::processes::{Process, processes};
use rt::sys::process::read_clock;
use rt::time::{Duration, sleep};
use rt::{Failure, Outcome, Start, print, println, sys};
use system::{CpuTime, PAGE_KIB, state_letter};
use tools::options::{Options, Usage};
use tools::times::UptimeLine;

/// The system, which the shell gives to programs of this folder.
const SYSTEM: Handle = Handle::PARENT;

const USAGE: Usage = Usage {
    line: "top [-b] [-n TIMES] [-d SECONDS]",
    letters: "bn:d:",
    help: "Shows uptime, memory and the processes, once or -n times, every -d seconds (1). First come those with most \
           memory; from the second time on, those that had a CPU most since the time before. The first %CPU is \
           since boot.\n  -b  without clearing the screen before each",
};

rt::program!(top);

fn top(start: &Start) -> Outcome {
    let options = Options::of(start, &USAGE)?;
    let number = |letter, otherwise| match options.value(letter) {
        Some(text) => text
            .parse::<u64>()
            .map_err(|_| USAGE.failure("that is no number")),
        None => Ok(otherwise),
    };
    let (times, seconds) = (number('n', 1)?, number('d', 1)?);
    let mut before = Shot::default();
    for time in 0..times {
        if time > 0 {
            sleep(Duration::from_secs(seconds));
        }
        if !options.has('b') && times > 1 {
            print!("\x1b[H\x1b[2J");
        }
        before = show(&before)?;
    }
    Ok(())
}

/// When processes were looked at, since boot, and how long each had had a CPU by then.
#[derive(Default)]
struct Shot {
    uptime: Duration,
    cpu_times: BTreeMap<u32, Duration>,
}

impl Shot {
    fn of(all: &[Process], uptime: Duration) -> Self {
        let cpu_times = all.iter().map(|process| (process.facts.pid.0, process.cpu_time));
        Self {
            uptime,
            cpu_times: cpu_times.collect(),
        }
    }

    /// How much of one CPU a process has had since an earlier one, in thousandths.
    fn share(&self, pid: u32, before: &Self) -> u128 {
        let at = |shot: &Self| shot.cpu_times.get(&pid).copied().unwrap_or_default();
        let (used, passed) = (
            at(self).saturating_sub(at(before)),
            self.uptime.saturating_sub(before.uptime),
        );
        used.as_nanos() * 1000 / passed.as_nanos().max(1)
    }
}

/// Shows what was since `before`.
fn show(before: &Shot) -> Result<Shot, Failure> {
    let mut all = processes(SYSTEM)?;
    let clock = read_clock()?;
    let now = Shot::of(&all, Duration::from_nanos(clock.uptime));
    println!("top - {}", UptimeLine(clock));
    show_tasks(&all);
    let total = show_memory()?;
    println!("\n  PID S     VIRT      RES  %CPU %MEM     TIME+ COMMAND");
    let share = |process: &Process| now.share(process.facts.pid.0, before);
    let is_first = before.cpu_times.is_empty();
    let rank = |process: &Process| if is_first { 0 } else { share(process) };
    all.sort_by_key(|process| Reverse((rank(process), process.facts.frames)));
    for process in &all {
        let facts = &process.facts;
        println!(
            "{:>5} {} {:>8} {:>8} {:>5} {:>4} {} {}",
            facts.pid.0,
            state_letter(facts.state),
            facts.mapped * PAGE_KIB,
            facts.frames * PAGE_KIB,
            Percent(share(process)).to_string(),
            Percent(u128::from(facts.frames) * 1000 / u128::from(total.max(1))).to_string(),
            CpuTime(process.cpu_time),
            process.name
        );
    }
    println!();
    Ok(now)
}

fn show_tasks(all: &[Process]) {
    let count = |state| all.iter().filter(|process| process.facts.state == state).count();
    let (running, sleeping) = (count(ProcessState::Ready), count(ProcessState::Waiting));
    let (stopped, zombie) = (count(ProcessState::New), count(ProcessState::Ended));
    println!(
        "Tasks: {:>3} total, {running:>3} running, {sleeping:>3} sleeping, {stopped:>3} new, {zombie:>3} zombie",
        all.len()
    );
}

/// Answers how many frames there are in all.
fn show_memory() -> Result<u64, Failure> {
    let frames = sys::system::count_frames(SYSTEM)?;
    let (total, free, promised) = (frames.total, frames.free, frames.promised);
    println!(
        "KiB Mem : {:>8} total, {:>8} free, {:>8} used, {:>8} promised",
        total * PAGE_KIB,
        free * PAGE_KIB,
        (total - free) * PAGE_KIB,
        promised * PAGE_KIB
    );
    Ok(total)
}

/// Thousandths, as hundredths with a digit behind them.
struct Percent(u128);

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0 / 10, self.0 % 10)
    }
}
