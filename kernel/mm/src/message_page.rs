//! Message pages: one for each thread, where the kernel finds it, and out of the program's reach otherwise.

use crate::job::Job;
use crate::manager::{MemoryManager, typed};
use crate::mmu::Mmu;
use crate::place::message_page;
use crate::space::SpaceId;
use crate::vma::{Backing, VmaState, existing};
use abi::Errno;
use addr::{Frame, MemoryKind, Perms};

impl<M: Mmu> MemoryManager<M> {
    /// Gives thread number `thread` of a process its message page ([`abi::layout::message_page`]): present
    /// at once, and there until it is unmapped or the address space ends. Answers its frame.
    ///
    /// # Errors
    /// `ESRCH` if the address space is gone, `EAGAIN` if it is being copied or changed, `EBUSY` if the thread has one,
    /// `EINVAL` if no thread has that number, `ENOMEM` or `EMFILE` as for a map request.
    pub fn map_message_page(&mut self, space: SpaceId, thread: u32) -> Result<Frame, Errno> {
        let range = message_page(thread).ok_or(Errno::EINVAL)?;
        let fit = self.alive(space)?.fit_at(&self.vmas, range).ok_or(Errno::EBUSY)?;
        let perms = Perms::READ_WRITE;
        self.add_vma(space, fit, perms, Backing::MessagePage, VmaState::Live)?;
        let Self {
            mmu, frames, spaces, ..
        } = self;
        let space = spaces.get_mut(typed(space)).ok_or(Errno::ESRCH)?;
        let frame = space.pages.take_zeroed(mmu, frames);
        let mut tables = space.tables.source(frames);
        mmu.install(
            &mut space.hardware,
            range.start(),
            frame,
            perms,
            MemoryKind::Normal,
            &mut tables,
        );
        mmu.publish_entries();
        Ok(frame)
    }

    /// Begins to take the message page of thread number `thread`, which does not use it any more, away from a
    /// process. When the job is done, its frame is given back, and what was promised for it.
    ///
    /// # Errors
    /// `ESRCH` if the address space is gone, `EAGAIN` if it is being copied or changed, `EINVAL` if the thread has none.
    /// Nothing has changed then.
    pub fn unmap_message_page(&mut self, space: SpaceId, thread: u32) -> Result<Job, Errno> {
        let page = message_page(thread).ok_or(Errno::EINVAL)?.start();
        let vma = self.alive(space)?.set.containing(&self.vmas, page);
        let vma = vma.filter(|&id| existing(&self.vmas, id).state == VmaState::Live);
        let vma = vma.ok_or(Errno::EINVAL)?;
        if let Some(owner) = self.spaces.get_mut(typed(space)) {
            owner.begin_leaving(&mut self.vmas, vma, None);
        }
        Ok(Job::Sweep(space))
    }
}
