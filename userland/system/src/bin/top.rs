//! Shows what the system does: `top [-b] [-n TIMES] [-d SECONDS]`.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

use abi::Handle;
use abi::system::ProcessState;
use rt::processes::processes;
use rt::sys::process::read_clock;
use rt::time::{Duration, sleep};
use rt::{Outcome, Start, print, println, sys};
use system::{PAGE_KIB, state_letter};
use tools::options::{Options, Usage};
use tools::times::UptimeLine;

/// The system, which the shell gives to programs of this folder.
const SYSTEM: Handle = Handle::PARENT;

const USAGE: Usage = Usage {
    line: "top [-b] [-n TIMES] [-d SECONDS]",
    letters: "bn:d:",
    help: "Shows uptime, memory and the processes with most of it, once or -n times, every -d seconds (1).\n  -b  without \
           clearing the screen before each",
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
    for time in 0..times {
        if time > 0 {
            sleep(Duration::from_secs(seconds));
        }
        if !options.has('b') && times > 1 {
            print!("\x1b[H\x1b[2J");
        }
        show()?;
    }
    Ok(())
}

fn show() -> Outcome {
    let mut all = processes(SYSTEM)?;
    let count = |state| all.iter().filter(|process| process.facts.state == state).count();
    let (running, sleeping) = (count(ProcessState::Ready), count(ProcessState::Waiting));
    let (stopped, zombie) = (count(ProcessState::New), count(ProcessState::Ended));
    println!("top - {}", UptimeLine(read_clock()?));
    println!(
        "Tasks: {:>3} total, {running:>3} running, {sleeping:>3} sleeping, {stopped:>3} new, {zombie:>3} zombie",
        all.len()
    );
    let frames = sys::system::count_frames(SYSTEM)?;
    let (total, free, promised) = (frames.total, frames.free, frames.promised);
    println!(
        "KiB Mem : {:>8} total, {:>8} free, {:>8} used, {:>8} promised",
        total * PAGE_KIB,
        free * PAGE_KIB,
        (total - free) * PAGE_KIB,
        promised * PAGE_KIB
    );
    println!("\n  PID S     VIRT      RES %MEM COMMAND");
    all.sort_by_key(|process| core::cmp::Reverse(process.facts.frames));
    for process in &all {
        let facts = &process.facts;
        let per_mille = facts.frames * 1000 / total.max(1);
        println!(
            "{:>5} {} {:>8} {:>8} {:>2}.{} {}",
            facts.pid.0,
            state_letter(facts.state),
            facts.mapped * PAGE_KIB,
            facts.frames * PAGE_KIB,
            per_mille / 10,
            per_mille % 10,
            process.name
        );
    }
    println!();
    Ok(())
}
