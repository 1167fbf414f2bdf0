//! A QEMU machine: its settings, and the command that starts it.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use clap::ValueEnum;
use serde::Deserialize;

use crate::workspace::Workspace;

/// A machine Granule boots on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Board {
    /// QEMU's `virt`.
    Virt,
    /// QEMU's Raspberry Pi 4 model B.
    Raspi4b,
}

impl Board {
    /// Refuses the boards that the kernel does not boot on yet.
    ///
    /// # Errors
    ///
    /// For `raspi4b`.
    pub fn ensure_supported(self) -> Result<()> {
        match self {
            Self::Virt => Ok(()),
            Self::Raspi4b => bail!("raspi4b is not supported yet; use virt"),
        }
    }
}

/// Settings of a `virt` machine. On the command line they are options, in a case file the keys of `machine`.
#[derive(Debug, Clone, PartialEq, Eq, clap::Args, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Machine {
    /// CPU model.
    #[arg(long, default_value = DEFAULT_CPU)]
    pub cpu: String,
    /// Number of CPUs.
    #[arg(long, default_value_t = DEFAULT_SMP)]
    pub smp: u32,
    /// RAM, as QEMU writes it (512M, 1G).
    #[arg(long, default_value = DEFAULT_MEMORY)]
    pub memory: String,
    /// Interrupt controller version (2 or 3); QEMU chooses when it is not given.
    #[arg(long)]
    pub gic_version: Option<String>,
    /// Enter the kernel at EL2.
    #[arg(long)]
    pub virtualization: bool,
    /// Give the machine a secure world, so that the kernel has the non-secure view of the interrupt controller.
    #[arg(long)]
    pub secure: bool,
    /// Count instructions as time, for instance shift=0,sleep=off.
    #[arg(long)]
    pub icount: Option<String>,
}

const DEFAULT_CPU: &str = "cortex-a72";
const DEFAULT_SMP: u32 = 4;
const DEFAULT_MEMORY: &str = "512M";

impl Default for Machine {
    fn default() -> Self {
        Self {
            cpu: DEFAULT_CPU.into(),
            smp: DEFAULT_SMP,
            memory: DEFAULT_MEMORY.into(),
            gic_version: None,
            virtualization: false,
            secure: false,
            icount: None,
        }
    }
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
    /// The kernel's command line.
    pub bootargs: String,
}

impl Boot {
    /// Boots what [`build`](crate::build::build) made, with the given words.
    #[must_use]
    pub fn new(workspace: &Workspace, bootargs: &[&str]) -> Self {
        let words: Vec<&str> = bootargs.iter().copied().filter(|w| !w.is_empty()).collect();
        Self {
            image: workspace.image(),
            initrd: Some(workspace.initrd()),
            bootargs: words.join(" "),
        }
    }
}

impl Machine {
    /// Returns the command that boots this machine.
    #[must_use]
    pub fn command(&self, boot: &Boot, console: Console) -> Command {
        let mut command = Command::new(qemu());
        command.args(["-M", &self.machine_option(), "-cpu", &self.cpu]);
        command.args(["-smp", &self.smp.to_string(), "-m", &self.memory]);
        // Without a network card `virt` needs no option ROM, which a minimal QEMU package lacks.
        command.args(["-nic", "none"]);
        // A reset ends the run: a kernel that resets in a loop must not look alive.
        command.arg("-no-reboot");
        // The exit status comes back by semihosting. User programs do not get it: `userspace` is off by default.
        command.args(["-semihosting-config", "enable=on,target=native"]);
        if let Some(icount) = &self.icount {
            command.args(["-icount", icount]);
        }
        match console {
            Console::Terminal => command.arg("-nographic"),
            Console::Stream => command.args("-display none -serial stdio -monitor none".split(' ')),
        };
        command.arg("-kernel").arg(&boot.image);
        if let Some(initrd) = &boot.initrd {
            command.arg("-initrd").arg(initrd);
        }
        if !boot.bootargs.is_empty() {
            command.args(["-append", &boot.bootargs]);
        }
        command
    }

    fn machine_option(&self) -> String {
        let mut option = String::from("virt");
        if let Some(version) = &self.gic_version {
            option.push_str(",gic-version=");
            option.push_str(version);
        }
        if self.virtualization {
            option.push_str(",virtualization=on");
        }
        if self.secure {
            option.push_str(",secure=on");
        }
        option
    }

    /// Names the settings that differ from the default machine, `cpu=max,smp=1`; empty for the default one.
    #[must_use]
    pub fn label(&self) -> String {
        let default = Self::default();
        let mut parts = Vec::new();
        if self.cpu != default.cpu {
            parts.push(format!("cpu={}", self.cpu));
        }
        if self.smp != default.smp {
            parts.push(format!("smp={}", self.smp));
        }
        if self.memory != default.memory {
            parts.push(format!("memory={}", self.memory));
        }
        if let Some(version) = &self.gic_version {
            parts.push(format!("gic={version}"));
        }
        if self.virtualization {
            parts.push("virtualization".into());
        }
        if self.secure {
            parts.push("secure".into());
        }
        if let Some(icount) = &self.icount {
            parts.push(format!("icount={icount}"));
        }
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
    use super::{Boot, Console, Machine, quoted, shell_line};

    fn boot(bootargs: &str) -> Boot {
        Boot {
            image: "k.img".into(),
            initrd: Some("i.cpio".into()),
            bootargs: bootargs.into(),
        }
    }

    #[test]
    fn every_setting_reaches_the_command_line() {
        let machine = Machine {
            cpu: "max".into(),
            smp: 2,
            memory: "1G".into(),
            gic_version: Some("3".into()),
            virtualization: true,
            secure: true,
            icount: Some("shift=0".into()),
        };
        let line = shell_line(&machine.command(&boot("asid-bits=4 exit=semihosting"), Console::Stream));
        for part in [
            "-M virt,gic-version=3,virtualization=on,secure=on",
            "-cpu max -smp 2 -m 1G",
            "-icount shift=0",
            "-serial stdio",
            "-kernel k.img -initrd i.cpio -append 'asid-bits=4 exit=semihosting'",
        ] {
            assert!(line.contains(part), "{part} is missing in {line}");
        }
    }

    #[test]
    fn without_bootargs_nothing_is_appended() {
        let line = shell_line(&Machine::default().command(&boot(""), Console::Terminal));
        assert!(!line.contains("-append"), "{line}");
    }

    #[test]
    fn the_label_names_only_what_differs_from_the_default_machine() {
        let machine = Machine {
            smp: 1,
            virtualization: true,
            ..Machine::default()
        };
        assert_eq!(machine.label(), "smp=1,virtualization");
        assert_eq!(Machine::default().label(), "");
    }

    #[test]
    fn a_machine_in_a_case_file_rejects_a_key_it_does_not_know() {
        assert!(toml::from_str::<Machine>("smp = 2").is_ok());
        assert!(toml::from_str::<Machine>("cores = 2").is_err());
    }

    #[test]
    fn words_with_spaces_and_quotes_survive_a_shell() {
        assert_eq!(quoted("a b"), "'a b'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted("-smp"), "-smp");
    }
}
