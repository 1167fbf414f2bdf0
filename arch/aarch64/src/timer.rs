//! The generic timer: what time it is, and an interrupt at a given time.
//!
//! Of the timers that EL1 has, this is the EL1 physical one (CNTP, for the non-secure state and,
//! under this name, the secure one too), which goes by the physical count. The virtual timer goes
//! by a count that EL2 may shift (CNTVOFF_EL2), and where we are entered at EL1 we can't know that
//! offset; with no hypervisor above there is nothing to gain from it.

use aarch64_cpu::asm::barrier;
use aarch64_cpu::registers::{CNTFRQ_EL0, CNTP_CTL_EL0, CNTP_CVAL_EL0, CNTPCT_EL0, CNTVCT_EL0};
use tock_registers::interfaces::{Readable, Writeable};

/// A time: ticks of the system counter since it was started.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Ticks(u64);

impl Ticks {
    /// The time `ticks` ticks after the counter's start.
    pub const fn new(ticks: u64) -> Self {
        Self(ticks)
    }

    /// The number of ticks.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The time `ticks` later. The counter takes centuries to reach the end, so there it stays.
    pub const fn after(self, ticks: u64) -> Self {
        Self(self.0.saturating_add(ticks))
    }
}

/// Ticks in a second; 0 if firmware has not set CNTFRQ_EL0. The register's upper half is reserved.
pub fn frequency() -> u32 {
    CNTFRQ_EL0.get() as u32
}

/// The time now, for [`arm`].
pub fn now() -> Ticks {
    // Without it the count might be read before earlier instructions are done (Arm ARM,
    // "CNTPCT_EL0").
    barrier::isb(barrier::SY);
    Ticks(CNTPCT_EL0.get())
}

/// The time now as programs read it: the virtual count, which is the same where EL2 has left it alone.
pub fn count() -> Ticks {
    barrier::isb(barrier::SY);
    Ticks(CNTVCT_EL0.get())
}

/// The same where some instructions more or less make no difference: it may be read before earlier ones are done.
#[inline]
pub fn rough_count() -> Ticks {
    Ticks(CNTVCT_EL0.get())
}

/// How far the count that the timer goes by is ahead of [`count`]: nothing, unless EL2 has shifted that. Some
/// ticks too much rather than too few, so that the timer does not come early.
pub fn ahead() -> u64 {
    let virtual_count = count();
    now().get().saturating_sub(virtual_count.get())
}

/// Lets the timer's interrupt come at `deadline`, at once if that has passed. It stays pending
/// until [`arm`] or [`disarm`] is called again.
pub fn arm(deadline: Ticks) {
    CNTP_CVAL_EL0.set(deadline.get());
    CNTP_CTL_EL0.write(CNTP_CTL_EL0::ENABLE::SET);
    // The timer lowers its interrupt before the interrupt controller is asked again.
    barrier::isb(barrier::SY);
}

/// Lets no interrupt come.
pub fn disarm() {
    CNTP_CTL_EL0.write(CNTP_CTL_EL0::ENABLE::CLEAR);
    barrier::isb(barrier::SY);
}
