//! A program whose memory manager is another program finds all rules of shared memory as they are.
//!
//! The conformance program runs by itself, beneath `shmtrace`, and beneath `shmquota` with a limit that it does not
//! reach. What it prints is the same.

use std::time::Duration;

use anyhow::{Result, ensure};
use granule_qemu::build::build;
use granule_qemu::expect::{End, Script, Step};
use granule_qemu::guest::play;
use granule_qemu::machine::{Boot, Console, Machine, ensure_qemu};
use granule_qemu::suite::patient;
use granule_qemu::workspace::Workspace;
use regex::Regex;

const LAST_LINE: &str = "rules hold, 0 do not";

#[test]
fn who_is_traced_or_limited_finds_the_same_rules() {
    compare().unwrap();
}

fn compare() -> Result<()> {
    ensure_qemu()?;
    let workspace = Workspace::locate()?;
    build(&workspace)?;
    let plain = transcript(&workspace, "conform alone")?;
    ensure!(plain.lines().count() > 50, "too few rules are checked:\n{plain}");
    let traced = transcript(&workspace, "shmtrace conform alone")?;
    ensure!(traced == plain, "beneath shmtrace:\n{traced}\nwithout:\n{plain}");
    let limited = transcript(&workspace, "shmquota 1G conform alone")?;
    ensure!(
        limited == plain,
        "beneath shmquota:\n{limited}\nwithout:\n{plain}"
    );
    Ok(())
}

/// What the conformance program prints when `init` runs this.
fn transcript(workspace: &Workspace, command: &str) -> Result<String> {
    let machine = Machine::default();
    let bootargs = format!("test={command}");
    let boot = Boot::new(workspace, &machine, &["exit=semihosting", &bootargs])?;
    let script = Script {
        steps: vec![Step::Line(LAST_LINE.into())],
        anywhere: Vec::new(),
        forbidden: vec![Regex::new("^panic:")?],
        end: End::Status(0),
        deadline: patient(Duration::from_secs(60))?,
    };
    let report = play(&mut machine.command(&boot, Console::Stream), &script)?;
    ensure!(report.verdict.is_ok(), "`{command}` fails:\n{report}");
    let is_result = |line: &&str| line.starts_with("ok ") || line.starts_with("conform: ");
    let lines: Vec<&str> = report.serial.lines().filter(is_result).collect();
    Ok(lines.join("\n"))
}
