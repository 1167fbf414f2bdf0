//! An address space becomes the active one: for the first time on behalf of a thread, or again when what the machine kept of that
//! does not hold any more. The space is taken meanwhile, as it gets an ASID, and a CPU that shares the kernel has the
//! thread go on then.

use crate::here::Here;
use crate::platform::{Local, MemoryLock};
use crate::thread::{State, Thread, ThreadId};
use abi::process::Pid;
use mm::SpaceId;

impl<L: Local> Here<'_, L> {
    /// Whether all that is left to be done for the current thread is to [activate](Self::enters_anew) its address space, and to
    /// load its registers.
    #[inline]
    pub fn is_to_activate(&mut self) -> bool {
        let cpu = &*self.cpu;
        if !cpu.is_settled() || cpu.prepared == cpu.current || cpu.needs_slice() {
            return false;
        }
        let current = cpu.current.map(|current| self.thread(current).state);
        matches!(current, Some(State::Ready))
    }

    /// Prepares the CPU for the current thread in an address space that has to be activated anew, if that is all that is left to be done.
    /// The place of that thread; or `None`: then the CPU is to [seek](Self::seeks) who goes on, as whom it was prepared for before
    /// may go on elsewhere now, or nothing has happened, and [`Kernel::run`](crate::Kernel::run) is to say it.
    #[inline(never)] // so that who goes on in a space that is known does not pay for it
    pub fn enters_anew(&mut self, memory: &mut impl MemoryLock<L::Mmu>) -> Option<L::Place> {
        if !self.is_to_activate() {
            return None;
        }
        let current = self.cpu.current?;
        let &mut Thread { space, process, .. } = self.thread(current);
        let pid = self.processes.get(process)?.pid;
        activate(self.local, memory, (current, space, pid));
        self.cpu.active = Some(space);
        let entered = self.enter(current);
        if !self.is_alone() {
            self.look_around();
        }
        entered.filter(|_| self.cpu.is_settled())
    }
}

/// Makes the address space of `thread`, which runs on this CPU next, the active one: it is that of the process with this number.
///
/// # Panics
/// If it is gone.
#[cold]
pub(super) fn activate<L: Local>(
    local: &mut L,
    memory: &mut impl MemoryLock<L::Mmu>,
    (thread, space, pid): (ThreadId, SpaceId, Pid),
) {
    let place = local.place(thread.index());
    let activated = memory
        .share(|memory| memory.with_tables(space, |mmu, tables| local.activate(mmu, tables, pid, place)));
    if activated.is_none() {
        panic!("{thread:?} is to run in a space that is gone");
    }
}
