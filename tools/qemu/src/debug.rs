//! `granule debug`: a machine halted before its first instruction, with gdb attached to it.

use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, Result, bail};

use crate::machine::{Boot, Console, Machine};
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

/// Runs QEMU until standard input, a pipe from us, is closed. That happens in any case, be it that the
/// terminal goes away or that we are killed; a machine that stayed would have nobody to stop it.
const LEASH: &str = r#""$@" </dev/null & cat >/dev/null; kill $! 2>/dev/null; wait"#;

/// Starts the halted machine and hands the terminal to gdb. The machine ends when gdb does.
///
/// They talk over TCP, on `port` or on one that is free.
///
/// The kernel's symbols are loaded at their link addresses, the high ones that hold from the moment
/// translation is on. What the machine prints appears between gdb's own lines.
///
/// # Errors
///
/// When the port is taken, or QEMU or gdb cannot be started.
pub fn debug(
    workspace: &Workspace,
    machine: &Machine,
    bootargs: &str,
    port: Option<u16>,
) -> Result<ExitCode> {
    let gdb = debugger()?;
    let port = free_port(port)?;
    let boot = Boot::new(workspace, machine, &["exit=semihosting", bootargs])?;
    let mut qemu = machine.command(&boot, Console::Stream);
    qemu.args(["-S", "-gdb", &format!("tcp:127.0.0.1:{port}")]);
    let mut leash = Command::new("sh");
    leash
        .args(["-c", LEASH, "sh"])
        .arg(qemu.get_program())
        .args(qemu.get_args());
    // A group of its own: Ctrl-C is for gdb, which stops the guest with it.
    leash.stdin(Stdio::piped()).process_group(0);
    let mut guest = leash.spawn().context("cannot start sh, which runs QEMU")?;
    let ended = Command::new(gdb)
        .arg(workspace.kernel_elf())
        .args(["-ex", "set architecture aarch64"])
        .args(["-ex", &format!("target remote 127.0.0.1:{port}")])
        .status();
    // Waiting closes the pipe first.
    guest.wait().context("cannot wait for QEMU")?;
    let status = ended.context("cannot start gdb")?;
    Ok(if status.success() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn free_port(wanted: Option<u16>) -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, wanted.unwrap_or(0)));
    let port = listener.and_then(|listener| listener.local_addr());
    let port = port.with_context(|| match wanted {
        Some(wanted) => format!("port {wanted} cannot be used; without --port a free one is taken"),
        None => "there is no free TCP port for gdb".into(),
    })?;
    Ok(port.port())
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
    use super::{LEASH, free_port, knows_aarch64};
    use std::io::{BufRead, BufReader};
    use std::net::{Ipv4Addr, TcpListener};
    use std::process::{Command, Stdio};

    #[test]
    fn a_machine_ends_when_nobody_holds_its_leash() {
        let machine = [
            "sh",
            "-c",
            "trap 'echo ended; exit' TERM; echo started; while :; do sleep 0.01; done",
        ];
        let mut leash = Command::new("sh");
        leash.args(["-c", LEASH, "sh"]).args(machine);
        let mut guest = leash
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(guest.stdout.take().unwrap()).lines();
        assert_eq!(lines.next().unwrap().unwrap(), "started");
        drop(guest.stdin.take());
        assert_eq!(lines.next().unwrap().unwrap(), "ended");
        assert!(guest.wait().is_ok());
    }

    #[test]
    fn a_port_that_another_machine_listens_on_is_not_used_for_this_one() {
        let other = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let taken = other.local_addr().unwrap().port();
        assert_ne!(free_port(None).unwrap(), taken);
        let error = free_port(Some(taken)).unwrap_err();
        assert!(error.to_string().contains(&taken.to_string()), "{error}");
    }

    #[test]
    fn a_debugger_that_is_missing_or_refuses_the_architecture_is_not_taken() {
        assert!(!knows_aarch64("no-such-gdb"));
        assert!(!knows_aarch64("false"));
        assert!(knows_aarch64("true"));
    }
}
