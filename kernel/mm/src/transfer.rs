//! Moves private pages from one address space to another without copying a byte.
//!
//! This is how a parent fills its child's memory: it maps pages, writes the program into them,
//! and moves them. They may become executable on the way, but never while they are writable.

use crate::job::STEP_FRAMES;
use crate::manager::{MemoryManager, typed};
use crate::map::permitted;
use crate::message::{Call, Reply};
use crate::mmu::{Mmu, Removed};
use crate::part::{Batch, Part};
use crate::place::mappable;
use crate::space::SpaceId;
use crate::vma::{Backing, Vma, VmaId, VmaState, linked, tables_needed};
use abi::Errno;
use abi::memory::Move;
use addr::{Frame, GRANULE, MemoryKind, Page, PageCount, PageRange, Perms, VirtAddr};

/// Most pages of one request (4 MiB). All of them move before anything else happens.
pub const MOST_MOVED_PAGES: u64 = 1024;

/// Where a move goes.
#[derive(Clone, Copy)]
struct Destination {
    space: SpaceId,
    /// What page 0 of the source would become; wraps.
    offset: u64,
    perms: Perms,
}

impl<M: Mmu> MemoryManager<M> {
    pub(crate) fn transfer(&mut self, call: &mut Call<'_>, request: Move) -> Result<Reply, Errno> {
        let perms = permitted(request.protection).ok_or(Errno::EINVAL)?;
        let from = call.source.ok_or(Errno::EBADF)?;
        self.alive(from).map_err(|_| Errno::EBADF)?;
        let source = pages_of(request.source, request.length).ok_or(Errno::EINVAL)?;
        let range = pages_of(request.destination, request.length).ok_or(Errno::EINVAL)?;
        if from == call.space || !mappable().contains_range(range) || !self.is_private(from, source)? {
            return Err(Errno::EINVAL);
        }
        let fit = self
            .alive(call.space)?
            .fit_at(&self.vmas, range)
            .ok_or(Errno::EINVAL)?;
        self.add_vma(call.space, fit, Vma::new(range, perms, Backing::Anonymous), 0)?;

        let offset = range.start().number().wrapping_sub(source.start().number());
        let to = Destination {
            space: call.space,
            offset,
            perms,
        };
        while let Some(id) = self.first_in(from, source) {
            self.move_vma(from, id, to);
        }
        Ok(Reply::new(()))
    }

    /// Whether a range is one or more whole private mappings without gaps.
    fn is_private(&self, space: SpaceId, range: PageRange) -> Result<bool, Errno> {
        let space = self.alive(space)?;
        let mut expected = range.start();
        for id in space.set.overlapping(&self.vmas, range) {
            let vma = linked(&self.vmas, id);
            let is_private = vma.backing == Backing::Anonymous && vma.state == VmaState::Live;
            if !is_private || vma.range().start() != expected {
                return Ok(false);
            }
            expected = vma.range().end();
        }
        Ok(expected == range.end())
    }

    fn first_in(&self, space: SpaceId, range: PageRange) -> Option<VmaId> {
        self.spaces
            .get(typed(space))?
            .set
            .overlapping(&self.vmas, range)
            .next()
    }

    /// Moves a whole VMA: its frames, the promise of those it has not touched yet, and then
    /// itself ceases to be.
    fn move_vma(&mut self, from: SpaceId, id: VmaId, to: Destination) {
        let range = linked(&self.vmas, id).range();
        let mut moved = 0;
        loop {
            let (batch, progress) = self.move_out(from, range);
            moved += batch.count() as u64;
            self.move_in(to, &batch);
            if progress == Progress::Finished {
                break;
            }
        }
        let Self {
            frames, spaces, vmas, ..
        } = self;
        let Some(source) = spaces.get_mut(typed(from)) else {
            return;
        };
        let untouched = source.pages.promise.split(range.count().get() - moved);
        source
            .tables
            .release(frames, tables_needed(range, source.set.neighbours(vmas, range)));
        source.mappings -= 1;
        source.mapped -= range.count().get();
        source.set.remove(vmas, id);
        vmas.remove(id);
        if let Some(destination) = spaces.get_mut(typed(to.space)) {
            destination.pages.promise.merge(untouched);
        }
    }

    /// Takes up to [`STEP_FRAMES`] pages out of the source. When this returns, no CPU can reach
    /// them there.
    fn move_out(&mut self, from: SpaceId, range: PageRange) -> (Batch<(Page, Frame), STEP_FRAMES>, Progress) {
        let Self {
            mmu,
            frames,
            spaces,
            vmas,
            ..
        } = self;
        let mut batch = Batch::new((Page::from_number(0), Frame::from_number(0)));
        let Some(source) = spaces.get_mut(typed(from)) else {
            return (batch, Progress::Finished);
        };
        let vacant = source.set.neighbours(vmas, range).around(range);
        let part = Part::of(mmu, source, range, vacant, STEP_FRAMES);
        let mut tables = Batch::<_, { Part::MOST_TABLES }>::new(Frame::from_number(0));
        let stale = mmu.unmap(
            &mut source.hardware,
            part.range,
            part.vacant,
            |removed| match removed {
                Removed::Leaf(page, frame) => batch.push((page, frame)),
                Removed::Table(frame) => tables.push(frame),
            },
        );
        let flushed = mmu.flush(&source.hardware, stale);
        for frame in tables.iter() {
            source.tables.put_back(frames, frame, &flushed);
        }
        source.pages.present -= batch.count() as u64;
        (
            batch,
            if part.is_last {
                Progress::Finished
            } else {
                Progress::MoreLeft
            },
        )
    }

    fn move_in(&mut self, to: Destination, batch: &Batch<(Page, Frame), STEP_FRAMES>) {
        let Self {
            mmu, frames, spaces, ..
        } = self;
        let Some(destination) = spaces.get_mut(typed(to.space)) else {
            return;
        };
        for (page, frame) in batch.iter() {
            if to.perms.contains(Perms::EXECUTE) {
                mmu.publish_code(frame);
            }
            let page = Page::from_number(page.number().wrapping_add(to.offset));
            let mut tables = destination.tables.source(frames);
            mmu.install(
                &mut destination.hardware,
                page,
                frame,
                to.perms,
                MemoryKind::Normal,
                &mut tables,
            );
            destination.pages.present += 1;
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Progress {
    MoreLeft,
    Finished,
}

/// The pages from `address` on, `None` if they are none, too many, or not whole.
fn pages_of(address: u64, length: u64) -> Option<PageRange> {
    let count = PageCount::covering(length).filter(|count| count.get() <= MOST_MOVED_PAGES)?;
    let start = Page::starting_at(VirtAddr::new(address))?;
    PageRange::new(start, count).filter(|_| length.is_multiple_of(GRANULE))
}
