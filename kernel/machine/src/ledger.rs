//! What each frame is used for, kept by watching the stores to tables.

use crate::space::SpaceId;
use crate::word::Word;
use addr::Frame;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use vmsa::{Level, TableIndex};

/// Tables and mapped frames.
#[derive(Default)]
pub(crate) struct Ledger {
    tables: BTreeMap<Frame, Table>,
    /// How many leaf descriptors lead to a frame.
    mapped: HashMap<Frame, usize>,
}

/// Whose a table is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Owner {
    Space,
    Region,
}

struct Table {
    level: Level,
    owner: Owner,
    /// The space whose topmost table it is.
    root_of: Option<SpaceId>,
    /// Where it is linked.
    parents: BTreeSet<(Frame, TableIndex)>,
}

impl Ledger {
    /// Makes `frame` a table that no other table leads to.
    pub(crate) fn add_root(&mut self, frame: Frame, level: Level, root_of: Option<SpaceId>) {
        let owner = root_of.map_or(Owner::Region, |_| Owner::Space);
        let table = Table {
            level,
            owner,
            root_of,
            parents: BTreeSet::new(),
        };
        assert!(
            self.tables.insert(frame, table).is_none(),
            "{frame:?} is a table already"
        );
        self.assert_unmapped(frame);
    }

    pub(crate) fn level(&self, frame: Frame) -> Option<Level> {
        self.tables.get(&frame).map(|table| table.level)
    }

    /// Whose `table` is.
    pub(crate) fn owner(&self, table: Frame) -> Option<Owner> {
        self.tables.get(&table).map(|table| table.owner)
    }

    pub(crate) fn table_count(&self) -> usize {
        self.tables.len()
    }

    /// Ends the use of `frame` as a table.
    pub(crate) fn retire(&mut self, frame: Frame) {
        match self.tables.remove(&frame) {
            Some(table) => assert!(table.parents.is_empty(), "{frame:?} is a table still linked"),
            None => panic!("{frame:?} is no table"),
        }
    }

    pub(crate) fn assert_unmapped(&self, frame: Frame) {
        assert!(!self.mapped.contains_key(&frame), "{frame:?} is still mapped");
    }

    pub(crate) fn assert_none_used(&self, is_free: impl Fn(Frame) -> bool) {
        for frame in self.tables.keys() {
            assert!(!is_free(*frame), "{frame:?} is free, but it is a table");
        }
        for frame in self.mapped.keys() {
            assert!(!is_free(*frame), "{frame:?} is free, but it is mapped");
        }
    }

    /// Takes note that a descriptor changes. `fresh` says whether a frame is all zeroes.
    pub(crate) fn replace(
        &mut self,
        place: (Frame, TableIndex),
        level: Level,
        (old, new): (Word, Word),
        fresh: impl FnOnce(Frame) -> bool,
    ) {
        match old {
            Word::Invalid => {}
            Word::Table { frame, .. } => self.unlink(frame, place),
            Word::Leaf { frame, .. } => frames_of(frame, level).for_each(|frame| self.unmap(frame)),
        }
        match new {
            Word::Invalid => {}
            Word::Table { frame, .. } => self.link(frame, level, place, fresh),
            Word::Leaf { frame, .. } => frames_of(frame, level).for_each(|frame| self.map(frame)),
        }
    }

    /// Where in which spaces the first entry of `table` is used, in page numbers.
    pub(crate) fn bases(&self, table: Frame) -> Vec<(SpaceId, u64)> {
        let Some(known) = self.tables.get(&table) else {
            return Vec::new();
        };
        let mut bases: Vec<_> = known.root_of.map(|space| (space, 0)).into_iter().collect();
        for (parent, index) in &known.parents {
            let Some(level) = self.level(*parent) else {
                continue;
            };
            let offset = index.get() as u64 * level.pages();
            bases.extend(
                self.bases(*parent)
                    .into_iter()
                    .map(|(space, base)| (space, base + offset)),
            );
        }
        bases
    }

    fn link(
        &mut self,
        frame: Frame,
        level: Level,
        place: (Frame, TableIndex),
        fresh: impl FnOnce(Frame) -> bool,
    ) {
        let Some(below) = level.next() else {
            panic!("a table below the last level")
        };
        // Who makes a table links it before anybody else does.
        let owner = self.owner(place.0).unwrap_or(Owner::Space);
        let table = self.tables.entry(frame).or_insert_with(|| {
            assert!(
                fresh(frame),
                "{frame:?} becomes a table without having been zeroed"
            );
            Table {
                level: below,
                owner,
                root_of: None,
                parents: BTreeSet::new(),
            }
        });
        assert!(
            table.level == below,
            "{frame:?} is linked at another level than it was made for"
        );
        table.parents.insert(place);
        self.assert_unmapped(frame);
    }

    fn unlink(&mut self, frame: Frame, place: (Frame, TableIndex)) {
        if let Some(table) = self.tables.get_mut(&frame) {
            table.parents.remove(&place);
        }
    }

    fn map(&mut self, frame: Frame) {
        assert!(
            !self.tables.contains_key(&frame),
            "{frame:?} is a table and would be mapped"
        );
        *self.mapped.entry(frame).or_default() += 1;
    }

    fn unmap(&mut self, frame: Frame) {
        match self.mapped.get_mut(&frame) {
            Some(count) if *count > 1 => *count -= 1,
            _ => {
                self.mapped.remove(&frame);
            }
        }
    }
}

/// The frames that a leaf of `level` maps, from `first` on.
fn frames_of(first: Frame, level: Level) -> impl Iterator<Item = Frame> {
    (0..level.pages()).map(move |offset| first.offset(offset))
}
