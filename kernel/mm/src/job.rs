//! Long operations in steps: emptying VMAs, taking regions apart, ending address spaces.
//!
//! What has to be done stands in the objects: an address space has a range of VMAs to be changed
//! (`change.rs`), a list of those to be emptied, one of regions that may have to go, and one of those to be taken apart. A [`Job`] only says which address space somebody waits
//! for. So any order of steps of any number of jobs is right, and a job that is forgotten
//! because its process was killed is done by the job that ends the address space.
//!
//! A VMA that is being emptied stays in its place until nothing can be reached through it, so
//! that nothing else is put there; it just cannot be used any more. Its attachment counts until
//! then, which keeps the region's frames. It counts against the limit of mappings until then, too.
//!
//! Pages that move to another address space leave in the same way; only where they go differs
//! (`transfer.rs`).

use crate::change::{Change, Fate};
use crate::frame::Zone;
use crate::identity::Seconds;
use crate::limits::Orphans;
use crate::manager::{MemoryManager, typed};
use crate::mmu::{Flushed, Mmu};
use crate::part::Part;
use crate::place::all_pages;
use crate::region::{Emptied, Region, RegionId};
use crate::sharing::{Each, InSpace, Regions, Sharing};
use crate::space::{Arriving, Space, SpaceId, SpaceState};
use crate::together::Together;
use crate::vma::{
    Attachment, Leaving, Remains, VmaId, VmaState, Vmas, existing, existing_mut, leave_ring, tables_needed,
};

/// Most frames that one step handles.
pub const STEP_FRAMES: usize = 64;

/// What a VMA or region without frames counts as, so that a step has a bound.
pub(crate) const EMPTY_COST: usize = 8;

/// What looking through a table of 512 entries counts as: there may be next to nothing in it.
const TABLE_COST: u64 = 32;

/// Something that [`MemoryManager::step`] has to be called for until it is done. It has a wide tag so
/// that it is copied by words: there are no unaligned accesses to copy what is behind a narrow one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u64)]
pub enum Job {
    /// Give back what an address space no longer uses, and narrow what allows too much.
    Sweep(SpaceId),
    /// Give back an address space and all it holds.
    Destroy(SpaceId),
    /// Make a child, this one, a copy of its parent.
    Fork(SpaceId),
}

/// How far a step of a job has come.
#[must_use = "what is left has to be done"]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stepped {
    /// Nothing is left.
    Wholly,
    /// Something is.
    Partly,
    /// Something is that whoever has all of the memory manager has to [do](MemoryManager::go_on), in what this step may still
    /// take.
    NeedsWhole(Budget),
}

/// What of a step is left, in frames.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Budget(usize);

/// One piece of work.
pub(crate) enum Work {
    /// It took as long as this many frames do.
    Did(usize),
    NothingLeft,
    /// Nothing is done: it concerns more than the address space and the regions it has attached.
    NeedsWhole,
}

impl Job {
    /// Whether whoever has all of the memory manager has to do it from the first step on.
    pub const fn needs_whole(self) -> bool {
        matches!(self, Self::Fork(_))
    }

    const fn space(self) -> SpaceId {
        let (Self::Sweep(space) | Self::Destroy(space) | Self::Fork(space)) = self;
        space
    }
}

impl<M: Mmu> Sharing<'_, M> {
    /// Does a bounded piece of a job: at most [`STEP_FRAMES`] frames and the tables that go with
    /// them, or what takes as long.
    pub fn step(&mut self, job: Job, now: Seconds) -> Stepped {
        let mut space = self.enter(job.space());
        space
            .as_mut()
            .map_or(Stepped::Wholly, |space| space.step(job, now))
    }
}

impl<M: Mmu> MemoryManager<M> {
    /// [Does](Sharing::step) a bounded piece of a job, whatever it concerns. Answers what is left.
    pub fn step(&mut self, job: Job, now: Seconds) -> Option<Job> {
        self.go_on(job, Budget(STEP_FRAMES), now)
    }

    /// Goes on with a step that concerns all. Answers what is left.
    pub fn go_on(&mut self, job: Job, left: Budget, now: Seconds) -> Option<Job> {
        let Budget(mut left) = left;
        while left > 0 {
            match self.enter(job.space(), |space| space.go_on(job, Budget(left), now))? {
                Stepped::Wholly => return None,
                Stepped::Partly => break,
                Stepped::NeedsWhole(Budget(rest)) => left = rest,
            }
            let cost = self.work_with_whole(job, left, now)?;
            left = left.saturating_sub(cost.max(EMPTY_COST));
        }
        Some(job)
    }

    /// Begins the end of an address space, on which no CPU runs any more. All that is mapped in it becomes
    /// unusable at once. When the job is done, nothing of it is left, and its attachments have ended with its
    /// pid and that time.
    pub fn destroy_space(&mut self, id: SpaceId, now: Seconds) -> Job {
        self.end_birth(id);
        let is_creator = self.enter(id, |space| space.begin_to_end(now));
        if is_creator == Some(true) {
            self.begin_search(id);
        }
        self.settle(id);
        Job::Destroy(id)
    }

    /// Does what comes next in a job, and concerns more than its address space and the regions it has attached. Answers what
    /// that cost; `None` if nothing is left.
    fn work_with_whole(&mut self, job: Job, most: usize, now: Seconds) -> Option<usize> {
        let id = job.space();
        let space = self.spaces.get_mut(typed(id))?;
        if let Some(region) = space.unsettled {
            self.settle_next(id, region);
            return Some(1);
        }
        if let Some(vma) = space.leaving {
            return Some(self.move_out(id, vma, most, now));
        }
        if let Some(region) = space.dead {
            let gone = self.regions.remove(region);
            space.dead = gone.and_then(|gone| gone.next);
            return Some(1);
        }
        if let Some(from) = space.search_from {
            return Some(self.search(id, from));
        }
        match job {
            Job::Sweep(_) => None,
            Job::Fork(_) => self.inherit_next(id, most),
            Job::Destroy(_) => {
                self.end_space(id);
                None
            }
        }
    }

    /// Looks whether anything keeps the regions that this space has to settle: as many as one step of a change leaves.
    pub(crate) fn settle(&mut self, id: SpaceId) {
        for _ in 0..STEP_FRAMES {
            let Some(region) = self.spaces.get(typed(id)).and_then(|space| space.unsettled) else {
                break;
            };
            self.settle_next(id, region);
        }
    }

    /// The same for the first of them.
    fn settle_next(&mut self, space: SpaceId, id: RegionId) {
        let next = self.regions.get_mut(id).and_then(|region| {
            region.flow.settle();
            region.next.take()
        });
        if let Some(space) = self.spaces.get_mut(typed(space)) {
            space.unsettled = next;
        }
        self.settle_region(space, id);
    }

    /// Gives back an address space in which nothing is mapped: its root table and ASID.
    fn end_space(&mut self, id: SpaceId) {
        let Self {
            mmu, frames, spaces, ..
        } = self;
        if let Some(space) = spaces.remove(typed(id)) {
            let Space {
                hardware,
                tables,
                pages,
                ..
            } = space;
            debug_assert!(
                tables.charged() == 0 && pages.charged() == 0,
                "an empty address space is charged nothing"
            );
            frames.release(tables.promise);
            frames.release(pages.promise);
            let (root, flushed) = mmu.destroy_space(hardware);
            frames.give_back(root, &flushed);
        }
    }

    /// Makes a region that nobody has attached impossible to find, and `space` the one who takes
    /// it apart.
    pub(crate) fn kill_region(&mut self, space: SpaceId, id: RegionId) {
        let Self {
            frames,
            spaces,
            regions,
            accounts,
            ..
        } = self;
        regions.forget(id);
        if let (Some(space), Some(region)) = (spaces.get_mut(typed(space)), regions.get_mut(id)) {
            accounts.discharge(region.ownership.creator_uid, region.pages().get());
            region.contents.release_promise(frames);
            region.next = space.dead.replace(id);
        }
    }
}

impl<M: Mmu> InSpace<'_, '_, M> {
    /// Does the first step of what has to be done before a request is answered. Short operations are done by it.
    #[inline]
    pub(crate) fn sweep(&mut self, now: Seconds) -> Option<Job> {
        if self.each().space.is_swept() {
            return None;
        }
        let job = Job::Sweep(self.id);
        (self.step(job, now) != Stepped::Wholly).then_some(job)
    }

    /// Makes all that is mapped unusable. Whether a region was created in here.
    fn begin_to_end(&mut self, now: Seconds) -> bool {
        let Each { space, .. } = self.each();
        space.state = SpaceState::Ending;
        // Nothing runs there any more, and all of it goes.
        space.exceeding = None;
        let is_creator = space.is_creator;
        if let Some(arriving) = space.arriving.take() {
            self.turn_back(arriving, now);
        }
        let (range, fate) = (all_pages(), Fate::Leave);
        self.begin_change(Change { range, fate }, now);
        is_creator
    }

    /// Does a bounded piece of a job in here.
    pub(crate) fn step(&mut self, job: Job, now: Seconds) -> Stepped {
        self.go_on(job, Budget(STEP_FRAMES), now)
    }

    #[inline(never)] // one for both
    fn go_on(&mut self, job: Job, left: Budget, now: Seconds) -> Stepped {
        let Budget(mut left) = left;
        while left > 0 {
            match self.work(job, left, now) {
                Work::NothingLeft => return Stepped::Wholly,
                Work::NeedsWhole => return Stepped::NeedsWhole(Budget(left)),
                Work::Did(cost) => left = left.saturating_sub(cost.max(EMPTY_COST)),
            }
        }
        Stepped::Partly
    }

    fn work(&mut self, job: Job, most: usize, now: Seconds) -> Work {
        let Each { space, .. } = self.each();
        if space.unsettled.is_some() {
            return Work::NeedsWhole;
        }
        if let Some(change) = space.change {
            return Work::Did(self.go_on_changing(change, most, now));
        }
        if let Some(vma) = space.leaving {
            return self.empty_vma(vma, most, now);
        }
        if let Some(region) = space.dead {
            return self.dismantle_region(region, most);
        }
        if let Some(range) = space.exceeding {
            return Work::Did(self.narrow(range, most));
        }
        if space.arriving.is_some() {
            return self.arrive();
        }
        match job {
            Job::Sweep(_) if space.search_from.is_none() => Work::NothingLeft,
            Job::Sweep(_) | Job::Fork(_) | Job::Destroy(_) => Work::NeedsWhole,
        }
    }

    /// Takes up to `most` frames out of a leaving VMA, and the VMA out of its set when nothing
    /// is left; if all goes and it is small, the next ones as well.
    fn empty_vma(&mut self, id: VmaId, most: usize, now: Seconds) -> Work {
        let Each {
            space,
            vmas,
            mmu,
            regions,
            tray,
            ..
        } = self.each();
        let vma = existing(&vmas, id);
        let VmaState::Leaving(Leaving { from, heir: None, .. }) = vma.state else {
            return Work::NeedsWhole;
        };
        let backing = vma.backing;
        let Together { reach, vacant, count } = match space.state {
            SpaceState::Ending => Together::from(&vmas, id, most),
            SpaceState::Alive | SpaceState::Forking => Together::alone(&vmas, id),
        };
        let from = if count > 1 { reach.start() } else { from };
        let part = Part::of(
            mmu,
            &space.hardware,
            (reach, backing.manner()),
            from,
            vacant,
            most,
        );
        let flushed = part.take_out(mmu, &mut space.hardware, backing, tray);
        if tray.pages.count() > 0 {
            let zone = regions.zone();
            let mut frames = zone.lock();
            for (_, frame) in tray.pages.iter() {
                space.pages.put_back(&mut frames, frame, &flushed);
            }
        }
        let cost = self.end_part(id, &part, &flushed, now);
        assert!(count == 1 || part.is_last, "those that go at once go in one part");
        for _ in 1..count {
            self.end_next(now);
        }
        Work::Did(cost.max(count * EMPTY_COST))
    }

    /// Takes the VMA that is the next to be emptied, and is empty, out of its set.
    fn end_next(&mut self, now: Seconds) {
        let Each { space, mut vmas, .. } = self.each();
        if let Some(id) = space.leaving {
            touch_neighbours(&mut vmas, id);
            self.remove_vma(id, now);
        }
    }

    /// Gives back the tables of a part that has been taken out of a leaving VMA, and notes how far
    /// that has been emptied. Answers what the part cost.
    pub(crate) fn end_part(&mut self, id: VmaId, part: &Part, flushed: &Flushed, now: Seconds) -> usize {
        let Each {
            space,
            mut vmas,
            regions,
            tray,
            ..
        } = self.each();
        if tray.tables.count() > 0 {
            let zone = regions.zone();
            let mut frames = zone.lock();
            for frame in tray.tables.iter() {
                space.tables.put_back(&mut frames, frame, flushed);
            }
        }
        let cost = part.cost(tray);
        if part.is_last {
            touch_neighbours(&mut vmas, id);
            self.remove_vma(id, now);
        } else if let VmaState::Leaving(leaving) = &mut existing_mut(&mut vmas, id).state {
            leaving.from = part.range.end();
        }
        cost
    }

    /// Takes an empty VMA, the first of those to be emptied, out of its set, with all that was
    /// promised for it; with the last one of an attachment, that ends.
    #[inline(never)]
    fn remove_vma(&mut self, id: VmaId, now: Seconds) {
        let Each {
            space,
            mut vmas,
            regions,
            limits,
            ..
        } = self.each();
        let remains = leave_ring(&mut vmas, id);
        let vma = existing(&vmas, id);
        let (range, manner, owned, attachment) =
            (vma.range(), vma.manner(), vma.owned.count(), vma.attachment());
        if let VmaState::Leaving(Leaving { next, .. }) = vma.state {
            space.leaving = next;
        }
        let neighbours = space.set.remove(&mut vmas, id);
        vmas.discard(id);
        let tables = tables_needed(range, manner, neighbours);
        space.give_up(regions.zone(), tables, owned);
        if let (Some(attachment), Remains::Nothing) = (attachment, remains) {
            space.headless -= 1;
            space.end_attachment(regions, attachment.region, limits.orphans, now);
        }
    }

    /// Makes a VMA unusable at once and puts it on the list of those to be emptied. If nothing has touched it, it is
    /// empty, and gone at once. Answers what that cost.
    #[inline]
    pub(crate) fn begin_leaving(&mut self, id: VmaId, now: Seconds) -> usize {
        let Each {
            space,
            mut vmas,
            regions,
            limits,
            ..
        } = self.each();
        let vma = existing(&vmas, id);
        let is_touched = vma.is_touched;
        if vma.is_leaving() {
            return 1;
        }
        if let Some(region) = space.begin_leaving(&mut vmas, id, None) {
            space.begin_end(regions, region, limits.orphans);
        }
        if is_touched {
            return 1;
        }
        self.remove_vma(id, now);
        EMPTY_COST
    }

    /// Gives up to `most` frames of a region back that was forgotten.
    fn dismantle_region(&mut self, id: RegionId, most: usize) -> Work {
        let Each { mmu, regions, .. } = self.each();
        let (mut region, zone) = regions.attached(id);
        let proof = region.unattached().expect("nobody has a dead region attached");
        let contents = &mut region.contents;
        if contents.are_gone() {
            return Work::NeedsWhole;
        }
        let (present, tables) = (contents.present(), contents.tables());
        let mut frames = zone.lock();
        let emptied = contents.dismantle(mmu, &mut frames, most, &proof);
        let (pages, tables) = (present - contents.present(), tables - contents.tables());
        frames.count_out_of_regions(pages);
        // Unfinished, it took all the time it may, if not for frames, for empty entries.
        Work::Did(match emptied {
            Emptied::Partly => most,
            Emptied::Wholly => (pages + tables * TABLE_COST) as usize,
        })
    }

    /// Puts what waits for a place into it: all that was there has gone.
    fn arrive(&mut self) -> Work {
        let Each {
            space,
            mut vmas,
            regions,
            ..
        } = self.each();
        let Some(Arriving {
            vma,
            range,
            mut tables,
        }) = space.arriving.take()
        else {
            return Work::NothingLeft;
        };
        let fit = space
            .fit_at(&vmas, range)
            .expect("nothing is in the way any more");
        let manner = existing(&vmas, vma).manner();
        let needed = tables_needed(range, manner, fit.spot.neighbours);
        let rest = tables.frames() - needed;
        regions.zone().lock().release(tables.split(rest));
        space.place(&mut vmas, vma, fit.spot, tables);
        space.merge_with_neighbours(&mut vmas, vma);
        Work::Did(1)
    }

    /// Undoes what will never arrive.
    fn turn_back(&mut self, Arriving { vma, tables, .. }: Arriving, now: Seconds) {
        let Each {
            space,
            mut vmas,
            regions,
            limits,
            ..
        } = self.each();
        regions.zone().lock().release(tables);
        let gone = existing(&vmas, vma);
        let (pages, owned, attachment) = (
            gone.content().count().get(),
            gone.owned.count(),
            gone.attachment(),
        );
        vmas.discard(vma);
        space.mappings -= 1;
        space.mapped -= pages;
        space.give_up(regions.zone(), 0, owned);
        if let Some(Attachment { region, .. }) = attachment {
            space.begin_end(regions, region, limits.orphans);
            space.end_attachment(regions, region, limits.orphans, now);
        }
    }
}

impl<H> Space<H> {
    /// Gives up so many tables and pages that are not there.
    fn give_up(&mut self, zone: &mut Zone<'_>, tables: u64, pages: u64) {
        if tables + pages == 0 {
            return;
        }
        let mut frames = zone.lock();
        self.tables.release(&mut frames, tables);
        self.pages.release(&mut frames, pages);
    }

    /// Notes that an attachment cannot be used any more. If nothing else keeps the region's name,
    /// nobody is to find it from now on.
    #[inline(never)]
    fn begin_end(&mut self, regions: &mut Regions<'_>, id: RegionId, orphans: Orphans) {
        let (mut region, _) = regions.attached(id);
        region.leaving += 1;
        self.note_loss(&mut region, id, orphans);
    }

    /// Notes that an attachment is gone.
    #[inline]
    fn end_attachment(&mut self, regions: &mut Regions<'_>, id: RegionId, orphans: Orphans, now: Seconds) {
        self.attachments -= 1;
        let (mut region, _) = regions.attached(id);
        region.attached -= 1;
        region.leaving -= 1;
        region.times.detach = now;
        region.last_user = self.identity.pid;
        self.note_loss(&mut region, id, orphans);
    }

    /// Notes that this region, which has lost an attachment, is to be [settled](MemoryManager::settle_region), if it may go.
    #[inline]
    pub(crate) fn note_loss(&mut self, region: &mut Region, id: RegionId, orphans: Orphans) {
        if region.flow.attaching() > 0 {
            region.flow.lose();
        } else if region.may_go(orphans) && !region.flow.is_unsettled() {
            region.flow.unsettle();
            region.next = self.unsettled.replace(id);
        }
    }
}

/// Leaves the tables of a VMA that goes to those beside it, as far as they have a use for them.
fn touch_neighbours(vmas: &mut Vmas<'_>, id: VmaId) {
    let vma = existing(vmas, id);
    for neighbour in [vma.before(), vma.after()].into_iter().flatten() {
        existing_mut(vmas, neighbour).is_touched = true;
    }
}
