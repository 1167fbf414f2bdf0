//! What is seen of a panic: one CPU speaks, the others stop, and the calls that led there have names.
//!
//! Nothing that a program or a device tree does makes the kernel panic, so gdb does: it has one CPU go on nowhere, in the
//! middle of a request, while the others are busy. Without a gdb that has Python, this is not tested; with `CI=true` it
//! fails then.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use granule_qemu::build::build;
use granule_qemu::debug::{Debugger, follow};
use granule_qemu::expect::{End, Script, Step};
use granule_qemu::machine::{Boot, Console, Machine, ensure_qemu};
use granule_qemu::suite::{must_be_complete, patient};
use granule_qemu::symbols::Symbols;
use granule_qemu::workspace::Workspace;

/// All CPUs have something to do when the breakpoint is met.
const BOOTARGS: &str = "exit=semihosting test=smp_stress";
/// Deep enough to have been called by others.
const COMMANDS: &str = "
break mm::region::table::RegionTable::by_key
continue
set $pc = 0x10
delete
continue
";

#[test]
fn a_panic_names_the_calls_that_led_to_it_and_stops_all_cpus() {
    if let Err(error) = Debugger::find_with_python()
        && !must_be_complete()
    {
        eprintln!("ignored: {error:#}");
        return;
    }
    panic().unwrap();
}

fn panic() -> Result<()> {
    ensure_qemu()?;
    let workspace = Workspace::locate()?;
    build(&workspace)?;
    let machine = Machine::default();
    let boot = Boot::new(&workspace, &machine, &[BOOTARGS])?;
    let script = Script {
        steps: vec![Step::Line("exited with code 0145".into())],
        anywhere: Vec::new(),
        forbidden: Vec::new(),
        end: End::Status(0),
        deadline: patient(Duration::from_secs(60))?,
    };
    let report = follow(
        &workspace,
        &machine.command(&boot, Console::Stream),
        COMMANDS,
        &script,
    )?;
    let serial = Symbols::of_kernel(&workspace).explain(&report.serial);
    ensure!(report.verdict.is_ok(), "{report}");
    let (what, calls) = serial
        .split_once("panic: ")
        .and_then(|(_, panic)| panic.split_once("return addresses"))
        .with_context(|| format!("nobody panics:\n{serial}"))?;
    ensure!(what.contains("instruction fetch from 0x10"), "{serial}");
    let mut lines = calls.lines().skip(1);
    let innermost = lines.next().unwrap_or_default();
    ensure!(
        innermost.contains(" mm::") && innermost.contains("(kernel/mm/src/"),
        "{serial}"
    );
    ensure!(calls.contains(" in kernel_call ("), "{serial}");
    ensure!(
        lines.all(|line| line.starts_with("  at ")),
        "another CPU goes on:\n{serial}"
    );
    Ok(())
}
