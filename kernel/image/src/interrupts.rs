//! What CPUs take their interrupts with, each its own, whatever others do in the kernel.

use aarch64::gic::{ALERT, Interface, Intid};
use aarch64::timer;
use kcore::Interrupt;
use spin::Once;

/// The way to interrupts, the same for all CPUs: it leads each to registers of its own.
#[derive(Clone, Copy)]
pub struct Interrupts {
    interface: Interface,
    timer: Intid,
}

static INTERRUPTS: Once<Interrupts> = Once::new();

/// Remembers it for all CPUs, before any takes interrupts.
pub fn remember(interrupts: Interrupts) {
    INTERRUPTS.call_once(|| interrupts);
}

/// Takes the next one, if one waits for this CPU. It does not come again before it is let: the timer is off, and a device
/// is masked.
pub fn take() -> Option<Interrupt> {
    INTERRUPTS.get()?.take()
}

/// Lets the interrupt of a device come no more.
pub fn mask(intid: Intid) {
    if let Some(interrupts) = INTERRUPTS.get() {
        interrupts.interface.mask(intid);
    }
}

/// Lets it come again.
pub fn unmask(intid: Intid) {
    if let Some(interrupts) = INTERRUPTS.get() {
        interrupts.interface.unmask(intid);
    }
}

impl Interrupts {
    /// By way of `interface`, where the timer's interrupt is `timer`.
    pub const fn new(interface: Interface, timer: Intid) -> Self {
        Self { interface, timer }
    }

    fn take(self) -> Option<Interrupt> {
        let taken = self.interface.acknowledge()?;
        let intid = taken.intid();
        let interrupt = if intid == self.timer {
            timer::disarm();
            Interrupt::Timer
        } else if intid == ALERT {
            Interrupt::Alert
        } else {
            self.interface.mask(intid);
            Interrupt::Device(intid.get())
        };
        self.interface.end(taken);
        Some(interrupt)
    }
}
