//! Segments that nobody will miss: what `shm_rmid_forced` is about.
//!
//! A segment outlives all processes, as POSIX wants, and stays until somebody removes it. With this switch
//! of Linux it goes when it is detached for the last time, and one that was never attached goes with the
//! process that created it. Handles keep it, as ever.
//!
//! An orphan is a segment that nobody has attached or has a handle to, and whose creator has ended. They are
//! looked for when a process ends and when the switch is set, through the whole table, in pieces: only who
//! wants the switch pays for it.

use crate::job::STEP_FRAMES;
use crate::limits::Orphans;
use crate::manager::{MemoryManager, typed};
use crate::mmu::Mmu;
use crate::region::{Region, RegionId, RegionState};
use crate::space::{SpaceId, SpaceState};

/// Places of the table that are looked at in the time that a step takes.
const PLACES: u32 = 256;

impl<M: Mmu> MemoryManager<M> {
    /// Lets `space` look for orphans, if they are to go.
    pub(crate) fn begin_search(&mut self, space: SpaceId) {
        let first = (self.limits.orphans == Orphans::Go).then_some(0);
        if let Some(space) = self.spaces.get_mut(typed(space)) {
            space.search_from = first;
        }
    }

    /// Looks at some places of the table from `first` on; the first orphan among them dies. Answers what that cost.
    pub(crate) fn search(&mut self, id: SpaceId, first: u32) -> usize {
        let end = self.regions.highest_index() + 1;
        let upto = end.min(first.saturating_add(PLACES));
        let orphan = (first..upto).find_map(|index| self.orphan_at(index));
        let (next, cost) = match orphan {
            Some(orphan) => (orphan.index() + 1, 1),
            None => (upto, STEP_FRAMES),
        };
        if let Some(space) = self.spaces.get_mut(typed(id)) {
            space.search_from = (next < end).then_some(next);
        }
        match orphan {
            Some(orphan) => self.kill_region(id, orphan),
            None if next >= end => return 0,
            None => {}
        }
        cost
    }

    fn orphan_at(&self, index: u32) -> Option<RegionId> {
        let id = self.regions.by_index(index)?;
        let region = self.regions.get(id)?;
        let creator = self.spaces.get(typed(region.created_in));
        let has_ended = creator.is_none_or(|space| space.state == SpaceState::Ending);
        (is_unused(region) && has_ended).then_some(id)
    }
}

/// Whether nothing but its name keeps a region.
fn is_unused(region: &Region) -> bool {
    let is_unused = region.attached == 0 && region.handles == 0;
    region.state == RegionState::Live && is_unused && !region.flow.is_unsettled()
}
