//! Private memory, message pages, and memory that the allocator does not own.

use crate::manager::{MemoryManager, typed};
use crate::message::{Call, Reply};
use crate::mmu::Mmu;
use crate::place::{Fit, mappable, message_pages};
use crate::space::SpaceId;
use crate::vma::{Backing, VmaState};
use abi::Errno;
use abi::memory::{Map, Protection};
use addr::{Frame, FrameRange, MemoryKind, Page, PageCount, PageRange, Perms, VirtAddr};

impl<M: Mmu> MemoryManager<M> {
    pub(crate) fn map(&mut self, call: &mut Call<'_>, request: Map) -> Result<Reply, Errno> {
        let perms = permitted(request.protection).ok_or(Errno::EINVAL)?;
        let pages = PageCount::covering(request.length).ok_or(Errno::EINVAL)?;
        let fit = self.place_for(call.space, request.address, pages)?;
        self.add_vma(call.space, fit, perms, Backing::Anonymous, VmaState::Live)?;
        Ok(Reply::new((fit.range.start().start().raw(),)))
    }

    /// Gives a process its message page at [`abi::layout::MESSAGE_PAGES`]: present at once, and
    /// there until the address space ends. Answers its frame.
    ///
    /// # Errors
    /// `ESRCH` if the address space is gone, `EBUSY` if it has one, `ENOMEM` or `EMFILE` as for
    /// a map request.
    pub fn map_message_page(&mut self, space: SpaceId) -> Result<Frame, Errno> {
        let page = message_pages().start();
        let range =
            PageRange::new(page, PageCount::covering(1).ok_or(Errno::EINVAL)?).ok_or(Errno::EINVAL)?;
        let fit = self.alive(space)?.fit_at(&self.vmas, range).ok_or(Errno::EBUSY)?;
        let perms = Perms::READ_WRITE;
        self.add_vma(space, fit, perms, Backing::MessagePage, VmaState::Live)?;
        let Self {
            mmu, frames, spaces, ..
        } = self;
        let space = spaces.get_mut(typed(space)).ok_or(Errno::ESRCH)?;
        let frame = space.pages.take(frames);
        mmu.zero(frame);
        let mut tables = space.tables.source(frames);
        mmu.install(
            &mut space.hardware,
            page,
            frame,
            Perms::READ_WRITE,
            MemoryKind::Normal,
            &mut tables,
        );
        Ok(frame)
    }

    /// Maps frames that the allocator does not own, such as the program archive or a device's
    /// registers, and answers where. They are never given to the allocator.
    ///
    /// # Errors
    /// `EINVAL` if they were to be writable and executable, or not even readable; `ESRCH` if the
    /// address space is gone; `ENOMEM` or `EMFILE` as for a map request.
    pub fn map_physical(
        &mut self,
        space: SpaceId,
        frames: FrameRange,
        perms: Perms,
        kind: MemoryKind,
    ) -> Result<VirtAddr, Errno> {
        if !perms.contains(Perms::READ) || perms.contains(Perms::WRITE | Perms::EXECUTE) {
            return Err(Errno::EINVAL);
        }
        let pages = PageCount::new(frames.count()).ok_or(Errno::EINVAL)?;
        let fit = self.place_for(space, 0, pages)?;
        let backing = Backing::Physical(frames.start(), kind);
        self.add_vma(space, fit, perms, backing, VmaState::Live)?;
        Ok(fit.range.start().start())
    }

    /// The place at `address`, or any for 0.
    pub(crate) fn place_for(&self, space: SpaceId, address: u64, pages: PageCount) -> Result<Fit, Errno> {
        let space = self.alive(space)?;
        if address == 0 {
            return space.fit(&self.vmas, pages).ok_or(Errno::ENOMEM);
        }
        let range = Page::starting_at(VirtAddr::new(address)).and_then(|start| PageRange::new(start, pages));
        let range = range.filter(|&range| mappable().contains_range(range));
        range
            .and_then(|range| space.fit_at(&self.vmas, range))
            .ok_or(Errno::EINVAL)
    }
}

/// The access that a protection stands for: what can be written or executed can be read too.
/// `None` for no access, and for writable and executable at once.
pub(crate) fn permitted(protection: Protection) -> Option<Perms> {
    let (write, execute) = (
        protection.contains(Protection::WRITE),
        protection.contains(Protection::EXEC),
    );
    match (write, execute) {
        (true, true) => None,
        (true, false) => Some(Perms::READ_WRITE),
        (false, true) => Some(Perms::READ_EXECUTE),
        (false, false) => protection.contains(Protection::READ).then_some(Perms::READ),
    }
}
