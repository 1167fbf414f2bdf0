//! Long operations in steps: emptying VMAs, taking regions apart, ending address spaces.
//!
//! What has to be done stands in the objects: an address space has a range of VMAs to be changed
//! (`change.rs`), a list of those to be emptied and one of regions to be taken apart. A [`Job`] only says which address space somebody waits
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
use crate::identity::Seconds;
use crate::manager::{MemoryManager, typed};
use crate::mmu::{Flushed, Mmu};
use crate::part::Part;
use crate::place::all_pages;
use crate::region::{Emptied, RegionId};
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

/// One piece of work.
pub(crate) enum Work {
    /// It took as long as this many frames do.
    Did(usize),
    NothingLeft,
}

impl<M: Mmu> MemoryManager<M> {
    /// Does a bounded piece of a job: at most [`STEP_FRAMES`] frames and the tables that go with
    /// them, or what takes as long. Answers what is left.
    pub fn step(&mut self, job: Job, now: Seconds) -> Option<Job> {
        let mut left = STEP_FRAMES;
        while left > 0 {
            match self.work(job, left, now) {
                Work::NothingLeft => return None,
                Work::Did(cost) => left = left.saturating_sub(cost.max(EMPTY_COST)),
            }
        }
        Some(job)
    }

    /// Begins the end of an address space, on which no CPU runs any more. All that is mapped in it becomes
    /// unusable at once. When the job is done, nothing of it is left, and its attachments have ended with its
    /// pid and that time.
    pub fn destroy_space(&mut self, space: SpaceId, now: Seconds) -> Job {
        self.end_birth(space);
        if let Some(ending) = self.spaces.get_mut(typed(space)) {
            ending.state = SpaceState::Ending;
            // Nothing runs there any more, and all of it goes.
            ending.exceeding = None;
            if let Some(arriving) = ending.arriving.take() {
                self.turn_back(space, arriving, now);
            }
        }
        let (range, fate) = (all_pages(), Fate::Leave);
        self.begin_change(space, Change { range, fate }, now);
        let is_creator = |space: &Space<M::Space>| space.is_creator;
        if self.spaces.get(typed(space)).is_some_and(is_creator) {
            self.begin_search(space);
        }
        Job::Destroy(space)
    }

    fn work(&mut self, job: Job, most: usize, now: Seconds) -> Work {
        let (Job::Sweep(id) | Job::Destroy(id) | Job::Fork(id)) = job;
        let Some(space) = self.spaces.get(typed(id)) else {
            return Work::NothingLeft;
        };
        if let Some(change) = space.change {
            return Work::Did(self.go_on_changing(id, change, most, now));
        }
        if let Some(vma) = space.leaving {
            return Work::Did(self.empty_vma(id, vma, most, now));
        }
        if let Some(region) = space.dead {
            return Work::Did(self.dismantle_region(id, region, most));
        }
        if let Some(range) = space.exceeding {
            return Work::Did(self.narrow(id, range, most));
        }
        if space.arriving.is_some() {
            return self.arrive(id);
        }
        if let Some(work) = space.search_from.and_then(|from| self.search(id, from)) {
            return work;
        }
        match job {
            Job::Sweep(_) => Work::NothingLeft,
            Job::Fork(_) => self.inherit_next(id, most).map_or(Work::NothingLeft, Work::Did),
            Job::Destroy(_) => self.end_space(id),
        }
    }

    /// Takes up to `most` frames out of a leaving VMA, and the VMA out of its set when nothing
    /// is left; if all goes and it is small, the next ones as well. Answers what that cost.
    fn empty_vma(&mut self, space_id: SpaceId, id: VmaId, most: usize, now: Seconds) -> usize {
        let VmaState::Leaving(Leaving { from, heir, .. }) = existing(&self.vmas, id).state else {
            return 0;
        };
        if let Some(heir) = self.waiting(heir) {
            return self.move_part(space_id, id, from, heir, most, now);
        }
        let Self {
            mmu,
            frames,
            spaces,
            vmas,
            tray,
            ..
        } = self;
        let Some(space) = spaces.get_mut(typed(space_id)) else {
            return 0;
        };
        let backing = existing(vmas, id).backing;
        let Together { reach, vacant, count } = match space.state {
            SpaceState::Ending => Together::from(vmas, id, most),
            SpaceState::Alive | SpaceState::Forking => Together::alone(vmas, id),
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
        for (_, frame) in tray.pages.iter() {
            space.pages.put_back(frames, frame, &flushed);
        }
        let cost = self.end_part(space_id, id, &part, &flushed, now);
        assert!(count == 1 || part.is_last, "those that go at once go in one part");
        for _ in 1..count {
            self.end_next(space_id, now);
        }
        cost.max(count * EMPTY_COST)
    }

    /// Takes the VMA that is the next to be emptied, and is empty, out of its set.
    fn end_next(&mut self, space_id: SpaceId, now: Seconds) {
        let space = self.spaces.get(typed(space_id));
        if let Some(id) = space.and_then(|space| space.leaving) {
            touch_neighbours(&mut self.vmas, id);
            self.remove_vma(space_id, id, now);
        }
    }

    /// Gives back the tables of a part that has been taken out of a leaving VMA, and notes how far
    /// that has been emptied. Answers what the part cost.
    pub(crate) fn end_part(
        &mut self,
        space_id: SpaceId,
        id: VmaId,
        part: &Part,
        flushed: &Flushed,
        now: Seconds,
    ) -> usize {
        let Self {
            frames,
            spaces,
            vmas,
            tray,
            ..
        } = self;
        let Some(space) = spaces.get_mut(typed(space_id)) else {
            return 0;
        };
        for frame in tray.tables.iter() {
            space.tables.put_back(frames, frame, flushed);
        }
        let cost = part.cost(tray);
        if part.is_last {
            touch_neighbours(vmas, id);
            self.remove_vma(space_id, id, now);
        } else if let VmaState::Leaving(leaving) = &mut existing_mut(vmas, id).state {
            leaving.from = part.range.end();
        }
        cost
    }

    /// Takes an empty VMA, the first of those to be emptied, out of its set, with all that was
    /// promised for it; with the last one of an attachment, that ends.
    #[inline(never)]
    fn remove_vma(&mut self, space_id: SpaceId, id: VmaId, now: Seconds) {
        let Self {
            frames, spaces, vmas, ..
        } = self;
        let Some(space) = spaces.get_mut(typed(space_id)) else {
            return;
        };
        let remains = leave_ring(vmas, id);
        let vma = existing(vmas, id);
        let (range, manner, owned, attachment) =
            (vma.range(), vma.manner(), vma.owned.count(), vma.attachment());
        if let VmaState::Leaving(Leaving { next, .. }) = vma.state {
            space.leaving = next;
        }
        let neighbours = space.set.remove(vmas, id);
        vmas.discard(id);
        let tables = tables_needed(range, manner, neighbours);
        space.tables.release(frames, tables);
        space.pages.release(frames, owned);
        if let (Some(attachment), Remains::Nothing) = (attachment, remains) {
            space.headless -= 1;
            self.end_attachment(space_id, attachment.region, now);
        }
    }

    /// Makes a VMA unusable at once and puts it on the list of those to be emptied. If nothing has touched it, it is
    /// empty, and gone at once. Answers what that cost.
    #[inline]
    pub(crate) fn begin_leaving(&mut self, space_id: SpaceId, id: VmaId, now: Seconds) -> usize {
        let vma = existing(&self.vmas, id);
        let (is_leaving, is_touched) = (vma.is_leaving(), vma.is_touched);
        let Some(space) = self.spaces.get_mut(typed(space_id)).filter(|_| !is_leaving) else {
            return 1;
        };
        if let Some(region) = space.begin_leaving(&mut self.vmas, id, None) {
            self.begin_end(space_id, region);
        }
        if is_touched {
            return 1;
        }
        self.remove_vma(space_id, id, now);
        EMPTY_COST
    }

    /// Notes that an attachment of `space` cannot be used any more. If nothing else keeps the region's name,
    /// nobody finds it from now on.
    #[inline(never)]
    fn begin_end(&mut self, space: SpaceId, id: RegionId) {
        let orphans = self.limits.orphans;
        if let Some(region) = self.regions.get_mut(id) {
            region.leaving += 1;
            if !region.is_kept(orphans) {
                self.let_go(space, id);
            }
        }
    }

    /// Notes that an attachment is gone from `space`.
    #[inline]
    fn end_attachment(&mut self, space_id: SpaceId, id: RegionId, now: Seconds) {
        let Self { spaces, regions, .. } = self;
        let (Some(space), Some(region)) = (spaces.get_mut(typed(space_id)), regions.get_mut(id)) else {
            return;
        };
        space.attachments -= 1;
        region.attached -= 1;
        region.leaving -= 1;
        region.times.detach = now;
        region.last_user = space.identity.pid;
        if !region.is_kept(self.limits.orphans) {
            self.let_go(space_id, id);
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
            region.next_dead = space.dead.replace(id);
        }
    }

    fn dismantle_region(&mut self, space: SpaceId, id: RegionId, most: usize) -> usize {
        let Self {
            mmu,
            frames,
            spaces,
            regions,
            ..
        } = self;
        let Some(region) = regions.get_mut(id) else {
            return 0;
        };
        let Some(proof) = region.unattached() else {
            return 0;
        };
        let contents = &mut region.contents;
        let (present, tables) = (contents.present(), contents.tables());
        let emptied = contents.dismantle(mmu, frames, most, &proof);
        let (pages, tables) = (present - contents.present(), tables - contents.tables());
        // Unfinished, it took all the time it may, if not for frames, for empty entries.
        let cost = match emptied {
            Emptied::Partly => most,
            Emptied::Wholly => (pages + tables * TABLE_COST) as usize,
        };
        frames.count_out_of_regions(pages);
        if emptied == Emptied::Wholly {
            let next = region.next_dead;
            if let Some(space) = spaces.get_mut(typed(space)) {
                space.dead = next;
            }
            regions.remove(id);
        }
        cost
    }

    /// Puts what waits for a place into it: all that was there has gone.
    fn arrive(&mut self, id: SpaceId) -> Work {
        let Self {
            frames, spaces, vmas, ..
        } = self;
        let Some(space) = spaces.get_mut(typed(id)) else {
            return Work::NothingLeft;
        };
        let Some(Arriving {
            vma,
            range,
            mut tables,
        }) = space.arriving.take()
        else {
            return Work::NothingLeft;
        };
        let fit = space.fit_at(vmas, range).expect("nothing is in the way any more");
        let manner = existing(vmas, vma).manner();
        let needed = tables_needed(range, manner, fit.spot.neighbours);
        let rest = tables.frames() - needed;
        frames.release(tables.split(rest));
        space.place(vmas, vma, fit.spot, tables);
        space.merge_with_neighbours(vmas, vma);
        Work::Did(1)
    }

    /// Undoes what will never arrive.
    fn turn_back(&mut self, id: SpaceId, Arriving { vma, tables, .. }: Arriving, now: Seconds) {
        let Self {
            frames, spaces, vmas, ..
        } = self;
        frames.release(tables);
        let (Some(space), Some(vma)) = (spaces.get_mut(typed(id)), vmas.remove(vma)) else {
            return;
        };
        space.mappings -= 1;
        space.mapped -= vma.content().count().get();
        space.pages.release(frames, vma.owned.count());
        if let Some(Attachment { region, .. }) = vma.attachment() {
            self.begin_end(id, region);
            self.end_attachment(id, region, now);
        }
    }

    /// Gives back an address space in which nothing is mapped: its root table and ASID.
    fn end_space(&mut self, id: SpaceId) -> Work {
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
        Work::NothingLeft
    }
}

/// Leaves the tables of a VMA that goes to those beside it, as far as they have a use for them.
fn touch_neighbours(vmas: &mut Vmas, id: VmaId) {
    let vma = existing(vmas, id);
    for neighbour in [vma.before(), vma.after()].into_iter().flatten() {
        existing_mut(vmas, neighbour).is_touched = true;
    }
}
