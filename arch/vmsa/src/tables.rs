//! The translation tables of one address space: what TTBR0 points to.
//!
//! A valid entry is never made to lead elsewhere, only made invalid, so that break-before-make is a
//! matter of the order in which the caller removes, invalidates and installs (Arm ARM, "Using
//! break-before-make when updating translation table entries"). Installing over something is a
//! mistake of the caller and panics. Permissions are not among what that section names: those of a
//! leaf change in place, by one store.

mod permissions;
mod sharing;
mod sweep;

pub use sharing::Heir;

use crate::descriptor::Shape;
use crate::index::Scan;
use crate::{
    Access, Attributes, Descriptor, Extent, Leaf, Level, Link, RegionTables, SLOT_PAGES, Table, TableMemory,
    USER_PAGES,
};
use addr::{Frame, MemoryKind, Page, PageRange, Perms};
use permissions::{Narrowing, permit};
use sharing::Sharing;
use sweep::{Leaves, Links, Sweep};

/// A tree of tables, named by its root. All state is in the tables themselves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tables {
    root: Frame,
}

/// What a page is mapped to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mapping {
    /// The frame.
    pub frame: Frame,
    /// What user programs may do, restrictions of linked tables included.
    pub perms: Perms,
    /// The memory type.
    pub kind: MemoryKind,
}

/// What a removal came across. Neither may be reused before the TLBs have forgotten it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Removed {
    /// A page's translation, and the frame it led to.
    Leaf(Page, Frame),
    /// A table of this tree.
    Table(Frame),
    /// The link of this slot to a region's table, or the mapping of a region's block at it.
    Link(Page),
}

impl Tables {
    /// Makes `root` the topmost table of a tree without translations.
    pub fn create(memory: &mut impl TableMemory, root: Frame) -> Self {
        memory.zero(root);
        Self::existing(root)
    }

    /// The tree with this root, which was created before.
    pub const fn existing(root: Frame) -> Self {
        Self { root }
    }

    /// The topmost table, for TTBR0_EL1.
    pub const fn root(self) -> Frame {
        self.root
    }

    /// Maps `page`, taking frames for missing tables from `new_table`.
    ///
    /// The entry becomes visible to walkers at some time after the store: DSB ISHST and ISB by
    /// the caller make sure of it. Nothing has to be invalidated, since TLBs hold no invalid
    /// entries (Arm ARM, "Translation Lookaside Buffers").
    ///
    /// # Panics
    /// If `page` is mapped, is no user page, or lies in a linked slot.
    pub fn install(
        self,
        memory: &mut impl TableMemory,
        page: Page,
        leaf: Leaf,
        new_table: impl FnMut() -> Frame,
    ) {
        assert!(
            matches!(leaf.attributes.access, Access::User(_)),
            "{page:?}: user tables hold user pages only"
        );
        let table = self.table_of(memory, page, Level::Three, new_table);
        put(memory, table, page, Level::Three, Descriptor::Leaf(leaf));
    }

    /// Maps `slot`, the first page of a slot, to a block. To be published as in
    /// [`install`](Self::install).
    ///
    /// # Panics
    /// If something is mapped in the slot, it is no user page, or the block is not aligned to its size.
    pub fn install_block(
        self,
        memory: &mut impl TableMemory,
        slot: Page,
        block: Leaf,
        new_table: impl FnMut() -> Frame,
    ) {
        assert!(
            matches!(block.attributes.access, Access::User(_)) && slot.number().is_multiple_of(SLOT_PAGES),
            "{slot:?}: a block of user pages takes up a slot"
        );
        let table = self.table_of(memory, slot, Level::Two, new_table);
        put(memory, table, slot, Level::Two, Descriptor::Leaf(block));
    }

    /// Maps those of `pages`, all in one slot, that `region` has a frame for and that are absent, for
    /// use with `perms`: page number `first` of the region at the first of them. To be published as
    /// in [`install`](Self::install).
    ///
    /// # Panics
    /// If they are no user pages or lie in a linked slot.
    pub fn install_shared(
        self,
        memory: &mut impl TableMemory,
        pages: PageRange,
        region: RegionTables,
        first: u64,
        perms: Perms,
        new_table: impl FnMut() -> Frame,
    ) {
        let attributes = Attributes::user(perms, MemoryKind::Normal);
        let table = self.table_of(memory, pages.start(), Level::Three, new_table);
        let numbers = PageRange::new(Page::from_number(first), pages.count()).expect("pages of a region");
        // What is in one table here may be in two of the region.
        for part in Level::Two.entries(numbers) {
            let Some(theirs) = region.lowest_table(memory, part.start().number() / SLOT_PAGES) else {
                continue;
            };
            let start = Page::from_number(pages.start().number() + part.start().number() - first);
            let ours = PageRange::new(start, part.count()).expect("a part of the pages");
            for (place, from) in Level::Three.indices(ours).zip(Level::Three.indices(part)) {
                let raw = memory.load(theirs, from);
                let is_absent = Shape::of(memory.load(table, place), Level::Three) == Shape::Invalid;
                if is_absent && Shape::of(raw, Level::Three) == Shape::Leaf {
                    memory.store(table, place, Leaf::page_like(raw, attributes));
                }
            }
        }
    }

    /// Takes what is not in `perms` away from every leaf in `range`. Leaves that allowed no more stay
    /// as they are, and are not in the answer.
    ///
    /// # Panics
    /// If a linked slot lies in `range`: its leaves are everybody's.
    pub fn protect(self, memory: &mut impl TableMemory, range: PageRange, perms: Perms) -> Extent {
        let mut change = Narrowing {
            memory,
            perms,
            hull: None,
        };
        change.table(self.root, Level::Zero, range);
        change.hull.map_or(Extent::Nothing, Extent::Leaves)
    }

    /// Gives `to` the leaves of this tree in `range`, where it has none, but for the right to write, which
    /// goes from this tree, too. No more than `most` leaves are looked at; answers up to which page
    /// it went, and which leaves of this tree have changed. To be published as in
    /// [`install`](Self::install).
    ///
    /// # Panics
    /// If a linked slot lies in `range`, or something else is mapped in `to`.
    pub fn share(
        self,
        memory: &mut impl TableMemory,
        to: Self,
        range: PageRange,
        most: usize,
        heir: &mut impl Heir,
    ) -> (Extent, Page) {
        let mut sharing = Sharing {
            memory,
            to,
            heir,
            left: most,
            stopped_at: None,
            hull: None,
        };
        sharing.table(self.root, Level::Zero, range);
        let extent = sharing.hull.map_or(Extent::Nothing, Extent::Leaves);
        (extent, sharing.stopped_at.unwrap_or(range.end()))
    }

    /// Lets user programs do what is in `perms` with `page`, and nothing else. The frame and the
    /// memory type stay.
    ///
    /// # Panics
    /// If `page` is not mapped by a table of this tree.
    pub fn permit(self, memory: &mut impl TableMemory, page: Page, perms: Perms) -> Extent {
        let table = self.table_of(memory, page, Level::Three, || panic!("{page:?} is not mapped"));
        let raw = memory.load(table, Level::Three.index(page));
        assert!(
            Shape::of(raw, Level::Three) == Shape::Leaf,
            "{page:?} is not mapped"
        );
        if permit(memory, table, page, perms) {
            Extent::Leaves(Level::Three.extent(page))
        } else {
            Extent::Nothing
        }
    }

    /// What `page` is mapped to; `None` too for what is no user page.
    pub fn lookup(self, memory: &impl TableMemory, page: Page) -> Option<Mapping> {
        if page.number() >= USER_PAGES {
            return None;
        }
        let (mut table, mut level, mut allowed) = (self.root, Level::Zero, Perms::all());
        loop {
            let raw = memory.load(table, level.index(page));
            match Shape::of(raw, level) {
                Shape::Invalid => return None,
                Shape::Table => {
                    let next = Table::decode(raw);
                    table = next.frame;
                    allowed = next.link.narrow(allowed);
                    level = level.next()?;
                }
                Shape::Leaf => return mapping(Leaf::decode(raw), page.number() % level.pages(), allowed),
            }
        }
    }

    /// The first page of `range` that is mapped. A linked slot counts as mapped from its first
    /// page on, whatever its table holds. Entries without a table are passed over whole.
    pub fn next_mapped(self, memory: &impl TableMemory, range: PageRange) -> Option<Page> {
        let user = PageRange::between(Page::from_number(0), Page::from_number(USER_PAGES))?;
        first_held(
            memory,
            self.root,
            Level::Zero,
            range.intersection(user)?,
            Held::Translations,
        )
    }

    /// The same, and a table of this tree whose whole extent is in `range` counts from its first page on,
    /// even if it holds nothing.
    pub fn next_held(self, memory: &impl TableMemory, range: PageRange) -> Option<Page> {
        let user = PageRange::between(Page::from_number(0), Page::from_number(USER_PAGES))?;
        let range = range.intersection(user)?;
        first_held(memory, self.root, Level::Zero, range, Held::AlsoTables)
    }

    /// Whether `page` lies in a linked slot.
    pub fn is_linked(self, memory: &impl TableMemory, page: Page) -> bool {
        let (mut table, mut level) = (self.root, Level::Zero);
        while page.number() < USER_PAGES && level < Level::Three {
            let raw = memory.load(table, level.index(page));
            if Shape::of(raw, level) != Shape::Table {
                return false;
            }
            let next = Table::decode(raw);
            if next.link != Link::Own {
                return true;
            }
            table = next.frame;
            level = match level.next() {
                Some(next) => next,
                None => return false,
            };
        }
        false
    }

    /// Links level-3 tables of `region` at `slots`, number `first` at the first slot: those that
    /// exist and are not linked yet, with whatever permissions. Their leaves allow user programs no
    /// more than `perms` there.
    ///
    /// # Panics
    /// If `slots` are not whole slots, or something else is mapped in one of them.
    pub fn link(
        self,
        memory: &mut impl TableMemory,
        slots: PageRange,
        region: RegionTables,
        first: u64,
        perms: Perms,
        mut new_table: impl FnMut() -> Frame,
    ) {
        assert_whole_slots(slots);
        let link = Link::Region(perms | Perms::READ);
        for (number, slot) in (first..).zip(Level::Two.entries(slots)) {
            let Some(frame) = region.lowest_table(memory, number) else {
                continue;
            };
            let level_two = self.table_of(memory, slot.start(), Level::Two, &mut new_table);
            let present = memory.load(level_two, Level::Two.index(slot.start()));
            let is_there = Table::is_link(present) && Table::decode(present).frame == frame;
            if !is_there {
                let wanted = Descriptor::Table(Table { frame, link });
                put(memory, level_two, slot.start(), Level::Two, wanted);
            }
        }
    }

    /// Takes away what is mapped in `range` and tells `visit` of each page. Tables whose whole
    /// extent lies in `vacant` go as well, after what was in them.
    ///
    /// `vacant` includes `range`, and nothing in it lies outside `range`.
    ///
    /// # Panics
    /// If a linked slot lies in `range`.
    pub fn remove(
        self,
        memory: &mut impl TableMemory,
        range: PageRange,
        vacant: PageRange,
        visit: impl FnMut(Removed),
    ) -> Extent {
        let mut sweep = Sweep::<Leaves, _, _>::new(memory, range, vacant, visit);
        sweep.tree(self.root, range);
        match (sweep.hull, sweep.tables_went) {
            (None, _) => Extent::Nothing,
            (Some(hull), false) => Extent::Leaves(hull),
            (Some(hull), true) => Extent::Tables(hull),
        }
    }

    /// Takes away the linked slots and the blocks in `range`, which consists of whole slots, and tells
    /// `visit` of each. Tables of this tree go as in [`remove`](Self::remove); the blocks, and what is in the
    /// linked tables, are the region's.
    ///
    /// All of a slot's pages may be in a TLB, and so may the link: the answer is never an
    /// extent that would be invalidated by address.
    ///
    /// # Panics
    /// If `range` is not whole slots, or a slot in it has a table of this tree.
    pub fn unlink(
        self,
        memory: &mut impl TableMemory,
        range: PageRange,
        vacant: PageRange,
        visit: impl FnMut(Removed),
    ) -> Extent {
        assert_whole_slots(range);
        let mut sweep = Sweep::<Links, _, _>::new(memory, range, vacant, visit);
        sweep.tree(self.root, range);
        if sweep.hull.is_some() {
            Extent::Space
        } else {
            Extent::Nothing
        }
    }

    /// Whether no translation and no table is left below the root.
    pub fn is_empty(self, memory: &impl TableMemory) -> bool {
        is_empty(memory, self.root, Level::Zero)
    }

    /// The table of `level` on the way to `page`, with missing tables put in.
    fn table_of(
        self,
        memory: &mut impl TableMemory,
        page: Page,
        level: Level,
        mut new_table: impl FnMut() -> Frame,
    ) -> Frame {
        assert!(page.number() < USER_PAGES, "{page:?} is no user page");
        descend(memory, self.root, Level::Zero, page, level, &mut new_table)
    }
}

/// Walks from `table` of level `from` to the table of level `to` that translates `page`, putting
/// in what is missing: first zeroed, then linked by one store.
pub(crate) fn descend(
    memory: &mut impl TableMemory,
    mut table: Frame,
    from: Level,
    page: Page,
    to: Level,
    new_table: &mut impl FnMut() -> Frame,
) -> Frame {
    let mut level = from;
    while level < to {
        let raw = memory.load(table, level.index(page));
        table = match Shape::of(raw, level) {
            Shape::Table => match Table::decode(raw) {
                Table {
                    frame,
                    link: Link::Own,
                } => frame,
                Table {
                    link: Link::Region(_),
                    ..
                } => panic!("{page:?} lies in a linked slot"),
            },
            Shape::Invalid => {
                let frame = new_table();
                memory.zero(frame);
                put(
                    memory,
                    table,
                    page,
                    level,
                    Descriptor::Table(Table {
                        frame,
                        link: Link::Own,
                    }),
                );
                frame
            }
            Shape::Leaf => panic!("{page:?} lies in a mapped block"),
        };
        level = match level.next() {
            Some(next) => next,
            None => return table,
        };
    }
    table
}

/// Puts a descriptor where none is.
#[inline]
pub(crate) fn put(
    memory: &mut impl TableMemory,
    table: Frame,
    page: Page,
    level: Level,
    descriptor: Descriptor,
) {
    put_raw(memory, table, page, level, descriptor.encode(level));
}

/// The same with the descriptor as a word.
#[inline]
pub(crate) fn put_raw(
    memory: &mut impl TableMemory,
    table: Frame,
    page: Page,
    level: Level,
    descriptor: u64,
) {
    let index = level.index(page);
    let present = Shape::of(memory.load(table, index), level);
    assert!(present == Shape::Invalid, "{page:?} is mapped already");
    memory.store(table, index, descriptor);
}

/// Whether a table holds no valid descriptor.
pub(crate) fn is_empty(memory: &impl TableMemory, table: Frame, level: Level) -> bool {
    let mut scan = Scan::WHOLE;
    core::iter::from_fn(|| scan.next_valid(memory, table))
        .all(|(_, raw)| Shape::of(raw, level) == Shape::Invalid)
}

/// What a search stops at.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Held {
    /// Leaves and links.
    Translations,
    /// Tables with nothing in them as well.
    AlsoTables,
}

/// The first page of `range` with something below `table`; depth is bounded by the levels.
pub(crate) fn first_held(
    memory: &impl TableMemory,
    table: Frame,
    level: Level,
    range: PageRange,
    wanted: Held,
) -> Option<Page> {
    let mut scan = level.scan(range);
    core::iter::from_fn(|| scan.next_valid(memory, table)).find_map(|(index, raw)| {
        let part = level.part(range, index);
        match Shape::of(raw, level) {
            Shape::Invalid => None,
            Shape::Leaf => Some(part.start()),
            Shape::Table => match Table::decode(raw) {
                Table {
                    frame,
                    link: Link::Own,
                } => {
                    let is_whole = part == level.extent(part.start());
                    let itself = (is_whole && wanted == Held::AlsoTables).then_some(part.start());
                    first_held(memory, frame, level.next()?, part, wanted).or(itself)
                }
                Table {
                    link: Link::Region(_),
                    ..
                } => Some(part.start()),
            },
        }
    })
}

fn assert_whole_slots(range: PageRange) {
    let ends = [range.start(), range.end()];
    assert!(
        ends.iter().all(|end| end.number().is_multiple_of(SLOT_PAGES)),
        "{range:?} are not whole slots"
    );
}

/// What the page `offset` pages into a leaf is mapped to.
fn mapping(leaf: Leaf, offset: u64, allowed: Perms) -> Option<Mapping> {
    match leaf.attributes.access {
        Access::User(perms) => Some(Mapping {
            frame: leaf.frame.offset(offset),
            perms: perms & allowed,
            kind: leaf.attributes.kind,
        }),
        Access::Kernel(_) => None,
    }
}
