//! Regions as handles: made without a name, made of a name, and given a name later.
//!
//! Whoever keeps handles counts them here, each of them once. A region goes when neither a name nor a
//! handle nor an attachment is left. A region names nothing itself, so these counts cannot go round.

use crate::identity::Seconds;
use crate::job::Job;
use crate::manager::{MemoryManager, typed};
use crate::message::{Call, Reply};
use crate::mmu::Mmu;
use crate::region::{Region, RegionId, RegionState, RegionTable, Wanted};
use crate::sharing::Sharing;
use crate::space::{Space, SpaceId};
use crate::subject::Subject;
use abi::memory::{RegionCreate, RegionOpen, RegionPublish};
use abi::shm::ShmKey;
use abi::{Errno, Rights};

impl<M: Mmu> Sharing<'_, M> {
    /// Counts one more handle to a region, which somebody has a handle to or which has a name.
    pub fn retain_region(&mut self, id: RegionId) {
        if let Some((_, mut region)) = self.region(id) {
            region.handles += 1;
        }
    }

    /// Counts one handle fewer, unless that is the last one: then there may be more to be done.
    pub fn release_region_unless_last(&mut self, id: RegionId) -> bool {
        let region = self.region(id).filter(|(_, region)| region.handles > 1);
        region.map(|(_, mut region)| region.handles -= 1).is_some()
    }
}

impl<M: Mmu> MemoryManager<M> {
    pub(crate) fn region_create(&mut self, call: &Call<'_>, request: RegionCreate) -> Result<Reply, Errno> {
        let RegionCreate { size, flags } = request;
        let region = self.create(call, ShmKey::PRIVATE, size, flags, RegionState::Unnamed)?;
        self.sharing().retain_region(region);
        Ok(Reply::with_region(region, Rights::REGION))
    }

    /// The permissions are asked for now, and never again.
    pub(crate) fn region_open(&mut self, call: &Call<'_>, request: RegionOpen) -> Result<Reply, Errno> {
        let RegionOpen { id, rights } = request;
        let uses = rights - Rights::PASS;
        if uses.is_empty() || !Rights::REGION.contains(rights) {
            return Err(Errno::EINVAL);
        }
        let named = Subject::Named(id);
        let region = self.accessible(call, named, Wanted::of(rights))?;
        if rights.contains(Rights::CONTROL) {
            self.controlled(call, named)?;
        }
        self.sharing().retain_region(region);
        Ok(Reply::with_region(region, rights | Rights::PASS))
    }

    pub(crate) fn region_publish(&mut self, call: &Call<'_>, request: RegionPublish) -> Result<Reply, Errno> {
        let RegionPublish { key } = request;
        let id = self.controlled(call, call.region_passed()?)?;
        let region = self.regions.get(id).ok_or(Errno::EINVAL)?;
        let is_taken = key != ShmKey::PRIVATE && self.regions.by_key(key).is_some();
        if region.state != RegionState::Unnamed || is_taken {
            return Err(Errno::EEXIST);
        }
        self.regions.publish(id, key);
        Ok(Reply::new((RegionTable::identifier(id),)))
    }

    /// Counts one handle fewer. If nothing is left of the region, [`Self::sweep`] of this space takes it
    /// apart, or its end.
    pub fn release_region(&mut self, id: RegionId, space: SpaceId) {
        if let Some(region) = self.regions.get_mut(id) {
            region.handles -= 1;
            self.settle_region(space, id);
        }
    }

    /// The first step of what `space` has to give back. Short operations are done by it.
    #[inline]
    pub fn sweep(&mut self, space: SpaceId, now: Seconds) -> Option<Job> {
        if self.spaces.get(typed(space)).is_none_or(Space::is_swept) {
            return None;
        }
        self.step(Job::Sweep(space), now)
    }

    /// What `space` has to do before a request is refused: others may have left a region to it that this has made come. If somebody
    /// works there, he does it. Does the first step.
    pub fn sweep_refused(&mut self, space: SpaceId, now: Seconds) -> Option<Job> {
        let found = self.spaces.get(typed(space))?;
        if found.unsettled.is_none() || !found.is_idle() {
            return None;
        }
        self.step(Job::Sweep(space), now)
    }

    /// All regions that something finds, and how many handles name each. For checks.
    pub fn handles_to_regions(&self) -> impl Iterator<Item = (RegionId, u32)> {
        self.regions.iter().map(|(id, region)| (id, region.handles))
    }

    /// Lets a region go that has lost its name, an attachment or a handle, as far as nothing keeps it: its name
    /// goes with the last attachment that can be used, whoever has handles (POSIX knows none), its frames with
    /// the last translation.
    pub(crate) fn settle_region(&mut self, space: SpaceId, id: RegionId) {
        let orphans = self.limits.orphans;
        if self
            .regions
            .get(id)
            .is_some_and(|region| !region.is_kept(orphans))
        {
            self.let_go(space, id);
        }
    }

    /// The same for a region whose name nothing keeps.
    pub(crate) fn let_go(&mut self, space: SpaceId, id: RegionId) {
        // Whoever has it to be settled makes it go.
        let is_unused =
            |region: &Region| region.handles == 0 && region.attached == 0 && !region.flow.is_unsettled();
        if self.regions.get(id).is_some_and(is_unused) {
            self.kill_region(space, id);
        } else {
            self.regions.retire(id);
            self.regions.forget_identifier(id);
        }
    }
}
