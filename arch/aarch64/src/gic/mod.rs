//! The interrupt controller (Arm Generic Interrupt Controller architecture specification, IHI 0048
//! for version 2, IHI 0069 for version 3).
//!
//! Interrupts of all kinds have one priority: which thread runs is the scheduler's business. One is
//! taken with `Interface::acknowledge` and held, so that it does not come again, until `Interface::end`. Each CPU does so
//! with an interface of its own, whatever others do with the controller.

#[cfg(target_os = "none")]
mod cpu_interface;
#[cfg(any(target_os = "none", test))]
mod redistributor;
mod v2;
#[cfg(target_os = "none")]
mod v3;

pub use v2::GicV2;
#[cfg(target_os = "none")]
pub use v3::GicV3;

use core::fmt;
use core::num::NonZero;
use kcore::CpuId;

/// An interrupt's number, as device tree and controller agree on it: 16 to 31 private to a CPU, 32
/// to 1019 shared.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Intid(u16);

impl Intid {
    /// The interrupt with this number; `None` for the special numbers from 1020 on.
    pub const fn new(number: u32) -> Option<Self> {
        if number < 1020 {
            Some(Self(number as u16))
        } else {
            None
        }
    }

    /// Its number.
    pub const fn get(self) -> u32 {
        self.0 as u32
    }

    pub(crate) const fn index(self) -> usize {
        self.0 as usize
    }

    /// Whether each CPU has its own.
    pub const fn is_private(self) -> bool {
        self.0 < 32
    }
}

/// Why an interrupt controller cannot be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum GicError {
    /// This CPU has no CPU interface of GICv3.
    NoCpuInterface,
    /// A higher exception level keeps the CPU interface from us.
    NoSystemRegisters,
    /// None of the redistributors says that it is this CPU's.
    NoRedistributor,
    /// It does not finish what it was told to do.
    Stuck,
}

impl fmt::Display for GicError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoCpuInterface => "this CPU has no system registers for it",
            Self::NoSystemRegisters => "firmware keeps its system registers closed",
            Self::NoRedistributor => "this CPU has no redistributor in the first region",
            Self::Stuck => "it does not answer",
        })
    }
}

/// An interrupt that was taken and has to be ended, by the CPU that has taken it.
#[cfg(target_os = "none")]
#[must_use = "an interrupt that is not ended never comes again"]
#[derive(Debug)]
pub struct Taken {
    intid: Intid,
    /// What the controller wants back: for an SGI, who sent it stands in it too.
    raw: u32,
}

#[cfg(target_os = "none")]
impl Taken {
    /// Which interrupt it is.
    pub const fn intid(&self) -> Intid {
        self.intid
    }
}

/// What CPUs alert each other with: the first of the interrupts that software generates.
pub const ALERT: Intid = Intid(0);

/// What all versions do.
pub trait InterruptController {
    /// Takes over from firmware what belongs to the CPU that runs this, `cpu`: its private interrupts are disabled,
    /// not pending, not active, and it listens. [`ALERT`] may come.
    ///
    /// # Errors
    /// If this CPU has no way to the controller, or it does not answer.
    fn join(&mut self, cpu: CpuId) -> Result<(), GicError>;

    /// How `cpu` is alerted, once it has joined.
    fn target(&self, cpu: CpuId) -> Option<Target>;

    /// Lets `intid` come, to this CPU.
    fn enable(&mut self, intid: Intid);
}

/// The controller that the board has.
#[cfg(target_os = "none")]
pub enum Gic {
    /// Version 2.
    V2(GicV2),
    /// Version 3, and 4, which adds to it what only hypervisors need.
    V3(GicV3),
}

/// How one CPU is alerted, in the controller's words.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Target(NonZero<u64>);

impl Target {
    /// What [`Self::raw`] was.
    pub fn from_raw(raw: u64) -> Option<Self> {
        NonZero::new(raw).map(Self)
    }

    /// The same as a number, which is not 0.
    pub fn raw(self) -> u64 {
        self.0.get()
    }
}

/// What lets [`ALERT`] come on other CPUs, whoever else uses the controller: that takes one store.
#[cfg(target_os = "none")]
#[derive(Clone, Copy)]
pub enum Alerts {
    /// By version 2.
    V2(v2::Alerts),
    /// By version 3.
    V3,
}

#[cfg(target_os = "none")]
impl Alerts {
    /// On this one.
    pub fn alert(self, target: Target) {
        match self {
            Self::V2(distributor) => distributor.alert(target),
            Self::V3 => cpu_interface::alert(target.raw()),
        }
    }

    /// On every CPU but the one that runs this.
    pub fn alert_all(self) {
        match self {
            Self::V2(distributor) => distributor.alert_all(),
            Self::V3 => cpu_interface::alert_all_others(),
        }
    }
}

/// What each CPU takes its interrupts with. The registers for that are its own, banked or in the CPU, so the same value
/// serves all.
#[cfg(target_os = "none")]
#[derive(Clone, Copy)]
pub enum Interface {
    /// Of version 2.
    V2(v2::Interface),
    /// Of version 3.
    V3(v3::Interface),
}

#[cfg(target_os = "none")]
impl Interface {
    /// Takes the interrupt that waits for this CPU; `None` if it is gone by now.
    pub fn acknowledge(self) -> Option<Taken> {
        match self {
            Self::V2(interface) => interface.acknowledge(),
            Self::V3(_) => v3::Interface::acknowledge(),
        }
    }

    /// Lets `intid`, a shared one, not come any more. Of the others none but the timer's and [`ALERT`] are ever enabled.
    ///
    /// Any number of CPUs may do so at a time, and enable others: a write of 1 clears the bit that it is about, or sets it, and
    /// what is written as 0 stays as it is. So no bit is read first, and none is lost.
    pub fn mask(self, intid: Intid) {
        match self {
            Self::V2(interface) => interface.mask(intid),
            Self::V3(interface) => interface.mask(intid),
        }
    }

    /// Lets `intid`, which was enabled before and [masked](Self::mask) since, come again. Any number of CPUs may do so at a time, too.
    pub fn unmask(self, intid: Intid) {
        match self {
            Self::V2(interface) => interface.unmask(intid),
            Self::V3(interface) => interface.unmask(intid),
        }
    }

    /// Ends what [`Self::acknowledge`] gave. Whatever raised it has been silenced, or is masked,
    /// or it comes again at once.
    pub fn end(self, taken: Taken) {
        match self {
            Self::V2(interface) => interface.end(taken),
            Self::V3(_) => v3::Interface::end(taken),
        }
    }
}

#[cfg(target_os = "none")]
impl Gic {
    /// What CPUs take interrupts with.
    pub fn interface(&self) -> Interface {
        match self {
            Self::V2(gic) => Interface::V2(gic.interface()),
            Self::V3(gic) => Interface::V3(gic.interface()),
        }
    }

    /// What alerts CPUs.
    pub fn alerts(&self) -> Alerts {
        match self {
            Self::V2(gic) => Alerts::V2(gic.alerts()),
            Self::V3(_) => Alerts::V3,
        }
    }
}

#[cfg(target_os = "none")]
impl InterruptController for Gic {
    fn join(&mut self, cpu: CpuId) -> Result<(), GicError> {
        match self {
            Self::V2(gic) => gic.join(cpu),
            Self::V3(gic) => gic.join(cpu),
        }
    }

    fn target(&self, cpu: CpuId) -> Option<Target> {
        match self {
            Self::V2(gic) => gic.target(cpu),
            Self::V3(gic) => gic.target(cpu),
        }
    }

    fn enable(&mut self, intid: Intid) {
        match self {
            Self::V2(gic) => gic.enable(intid),
            Self::V3(gic) => gic.enable(intid),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Intid;

    #[test]
    fn special_numbers_name_no_interrupt() {
        assert_eq!(Intid::new(1019).map(Intid::get), Some(1019));
        assert_eq!(Intid::new(1020), None);
        assert_eq!(Intid::new(1023), None);
        assert_eq!(
            Intid::new(0x403),
            None,
            "an SGI with its sender has to be masked first"
        );
    }

    #[test]
    fn the_first_32_are_private() {
        let private = |number| Intid::new(number).map(Intid::is_private);
        assert_eq!((private(31), private(32)), (Some(true), Some(false)));
    }
}
