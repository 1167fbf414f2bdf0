//! `granule run`: a machine for a person at a terminal, or for a script that waits for it to end.

use std::fs;
use std::io::IsTerminal;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::{JoinHandle, sleep, spawn};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::build::sha256;
use crate::chain;
use crate::machine::{Boot, Console, Machine, cannot_start};
use crate::symbols::Symbols;
use crate::workspace::Workspace;

/// Who is at standard input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// A person who types.
    Person,
    /// A script: nobody answers the prompt, so the machine has to end by itself.
    Script,
}

impl Audience {
    /// A terminal at standard input means a person.
    #[must_use]
    pub fn present() -> Self {
        if std::io::stdin().is_terminal() {
            Self::Person
        } else {
            Self::Script
        }
    }
}

/// Boots the machine and returns the exit status that the guest chose.
///
/// `deadline` bounds a run without a person.
///
/// # Errors
///
/// When QEMU cannot be started, is ended by a signal, or passes the deadline.
pub fn run(
    workspace: &Workspace,
    machine: &Machine,
    bootargs: &str,
    audience: Audience,
    deadline: Duration,
) -> Result<u8> {
    let console = match audience {
        Audience::Person => Console::Terminal,
        Audience::Script => {
            return run_alone(
                workspace,
                machine,
                &format!("interactive=no {bootargs}"),
                deadline,
            );
        }
    };
    let mut command = prepare(workspace, machine, bootargs, console)?;
    eprintln!("Type `exit` to power off. Ctrl-A X ends QEMU at once, Ctrl-A C opens its monitor.");
    let (mut child, output) = start_shown(workspace, &mut command)?;
    let status = child.wait()?;
    finish(output)?;
    exit_code(status)
}

/// The same for a machine that has to end by itself, as nobody types anything.
///
/// # Errors
///
/// As [`run`].
pub fn run_alone(workspace: &Workspace, machine: &Machine, bootargs: &str, deadline: Duration) -> Result<u8> {
    let mut command = prepare(workspace, machine, bootargs, Console::Stream)?;
    let (child, output) = start_shown(workspace, command.stdin(Stdio::null()))?;
    let status = wait_until(child, deadline)?;
    finish(output)?;
    exit_code(status)
}

fn prepare(workspace: &Workspace, machine: &Machine, bootargs: &str, console: Console) -> Result<Command> {
    let boot = Boot::new(workspace, machine, &["exit=semihosting", bootargs])?;
    let boot = chain::boot(workspace, "run", machine, None, boot)?;
    println!("{}", announcement(&boot, machine)?);
    Ok(machine.command(&boot, console))
}

/// Names the image by its content, so that one sees that every board boots the same, and the board.
fn announcement(boot: &Boot, machine: &Machine) -> Result<String> {
    let image = fs::read(&boot.image).with_context(|| format!("cannot read {}", boot.image.display()))?;
    let digest = sha256(&image);
    let name = boot.image.file_name().unwrap_or_default().display();
    let board = machine.board.name();
    Ok(format!("{name}, sha256 {digest}, on {board}"))
}

/// Starts the machine, and shows what it prints, with names behind the addresses of a panic.
fn start_shown(
    workspace: &Workspace,
    command: &mut Command,
) -> Result<(Child, JoinHandle<std::io::Result<()>>)> {
    let mut child = start(command.stdout(Stdio::piped()))?;
    let from = child.stdout.take().expect("standard output is a pipe");
    let workspace = workspace.clone();
    let output = spawn(move || Symbols::of_kernel(&workspace).pass_on(from, std::io::stdout()));
    Ok((child, output))
}

fn finish(output: JoinHandle<std::io::Result<()>>) -> Result<()> {
    let shown = output.join().unwrap_or(Ok(()));
    shown.context("cannot show what the machine prints")
}

fn start(command: &mut Command) -> Result<Child> {
    command.spawn().with_context(|| cannot_start(command))
}

fn wait_until(mut child: Child, deadline: Duration) -> Result<ExitStatus> {
    let started = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        if started.elapsed() >= deadline {
            child.kill().context("cannot end QEMU")?;
            child.wait()?;
            bail!(
                "the machine did not end within {} seconds and was stopped",
                deadline.as_secs()
            );
        }
        sleep(Duration::from_millis(10));
    }
}

fn exit_code(status: ExitStatus) -> Result<u8> {
    let Some(code) = status.code() else {
        bail!("QEMU was ended by a signal ({status})");
    };
    Ok(u8::try_from(code).unwrap_or(u8::MAX))
}

#[cfg(test)]
mod tests {
    use super::{exit_code, start, wait_until};
    use std::process::Command;
    use std::time::Duration;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn the_guests_exit_status_is_handed_on() {
        let child = start(&mut shell("exit 42")).unwrap();
        let status = wait_until(child, Duration::from_secs(60)).unwrap();
        assert_eq!(exit_code(status).unwrap(), 42);
    }

    #[test]
    fn a_machine_that_does_not_end_is_stopped_and_reported() {
        let child = start(&mut shell("exec sleep 600")).unwrap();
        let error = wait_until(child, Duration::from_millis(50)).unwrap_err();
        assert!(error.to_string().contains("did not end"), "{error}");
    }

    #[test]
    fn a_missing_qemu_is_explained() {
        let error = start(&mut Command::new("no-such-qemu")).unwrap_err();
        let text = format!("{error:#}");
        assert!(
            text.contains("no-such-qemu") && text.contains("install QEMU"),
            "{text}"
        );
    }
}
