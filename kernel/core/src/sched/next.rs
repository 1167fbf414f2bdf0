//! Who goes on on a CPU that shares the kernel, when all registers are stored.
//!
//! [`Kernel::run`] decides that for whatever has happened. What is clear without it is decided here.

use super::time::NEVER;
use crate::here::Here;
#[cfg(doc)]
use crate::kernel::Kernel;
use crate::platform::Local;

/// Who goes on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum GoesOn<Place> {
    /// The thread with this place, which the CPU is prepared for.
    Thread(Place),
    /// Nobody, until an interrupt comes.
    Nobody,
}

impl<L: Local> Here<'_, L> {
    /// Who goes on on this CPU, if that is clear. `None` if [`Kernel::run`] is to say.
    pub fn go_on(&mut self) -> Option<GoesOn<L::Place>> {
        let is_idle = self.cpu.is_settled() && self.cpu.is_idle();
        if is_idle { self.sleep() } else { None }
    }

    fn sleep(&mut self) -> Option<GoesOn<L::Place>> {
        self.keep_nothing();
        self.cpu.slice_end = NEVER;
        if self.show_and_look(None).have(None) {
            self.cpu.chooses = true;
            return None;
        }
        Some(GoesOn::Nobody)
    }

    /// An idle CPU has nothing of anybody: who ran here last can go on anywhere, and an address space that ends is
    /// active nowhere but where its thread takes it apart.
    pub(super) fn keep_nothing(&mut self) {
        let (active, prepared) = (self.cpu.active.take(), self.cpu.prepared.take());
        if active.is_some() {
            self.local.deactivate();
        }
        if prepared.is_some() {
            self.local.put_away();
        }
        self.charge_nobody();
    }
}
