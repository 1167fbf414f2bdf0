//! `granule debug`: a machine halted before its first instruction, with gdb attached to it.

use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, Result, bail};

use crate::machine::{Boot, Console, Machine, cannot_start};
use crate::workspace::Workspace;

const DEBUGGERS: [&str; 2] = ["gdb-multiarch", "gdb"];

/// Checks that there is a debugger for AArch64, before anything is built for it.
///
/// # Errors
///
/// When there is none; the message says what to install.
pub fn ensure_debugger() -> Result<()> {
    debugger().map(|_| ())
}

/// Starts the halted machine and hands the terminal to gdb. The machine ends when gdb does.
///
/// The kernel's symbols are loaded at their link addresses, the high ones that hold from the moment
/// translation is on. What the machine prints appears between gdb's own lines.
///
/// # Errors
///
/// When QEMU or gdb cannot be started.
pub fn debug(workspace: &Workspace, machine: &Machine, bootargs: &str, port: u16) -> Result<ExitCode> {
    let gdb = debugger()?;
    let boot = Boot::new(workspace, &["exit=semihosting", bootargs]);
    let mut command = machine.command(&boot, Console::Stream);
    command.args(["-S", "-gdb", &format!("tcp:127.0.0.1:{port}")]);
    // A group of its own: Ctrl-C is for gdb, which stops the guest with it.
    command.stdin(Stdio::null()).process_group(0);
    let mut guest = command.spawn().with_context(|| cannot_start(&command))?;
    let ended = Command::new(gdb)
        .arg(workspace.kernel_elf())
        .args(["-ex", "set architecture aarch64"])
        .args(["-ex", &format!("target remote 127.0.0.1:{port}")])
        .status();
    // The guest may have ended by itself, which is no mistake.
    if guest.try_wait()?.is_none() {
        guest.kill().context("cannot end QEMU")?;
        guest.wait()?;
    }
    let status = ended.context("cannot start gdb")?;
    Ok(if status.success() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn debugger() -> Result<&'static str> {
    match DEBUGGERS.into_iter().find(|name| knows_aarch64(name)) {
        Some(name) => Ok(name),
        None => bail!(
            "there is no gdb that knows AArch64; install gdb-multiarch (a Debian package), or a gdb built for all targets"
        ),
    }
}

/// Asks in batch mode; a gdb without AArch64 fails on the name of the architecture.
fn knows_aarch64(gdb: &str) -> bool {
    Command::new(gdb)
        .args(["--nx", "--batch", "-ex", "set architecture aarch64"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::knows_aarch64;

    #[test]
    fn a_debugger_that_is_missing_or_refuses_the_architecture_is_not_taken() {
        assert!(!knows_aarch64("no-such-gdb"));
        assert!(!knows_aarch64("false"));
        assert!(knows_aarch64("true"));
    }
}
