//! A CPU that shares the kernel goes to sleep, when all registers are stored.
//!
//! [`Kernel::run`] decides who goes on, whatever has happened. That nobody does is clear without it.

use super::time::NEVER;
use crate::here::Here;
use crate::kernel::Kernel;
use crate::platform::{Local, Platform};

impl<L: Local> Here<'_, L> {
    /// Whether nobody goes on on this CPU until an interrupt comes. If not, it is to be found out who does.
    #[inline(always)] // so that this CPU's part is not in memory for it
    pub fn sleeps(&mut self) -> bool {
        self.cpu.is_settled() && self.cpu.is_idle() && self.falls_asleep()
    }

    pub(super) fn falls_asleep(&mut self) -> bool {
        self.keep_nothing();
        self.cpu.slice_end = NEVER;
        let others = self.others();
        if !others.are_none() {
            self.cpu.show_and_look(None, others);
            self.cpu.seeks = others.have(None);
        }
        !self.cpu.seeks
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
        let now = self.local.rough_ticks();
        self.cpu.charge_nobody(&mut self.threads, now);
    }
}

impl<P: Platform> Kernel<P> {
    /// The same with the whole kernel: the kernel may have worked here for somebody who is at home elsewhere by now.
    pub(super) fn keep_nothing(&mut self) {
        self.charge_nobody();
        self.here().keep_nothing();
    }
}
