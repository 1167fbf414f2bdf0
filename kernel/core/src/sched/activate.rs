//! An address space becomes the active one: for the first time on behalf of a thread, or again when what the machine kept of that
//! does not hold any more. It takes the memory manager's lock, as the space gets an ASID, and a CPU that shares the kernel has the
//! thread go on then.

use crate::here::Here;
use crate::platform::{Guarded, Local};
use crate::thread::{State, ThreadId};
use mm::MemoryManager;

impl<L: Local> Here<'_, L> {
    /// Whether all that is left to be done for the current thread is to [activate](Self::enters_anew) its address space, and to
    /// load its registers.
    #[inline]
    pub(super) fn is_to_activate(&mut self) -> bool {
        let cpu = &*self.cpu;
        let Some(thread) = cpu.current.filter(|_| cpu.is_settled() && !cpu.needs_slice()) else {
            return false;
        };
        cpu.prepared != Some(thread) && matches!(self.thread(thread).state, State::Ready)
    }

    /// Prepares the CPU for the current thread in an address space that has to be activated anew, if that is all that is left to be done.
    /// The place of that thread; or `None`: then the CPU is to [seek](Self::seeks) who goes on, as whom it was prepared for before
    /// may go on elsewhere now, or nothing has happened, and [`Kernel::run`](crate::Kernel::run) is to say it.
    #[inline(never)] // so that who goes on in a space that is known does not pay for it
    pub fn enters_anew(&mut self, memory: &mut impl Guarded<MemoryManager<L::Mmu>>) -> Option<L::Place> {
        if !self.is_to_activate() {
            return None;
        }
        let current = self.cpu.current?;
        self.activate(memory, current);
        let entered = self.enter(current);
        if !self.is_alone() {
            self.look_around();
        }
        entered.filter(|_| self.cpu.is_settled())
    }

    /// Makes the address space of `thread`, which runs here next, the active one.
    #[cold]
    pub(super) fn activate(&mut self, memory: &mut impl Guarded<MemoryManager<L::Mmu>>, id: ThreadId) {
        let (space, process) = (self.thread(id).space, self.thread(id).process);
        let Some(process) = self.processes.get(process) else {
            panic!("{id:?} is to run for a process that is gone")
        };
        let place = self.local.place(id.index());
        match memory.lock().mmu_space_mut(space) {
            Some((mmu, tables)) => self.local.activate(mmu, tables, process.pid, place),
            None => panic!("{id:?} is to run in a space that is gone"),
        }
        self.cpu.active = Some(space);
    }
}
