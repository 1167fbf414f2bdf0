//! Interrupts, from the CPU that has taken one to whoever goes on.
//!
//! Most are about what this CPU has: its time slice, who is at home here and waits until a time or for a device. So they
//! are served while CPUs share the kernel, with the same decisions as with all of it. As much as is not is left, and what
//! was taken is never lost: either it is served, or it comes along to [`Kernel::serve_interrupts`].

use super::NEVER;
use crate::here::Here;
use crate::kernel::Kernel;
use crate::platform::{Interrupt, Local, Nested, Platform};
use mm::mmu::Mmu;

/// What became of an interrupt that waited.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Interrupted<Place> {
    /// It is served, or there was none, and the thread with this place goes on; if there is no such, the CPU
    /// [sleeps](Here::sleeps), [works](Here::works), [seeks](Here::seek) or [activates](Here::enters_anew) an address space, or
    /// [`Kernel::run`] is to say who does.
    Served(Option<Place>),
    /// It was taken and is a device's: [whoever listens](crate::object::device::listener) is to be [told](Here::tell).
    Device(u32),
    /// It was taken, and is to be [served](Kernel::serve_interrupts) with the whole kernel, in part at least.
    Left(Interrupt),
}

impl<L: Local> Here<'_, L> {
    /// Takes the next interrupt, if one waits, and serves it. All registers of the thread that ran here are in memory. One
    /// at a time: the next one comes as soon as the CPU goes on.
    pub fn interrupt<M: Mmu>(&mut self, locks: &mut impl Nested<M>) -> Interrupted<L::Place> {
        match self.local.take_interrupt() {
            Some(Interrupt::Timer) if !self.timer(locks) => Interrupted::Left(Interrupt::Timer),
            Some(Interrupt::Device(interrupt)) => Interrupted::Device(interrupt),
            // Who was alerted looks around when it chooses.
            Some(Interrupt::Timer | Interrupt::Alert) | None => Interrupted::Served(self.choose()),
        }
    }

    /// An interrupt is left, perhaps in part. Others may have all of the kernel before this CPU does, and find what is so.
    pub fn leave_interrupt(&mut self) {
        self.cpu.chooses = true;
        self.restore_timer();
        let runs = self.current_priority();
        self.show(runs);
    }
}

impl<P: Platform> Kernel<P> {
    /// Serves every interrupt that waits.
    pub fn interrupt(&mut self) {
        while let Some(interrupt) = self.platform.take_interrupt() {
            self.serve_interrupt(interrupt);
        }
        self.here().restore_timer();
    }

    /// Serves `first`, which was taken while CPUs shared the kernel, and every one that waits.
    pub fn serve_interrupts(&mut self, first: Interrupt) {
        self.serve_interrupt(first);
        while let Some(next) = self.platform.take_interrupt() {
            // Left with what was due, the timer was set to that, and comes once more: it is set to nothing then.
            if (first, next) == (Interrupt::Timer, Interrupt::Timer) {
                self.cpu().timer = NEVER;
            } else {
                self.serve_interrupt(next);
            }
        }
        self.here().restore_timer();
    }

    fn serve_interrupt(&mut self, interrupt: Interrupt) {
        match interrupt {
            Interrupt::Timer => self.timer(),
            Interrupt::Device(interrupt) => self.device_interrupt(interrupt),
            // Whoever takes interrupts runs afterwards, and looks around then.
            Interrupt::Alert => {}
        }
    }
}
