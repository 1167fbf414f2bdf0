//! `granule debug`: a machine halted before its first instruction, with gdb attached to it.
//!
//! What gdb knows of Granule (processes, their programs, translation tables) is in `tools/gdb`, in Python.
//! A gdb without Python still has all symbols. QEMU cases with the key `debugger` come here by [`follow`].

use std::fmt::Display;
use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitCode, Stdio};

use anyhow::{Context, Result, bail, ensure};

use crate::chain;
use crate::expect::Script;
use crate::guest::{Report, play};
use crate::machine::{Boot, Console, Machine};
use crate::workspace::Workspace;

const DEBUGGERS: [&str; 2] = ["gdb-multiarch", "gdb"];

/// A gdb that knows AArch64.
#[derive(Debug, Clone, Copy)]
pub struct Debugger {
    name: &'static str,
    has_python: bool,
}

impl Debugger {
    /// Finds one. To be called before anything is built for it.
    ///
    /// # Errors
    ///
    /// When there is none; the message says what to install.
    pub fn find() -> Result<Self> {
        let mut names = DEBUGGERS.into_iter();
        let Some(name) = names.find(|name| accepts(name, "set architecture aarch64")) else {
            bail!(
                "there is no gdb that knows AArch64; install gdb-multiarch (a Debian package), or a gdb built for all targets"
            );
        };
        Ok(Self {
            name,
            has_python: accepts(name, "python None"),
        })
    }

    /// Finds one that can run the commands of `tools/gdb`.
    ///
    /// # Errors
    ///
    /// When there is none; the message says what to install.
    pub fn find_with_python() -> Result<Self> {
        let debugger = Self::find()?;
        ensure!(
            debugger.has_python,
            "{} has no Python; install one that has, gdb-multiarch of Debian for instance",
            debugger.name
        );
        Ok(debugger)
    }

    /// gdb with the kernel's symbols, those of a program, and attached to the machine at `port`.
    fn command(self, workspace: &Workspace, program: Option<&str>, port: u16) -> Command {
        let mut gdb = Command::new(self.name);
        let mut then = |command: &dyn Display| {
            gdb.args(["-ex", &command.to_string()]);
        };
        let kernel = workspace.kernel_elf();
        let kernel = kernel.display();
        let programs = workspace.program_folder();
        let programs = programs.display();
        then(&"set architecture aarch64");
        if self.has_python {
            let commands = workspace.root().join("tools/gdb/granule.py");
            then(&format_args!("source {}", commands.display()));
            then(&format_args!("kernel {kernel}"));
        } else {
            then(&format_args!("file {kernel}"));
        }
        match program {
            Some(name) if self.has_python => then(&format_args!("program {name}")),
            Some(name) => then(&format_args!(
                "with confirm off -- add-symbol-file {programs}/{name}"
            )),
            None => {}
        }
        then(&format_args!("target remote 127.0.0.1:{port}"));
        gdb
    }

    fn greeting(self) -> &'static str {
        if self.has_python {
            "The machine is halted before its first instruction; `continue` boots it. `info processes`, `break-in`,\n\
             `break-fault` and `walk` are Granule's own: see `help break-in`, and docs/debugging.md."
        } else {
            "The machine is halted before its first instruction; `continue` boots it. This gdb has no Python, hence\n\
             none of Granule's own commands; `hbreak FUNCTION if $CONTEXTIDR_EL1 == PID` stops in one process."
        }
    }
}

/// Asks in batch mode, in which gdb fails with its last command.
fn accepts(gdb: &str, command: &str) -> bool {
    Command::new(gdb)
        .args(["--nx", "--batch", "-ex", command])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// What `granule debug` can be told besides the machine.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Load the symbols of this program as well.
    #[arg(long, value_name = "NAME")]
    pub program: Option<String>,
    /// TCP port on this host for the debugger; a free one if none is given.
    #[arg(long)]
    pub port: Option<u16>,
}

/// Starts the halted machine and hands the terminal to gdb. The machine ends when gdb does.
///
/// The kernel's symbols are loaded at their link addresses, the high ones that hold from the moment
/// translation is on. What the machine prints appears between gdb's own lines.
///
/// # Errors
///
/// When there is no such program, the port is taken, or QEMU or gdb cannot be started.
pub fn debug(
    workspace: &Workspace,
    debugger: Debugger,
    machine: &Machine,
    bootargs: &str,
    options: &Options,
) -> Result<ExitCode> {
    if let Some(program) = &options.program {
        ensure!(
            workspace.programs().iter().any(|known| known.name == *program),
            "there is no program {program} in userland"
        );
    }
    let boot = Boot::new(workspace, machine, &["exit=semihosting", bootargs])?;
    let boot = chain::boot(workspace, "debug", machine, None, boot)?;
    let qemu = machine.command(&boot, Console::Stream);
    let port = free_port(options.port)?;
    let halted = Halted::start(&qemu, port, Stdio::inherit(), Stdio::inherit())?;
    eprintln!("{}", debugger.greeting());
    let mut gdb = debugger.command(workspace, options.program.as_deref(), halted.port);
    let status = gdb.arg("-q").status().context("cannot start gdb")?;
    Ok(if status.success() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Starts the halted machine, lets gdb follow `commands`, one a line, and judges what gdb says by `script`;
/// behind that comes what the machine has printed.
///
/// # Errors
///
/// When there is no gdb with Python, or QEMU or gdb cannot be started. Everything else is in the report.
pub fn follow(workspace: &Workspace, qemu: &Command, commands: &str, script: &Script) -> Result<Report> {
    let debugger = Debugger::find_with_python()?;
    let port = free_port(None)?;
    let path = workspace.output(&format!("serial-{port}.log"));
    let serial = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
    let halted = Halted::start(qemu, port, serial.into(), Stdio::null())?;
    let mut gdb = debugger.command(workspace, None, halted.port);
    gdb.args(["--nx", "--batch"]);
    for command in commands.lines().filter(|line| !line.trim().is_empty()) {
        gdb.args(["-ex", command]);
    }
    gdb.args(["-ex", &format!("shell cat '{}'", path.display())]);
    let report = play(&mut gdb, script);
    fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
    report
}

/// Runs QEMU until standard input, a pipe from us, is closed. That happens in any case, be it that the
/// terminal goes away or that we are killed; a machine that stayed would have nobody to stop it.
const LEASH: &str = r#""$@" </dev/null & cat >/dev/null; kill $! 2>/dev/null; wait"#;

/// A machine that waits for gdb. Dropping it ends the machine.
struct Halted {
    leash: Child,
    port: u16,
}

impl Halted {
    /// `serial` gets what the machine prints, `complaints` what QEMU itself has to say.
    fn start(qemu: &Command, port: u16, serial: Stdio, complaints: Stdio) -> Result<Self> {
        let mut leash = Command::new("sh");
        leash.args(["-c", LEASH, "sh"]).arg(qemu.get_program());
        leash.args(qemu.get_args());
        leash.args(["-S", "-gdb", &format!("tcp:127.0.0.1:{port}")]);
        // A group of its own: Ctrl-C is for gdb, which stops the guest with it.
        leash.stdin(Stdio::piped()).process_group(0);
        leash.stdout(serial).stderr(complaints);
        let leash = leash.spawn().context("cannot start sh, which runs QEMU")?;
        Ok(Self { leash, port })
    }
}

impl Drop for Halted {
    fn drop(&mut self) {
        // Waiting closes the pipe first. It fails only for a child that is gone.
        drop(self.leash.wait());
    }
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

#[cfg(test)]
mod tests {
    use super::{LEASH, accepts, free_port};
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
    fn a_debugger_that_is_missing_or_refuses_a_command_is_not_taken() {
        assert!(!accepts("no-such-gdb", "python None"));
        assert!(!accepts("false", "python None"));
        assert!(accepts("true", "python None"));
    }
}
