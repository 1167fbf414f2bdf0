//! A machine as people write it: options on the command line, keys of `machines` in a case file.

use anyhow::{Error, Result, bail, ensure};
use clap::ValueEnum;
use serde::Deserialize;

use crate::board::{Board, GicVersion, Virt};
use crate::machine::Machine;

/// What was written about a machine. [`Machine::try_from`] says whether there is such a one.
#[derive(Debug, Clone, Default, clap::Args, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Settings {
    /// Machine to boot.
    #[arg(default_value = "virt")]
    board: BoardName,
    /// CPU model [default: cortex-a72].
    #[arg(long, help_heading = VIRT)]
    cpu: Option<String>,
    /// Number of CPUs [default: 4].
    #[arg(long, help_heading = VIRT)]
    smp: Option<u32>,
    /// RAM, as QEMU writes it (64M, 8G) [default: 512M].
    #[arg(long, help_heading = VIRT)]
    memory: Option<String>,
    /// Version of the interrupt controller; QEMU chooses when it is not given.
    #[arg(long, help_heading = VIRT)]
    gic_version: Option<GicVersion>,
    /// Enter the kernel at EL2.
    #[arg(long, help_heading = VIRT)]
    virtualization: bool,
    /// Give the machine a secure world, so that the kernel has the non-secure view of the interrupt controller.
    #[arg(long, help_heading = VIRT)]
    secure: bool,
    /// What the real-time clock says at the start (2026-11-28T12:00:00) [default: the host's time].
    #[arg(long, help_heading = VIRT)]
    rtc: Option<String>,
    /// Talk to the second serial port, the mini UART of raspi4b, instead of the first.
    #[arg(long)]
    second_serial: bool,
    /// Start the machine anew when it resets itself, instead of ending.
    #[arg(long)]
    restarts: bool,
    /// Count instructions as time, for instance shift=0,sleep=off.
    #[arg(long)]
    icount: Option<String>,
    /// Physical address to load the kernel at, a multiple of 4096.
    #[arg(long, value_parser = number)]
    load_at: Option<u64>,
}

/// A number as people write addresses, 0x41200000 or 1092616192.
fn number(text: &str) -> Result<u64> {
    let number = match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => text.parse(),
    };
    Ok(number?)
}

const RASPBERRY_PI: &str = "4 Cortex-A72 entered at EL2, 2 GiB of RAM, a GICv2";
const VERSAL: &str = "2 Cortex-A72 entered at EL2, 3 GiB of RAM, a GICv3";
const VIRT: &str = "Options of virt, the other boards being what they are (rpi4 takes --memory)";

#[derive(Debug, Clone, Copy, Default, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
enum BoardName {
    /// QEMU's virt.
    #[default]
    Virt,
    /// QEMU's Raspberry Pi 4 model B.
    Raspi4b,
    /// The same, booted as by the board's firmware.
    Rpi4,
    /// QEMU's Xilinx Versal, which nothing was written for (docs/porting.md).
    Versal,
}

impl TryFrom<Settings> for Machine {
    type Error = Error;

    /// # Errors
    ///
    /// When something was chosen that the board does not let one choose.
    fn try_from(settings: Settings) -> Result<Self> {
        if let Some(at) = settings.load_at {
            ensure!(
                at.is_multiple_of(4096),
                "load-at is {at:#x}, which is no multiple of 4096"
            );
        }
        let board = match settings.board {
            BoardName::Virt => Board::Virt(settings.virt()),
            BoardName::Raspi4b => settings.raspi4b()?,
            BoardName::Rpi4 => settings.rpi4()?,
            BoardName::Versal => settings.versal()?,
        };
        Ok(Self {
            board,
            second_serial: settings.second_serial,
            restarts: settings.restarts,
            icount: settings.icount,
            load_at: settings.load_at,
        })
    }
}

impl Settings {
    fn virt(&self) -> Virt {
        let default = Virt::default();
        Virt {
            cpu: self.cpu.clone().unwrap_or(default.cpu),
            smp: self.smp.unwrap_or(default.smp),
            memory: self.memory.clone().unwrap_or(default.memory),
            gic_version: self.gic_version,
            virtualization: self.virtualization,
            secure: self.secure,
            rtc: self.rtc.clone(),
        }
    }

    fn raspi4b(&self) -> Result<Board> {
        self.ensure_unchosen("raspi4b", RASPBERRY_PI, &[("memory", self.memory.is_some())])?;
        Ok(Board::Raspi4b)
    }

    fn versal(&self) -> Result<Board> {
        self.ensure_unchosen("versal", VERSAL, &[("memory", self.memory.is_some())])?;
        Ok(Board::Versal)
    }

    fn rpi4(&self) -> Result<Board> {
        self.ensure_unchosen("rpi4", RASPBERRY_PI, &[])?;
        let gib = match self.memory.as_deref() {
            Some("1G") => 1,
            Some("2G") | None => 2,
            Some("4G") => 4,
            Some("8G") => 8,
            Some(other) => bail!("there is no Raspberry Pi 4 with {other} of RAM; it has 1G, 2G, 4G or 8G"),
        };
        Ok(Board::Rpi4 { gib })
    }

    fn ensure_unchosen(&self, board: &str, is: &str, also: &[(&str, bool)]) -> Result<()> {
        let fixed = [
            ("cpu", self.cpu.is_some()),
            ("smp", self.smp.is_some()),
            ("gic-version", self.gic_version.is_some()),
            ("virtualization", self.virtualization),
            ("secure", self.secure),
            ("rtc", self.rtc.is_some()),
        ];
        let chosen: Vec<&str> = fixed
            .iter()
            .chain(also)
            .filter(|(_, is)| *is)
            .map(|(name, _)| *name)
            .collect();
        ensure!(
            chosen.is_empty(),
            "{board} is a fixed board ({is}), so `{}` cannot be chosen; leave it out, or use virt",
            chosen.join("`, `")
        );
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::board::{Board, GicVersion, Virt};
    use crate::machine::Machine;

    fn machine(text: &str) -> Result<Machine, String> {
        toml::from_str(text).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_not_mentioned_is_as_in_the_default_machine() {
        assert_eq!(machine(""), Ok(Machine::default()));
        let virt = Virt {
            smp: 2,
            gic_version: Some(GicVersion::V3),
            ..Virt::default()
        };
        let board = Board::Virt(virt);
        assert_eq!(machine("smp = 2\ngic-version = '3'").unwrap().board, board);
    }

    #[test]
    fn a_fixed_board_is_asked_for_by_name() {
        let named = machine("board = 'raspi4b'\nicount = 'shift=3'").unwrap();
        assert_eq!(named.board, Board::Raspi4b);
        assert_eq!(machine("board = 'versal'").unwrap().board, Board::Versal);
        assert_eq!(named.icount.as_deref(), Some("shift=3"));
    }

    #[test]
    fn what_a_fixed_board_does_not_let_one_choose_is_named() {
        for (setting, name) in [
            ("cpu = 'max'", "cpu"),
            ("smp = 2", "smp"),
            ("memory = '1G'", "memory"),
            ("gic-version = '2'", "gic-version"),
            ("virtualization = true", "virtualization"),
            ("secure = true", "secure"),
            ("rtc = '2026-11-28'", "rtc"),
        ] {
            for board in ["raspi4b", "rpi4", "versal"] {
                if (board, name) == ("rpi4", "memory") {
                    continue;
                }
                let error = machine(&format!("board = '{board}'\n{setting}")).unwrap_err();
                assert!(error.contains(&format!("`{name}` cannot be chosen")), "{error}");
            }
        }
    }

    #[test]
    fn a_raspberry_pi_has_as_much_ram_as_one_can_buy() {
        for (memory, gib) in [("", 2), ("memory = '1G'", 1), ("memory = '8G'", 8)] {
            let machine = machine(&format!("board = 'rpi4'\n{memory}")).unwrap();
            assert_eq!(machine.board, Board::Rpi4 { gib });
        }
        let error = machine("board = 'rpi4'\nmemory = '3G'").unwrap_err();
        assert!(error.contains("1G, 2G, 4G or 8G"), "{error}");
    }

    #[test]
    fn addresses_are_written_as_people_write_them() {
        for (text, expected) in [
            ("4096", Some(4096)),
            ("0x41234000", Some(0x4123_4000)),
            ("12k", None),
        ] {
            assert_eq!(super::number(text).ok(), expected, "{text}");
        }
    }

    #[test]
    fn a_key_board_or_version_that_there_is_not_is_refused() {
        for wrong in [
            "cores = 2",
            "board = 'raspi5'",
            "gic-version = '4'",
            "load-at = 0x1234",
        ] {
            assert!(machine(wrong).is_err(), "{wrong}");
        }
    }
}
