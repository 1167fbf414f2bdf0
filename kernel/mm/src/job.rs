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
use crate::part::{Batch, Part};
use crate::region::{Emptied, RegionId, RegionState};
use crate::space::{Arriving, Space, SpaceId, SpaceState};
use crate::vma::{Remains, VmaId, Vmas, leave_ring, linked, tables_needed};
use addr::{Frame, PageRange};

/// Most frames that one step handles.
pub const STEP_FRAMES: usize = 64;

/// What a VMA or region without frames counts as, so that a step has a bound.
const EMPTY_COST: usize = 8;

/// Something that [`MemoryManager::step`] has to be called for until it is done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Job {
    /// Give back what an address space no longer uses.
    Sweep(SpaceId),
    /// The same, and what is mapped in a range, at whose ends VMAs have been cut.
    Unmap(SpaceId, PageRange),
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
    pub fn step(&mut self, mut job: Job, now: Seconds) -> Option<Job> {
        let mut left = STEP_FRAMES;
        while left > 0 {
            match self.work(&mut job, left, now) {
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

    fn work(&mut self, job: &mut Job, most: usize, now: Seconds) -> Work {
        let (Job::Sweep(id) | Job::Unmap(id, _) | Job::Destroy(id)) = *job;
        let Some(space) = self.spaces.get(typed(id)) else {
            return Work::NothingLeft;
        };
        if let Some(vma) = space.leaving {
            return Work::Did(self.empty_vma(id, vma, most, now));
        }
        if let Some(region) = space.dead {
            return Work::Did(self.dismantle_region(id, region, most));
        }
        if let Some(work) = self.arrive(id) {
            return work;
        }
        match *job {
            Job::Sweep(_) => Work::NothingLeft,
            Job::Unmap(_, range) => self.unmap_next(id, range, job),
            Job::Destroy(_) => self.unmap_any(id).unwrap_or_else(|| self.end_space(id)),
        }
    }

    /// Takes up to `most` frames out of a leaving VMA, and the VMA out of its set when nothing
    /// is left. Answers how many frames it were.
    fn empty_vma(&mut self, space_id: SpaceId, id: VmaId, most: usize, now: Seconds) -> usize {
        let Self {
            mmu,
            frames,
            spaces,
            vmas,
            ..
        } = self;
        let Some(space) = spaces.get_mut(typed(space_id)) else {
            return 0;
        };
        let vma = linked(vmas, id);
        let (range, owns_frames) = (vma.range(), vma.owns_frames());
        let neighbours = space.set.neighbours(vmas, range);
        let part = Part::of(mmu, space, range, neighbours.around(range), most);

        let filler = Frame::from_number(0);
        let mut pages = Batch::<_, STEP_FRAMES>::new(filler);
        let mut tables = Batch::<_, { Part::MOST_TABLES }>::new(filler);
        let mut leaves = 0;
        let stale = mmu.unmap(
            &mut space.hardware,
            part.range,
            part.vacant,
            |removed| match removed {
                Removed::Leaf(_, frame) => {
                    leaves += 1;
                    if owns_frames {
                        pages.push(frame);
                    }
                }
                Removed::Table(frame) => tables.push(frame),
            },
        );
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
        leaves + tables.count()
    }

    /// Takes an empty VMA out of its set; with the last one of an attachment, that ends.
    fn remove_vma(&mut self, space_id: SpaceId, id: VmaId, now: Seconds) {
        let Self { spaces, vmas, .. } = self;
        let Some(space) = spaces.get_mut(typed(space_id)) else {
            return;
        };
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
        let (Some(space), Some(region)) = (spaces.get_mut(typed(space_id)), regions.get_mut(id)) else {
            return;
        };
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
        let Self {
            frames,
            spaces,
            regions,
            ..
        } = self;
        regions.forget(id);
        if let (Some(space), Some(region)) = (spaces.get_mut(typed(space)), regions.get_mut(id)) {
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
            shared_present,
            ..
        } = self;
        let Some(region) = regions.get_mut(id) else {
            return 0;
        };
        let Some(proof) = region.unattached() else {
            return 0;
        };
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

    /// Puts what waits for a place into it, or makes one of those go that are there.
    fn arrive(&mut self, id: SpaceId) -> Option<Work> {
        let Self {
            frames, spaces, vmas, ..
        } = self;
        let space = spaces.get_mut(typed(id))?;
        let range = space.arriving.as_ref()?.range;
        if let Some(vma) = first_inside(space, vmas, range) {
            space.begin_leaving(vmas, vma);
        } else if let Some(Arriving { vma, mut tables, .. }) = space.arriving.take() {
            // What still reaches into the range does so with pages behind its region's end.
            let other = space.set.overlapping(vmas, range).next();
            if let Some(other) = other {
                space.trim(vmas, other);
            }
            let needed = tables_needed(range, space.set.neighbours(vmas, range));
            space.tables.promise.merge(tables.split(needed));
            frames.release(tables);
            space.set.insert(vmas, vma);
        }
        Some(Work::Did(1))
    }

    /// Makes the first VMA of a range go, and leaves what lies above it to the rest of the job.
    /// Going upwards only, this comes to an end whatever else is mapped meanwhile.
    fn unmap_next(&mut self, id: SpaceId, range: PageRange, job: &mut Job) -> Work {
        let Self { spaces, vmas, .. } = self;
        let Some(space) = spaces.get_mut(typed(id)) else {
            return Work::NothingLeft;
        };
        let Some(vma) = first_inside(space, vmas, range) else {
            return Work::NothingLeft;
        };
        space.begin_leaving(vmas, vma);
        let rest = PageRange::between(linked(vmas, vma).range().end(), range.end());
        *job = rest.map_or(Job::Sweep(id), |rest| Job::Unmap(id, rest));
        Work::Did(1)
    }

    fn unmap_any(&mut self, id: SpaceId) -> Option<Work> {
        let Self { spaces, vmas, .. } = self;
        let space = spaces.get_mut(typed(id))?;
        let vma = space.set.any()?;
        space.begin_leaving(vmas, vma);
        Some(Work::Did(1))
    }

    /// Undoes the attachment of what will never arrive.
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
        if let Some(attachment) = vma.attachment() {
            self.end_attachment(id, attachment.region, now);
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

/// The lowest VMA that stands for something in `range`.
fn first_inside<H>(space: &Space<H>, vmas: &Vmas, range: PageRange) -> Option<VmaId> {
    space
        .set
        .overlapping(vmas, range)
        .find(|&id| linked(vmas, id).content().overlaps(range))
}
