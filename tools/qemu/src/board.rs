//! The boards Granule boots on, as QEMU emulates them: all that QEMU is told of their differences.

use clap::ValueEnum;
use serde::Deserialize;

/// A board with what can be chosen about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Board {
    /// QEMU's `virt`, which is what one makes of it.
    Virt(Virt),
    /// QEMU's Raspberry Pi 4 model B: four Cortex-A72, 2 GiB of RAM, a GICv2.
    Raspi4b,
    /// The same as the board's firmware would leave it to a kernel, on a board with so many GiB of RAM.
    Rpi4 {
        /// 1, 2, 4 or 8.
        gib: u32,
    },
    /// QEMU's Xilinx Versal: a board that nothing was written for, to show that nothing has to be.
    Versal,
}

impl Default for Board {
    fn default() -> Self {
        Self::Virt(Virt::default())
    }
}

/// Settings of a `virt`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Virt {
    /// CPU model, as QEMU names it.
    pub cpu: String,
    /// Number of CPUs.
    pub smp: u32,
    /// RAM, as QEMU writes it (512M, 1G).
    pub memory: String,
    /// Interrupt controller; without it, QEMU takes the oldest that has room for the CPUs.
    pub gic_version: Option<GicVersion>,
    /// The kernel is entered at EL2.
    pub virtualization: bool,
    /// There is a secure world, so the kernel has the non-secure view of the interrupt controller.
    pub secure: bool,
    /// What its real-time clock says at the start, as QEMU writes it (2026-11-28T12:00:00); without it, the
    /// host's time.
    pub rtc: Option<String>,
}

/// Version of the Generic Interrupt Controller architecture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
pub enum GicVersion {
    /// For at most 8 CPUs.
    #[value(name = "2")]
    #[serde(rename = "2")]
    V2,
    /// For any number of CPUs.
    #[value(name = "3")]
    #[serde(rename = "3")]
    V3,
}

impl Default for Virt {
    fn default() -> Self {
        Self {
            cpu: "cortex-a72".into(),
            smp: 4,
            memory: "512M".into(),
            gic_version: None,
            virtualization: false,
            secure: false,
            rtc: None,
        }
    }
}

impl Board {
    /// The name by which people ask for it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Virt(_) => "virt",
            Self::Raspi4b => "raspi4b",
            Self::Rpi4 { .. } => "rpi4",
            Self::Versal => "versal",
        }
    }

    /// Where RAM begins.
    #[must_use]
    pub fn ram_start(&self) -> u64 {
        match self {
            Self::Virt(_) => 0x4000_0000,
            Self::Raspi4b | Self::Rpi4 { .. } | Self::Versal => 0,
        }
    }

    /// The options of QEMU that make this board.
    #[must_use]
    pub fn options(&self) -> Vec<String> {
        match self {
            Self::Virt(virt) => virt.options(),
            Self::Raspi4b => words("-M raspi4b"),
            // The kernel has the non-secure view of the interrupt controller.
            Self::Rpi4 { .. } => words("-M raspi4b -global arm_gic.has-security-extensions=on"),
            // RAM in two ranges, the second one above 4 GiB.
            Self::Versal => words("-M xlnx-versal-virt -m 3G"),
        }
    }

    /// What tells this board from others: `raspi4b`; `cpu=max,smp=1`; empty for the default one.
    #[must_use]
    pub fn label(&self) -> String {
        match self {
            Self::Virt(virt) => virt.differences().join(","),
            Self::Raspi4b | Self::Rpi4 { gib: 2 } | Self::Versal => self.name().into(),
            Self::Rpi4 { gib } => format!("{},memory={gib}G", self.name()),
        }
    }
}

impl Virt {
    fn options(&self) -> Vec<String> {
        let mut machine = String::from("virt");
        if let Some(version) = self.gic_version {
            machine += &format!(",gic-version={}", version.number());
        }
        if self.virtualization {
            machine += ",virtualization=on";
        }
        if self.secure {
            machine += ",secure=on";
        }
        let (cpu, smp, memory) = (&self.cpu, self.smp, &self.memory);
        // Without a network card `virt` needs no option ROM, which a minimal QEMU package lacks.
        let mut options = words(&format!(
            "-M {machine} -cpu {cpu} -smp {smp} -m {memory} -nic none"
        ));
        if let Some(time) = &self.rtc {
            options.extend(words(&format!("-rtc base={time}")));
        }
        options
    }

    fn differences(&self) -> Vec<String> {
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
        if let Some(version) = self.gic_version {
            parts.push(format!("gic={}", version.number()));
        }
        if self.virtualization {
            parts.push("virtualization".into());
        }
        if self.secure {
            parts.push("secure".into());
        }
        if let Some(time) = &self.rtc {
            parts.push(format!("rtc={time}"));
        }
        parts
    }
}

impl GicVersion {
    fn number(self) -> u32 {
        match self {
            Self::V2 => 2,
            Self::V3 => 3,
        }
    }
}

fn words(text: &str) -> Vec<String> {
    text.split(' ').map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::{Board, GicVersion, Virt};

    #[test]
    fn every_setting_of_a_virt_reaches_qemu() {
        let virt = Virt {
            cpu: "max".into(),
            smp: 2,
            memory: "1G".into(),
            gic_version: Some(GicVersion::V3),
            virtualization: true,
            secure: true,
            rtc: Some("2026-11-28".into()),
        };
        let options = Board::Virt(virt).options().join(" ");
        let machine = "-M virt,gic-version=3,virtualization=on,secure=on -cpu max -smp 2 -m 1G";
        assert!(options.starts_with(machine), "{options}");
        assert!(options.ends_with("-rtc base=2026-11-28"), "{options}");
    }

    #[test]
    fn the_label_names_only_what_differs_from_the_default_board() {
        let virt = Virt {
            smp: 1,
            virtualization: true,
            ..Virt::default()
        };
        assert_eq!(Board::Virt(virt).label(), "smp=1,virtualization");
        assert_eq!(Board::default().label(), "");
        assert_eq!(Board::Raspi4b.label(), "raspi4b");
        assert_eq!(Board::Rpi4 { gib: 2 }.label(), "rpi4");
        assert_eq!(Board::Rpi4 { gib: 8 }.label(), "rpi4,memory=8G");
        assert_eq!(Board::Versal.label(), "versal");
    }
}
