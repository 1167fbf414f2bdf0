//! Who goes on on a CPU that shares the kernel, when all registers are stored, if it is prepared for that one already.

use crate::here::Here;
use crate::platform::Local;
use crate::thread::State;

impl<L: Local> Here<'_, L> {
    /// The place of the current thread, if all that is left to be done for it is to load its registers. If not,
    /// it is to be found out who goes on.
    #[inline(always)] // so that this CPU's part is not in memory for it
    pub fn goes_on(&mut self) -> Option<L::Place> {
        let cpu = &*self.cpu;
        let thread = cpu.current?;
        let is_entered = cpu.prepared == Some(thread) && cpu.charged == Some(thread);
        if !is_entered || !cpu.is_settled() || cpu.needs_slice() {
            return None;
        }
        let is_ready = matches!(self.thread(thread).state, State::Ready);
        is_ready.then(|| self.local.place(thread.index()))
    }
}
