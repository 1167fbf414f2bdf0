//! Long operations in steps: emptying VMAs, taking regions apart, ending address spaces.
//!
//! What has to be done stands in the objects: an address space has a list of VMAs to be emptied
//! and one of regions to be taken apart. A [`Job`] only says which address space somebody waits
//! for. So any order of steps of any number of jobs is right, and a job that is forgotten
//! because its process was killed is done by the job that ends the address space.
//!
//! A VMA that is being emptied stays in its place until nothing can be reached through it, so
//! that nothing else is put there; it just cannot be used any more. Its attachment counts until
//! then, which keeps the region's frames.

use crate::identity::Seconds;
use crate::manager::{MemoryManager, typed};
use crate::mmu::{Mmu, Removed};
use crate::region::{Emptied, RegionId, RegionState};
use crate::space::{Arriving, Space, SpaceId, SpaceState};
use crate::vma::{Remains, VmaId, leave_ring, linked, tables_needed};
use addr::{Frame, Page, PageRange};

/// Most frames that one step handles.
pub const STEP_FRAMES: usize = 64;

/// What a VMA or region without frames counts as, so that a step has a bound.
const EMPTY_COST: usize = 8;

/// Something that [`MemoryManager::step`] has to be called for until it is done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Job {
    /// Give back what an address space no longer uses.
    Sweep(SpaceId),
    /// Give back an address space and all it holds.
    Destroy(SpaceId),
}

/// One piece of work.
enum Work {
    /// It took as much as this many frames.
    Did(usize),
    NothingLeft,
}

impl<M: Mmu> MemoryManager<M> {
    /// Does a bounded piece of a job: at most [`STEP_FRAMES`] frames. Answers what is left.
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

    /// Begins the end of an address space, on which no CPU runs any more. When the job is done,
    /// nothing of it is left, and its attachments have ended with its pid and that time.
    pub fn destroy_space(&mut self, space: SpaceId, now: Seconds) -> Job {
        if let Some(ending) = self.spaces.get_mut(typed(space)) {
            ending.state = SpaceState::Ending;
            if let Some(arriving) = ending.arriving.take() {
                self.turn_back(space, arriving, now);
            }
        }
        Job::Destroy(space)
    }

    /// The first step of what `space` has to give back. Short operations are done by it.
    pub(crate) fn sweep(&mut self, space: SpaceId, now: Seconds) -> Option<Job> {
        self.step(Job::Sweep(space), now)
    }

    fn work(&mut self, job: Job, most: usize, now: Seconds) -> Work {
        let (Job::Sweep(id) | Job::Destroy(id)) = job;
        let Some(space) = self.spaces.get(typed(id)) else { return Work::NothingLeft };
        if let Some(vma) = space.leaving {
            return Work::Did(self.empty_vma(id, vma, most, now));
        }
        if let Some(region) = space.dead {
            return Work::Did(self.dismantle_region(id, region, most));
        }
        match (job, space.set.any()) {
            (Job::Sweep(_), _) => self.arrive(id),
            (Job::Destroy(_), Some(vma)) => self.expel(id, vma),
            (Job::Destroy(_), None) => self.end_space(id),
        }
    }

    /// Takes up to `most` frames out of a leaving VMA, and the VMA out of its set when nothing
    /// is left. Answers how many frames it were.
    fn empty_vma(&mut self, space_id: SpaceId, id: VmaId, most: usize, now: Seconds) -> usize {
        let Self { mmu, frames, spaces, vmas, .. } = self;
        let Some(space) = spaces.get_mut(typed(space_id)) else { return 0 };
        let vma = linked(vmas, id);
        let (range, owns_frames) = (vma.range(), vma.owns_frames());
        let neighbours = space.set.neighbours(vmas, range);
        let part = Part::of(mmu, space, range, neighbours.around(range), most);

        let filler = Frame::from_number(0);
        let mut pages = Batch::<_, STEP_FRAMES>::new(filler);
        let mut tables = Batch::<_, { Part::MOST_TABLES }>::new(filler);
        let mut leaves = 0;
        let stale = mmu.unmap(&mut space.hardware, part.range, part.vacant, |removed| match removed {
            Removed::Leaf(_, frame) => {
                leaves += 1;
                if owns_frames {
                    pages.push(frame);
                }
            }
            Removed::Table(frame) => tables.push(frame),
        });
        let flushed = mmu.flush(&space.hardware, stale);
        for frame in pages.iter() {
            space.pages.put_back(frames, frame, &flushed);
        }
        for frame in tables.iter() {
            space.tables.put_back(frames, frame, &flushed);
        }

        if part.is_last {
            space.tables.release(frames, tables_needed(range, neighbours));
            if owns_frames {
                space.pages.release(frames, range.count().get());
            }
            self.remove_vma(space_id, id, now);
        }
        leaves + tables.count
    }

    /// Takes an empty VMA out of its set; with the last one of an attachment, that ends.
    fn remove_vma(&mut self, space_id: SpaceId, id: VmaId, now: Seconds) {
        let Self { spaces, vmas, .. } = self;
        let Some(space) = spaces.get_mut(typed(space_id)) else { return };
        let remains = leave_ring(vmas, id);
        space.set.remove(vmas, id);
        let Some(vma) = vmas.remove(id) else { return };
        space.leaving = vma.next_leaving;
        if let (Some(attachment), Remains::Nothing) = (vma.attachment(), remains) {
            space.headless -= 1;
            self.end_attachment(space_id, attachment.region, now);
        }
    }

    /// Notes that an attachment is gone from `space`. A removed region dies with its last one.
    fn end_attachment(&mut self, space_id: SpaceId, id: RegionId, now: Seconds) {
        let Self { spaces, regions, .. } = self;
        let (Some(space), Some(region)) = (spaces.get_mut(typed(space_id)), regions.get_mut(id)) else { return };
        space.attachments -= 1;
        region.attached -= 1;
        region.times.detach = now;
        region.last_user = Some(space.identity.pid);
        if region.attached == 0 && region.state == RegionState::Removed {
            self.kill_region(space_id, id);
        }
    }

    /// Makes a region that nobody has attached impossible to find, and `space` the one who takes
    /// it apart.
    pub(crate) fn kill_region(&mut self, space: SpaceId, id: RegionId) {
        let Self { spaces, regions, .. } = self;
        regions.forget(id);
        if let (Some(space), Some(region)) = (spaces.get_mut(typed(space)), regions.get_mut(id)) {
            region.next_dead = space.dead.replace(id);
        }
    }

    fn dismantle_region(&mut self, space: SpaceId, id: RegionId, most: usize) -> usize {
        let Self { mmu, frames, spaces, regions, shared_present, .. } = self;
        let Some(region) = regions.get_mut(id) else { return 0 };
        let Some(proof) = region.unattached() else { return 0 };
        let contents = &mut region.contents;
        let held = |contents: &crate::region::Contents| contents.present() + contents.tables();
        let (present, before) = (contents.present(), held(contents));
        let emptied = contents.dismantle(mmu, frames, most, &proof);
        let given_back = before - held(contents);
        *shared_present -= present - contents.present();
        if emptied == Emptied::Wholly {
            let next = region.next_dead;
            if let Some(space) = spaces.get_mut(typed(space)) {
                space.dead = next;
            }
            regions.remove(id);
        }
        given_back as usize
    }

    /// Puts what waited for a place into it.
    fn arrive(&mut self, id: SpaceId) -> Work {
        let Self { frames, spaces, vmas, .. } = self;
        let Some(space) = spaces.get_mut(typed(id)) else { return Work::NothingLeft };
        if let Some(Arriving { vma, range, mut tables }) = space.arriving.take() {
            let needed = tables_needed(range, space.set.neighbours(vmas, range));
            space.tables.promise.merge(tables.split(needed));
            frames.release(tables);
            space.set.insert(vmas, vma);
        }
        Work::NothingLeft
    }

    /// Undoes the attachment of what will never arrive.
    fn turn_back(&mut self, id: SpaceId, Arriving { vma, tables, .. }: Arriving, now: Seconds) {
        let Self { frames, spaces, vmas, .. } = self;
        frames.release(tables);
        let (Some(space), Some(vma)) = (spaces.get_mut(typed(id)), vmas.remove(vma)) else { return };
        space.mappings -= 1;
        space.mapped -= vma.content().count().get();
        if let Some(attachment) = vma.attachment() {
            self.end_attachment(id, attachment.region, now);
        }
    }

    fn expel(&mut self, id: SpaceId, vma: VmaId) -> Work {
        let Self { spaces, vmas, .. } = self;
        if let Some(space) = spaces.get_mut(typed(id)) {
            space.begin_leaving(vmas, vma);
        }
        Work::Did(1)
    }

    /// Gives back an address space in which nothing is mapped: its root table and ASID.
    fn end_space(&mut self, id: SpaceId) -> Work {
        let Self { mmu, frames, spaces, .. } = self;
        if let Some(space) = spaces.remove(typed(id)) {
            let Space { hardware, tables, pages, .. } = space;
            debug_assert!(tables.charged() == 0 && pages.charged() == 0, "an empty address space is charged nothing");
            frames.release(tables.promise);
            frames.release(pages.promise);
            let (root, flushed) = mmu.destroy_space(hardware);
            frames.give_back(root, &flushed);
        }
        Work::NothingLeft
    }
}

/// What of a VMA one step removes. Steps go upwards, so that below the part of a step
/// everything is vacant already.
pub(crate) struct Part {
    pub range: PageRange,
    pub vacant: PageRange,
    pub is_last: bool,
}

impl Part {
    /// Most tables that go with a part. Its pages span less than a table, so there are at most
    /// two tables of each level on the way to them. Other tables that go with them are empty. A
    /// table wholly inside of a VMA exists because a page of it is present, so these can only
    /// be where the VMA starts and ends, one of each level.
    pub const MOST_TABLES: usize = 3 * (2 + 2);

    /// The first part of `range` that has up to `most` translations. Ends where the next
    /// translation is, so that empty tables on the way go with it.
    pub fn of<M: Mmu>(mmu: &M, space: &Space<M::Space>, range: PageRange, vacant: PageRange, most: usize) -> Self {
        let whole = Self { range, vacant, is_last: true };
        let next_in = |range| mmu.next_mapped(&space.hardware, range);
        let Some(first) = next_in(range) else { return whole };
        let enough = Page::from_number(first.number() + most as u64);
        let Some(next) = PageRange::between(enough, range.end()).and_then(next_in) else { return whole };
        let upto = |start| PageRange::between(start, next);
        match (upto(range.start()), upto(vacant.start())) {
            (Some(range), Some(vacant)) => Self { range, vacant, is_last: false },
            _ => whole,
        }
    }
}

/// Things that wait for an invalidation.
pub(crate) struct Batch<T, const MOST: usize> {
    things: [T; MOST],
    count: usize,
}

impl<T: Copy, const MOST: usize> Batch<T, MOST> {
    /// An empty one; `filler` is what the unused places hold.
    pub fn new(filler: T) -> Self {
        Self { things: [filler; MOST], count: 0 }
    }

    /// # Panics
    /// If it is full: a step was given too large a part.
    pub fn push(&mut self, thing: T) {
        self.things[self.count] = thing;
        self.count += 1;
    }

    pub fn iter(&self) -> impl Iterator<Item = T> {
        self.things[..self.count].iter().copied()
    }
}
