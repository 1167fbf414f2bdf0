//! Translations being taken away, with the tables that are left empty.

use super::{Removed, is_empty};
use crate::descriptor::{INVALID, Shape};
use crate::{ENTRIES, Leaf, Level, Link, Table, TableMemory, USER_PAGES};
use addr::{Frame, Page, PageRange};
use core::marker::PhantomData;

/// What a sweep takes away.
pub(super) trait Wanted {
    /// The level of tables it stands in.
    const LEVEL: Level;

    /// What the valid entry `raw` for `page` on, in such a table, is.
    ///
    /// # Panics
    /// If it is something else.
    fn removed(page: Page, raw: u64) -> Removed;
}

/// Leaves of level 3.
pub(super) enum Leaves {}

impl Wanted for Leaves {
    const LEVEL: Level = Level::Three;

    fn removed(page: Page, raw: u64) -> Removed {
        Removed::Leaf(page, Leaf::frame_of(raw))
    }
}

/// Links to regions' tables, and blocks.
pub(super) enum Links {}

impl Wanted for Links {
    const LEVEL: Level = Level::Two;

    fn removed(page: Page, raw: u64) -> Removed {
        assert!(
            Shape::of(raw, Level::Two) == Shape::Leaf || Table::is_link(raw),
            "{page:?} is mapped by a table of this space, not linked"
        );
        Removed::Link(page)
    }
}

/// One removal under way.
pub(super) struct Sweep<'a, W, M, V> {
    memory: &'a mut M,
    vacant: PageRange,
    visit: V,
    /// The smallest range with all that was wanted and went; of tables it has some page each.
    pub hull: Option<PageRange>,
    pub tables_went: bool,
    wanted: PhantomData<W>,
}

impl<'a, W: Wanted, M: TableMemory, V: FnMut(Removed)> Sweep<'a, W, M, V> {
    pub fn new(memory: &'a mut M, range: PageRange, vacant: PageRange, visit: V) -> Self {
        assert!(range.end().number() <= USER_PAGES, "{range:?} are no user pages");
        assert!(
            vacant.contains_range(range),
            "{range:?} will be vacant, but {vacant:?} does not say so"
        );
        Self {
            memory,
            vacant,
            visit,
            hull: None,
            tables_went: false,
            wanted: PhantomData,
        }
    }

    /// Sweeps `range` of what hangs from `root`. Mostly one entry leads there from each table, so none is looked for.
    pub fn tree(&mut self, root: Frame, range: PageRange) {
        let mut path = [(root, Level::Zero); 3];
        let (mut depth, mut level, mut table) = (0, Level::Zero, Some(root));
        while let Some(at) = table
            && let Some(below) = level.next()
            && level < W::LEVEL
            && level.is_one_entry(range)
        {
            path[depth] = (at, level);
            depth += 1;
            table = own_table(self.memory.load(at, level.index(range.start())), level, range);
            level = below;
        }
        if let Some(table) = table {
            self.table(table, level, range);
        }
        for &(above, level) in path[..depth].iter().rev() {
            if let Some(below) = table.replace(above) {
                self.end_table((above, level), range, below);
            }
        }
    }

    /// Sweeps the part `range` of what a table translates.
    fn table(&mut self, table: Frame, level: Level, range: PageRange) {
        let Some(level_below) = level.next().filter(|_| level < W::LEVEL) else {
            return self.lowest_table(table, range);
        };
        let mut scan = level.scan(range);
        while let Some((index, raw)) = scan.next_valid(self.memory, table) {
            let part = level.part(range, index);
            if let Some(below) = own_table(raw, level, part) {
                self.table(below, level_below, part);
                self.end_table((table, level), part, below);
            }
        }
    }

    /// Clears the entries that are wanted.
    fn lowest_table(&mut self, table: Frame, range: PageRange) {
        let first_of_table = range.start().number() & !(W::LEVEL.pages() * ENTRIES - 1);
        let (mut first, mut last) = (None, 0);
        let mut scan = W::LEVEL.scan(range);
        while let Some((index, raw)) = scan.next_valid(self.memory, table) {
            if Shape::of(raw, W::LEVEL) == Shape::Invalid {
                continue;
            }
            let page = first_of_table + index.get() as u64 * W::LEVEL.pages();
            let removed = W::removed(Page::from_number(page), raw);
            self.memory.store(table, index, INVALID);
            first = first.or(Some(page));
            last = page;
            (self.visit)(removed);
        }
        let end = Page::from_number(last + W::LEVEL.pages());
        if let Some(gone) = first.and_then(|first| PageRange::between(Page::from_number(first), end)) {
            self.widen(gone);
        }
    }

    /// Takes away `below`, which an entry of `table` leads to for `part` and which was swept, if nothing else is there.
    fn end_table(&mut self, (table, level): (Frame, Level), part: PageRange, below: Frame) {
        let extent = level.extent(part.start());
        if !self.vacant.contains_range(extent) {
            return;
        }
        debug_assert!(
            level
                .next()
                .is_some_and(|lower| is_empty(self.memory, below, lower)),
            "{extent:?} are not as vacant as {:?}",
            self.vacant
        );
        self.memory.store(table, level.index(part.start()), INVALID);
        self.tables_went = true;
        if self.hull.is_none_or(|hull| !hull.overlaps(extent)) {
            self.widen(Level::Three.extent(part.start()));
        }
        (self.visit)(Removed::Table(below));
    }

    /// What goes lies higher than all that went before.
    #[inline]
    fn widen(&mut self, by: PageRange) {
        let start = self.hull.map_or(by.start(), PageRange::start);
        self.hull = PageRange::between(start, by.end());
    }
}

/// The table of this tree that `raw`, an entry of such a level, leads to for `part`.
///
/// # Panics
/// If it leads to something else.
#[inline]
fn own_table(raw: u64, level: Level, part: PageRange) -> Option<Frame> {
    match Shape::of(raw, level) {
        Shape::Invalid => None,
        Shape::Table => match Table::decode(raw) {
            Table {
                frame,
                link: Link::Own,
            } => Some(frame),
            Table {
                link: Link::Region(_),
                ..
            } => panic!("{part:?} lie in a linked slot"),
        },
        Shape::Leaf => panic!("{part:?} lie in a mapped block"),
    }
}
