//! Message pages: one for each thread, where the kernel finds it, and out of the program's reach otherwise.
//!
//! They stay when a thread ends, for the next one with its number, and go with the address space.

use crate::manager::MemoryManager;
use crate::mmu::Mmu;
use crate::place::message_page;
use crate::sharing::{Each, InSpace};
use crate::space::{SpaceId, SpaceState};
use crate::vma::{Backing, VmaState};
use abi::Errno;
use addr::{Frame, MemoryKind, PageRange, Perms};

impl<M: Mmu> MemoryManager<M> {
    /// Gives thread number `thread` of a process its message page ([`abi::layout::message_page`]): present
    /// at once, and there until the address space ends. If a thread with that number had one, it is that, with what
    /// is in it. Answers its frame.
    ///
    /// # Errors
    /// `ESRCH` if the address space is gone, `EINVAL` if no thread has that number; if there was none, `EAGAIN` if the
    /// address space is being copied or changed, `ENOMEM` or `EMFILE` as for a map request.
    pub fn map_message_page(&mut self, space: SpaceId, thread: u32) -> Result<Frame, Errno> {
        let range = message_page(thread).ok_or(Errno::EINVAL)?;
        let mapped = self.enter(space, |space| space.map_message_page(range));
        mapped.ok_or(Errno::ESRCH)?
    }
}

impl<M: Mmu> InSpace<'_, '_, M> {
    fn map_message_page(&mut self, range: PageRange) -> Result<Frame, Errno> {
        let Each { space, vmas, mmu, .. } = self.each();
        if space.state == SpaceState::Ending {
            return Err(Errno::ESRCH);
        }
        // Nothing else can be there.
        if let Some((frame, _)) = mmu.lookup(&space.hardware, range.start()) {
            return Ok(frame);
        }
        space.check_alive()?;
        let fit = space.fit_at(&vmas, range).ok_or(Errno::EBUSY)?;
        let perms = Perms::READ_WRITE;
        self.add_vma(fit, perms, Backing::MessagePage, VmaState::Live)?;
        let Each {
            space, mmu, regions, ..
        } = self.each();
        let zone = regions.zone();
        let frame = space.pages.take_zeroed(mmu, zone);
        let mut tables = space.tables.source(zone);
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
}
