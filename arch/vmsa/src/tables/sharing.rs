//! Leaves becoming common to two trees, which may not write to what is behind them.

use super::Tables;
use crate::descriptor::Shape;
use crate::{ENTRIES, Leaf, Level, Table, TableMemory};
use addr::{Frame, Page, PageRange};

/// Who gets leaves of another tree ([`Tables::share`]).
pub trait Heir {
    /// A frame for a table.
    fn new_table(&mut self) -> Frame;
    /// Whether the leaf of `page`, which leads to `frame` and allows writing, stays as it is, and it gets none.
    fn leaves_out(&mut self, page: Page, frame: Frame) -> bool;
    /// Whether it gets the leaf of `page`, which leads to `frame`. If not, the leaf stays as it is.
    fn takes(&mut self, page: Page, frame: Frame) -> bool;
}

/// Leaves becoming common to two trees.
pub(super) struct Sharing<'a, M, H> {
    pub memory: &'a mut M,
    pub to: Tables,
    pub heir: &'a mut H,
    /// How many more leaves may be looked at.
    pub left: usize,
    /// The first one that may not.
    pub stopped_at: Option<Page>,
    /// The smallest range with all leaves that changed.
    pub hull: Option<PageRange>,
}

impl<M: TableMemory, H: Heir> Sharing<'_, M, H> {
    /// Shares the part `range` of what a table translates; depth is bounded by the levels.
    pub fn table(&mut self, table: Frame, level: Level, range: PageRange) {
        let Some(below) = level.next() else {
            return self.lowest_table(table, range);
        };
        let mut scan = level.scan(range);
        while let Some((index, raw)) = scan.next_valid(self.memory, table) {
            if self.stopped_at.is_some() {
                return;
            }
            let part = level.part(range, index);
            match Shape::of(raw, level) {
                Shape::Invalid => {}
                Shape::Table if !Table::is_link(raw) => self.table(Table::decode(raw).frame, below, part),
                Shape::Table => panic!("{part:?} lie in a linked slot"),
                Shape::Leaf => panic!("{part:?} lie in a mapped block"),
            }
        }
    }

    fn lowest_table(&mut self, table: Frame, range: PageRange) {
        let first_of_table = range.start().number() & !(ENTRIES - 1);
        let mut theirs = None;
        let mut scan = Level::Three.scan(range);
        while let Some((index, raw)) = scan.next_valid(self.memory, table) {
            if Shape::of(raw, Level::Three) == Shape::Invalid {
                continue;
            }
            let page = Page::from_number(first_of_table + index.get() as u64);
            if self.left == 0 {
                self.stopped_at = Some(page);
                return;
            }
            self.left -= 1;
            let (frame, narrowed) = (Leaf::frame_of(raw), Leaf::without_write(raw));
            let is_left_out = narrowed != raw && self.heir.leaves_out(page, frame);
            if !is_left_out && self.heir.takes(page, frame) {
                if narrowed != raw {
                    self.narrow(table, page, narrowed);
                }
                let theirs = *theirs.get_or_insert_with(|| self.table_for(page));
                let present = self.memory.load(theirs, index);
                assert!(
                    Shape::of(present, Level::Three) == Shape::Invalid,
                    "{page:?} is mapped already"
                );
                self.memory.store(theirs, index, narrowed);
            }
        }
    }

    /// Puts a leaf in place that allows less; it lies higher than all before it.
    fn narrow(&mut self, table: Frame, page: Page, narrowed: u64) {
        self.memory.store(table, Level::Three.index(page), narrowed);
        let start = self.hull.map_or(page, PageRange::start);
        self.hull = PageRange::between(start, Page::from_number(page.number() + 1));
    }

    /// The level-3 table for `page` in the other tree.
    fn table_for(&mut self, page: Page) -> Frame {
        let Self { memory, to, heir, .. } = self;
        to.table_of(*memory, page, Level::Three, || heir.new_table())
    }
}
