//! Permissions of leaves, changed in place.

use crate::descriptor::Shape;
use crate::{Access, Attributes, Descriptor, Leaf, Level, Table, TableMemory};
use addr::{Frame, Page, PageRange, Perms};

/// Gives the leaf of `page` in a level-3 table other permissions; answers whether it had others.
pub(super) fn permit(memory: &mut impl TableMemory, table: Frame, page: Page, perms: Perms) -> bool {
    let index = Level::Three.index(page);
    let raw = memory.load(table, index);
    let Leaf { frame, attributes } = Leaf::decode(raw);
    let attributes = Attributes::user(perms, attributes.kind);
    let permitting = Descriptor::Leaf(Leaf { frame, attributes }).encode(Level::Three);
    if permitting != raw {
        memory.store(table, index, permitting);
    }
    permitting != raw
}

/// Permissions being taken away from leaves.
pub(super) struct Narrowing<'a, M> {
    pub memory: &'a mut M,
    pub perms: Perms,
    /// The smallest range with all leaves that changed.
    pub hull: Option<PageRange>,
}

impl<M: TableMemory> Narrowing<'_, M> {
    /// Narrows the part `range` of what a table translates; depth is bounded by the levels.
    pub fn table(&mut self, table: Frame, level: Level, range: PageRange) {
        let mut scan = level.scan(range);
        while let Some((index, raw)) = scan.next_valid(self.memory, table) {
            let part = level.part(range, index);
            match (Shape::of(raw, level), level.next()) {
                (Shape::Invalid, _) => {}
                (Shape::Leaf, None) => self.leaf(table, part, raw),
                (Shape::Table, Some(below)) if !Table::is_link(raw) => {
                    self.table(Table::decode(raw).frame, below, part);
                }
                (Shape::Table, _) => panic!("{part:?} lie in a linked slot"),
                (Shape::Leaf, Some(_)) => panic!("{part:?} lie in a mapped block"),
            }
        }
    }

    /// Narrows the leaf of one page, which lies higher than all before it.
    fn leaf(&mut self, table: Frame, page: PageRange, raw: u64) {
        let Access::User(allowed) = Leaf::decode(raw).attributes.access else {
            panic!("{page:?} is no user page");
        };
        if permit(self.memory, table, page.start(), allowed & self.perms) {
            let start = self.hull.map_or(page.start(), PageRange::start);
            self.hull = PageRange::between(start, page.end());
        }
    }
}
