//! What others may do while a CPU waits for more turns than its own, in the middle of what it does.
//!
//! It has given its own turn back then, and finds anything when it goes on: so it looks everything up anew. (One that waits for a higher
//! CPU's turn keeps its own, and less can happen meanwhile. That makes no difference to what has to hold.)

use crate::in_place::InPlace;
use crate::vectors::Way;
use crate::world::World;
use addr::VirtAddr;
use kcore::fault::Fault;
use kcore::ipc::SignalTarget;
use kcore::sched::Search;
use kcore::{CpuId, Next, Registers};
use mm::Access;

/// What a CPU waits for in the middle of something.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Turns {
    /// Its own turn, after a step that took more.
    Own,
    /// That of this other CPU besides.
    With(CpuId),
    /// All of them.
    Whole,
}

/// In the middle of what it waits.
pub(crate) enum Waits {
    /// It seeks who goes on, and is to exchange threads with another CPU.
    Exchange(Search, CpuId),
    /// A trap, most of whose thread's registers it has.
    InPlace(Box<InPlace>, Turns),
    /// A trap of this thread, all of whose registers are stored.
    Stored(u32, Turns),
    /// A fault.
    Fault(Box<Faulted>, Turns),
    /// An interrupt of a device, of which somebody at home on another CPU is to be told.
    Tell(u32, SignalTarget, CpuId),
}

/// A thread that has done what the machine does not allow.
pub(crate) struct Faulted {
    pub thread: u32,
    /// What it had in them.
    pub registers: Registers,
    pub misdeed: Misdeed,
}

/// What it has done.
#[derive(Clone, Copy)]
pub(crate) enum Misdeed {
    /// A touch, which is this fault if it is refused for ever.
    Touch(VirtAddr, Access, Option<Fault>),
    Other(Fault),
}

impl Misdeed {
    pub fn fault(self) -> Option<Fault> {
        match self {
            Self::Touch(_, _, fault) => fault,
            Self::Other(fault) => Some(fault),
        }
    }
}

impl World {
    /// Whether the CPU gives others a turn where it waits for theirs.
    pub(crate) fn gives_others_turns(&self) -> bool {
        self.between && self.cpus() > 1
    }

    /// The CPU waits for turns in the middle of this.
    pub(crate) fn wait_with(&mut self, waits: Waits) -> Next {
        self.gaps += 1;
        self.kernel.platform.cpu().waits = Some(waits);
        self.go_on(Next::Again)
    }

    /// The CPU has the turns now that it has waited for, if it has; then whoever goes on runs.
    pub(crate) fn end_wait(&mut self) -> Option<Next> {
        Some(match self.kernel.platform.cpu().waits.take()? {
            Waits::Exchange(search, other) => self.end_exchange(search, other),
            Waits::InPlace(trap, turns) => self.go_on_in_place(*trap, turns),
            Waits::Stored(thread, turns) => self.go_on_with_all_stored(thread, turns),
            Waits::Fault(faulted, turns) => self.go_on_with_fault(*faulted, turns),
            Waits::Tell(interrupt, target, other) => self.tell_with(interrupt, target, other),
        })
    }

    /// No CPU waits for turns any more.
    pub(crate) fn end_all_waits(&mut self) {
        for cpu in 0..self.cpus() {
            self.turn_to(cpu);
            while self.end_wait().is_some() {}
        }
    }

    /// Whether a trap of the thread with this number is not served yet.
    pub(crate) fn is_in_a_trap(&self, thread: u32) -> bool {
        let mut cpus = self.kernel.platform.cpus.iter();
        cpus.any(|cpu| match &cpu.waits {
            Some(Waits::InPlace(trap, _)) => trap.thread() == thread,
            Some(Waits::Stored(trapped, _)) => *trapped == thread,
            _ => false,
        })
    }

    /// The CPU whose turn it is does something, and `others` something else in the middle of that, where it waits for turns for the first
    /// time. Traps that come the long way have no middle: then they do so before.
    ///
    /// # Panics
    /// If it waits for none.
    pub fn meanwhile(&mut self, act: impl FnOnce(&mut Self), others: impl FnOnce(&mut Self)) {
        let mut others = Some(others);
        self.meanwhile_each(
            act,
            &mut [&mut |world| {
                if let Some(others) = others.take() {
                    others(world);
                }
            }],
        );
    }

    /// The same, and `others` do one thing after the other, each of them where it waits for turns once more.
    ///
    /// # Panics
    /// If it does not wait that often.
    pub fn meanwhile_each(&mut self, act: impl FnOnce(&mut Self), others: &mut [&mut dyn FnMut(&mut Self)]) {
        let cpu = self.kernel.platform.here;
        if self.way == Way::Long {
            for other in others {
                other(self);
            }
            self.turn_to(cpu);
            return act(self);
        }
        let mut act = Some(act);
        for other in others {
            self.go_to_gap(|world| match act.take() {
                Some(act) => act(world),
                None => {
                    world.run();
                }
            });
            other(self);
            self.turn_to(cpu);
        }
        self.run();
    }

    /// The CPU does something until it waits for turns in the middle of that.
    fn go_to_gap(&mut self, act: impl FnOnce(&mut Self)) {
        self.between = true;
        act(self);
        self.between = false;
        assert!(self.kernel.platform.cpu().works, "it waits for no turn");
    }
}
