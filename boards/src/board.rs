//! What one machine is made of: plain facts, nothing borrowed.

use crate::irq::Irq;
use crate::list::List;
use crate::memory::{MemoryMap, MemoryRange};
use crate::options::Options;
use crate::text::Text;
use addr::PhysAddr;
use core::fmt;

/// Everything the kernel wants to know about the machine it runs on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Board {
    /// The root's `model`, cut to fit.
    pub model: Text<64>,
    /// Which of the boards we know.
    pub kind: BoardKind,
    /// RAM and reserved memory. Empty if the loader left the memory node unfilled.
    pub memory: MemoryMap,
    /// Where the loader put the initrd, if there is one; why that cannot be known, if the tree says it badly.
    pub initrd: Result<Option<MemoryRange>, BadInitrd>,
    /// The kernel command line, cut to whole words. See [`Board::options`].
    pub bootargs: Text<{ Board::MAX_BOOTARGS }>,
    /// The serial port to talk to.
    pub console: Option<ConsoleDevice>,
    /// The interrupt controller.
    pub gic: Option<Gic>,
    /// The interrupts of the generic timer.
    pub timer: Option<TimerIrqs>,
    /// The CPUs in the order of the tree; those past [`Board::MAX_CPUS`] are left out and stay parked.
    pub cpus: List<Cpu, { Board::MAX_CPUS }>,
    /// How to call PSCI firmware. `None`: there is none, and SMC or HVC must not be executed.
    pub psci: Option<PsciConduit>,
    /// The PL031 real-time clock.
    pub rtc: Option<RegisterBlock>,
    /// The Raspberry Pi's GPIO block, which routes pins to the UARTs.
    /// Its tree gives a size from before the pull registers that we use, so map the whole page.
    pub gpio: Option<RegisterBlock>,
    /// The Raspberry Pi's power management block with its watchdog, which ends or restarts the machine.
    pub watchdog: Option<RegisterBlock>,
}

impl Board {
    /// How many CPUs are recorded.
    pub const MAX_CPUS: usize = 16;
    /// How many bytes of the command line are kept.
    pub const MAX_BOOTARGS: usize = 1024;

    /// The words of the command line.
    pub fn options(&self) -> Options<'_> {
        Options::new(self.bootargs.as_str())
    }
}

/// Why the place of the initrd is not known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BadInitrd {
    /// Only one of its ends is given, or one of them is no address.
    NoPlace,
    /// It ends before it starts.
    Backward {
        /// Where it starts.
        start: PhysAddr,
        /// Where it ends.
        end: PhysAddr,
    },
}

impl fmt::Display for BadInitrd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoPlace => f.write_str(
                "the device tree must give both ends of the initrd, each an address of 4 or 8 bytes",
            ),
            Self::Backward { start, end } => {
                write!(
                    f,
                    "the device tree has the initrd start at {start} and end at {end}"
                )
            }
        }
    }
}

/// The boards we know something about that their trees do not say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BoardKind {
    /// QEMU's `virt` machine.
    QemuVirt,
    /// A Raspberry Pi 4 or another board with its BCM2711, or QEMU's `raspi4b`.
    RaspberryPi4,
    /// Anything else: all we know is what the tree says.
    Other,
}

/// The registers of a device: not mapped yet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RegisterBlock {
    /// The first register, as the CPU addresses it.
    pub base: PhysAddr,
    /// The length in bytes.
    pub bytes: u64,
}

/// A serial port.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ConsoleDevice {
    /// Which driver it takes.
    pub kind: ConsoleKind,
    /// Its registers.
    pub registers: RegisterBlock,
    /// Its interrupt, if the tree leads to one.
    pub irq: Option<Irq>,
    /// The frequency of its clock in Hz, if known. Unknown means: leave the line settings alone.
    pub clock_hz: Option<u32>,
}

/// Kinds of serial port that we have a driver for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ConsoleKind {
    /// Arm PrimeCell UART (PL011).
    Pl011,
    /// The auxiliary UART of Broadcom's BCM2835 and its successors.
    MiniUart,
}

/// The interrupt controller (GIC architecture specification, versions 2 and 3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Gic {
    /// GICv2: both blocks are memory-mapped.
    V2 {
        /// GICD.
        distributor: RegisterBlock,
        /// GICC.
        cpu_interface: RegisterBlock,
    },
    /// GICv3: the CPU interface is in system registers.
    V3 {
        /// GICD.
        distributor: RegisterBlock,
        /// GICR of all CPUs (the first region, if there are several).
        redistributors: RegisterBlock,
    },
}

/// The interrupts of the generic timer that a kernel at EL1 can use.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TimerIrqs {
    /// The non-secure EL1 physical timer, CNTP.
    pub physical: Irq,
    /// The virtual timer, CNTV.
    pub virt: Irq,
}

/// One CPU.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cpu {
    /// Its name in hardware.
    pub mpidr: Mpidr,
    /// How it is started.
    pub enable: EnableMethod,
}

/// The affinity fields of MPIDR_EL1, all other bits zero (Arm ARM, "MPIDR_EL1").
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Mpidr(u64);

impl Mpidr {
    /// Aff3, Aff2, Aff1 and Aff0.
    const AFFINITY: u64 = 0xff_00ff_ffff;

    /// Takes the affinity fields out of a register or `reg` value.
    pub const fn from_raw(raw: u64) -> Self {
        Self(raw & Self::AFFINITY)
    }

    /// The fields where the register has them.
    pub const fn raw(self) -> u64 {
        self.0
    }
}

/// How a CPU that waits in firmware is started.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EnableMethod {
    /// PSCI `CPU_ON`.
    Psci,
    /// Store an entry address at `release`, make it visible to a CPU with caches off, `sev`.
    SpinTable {
        /// Where the CPU looks for its entry address: a 64-bit word.
        release: PhysAddr,
    },
    /// Some way we do not know, or none: it cannot be started.
    Unknown,
}

/// The instruction that enters PSCI firmware.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PsciConduit {
    /// `hvc #0`.
    Hvc,
    /// `smc #0`.
    Smc,
}
