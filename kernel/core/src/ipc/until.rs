//! Traps that say until when they wait at most, while CPUs share the kernel.
//!
//! They come with all registers stored, and are served as those that do not say so. Who waits then has a deadline besides, at home,
//! where it is: nobody who could let it go on comes there before it has that.

use crate::here::{Here, There};
use crate::ipc::Direct;
use crate::platform::{Local, MemoryLock};
use abi::Operation;

impl<L: Local> Here<'_, L> {
    /// Serves the trap of the running thread, if it is one with a deadline, and is as most are. With [`Direct::Receives`] what is
    /// left is in its registers as another trap.
    pub fn serve_until(
        &mut self,
        memory: &mut impl MemoryLock<L::Mmu>,
        there: Option<&mut There<'_>>,
    ) -> Direct<L::Place> {
        self.try_to_serve_until(memory, there).unwrap_or(Direct::Not)
    }

    fn try_to_serve_until(
        &mut self,
        memory: &mut impl MemoryLock<L::Mmu>,
        there: Option<&mut There<'_>>,
    ) -> Option<Direct<L::Place>> {
        let thread = self.cpu.current?;
        let place = self.local.place(thread.index());
        let said = self.local.registers_at(place);
        let (asked, deadline, handle, tag) = (said.x[8], said.x[9], said.x[0], said.x[1]);
        let words = said.words();
        // Of a request before that did not come to its end.
        self.cpu.woken = None;
        let operation = Operation::decode(asked ^ Operation::UNTIL).ok()?;
        // When that has passed, it does not wait at all, which is not as most are.
        if deadline <= self.local.ticks() {
            return None;
        }
        let served = self.serve_with(memory, there, operation, handle, tag, &words);
        match served {
            Direct::Stays(_) | Direct::Runs(_) | Direct::Resumes(_) | Direct::Enters => {}
            Direct::Receives => {
                let left = self.local.registers_at(place);
                (left.x[0], left.x[8]) = (handle, Operation::Receive as u64 | Operation::UNTIL);
                return Some(served);
            }
            _ => return Some(served),
        }
        // Nothing of the kernel's would be in them, but all ways of a trap must look alike.
        self.local.registers_at(place).x[9..18].fill(0);
        if self.threads.get_mut(thread)?.state.can_give_up() {
            self.wait_until(thread, deadline);
        }
        Some(served)
    }
}
