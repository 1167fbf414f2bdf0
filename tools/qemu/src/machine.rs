//! A QEMU machine, what it boots, and the command that starts it.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use crate::board::Board;
use crate::chain::Placed;
use crate::settings::Settings;
use crate::workspace::Workspace;
use crate::{rpi4_firmware, rpi4_tree};

/// A board, and how QEMU runs it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Settings")]
pub struct Machine {
    /// What is emulated.
    pub board: Board,
    /// The console is the second serial port.
    pub second_serial: bool,
    /// A reset starts the machine anew. Otherwise it ends the run: a kernel that resets in a loop must not look
    /// alive.
    pub restarts: bool,
    /// Instructions are counted as time, as QEMU writes it (shift=0,sleep=off).
    pub icount: Option<String>,
    /// Where the kernel is loaded, if not where QEMU puts it.
    pub load_at: Option<u64>,
}

/// What the machine's serial line and QEMU's monitor are connected to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Console {
    /// A person's terminal, shared by the serial line and the monitor.
    Terminal,
    /// Standard input and output, the serial line alone.
    Stream,
}

/// The files a machine boots from, and the words given to the kernel.
#[derive(Debug, Clone)]
pub struct Boot {
    /// The flat kernel image.
    pub image: PathBuf,
    /// The archive of programs, if there is one.
    pub initrd: Option<PathBuf>,
    /// The device tree; without one, QEMU makes it.
    pub device_tree: Option<PathBuf>,
    /// The kernel's command line.
    pub bootargs: String,
    /// What lies in memory besides, byte by byte.
    pub placed: Vec<Placed>,
}

impl Boot {
    /// Boots what [`build`](crate::build::build) made on this machine, with the given words.
    ///
    /// # Errors
    ///
    /// When the machine needs a device tree that cannot be had.
    pub fn new(workspace: &Workspace, machine: &Machine, bootargs: &[&str]) -> Result<Self> {
        let words: Vec<&str> = bootargs.iter().copied().filter(|w| !w.is_empty()).collect();
        Ok(Self {
            image: workspace.image(),
            initrd: Some(workspace.initrd()),
            device_tree: machine.device_tree(workspace)?,
            bootargs: words.join(" "),
            placed: Vec::new(),
        })
    }
}

impl Machine {
    /// The device tree to boot with: a Raspberry Pi's; QEMU makes those of the others.
    ///
    /// # Errors
    ///
    /// When it is not on this host and cannot be fetched.
    pub fn device_tree(&self, workspace: &Workspace) -> Result<Option<PathBuf>> {
        match self.board {
            Board::Virt(_) | Board::Versal => Ok(None),
            Board::Raspi4b | Board::Rpi4 { .. } => rpi4_tree::obtain(workspace).map(Some),
        }
    }

    /// Gets all that the machine needs of others and QEMU does not bring, so that it is there later on.
    ///
    /// # Errors
    ///
    /// When it cannot be had.
    pub fn fetch(&self, workspace: &Workspace) -> Result<()> {
        self.device_tree(workspace)?;
        if let Board::Rpi4 { .. } = self.board {
            rpi4_firmware::obtain(workspace)?;
        }
        Ok(())
    }

    /// Returns the command that boots this machine.
    #[must_use]
    pub fn command(&self, boot: &Boot, console: Console) -> Command {
        let mut command = Command::new(qemu());
        command.args(self.board.options());
        if !self.restarts {
            command.arg("-no-reboot");
        }
        // The exit status comes back by semihosting. User programs do not get it: `userspace` is off by default.
        command.args(["-semihosting-config", "enable=on,target=native"]);
        if let Some(icount) = &self.icount {
            command.args(["-icount", icount]);
        }
        if self.second_serial {
            command.args(["-serial", "null"]);
        }
        match console {
            Console::Terminal => command.args("-display none -serial mon:stdio".split(' ')),
            Console::Stream => command.args("-display none -serial stdio -monitor none".split(' ')),
        };
        match self.board {
            Board::Virt(_) | Board::Raspi4b | Board::Versal => {
                command.arg("-kernel").arg(&boot.image);
            }
            // The CPUs start at address 0, where the firmware's code lies (`rpi4_boot.rs`).
            Board::Rpi4 { .. } => {}
        }
        if let Some(initrd) = &boot.initrd {
            command.arg("-initrd").arg(initrd);
        }
        if let Some(tree) = &boot.device_tree {
            command.arg("-dtb").arg(tree);
        }
        if !boot.bootargs.is_empty() {
            command.args(["-append", &boot.bootargs]);
        }
        for placed in &boot.placed {
            command.args(["-device", &placed.option()]);
        }
        command
    }

    /// What tells this machine from others, `cpu=max,smp=1`; empty for the default one.
    #[must_use]
    pub fn label(&self) -> String {
        let mut parts = vec![self.board.label()];
        if self.second_serial {
            parts.push("second-serial".into());
        }
        if self.restarts {
            parts.push("restarts".into());
        }
        if let Some(icount) = &self.icount {
            parts.push(format!("icount={icount}"));
        }
        if let Some(load_at) = &self.load_at {
            parts.push(format!("load-at={load_at:#x}"));
        }
        parts.retain(|part| !part.is_empty());
        parts.join(",")
    }
}

/// The QEMU to start: `qemu-system-aarch64`, or what the environment variable `GRANULE_QEMU` names.
fn qemu() -> OsString {
    std::env::var_os("GRANULE_QEMU").unwrap_or_else(|| "qemu-system-aarch64".into())
}

/// Checks that QEMU can be started, before anything is built for it.
///
/// # Errors
///
/// When it cannot; the message says what to install.
pub fn ensure_qemu() -> Result<()> {
    let mut command = Command::new(qemu());
    command
        .arg("--version")
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    let status = command.status().with_context(|| cannot_start(&command))?;
    ensure!(
        status.success(),
        "{} --version fails",
        command.get_program().display()
    );
    Ok(())
}

/// Explains why the command could not be started.
#[must_use]
pub fn cannot_start(command: &Command) -> String {
    format!(
        "cannot start {}; install QEMU 9 or newer (on Debian the package qemu-system-arm), or name another one in GRANULE_QEMU",
        command.get_program().display()
    )
}

/// Writes a command as a line that a shell understands.
#[must_use]
pub fn shell_line(command: &Command) -> String {
    let mut line = quoted(&command.get_program().to_string_lossy());
    for argument in command.get_args() {
        line.push(' ');
        line.push_str(&quoted(&argument.to_string_lossy()));
    }
    line
}

fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=,./:+@".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.into();
    }
    let mut quoted = String::new();
    write!(quoted, "'{}'", word.replace('\'', r"'\''")).expect("a string takes any text");
    quoted
}

#[cfg(test)]
mod tests {
    use super::{Board, Boot, Console, Machine, quoted, shell_line};

    fn boot() -> Boot {
        Boot {
            image: "k.img".into(),
            initrd: Some("i.cpio".into()),
            device_tree: None,
            bootargs: String::new(),
            placed: Vec::new(),
        }
    }

    #[test]
    fn the_machine_gets_every_file_and_word() {
        let machine = Machine {
            board: Board::Raspi4b,
            icount: Some("shift=0".into()),
            ..Machine::default()
        };
        let boot = Boot {
            device_tree: Some("b.dtb".into()),
            bootargs: "asid-bits=4 exit=semihosting".into(),
            ..boot()
        };
        let line = shell_line(&machine.command(&boot, Console::Stream));
        assert!(line.contains("-no-reboot"), "{line}");
        for part in [
            "-M raspi4b ",
            "-icount shift=0",
            "-serial stdio",
            "-kernel k.img -initrd i.cpio -dtb b.dtb -append 'asid-bits=4 exit=semihosting'",
        ] {
            assert!(line.contains(part), "{part} is missing in {line}");
        }
    }

    #[test]
    fn without_bootargs_nothing_is_appended() {
        let line = shell_line(&Machine::default().command(&boot(), Console::Terminal));
        assert!(!line.contains("-append"), "{line}");
    }

    #[test]
    fn the_console_is_the_first_serial_port_or_the_second() {
        for second_serial in [false, true] {
            let machine = Machine {
                second_serial,
                ..Machine::default()
            };
            for console in [Console::Terminal, Console::Stream] {
                let line = shell_line(&machine.command(&boot(), console));
                assert_eq!(line.contains("-serial null "), second_serial, "{line}");
                assert_eq!(line.matches("stdio").count(), 1, "{line}");
            }
        }
    }

    #[test]
    fn the_label_names_only_what_differs_from_the_default_machine() {
        let counted = |board| Machine {
            board,
            icount: Some("shift=0".into()),
            ..Machine::default()
        };
        assert_eq!(counted(Board::Raspi4b).label(), "raspi4b,icount=shift=0");
        assert_eq!(counted(Board::default()).label(), "icount=shift=0");
        let unusual = Machine {
            second_serial: true,
            restarts: true,
            ..Machine::default()
        };
        assert_eq!(unusual.label(), "second-serial,restarts");
        assert_eq!(Machine::default().label(), "");
    }

    #[test]
    fn words_with_spaces_and_quotes_survive_a_shell() {
        assert_eq!(quoted("a b"), "'a b'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted("-smp"), "-smp");
    }
}
