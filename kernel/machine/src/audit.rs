//! Checks: what TLBs hold against what tables say, and whether a frame is really free.

use crate::cpu::Cpu;
use crate::machine::Machine;
use crate::space::SpaceId;
use crate::tlb::{Entry, Kind};
use crate::walk::{Tag, Walk};
use addr::{Frame, Perms};
use mm::mmu::Extent;

impl Machine {
    /// Checks that nothing leads to `frame`: no TLB, no table. True of every frame that an
    /// allocator holds.
    ///
    /// # Panics
    /// If something does.
    pub fn assert_free(&self, frame: Frame) {
        self.assert_no_table(frame);
        self.ledger.assert_unmapped(frame);
        self.assert_uncached(frame);
    }

    /// Checks every frame for which `is_free` holds, as [`assert_free`](Self::assert_free) does.
    ///
    /// # Panics
    /// If something leads to one.
    pub fn assert_all_free(&self, is_free: impl Fn(Frame) -> bool) {
        for entry in self.cpus.iter().flat_map(Cpu::usable) {
            let free = entry.frames().find(|frame| is_free(*frame));
            assert!(
                free.is_none(),
                "{free:?} is free, but a TLB leads there: {entry:?}"
            );
        }
        self.ledger.assert_none_used(is_free);
    }

    /// Checks that `frame` holds zeroes and has not been written since it was zeroed.
    ///
    /// # Panics
    /// If not.
    pub fn assert_zeroed(&self, frame: Frame) {
        assert!(
            self.ram.is_zeroed(frame),
            "{frame:?} is said to be zeroed, but is not"
        );
    }

    /// Checks that all that was taken away has been flushed, and that no TLB grants what the tables
    /// don't.
    ///
    /// # Panics
    /// If not.
    pub fn audit(&self) {
        for (space, record) in &self.spaces {
            assert!(
                record.owed.is_empty(),
                "{space:?} was never flushed: {:?}",
                record.owed
            );
            self.audit_space(*space);
        }
    }

    /// Checks TLB entries of `space`, but for what has not been flushed yet.
    pub(crate) fn audit_space(&self, space: SpaceId) {
        let owed = &self.record(space).owed;
        for entry in self
            .cpus
            .iter()
            .flat_map(Cpu::usable)
            .filter(|entry| entry.space == space)
        {
            if !owed.iter().any(|extent| touches(*extent, entry)) {
                self.assert_granted(entry);
            }
        }
    }

    pub(crate) fn assert_uncached(&self, frame: Frame) {
        for entry in self.cpus.iter().flat_map(Cpu::usable) {
            assert!(
                !entry.leads_to(frame),
                "a TLB still leads to {frame:?}: {entry:?}"
            );
        }
    }

    /// Checks that no program can write to `frame` by what a TLB holds. It is being copied.
    pub(crate) fn assert_not_writable(&self, frame: Frame) {
        for entry in self.cpus.iter().flat_map(Cpu::usable) {
            let writes = entry.kind == Kind::Leaf && entry.rights.user.contains(Perms::WRITE);
            assert!(
                entry.frame != frame || !writes,
                "{frame:?} is copied while a TLB lets somebody write to it: {entry:?}"
            );
        }
    }

    fn assert_granted(&self, cached: &Entry) {
        let tag = Tag {
            space: cached.space,
            asid: cached.asid,
        };
        let root = self.record(cached.space).root;
        let mut walk = Some(Walk::from_root(tag, root));
        let mut now = None;
        while let Some(at) = walk.take().filter(|walk| walk.level() <= cached.level) {
            now = at.step(&self.ram, cached.extent.start());
            walk = now.as_ref().and_then(Walk::behind);
        }
        let granted = now.as_ref().is_some_and(|now| {
            (now.kind, now.level, now.frame) == (cached.kind, cached.level, cached.frame)
                && now.rights.includes(cached.rights)
        });
        assert!(
            granted,
            "after its flush, a TLB still has {cached:?}, but the tables say {now:?}"
        );
    }
}

/// Whether flushing `done` also does for `owed`.
pub(crate) fn covers(done: Extent, owed: Extent) -> bool {
    match (done, owed) {
        (_, Extent::Nothing) | (Extent::Space, _) => true,
        (Extent::Tables(done), Extent::Leaves(owed) | Extent::Tables(owed))
        | (Extent::Leaves(done), Extent::Leaves(owed)) => done.contains_range(owed),
        (Extent::Nothing | Extent::Leaves(_) | Extent::Tables(_), _) => false,
    }
}

/// Whether `entry` may be stale because `owed` has not been flushed.
fn touches(owed: Extent, entry: &Entry) -> bool {
    match owed {
        Extent::Nothing => false,
        Extent::Leaves(pages) => entry.kind == Kind::Leaf && pages.overlaps(entry.extent),
        Extent::Tables(pages) => pages.overlaps(entry.extent),
        Extent::Space => true,
    }
}
