//! What one address space may hold, at most.
//!
//! Like POSIX `RLIMIT_AS`, in pages, and a number of mappings. Translation tables count as pages, from when they
//! are promised: a page far from all others takes up to four frames, so without that a program could hold several
//! times its quota. A quota is only ever lowered: whoever holds
//! a process's memory manager acts as that process, so there would be nobody to ask who may raise it.

use crate::limits::Limits;
use crate::manager::{MemoryManager, typed};
use crate::message::Reply;
use crate::mmu::Mmu;
use crate::sharing::{Each, InSpace};
use crate::space::{Space, SpaceId};
use abi::Errno;
use abi::memory::LowerQuota;

/// Most pages, and most mappings.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Quota {
    /// Pages of all mappings, attachments included, and of translation tables.
    pub pages: u64,
    /// Mappings.
    pub mappings: u32,
}

impl Quota {
    pub const NONE: Self = Self {
        pages: u64::MAX,
        mappings: u32::MAX,
    };

    fn lowered_to(self, other: Self) -> Self {
        Self {
            pages: self.pages.min(other.pages),
            mappings: self.mappings.min(other.mappings),
        }
    }
}

impl<M: Mmu> InSpace<'_, '_, M> {
    pub(crate) fn lower_quota(&mut self, request: LowerQuota) -> Reply {
        let LowerQuota { pages, mappings } = request;
        let Each { space, .. } = self.each();
        space.quota = space.quota.lowered_to(Quota { pages, mappings });
        Reply::new(())
    }
}

impl<M: Mmu> MemoryManager<M> {
    /// Lets `child` hold no more than `parent` may.
    pub fn inherit_quota(&mut self, child: SpaceId, parent: SpaceId) {
        let quota = self.spaces.get(typed(parent)).map(|space| space.quota);
        if let (Some(quota), Some(child)) = (quota, self.spaces.get_mut(typed(child))) {
            child.quota = child.quota.lowered_to(quota);
        }
    }
}

impl<H> Space<H> {
    /// How many mappings it may have.
    pub(crate) fn most_mappings(&self, limits: &Limits) -> u32 {
        self.quota.mappings.min(limits.mappings)
    }

    /// Whether there may be `more` pages, tables included, and those of what is arriving. There may always be
    /// none more, even where a quota was lowered below what there is.
    ///
    /// # Errors
    /// `ENOMEM` if not.
    pub(crate) fn check_quota(&self, more: u64) -> Result<(), Errno> {
        let arriving = self.arriving.as_ref();
        let arriving = arriving.map_or(0, |arriving| arriving.tables.frames());
        let held = self.mapped + self.tables.charged() + arriving;
        let is_within = more == 0 || held.saturating_add(more) <= self.quota.pages;
        if is_within { Ok(()) } else { Err(Errno::ENOMEM) }
    }
}
