//! The translation tables of one address space: what TTBR0 points to.
//!
//! A valid entry is never made to lead elsewhere, only made invalid, so that break-before-make is a
//! matter of the order in which the caller removes, invalidates and installs (Arm ARM, "Using
//! break-before-make when updating translation table entries"). Installing over something is a
//! mistake of the caller and panics. Permissions are not among what that section names: those of a
//! leaf change in place, by one store.

use crate::descriptor::{INVALID, Shape};
use crate::{
    Access, Attributes, Descriptor, ENTRIES, Extent, Leaf, Level, Link, RegionTables, SLOT_PAGES, Table,
    TableMemory, USER_PAGES,
};
use addr::{Frame, MemoryKind, Page, PageRange, Perms};
use core::marker::PhantomData;

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
        for (number, index) in (first..).zip(Level::Three.indices(pages)) {
            let is_absent = Shape::of(memory.load(table, index), Level::Three) == Shape::Invalid;
            if let Some(frame) = region.lookup(memory, number).filter(|_| is_absent) {
                let leaf = Descriptor::Leaf(Leaf { frame, attributes });
                memory.store(table, index, leaf.encode(Level::Three));
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
        sweep.table(self.root, Level::Zero, range);
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
        sweep.table(self.root, Level::Zero, range);
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
    let index = level.index(page);
    let present = Shape::of(memory.load(table, index), level);
    assert!(present == Shape::Invalid, "{page:?} is mapped already");
    memory.store(table, index, descriptor.encode(level));
}

/// Whether a table holds no valid descriptor.
pub(crate) fn is_empty(memory: &impl TableMemory, table: Frame, level: Level) -> bool {
    crate::TableIndex::all().all(|index| Shape::of(memory.load(table, index), level) == Shape::Invalid)
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
    level.entries(range).find_map(|part| {
        let raw = memory.load(table, level.index(part.start()));
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

/// Gives the leaf of `page` in a level-3 table other permissions; answers whether it had others.
fn permit(memory: &mut impl TableMemory, table: Frame, page: Page, perms: Perms) -> bool {
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
struct Narrowing<'a, M> {
    memory: &'a mut M,
    perms: Perms,
    /// The smallest range with all leaves that changed.
    hull: Option<PageRange>,
}

impl<M: TableMemory> Narrowing<'_, M> {
    /// Narrows the part `range` of what a table translates; depth is bounded by the levels.
    fn table(&mut self, table: Frame, level: Level, range: PageRange) {
        for part in level.entries(range) {
            let raw = self.memory.load(table, level.index(part.start()));
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

/// Who gets leaves of another tree ([`Tables::share`]).
pub trait Heir {
    /// A frame for a table.
    fn new_table(&mut self) -> Frame;
    /// Whether it gets the leaf of `page`, which leads to `frame`. If not, the leaf stays as it is.
    fn takes(&mut self, page: Page, frame: Frame) -> bool;
}

/// Leaves becoming common to two trees.
struct Sharing<'a, M, H> {
    memory: &'a mut M,
    to: Tables,
    heir: &'a mut H,
    /// How many more leaves may be looked at.
    left: usize,
    /// The first one that may not.
    stopped_at: Option<Page>,
    /// The smallest range with all leaves that changed.
    hull: Option<PageRange>,
}

impl<M: TableMemory, H: Heir> Sharing<'_, M, H> {
    /// Shares the part `range` of what a table translates; depth is bounded by the levels.
    fn table(&mut self, table: Frame, level: Level, range: PageRange) {
        let Some(below) = level.next() else {
            return self.lowest_table(table, range);
        };
        for part in level.entries(range) {
            if self.stopped_at.is_some() {
                return;
            }
            let raw = self.memory.load(table, level.index(part.start()));
            match Shape::of(raw, level) {
                Shape::Invalid => {}
                Shape::Table if !Table::is_link(raw) => self.table(Table::decode(raw).frame, below, part),
                Shape::Table => panic!("{part:?} lie in a linked slot"),
                Shape::Leaf => panic!("{part:?} lie in a mapped block"),
            }
        }
    }

    fn lowest_table(&mut self, table: Frame, range: PageRange) {
        let mut theirs = None;
        for (page, index) in range.iter().zip(Level::Three.indices(range)) {
            let raw = self.memory.load(table, index);
            if Shape::of(raw, Level::Three) == Shape::Invalid {
                continue;
            }
            if self.left == 0 {
                self.stopped_at = Some(page);
                return;
            }
            self.left -= 1;
            if self.heir.takes(page, Leaf::frame_of(raw)) {
                let raw = self.narrow(table, page, raw);
                let theirs = *theirs.get_or_insert_with(|| self.table_for(page));
                let present = self.memory.load(theirs, index);
                assert!(
                    Shape::of(present, Level::Three) == Shape::Invalid,
                    "{page:?} is mapped already"
                );
                self.memory.store(theirs, index, raw);
            }
        }
    }

    /// Takes the right to write away from a leaf, which lies higher than all before it.
    fn narrow(&mut self, table: Frame, page: Page, raw: u64) -> u64 {
        let narrowed = Leaf::without_write(raw);
        if narrowed != raw {
            self.memory.store(table, Level::Three.index(page), narrowed);
            let start = self.hull.map_or(page, PageRange::start);
            self.hull = PageRange::between(start, Page::from_number(page.number() + 1));
        }
        narrowed
    }

    /// The level-3 table for `page` in the other tree.
    fn table_for(&mut self, page: Page) -> Frame {
        let Self { memory, to, heir, .. } = self;
        to.table_of(*memory, page, Level::Three, || heir.new_table())
    }
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

/// What a sweep takes away.
trait Wanted {
    /// The level of tables it stands in.
    const LEVEL: Level;

    /// What the valid entry `raw` for `page` on, in such a table, is.
    ///
    /// # Panics
    /// If it is something else.
    fn removed(page: Page, raw: u64) -> Removed;
}

enum Leaves {}

impl Wanted for Leaves {
    const LEVEL: Level = Level::Three;

    fn removed(page: Page, raw: u64) -> Removed {
        Removed::Leaf(page, Leaf::frame_of(raw))
    }
}

enum Links {}

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
struct Sweep<'a, W, M, V> {
    memory: &'a mut M,
    vacant: PageRange,
    visit: V,
    /// The smallest range with all that was wanted and went; of tables it has some page each.
    hull: Option<PageRange>,
    tables_went: bool,
    wanted: PhantomData<W>,
}

impl<'a, W: Wanted, M: TableMemory, V: FnMut(Removed)> Sweep<'a, W, M, V> {
    fn new(memory: &'a mut M, range: PageRange, vacant: PageRange, visit: V) -> Self {
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

    /// Sweeps the part `range` of what a table translates.
    fn table(&mut self, table: Frame, level: Level, range: PageRange) {
        if level == W::LEVEL {
            return self.lowest_table(table, range);
        }
        for part in level.entries(range) {
            let raw = self.memory.load(table, level.index(part.start()));
            match Shape::of(raw, level) {
                Shape::Invalid => {}
                Shape::Table => match Table::decode(raw) {
                    Table {
                        frame,
                        link: Link::Own,
                    } => self.own_table(table, level, part, frame),
                    Table {
                        link: Link::Region(_),
                        ..
                    } => panic!("{part:?} lie in a linked slot"),
                },
                Shape::Leaf => panic!("{part:?} lie in a mapped block"),
            }
        }
    }

    /// Clears the entries that are wanted. This is where the time goes, so nothing is worked out that
    /// an invalid entry does not need.
    fn lowest_table(&mut self, table: Frame, range: PageRange) {
        let first_of_table = range.start().number() & !(W::LEVEL.pages() * ENTRIES - 1);
        let (mut first, mut end) = (None, range.start());
        for index in W::LEVEL.indices(range) {
            let raw = self.memory.load(table, index);
            if Shape::of(raw, W::LEVEL) == Shape::Invalid {
                continue;
            }
            let page = first_of_table + index.get() as u64 * W::LEVEL.pages();
            let removed = W::removed(Page::from_number(page), raw);
            self.memory.store(table, index, INVALID);
            first = first.or(Some(Page::from_number(page)));
            end = Page::from_number(page + W::LEVEL.pages());
            (self.visit)(removed);
        }
        if let Some(gone) = first.and_then(|first| PageRange::between(first, end)) {
            self.widen(gone);
        }
    }

    fn own_table(&mut self, table: Frame, level: Level, part: PageRange, below: Frame) {
        let Some(level_below) = level.next() else {
            return;
        };
        self.table(below, level_below, part);
        let extent = level.extent(part.start());
        if !self.vacant.contains_range(extent) {
            return;
        }
        debug_assert!(
            is_empty(self.memory, below, level_below),
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
