//! Private pages that begin as a copy of what another address space has.
//!
//! This is how a parent loads a program into its child: one request for each program segment, which says where the
//! bytes are in the parent's memory, and where they go. A request copies a few pages at most, so it is done at once, and
//! nobody sees it half done: all frames of the source are found before anything is mapped.

use crate::fault::{Access, FaultCause, usable};
use crate::frame::Zone;
use crate::job::STEP_FRAMES;
use crate::manager::{MemoryManager, typed};
use crate::map::permitted;
use crate::message::{Call, Reply};
use crate::mmu::Mmu;
use crate::place::mappable;
use crate::sharing::Each;
use crate::space::SpaceId;
use crate::vma::{Backing, VmaState, existing, existing_mut};
use abi::Errno;
use abi::memory::MapCopy;
use addr::{Frame, GRANULE, MemoryKind, Page, PageRange, Perms, VirtAddr};

// Its bytes may begin anywhere in a page, so they may be in one page more.
const _: () = assert!((MapCopy::MOST_PAGES as usize) < STEP_FRAMES);

impl<M: Mmu> MemoryManager<M> {
    pub(crate) fn map_copy(&mut self, call: &mut Call<'_>, request: MapCopy) -> Result<Reply, Errno> {
        let perms = permitted(request.protection).ok_or(Errno::EINVAL)?;
        let from = self.living_companion(call)?;
        let Some(plan) = Plan::of(request) else {
            return Err(Errno::EINVAL);
        };
        self.find_sources(from, &plan)?;
        self.within(call.space, |entered| {
            let Each { space, vmas, .. } = entered.each();
            let fit = space.fit_at(&vmas, plan.range).ok_or(Errno::EINVAL)?;
            let vma = entered.add_vma(fit, perms, Backing::Anonymous, VmaState::Live)?;
            existing_mut(&mut entered.each().vmas, vma).is_touched |= plan.copied.is_some();
            Ok(())
        })?;
        if let Some(pages) = plan.copied {
            pages
                .iter()
                .for_each(|page| self.map_copied(call.space, page, perms, &plan));
            self.mmu.publish_entries();
        }
        Ok(Reply::new(()))
    }

    /// Leaves on the tray the pages that have what is to be copied.
    ///
    /// # Errors
    /// `EFAULT`, `ENOMEM` and `EAGAIN` as the request.
    fn find_sources(&mut self, from: SpaceId, plan: &Plan) -> Result<(), Errno> {
        self.tray.clear();
        if plan.bytes == 0 {
            return Ok(());
        }
        let end = plan.source.checked_add(plan.bytes).ok_or(Errno::EFAULT)?;
        let pages = PageRange::touching(plan.source, end).ok_or(Errno::EFAULT)?;
        for page in pages.iter() {
            let frame = self.readable(from, page)?;
            self.tray.pages.push((page, frame));
        }
        Ok(())
    }

    /// The frame that a program reads from at `page`; if there is none, it is found as if the program did.
    fn readable(&mut self, from: SpaceId, page: Page) -> Result<Frame, Errno> {
        if let Some(frame) = self.mapped_readable(from, page)? {
            return Ok(frame);
        }
        self.fault(from, page.start(), Access::Read)
            .map_err(|cause| match cause {
                FaultCause::Unmapped | FaultCause::NotPermitted => Errno::EFAULT,
                FaultCause::OutOfMemory => Errno::ENOMEM,
            })?;
        self.mapped_readable(from, page)?.ok_or(Errno::EAGAIN)
    }

    /// The frame of a page that has a translation by which a program may read.
    ///
    /// # Errors
    /// `EFAULT` if nothing is mapped there that programs may use, or a device.
    fn mapped_readable(&self, from: SpaceId, page: Page) -> Result<Option<Frame>, Errno> {
        let space = self.spaces.get(typed(from)).ok_or(Errno::EBADF)?;
        let vma = space.set.containing(&self.vmas, page).ok_or(Errno::EFAULT)?;
        let vma = usable(space, existing(&self.vmas, vma), page).ok_or(Errno::EFAULT)?;
        match vma.backing {
            Backing::Physical(_, kind) if kind != MemoryKind::Normal => return Err(Errno::EFAULT),
            _ => {}
        }
        let found = self.mmu.lookup(&space.hardware, page);
        Ok(found.and_then(|(frame, perms)| perms.contains(Perms::READ).then_some(frame)))
    }

    /// Maps `page` to a frame with its part of the copy, and zeroes around that.
    fn map_copied(&mut self, space: SpaceId, page: Page, perms: Perms, plan: &Plan) {
        let Self {
            mmu,
            frames,
            spare,
            spaces,
            tray,
            ..
        } = self;
        let Some(space) = spaces.get_mut(typed(space)) else {
            return;
        };
        let part = plan.part_of(page);
        let frame = if part.bytes == GRANULE {
            space.pages.take(frames)
        } else {
            space.pages.take_zeroed(mmu, &mut Zone::of(frames, spare))
        };
        let mut done = 0;
        while done < part.bytes {
            let from = plan.source.offset() + part.begin + done;
            let bytes = (part.bytes - done).min(GRANULE - from % GRANULE);
            let (_, source) = tray.pages.at((from / GRANULE) as usize);
            mmu.copy_bytes((source, from % GRANULE), (frame, part.offset + done), bytes);
            done += bytes;
        }
        space.install_copy(mmu, &mut Zone::of(frames, spare), (page, frame), perms);
    }
}

/// What goes where.
struct Plan {
    source: VirtAddr,
    destination: VirtAddr,
    bytes: u64,
    /// The pages that are mapped.
    range: PageRange,
    /// Those of them that something is copied into.
    copied: Option<PageRange>,
}

/// What of the copy lies in one page.
struct Part {
    /// How many bytes of the copy come before.
    begin: u64,
    bytes: u64,
    /// Where in the page it begins.
    offset: u64,
}

impl Plan {
    /// `None` if that cannot be, wherever the source is.
    fn of(request: MapCopy) -> Option<Self> {
        let destination = VirtAddr::new(request.destination);
        let range = PageRange::touching(destination, destination.checked_add(request.length)?)?;
        let copied = PageRange::touching(destination, destination.checked_add(request.bytes)?);
        let is_too_long = copied.is_some_and(|pages| pages.count().get() > MapCopy::MOST_PAGES);
        if request.bytes > request.length || is_too_long || !mappable().contains_range(range) {
            return None;
        }
        Some(Self {
            source: VirtAddr::new(request.source),
            destination,
            bytes: request.bytes,
            range,
            copied,
        })
    }

    /// What of it lies in `page`, one of those it reaches into.
    fn part_of(&self, page: Page) -> Part {
        let (first, page) = (self.destination.raw(), page.start().raw());
        let begin = page.saturating_sub(first);
        let offset = first.saturating_sub(page);
        let bytes = (self.bytes - begin).min(GRANULE - offset);
        Part { begin, bytes, offset }
    }
}
