//! What one CPU has cached of translations: leaves, and the descriptors on the way to them.

use crate::space::SpaceId;
use crate::word::Rights;
use addr::{Frame, Page, PageRange};
use std::collections::BTreeMap;
use vmsa::asid::Asid;
use vmsa::{Level, TableIndex};

/// One cached descriptor, combined with what was read above it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Entry {
    /// Whose tables it was read from. Hardware doesn't know; it is here to notice mistakes.
    pub(crate) space: SpaceId,
    pub(crate) asid: Asid,
    pub(crate) level: Level,
    /// The pages it is used for.
    pub(crate) extent: PageRange,
    pub(crate) kind: Kind,
    /// The next-level table, or the first frame mapped.
    pub(crate) frame: Frame,
    pub(crate) rights: Rights,
    /// The descriptors it was made of, root first.
    pub(crate) path: Vec<Origin>,
}

impl Entry {
    /// How many frames it leads to: one table, or all that a leaf maps.
    fn reach(&self) -> u64 {
        match self.kind {
            Kind::Table => 1,
            Kind::Leaf => self.level.pages(),
        }
    }

    /// The frames it leads to.
    pub(crate) fn frames(&self) -> impl Iterator<Item = Frame> {
        (0..self.reach()).map(|offset| self.frame.offset(offset))
    }

    /// Whether `frame` is one of them.
    pub(crate) fn leads_to(&self, frame: Frame) -> bool {
        frame.number().wrapping_sub(self.frame.number()) < self.reach()
    }
}

/// What kind of descriptor was cached.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Kind {
    Table,
    Leaf,
}

/// A descriptor that was read, and where.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Origin {
    pub(crate) table: Frame,
    pub(crate) index: TableIndex,
    pub(crate) raw: u64,
}

type Key = (Asid, Kind, Level, Page);

/// A CPU's TLB and walk cache, without limit: nothing is ever forgotten by chance.
#[derive(Default)]
pub(crate) struct Tlb {
    entries: BTreeMap<Key, Entry>,
}

impl Tlb {
    /// Caches `entry`, unless something is cached in its place: that stays, stale or not.
    pub(crate) fn fill(&mut self, entry: Entry) {
        let key = (entry.asid, entry.kind, entry.level, entry.extent.start());
        self.entries.entry(key).or_insert(entry);
    }

    /// The cached translation of `page`.
    pub(crate) fn leaf(&self, asid: Asid, page: Page) -> Option<&Entry> {
        let levels = [Level::Three, Level::Two, Level::One];
        levels
            .into_iter()
            .find_map(|level| self.get(asid, Kind::Leaf, level, page))
    }

    /// The cached table descriptor that leaves least of a walk to `page`.
    pub(crate) fn deepest_table(&self, asid: Asid, page: Page) -> Option<&Entry> {
        let levels = [Level::Two, Level::One, Level::Zero];
        levels
            .into_iter()
            .find_map(|level| self.get(asid, Kind::Table, level, page))
    }

    /// `TLBI VALE1`.
    pub(crate) fn forget_leaf(&mut self, asid: Asid, page: Page) {
        for level in [Level::One, Level::Two, Level::Three] {
            self.entries.remove(&key(asid, Kind::Leaf, level, page));
        }
    }

    /// `TLBI VAE1`.
    pub(crate) fn forget_page(&mut self, asid: Asid, page: Page) {
        self.forget_leaf(asid, page);
        for level in [Level::Zero, Level::One, Level::Two] {
            self.entries.remove(&key(asid, Kind::Table, level, page));
        }
    }

    /// `TLBI ASIDE1`.
    pub(crate) fn forget_asid(&mut self, asid: Asid) {
        self.entries.retain(|(tag, ..), _| *tag != asid);
    }

    /// `TLBI VMALLE1`.
    pub(crate) fn forget_all(&mut self) {
        self.entries.clear();
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values()
    }

    fn get(&self, asid: Asid, kind: Kind, level: Level, page: Page) -> Option<&Entry> {
        self.entries.get(&key(asid, kind, level, page))
    }
}

fn key(asid: Asid, kind: Kind, level: Level, page: Page) -> Key {
    (asid, kind, level, level.extent(page).start())
}
