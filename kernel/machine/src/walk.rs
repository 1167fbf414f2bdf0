//! The table walker: reads descriptors in RAM, one level at a time.

use crate::ram::Ram;
use crate::space::SpaceId;
use crate::tlb::{Entry, Kind, Origin};
use crate::word::{Rights, Word};
use addr::{Frame, Page, PageRange};
use vmsa::Level;
use vmsa::asid::Asid;

/// On whose behalf a walk is made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Tag {
    pub(crate) space: SpaceId,
    pub(crate) asid: Asid,
}

/// A walk under way.
#[derive(Clone, Debug)]
pub(crate) struct Walk {
    tag: Tag,
    table: Frame,
    level: Level,
    rights: Rights,
    path: Vec<Origin>,
}

impl Walk {
    /// From the table that TTBR0 names.
    pub(crate) fn from_root(tag: Tag, root: Frame) -> Self {
        Self {
            tag,
            table: root,
            level: Level::Zero,
            rights: Rights::ALL,
            path: Vec::new(),
        }
    }

    /// From behind a cached table descriptor; `None` for a leaf, where walks end.
    pub(crate) fn behind(entry: &Entry) -> Option<Self> {
        if entry.kind == Kind::Leaf {
            return None;
        }
        Some(Self {
            tag: Tag {
                space: entry.space,
                asid: entry.asid,
            },
            table: entry.frame,
            level: entry.level.next()?,
            rights: entry.rights,
            path: entry.path.clone(),
        })
    }

    pub(crate) fn level(&self) -> Level {
        self.level
    }

    /// Reads the descriptor for `page`; `None` if it is invalid.
    ///
    /// # Panics
    /// If the kernel could execute what it leads to: user memory is never that.
    pub(crate) fn step(&self, ram: &Ram, page: Page) -> Option<Entry> {
        let index = self.level.index(page);
        let raw = ram.load(self.table, index.byte_offset());
        let (kind, frame, rights) = match Word::read(raw, self.level) {
            Word::Invalid => return None,
            Word::Table { frame, limits } => (Kind::Table, frame, self.rights.narrow(limits)),
            Word::Leaf { frame, rights } => (Kind::Leaf, frame, self.rights.narrow(rights)),
        };
        assert!(
            kind == Kind::Table || !rights.privileged_fetch,
            "the kernel could execute {page:?}, which is user memory"
        );
        let mut path = self.path.clone();
        path.push(Origin {
            table: self.table,
            index,
            raw,
        });
        let extent = self.level.extent(page);
        let Tag { space, asid } = self.tag;
        Some(Entry {
            space,
            asid,
            level: self.level,
            extent,
            kind,
            frame,
            rights,
            path,
        })
    }

    /// All that is reachable for pages in `range`: table descriptors before what is below them.
    pub(crate) fn reachable(&self, ram: &Ram, range: PageRange) -> Vec<Entry> {
        let mut found = Vec::new();
        for part in self.level.entries(range) {
            let Some(entry) = self.step(ram, part.start()) else {
                continue;
            };
            let below = Self::behind(&entry);
            found.push(entry);
            if let Some(below) = below {
                found.extend(below.reachable(ram, part));
            }
        }
        found
    }
}
