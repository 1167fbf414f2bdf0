//! The tables of a shared region: frames by page index, in tables an address space can link.
//!
//! The lowest tables are level-3 tables like any other. Tables above them have the shape of
//! level-2 and level-1 tables but no walker ever starts from them: they are only how the
//! kernel finds the level-3 table for an index. A region of blocks has no level-3 tables: its level-2 tables
//! hold blocks, which address spaces map by descriptors of their own.

use crate::descriptor::{INVALID, Shape};
use crate::tables::{Held, descend, first_held, put};
use crate::{Attributes, Descriptor, ENTRIES, Leaf, Level, SLOT_PAGES, Table, TableIndex, TableMemory};
use addr::{Frame, Page, PageRange};

/// A region's tree of tables, named by its root.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RegionTables {
    root: Frame,
    height: Height,
}

/// How many levels of tables a region has.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Height {
    /// A level-3 table: up to 512 pages (2 MiB).
    One,
    /// A level-2 table over level-3 tables: up to 1 GiB.
    Two,
    /// A level-1 table on top: up to 512 GiB.
    Three,
}

/// How far a dismantling came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Dismantled {
    /// Something is left, from this page on.
    Partly(u64),
    /// All frames, the root last, have been visited.
    Wholly,
}

/// What a dismantling came across.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Piece {
    /// A page's frame, or a table.
    Frame(Frame),
    /// A block: 512 frames from this one on.
    Block(Frame),
}

impl Piece {
    /// The frame, or its first.
    pub const fn first(self) -> Frame {
        match self {
            Self::Frame(frame) | Self::Block(frame) => frame,
        }
    }
}

impl Height {
    /// The least height with room for `pages` pages; `None` beyond 512 GiB.
    pub const fn for_pages(pages: u64) -> Option<Self> {
        if pages <= Self::One.pages() {
            Some(Self::One)
        } else if pages <= Self::Two.pages() {
            Some(Self::Two)
        } else if pages <= Self::Three.pages() {
            Some(Self::Three)
        } else {
            None
        }
    }

    /// How many pages there is room for.
    pub const fn pages(self) -> u64 {
        self.top().pages() * ENTRIES
    }

    const fn top(self) -> Level {
        match self {
            Self::One => Level::Three,
            Self::Two => Level::Two,
            Self::Three => Level::One,
        }
    }
}

impl RegionTables {
    /// Makes `root` the topmost table of a region without frames.
    pub fn create(memory: &mut impl TableMemory, root: Frame, height: Height) -> Self {
        memory.zero(root);
        Self::existing(root, height)
    }

    /// The tree with this root, which was created before.
    pub const fn existing(root: Frame, height: Height) -> Self {
        Self { root, height }
    }

    /// The topmost table.
    pub const fn root(self) -> Frame {
        self.root
    }

    /// Puts `frame` in place as page `index`. Every attacher that linked the table sees it from
    /// then on: an invalid entry became valid, so nothing is invalidated.
    ///
    /// # Panics
    /// If there is a frame already, or no room for `index`.
    pub fn install(
        self,
        memory: &mut impl TableMemory,
        index: u64,
        frame: Frame,
        mut new_table: impl FnMut() -> Frame,
    ) {
        let page = self.page(index);
        let table = descend(
            memory,
            self.root,
            self.height.top(),
            page,
            Level::Three,
            &mut new_table,
        );
        put(
            memory,
            table,
            page,
            Level::Three,
            Descriptor::Leaf(Leaf {
                frame,
                attributes: Attributes::shared(),
            }),
        );
    }

    /// Puts the block whose first frame is `first` in place as page `index`, a multiple of 512, and those
    /// that follow.
    ///
    /// # Panics
    /// If there is something already, no room for `index`, or one of the two is no multiple of 512.
    pub fn install_block(
        self,
        memory: &mut impl TableMemory,
        index: u64,
        first: Frame,
        mut new_table: impl FnMut() -> Frame,
    ) {
        let page = self.page(index);
        assert!(
            index.is_multiple_of(SLOT_PAGES),
            "page {index} does not start a block"
        );
        let top = self.height.top();
        let table = descend(memory, self.root, top, page, Level::Two, &mut new_table);
        let block = Descriptor::Leaf(Leaf {
            frame: first,
            attributes: Attributes::shared(),
        });
        put(memory, table, page, Level::Two, block);
    }

    /// The frame of page `index`.
    ///
    /// # Panics
    /// If there is no room for `index`.
    pub fn lookup(self, memory: &impl TableMemory, index: u64) -> Option<Frame> {
        let page = self.page(index);
        let (mut table, mut level) = (self.root, self.height.top());
        loop {
            let raw = memory.load(table, level.index(page));
            match Shape::of(raw, level) {
                Shape::Invalid => return None,
                Shape::Leaf => return Some(Leaf::frame_of(raw).offset(index % level.pages())),
                Shape::Table => table = Table::decode(raw).frame,
            }
            level = level.next()?;
        }
    }

    /// The first page from number `from` on, and below `end`, that has a frame. Entries without a
    /// table are passed over whole.
    pub fn next_present(self, memory: &impl TableMemory, from: u64, end: u64) -> Option<u64> {
        let end = end.min(self.height.pages());
        let range = PageRange::between(Page::from_number(from), Page::from_number(end))?;
        first_held(memory, self.root, self.height.top(), range, Held::Translations).map(Page::number)
    }

    /// Level-3 table number `number`, which holds the pages from `number` * 512 on; `None`
    /// as long as none of them has a frame.
    ///
    /// # Panics
    /// If there is no room for that many.
    pub fn lowest_table(self, memory: &impl TableMemory, number: u64) -> Option<Frame> {
        let page = self.page(number * SLOT_PAGES);
        let (mut table, mut level) = (self.root, self.height.top());
        while level < Level::Three {
            let raw = memory.load(table, level.index(page));
            match Shape::of(raw, level) {
                Shape::Table => table = Table::decode(raw).frame,
                Shape::Invalid | Shape::Leaf => return None,
            }
            level = level.next()?;
        }
        Some(table)
    }

    /// Takes up to `limit` frames, blocks and tables out from page `from` on, below which nothing is left, fewer
    /// where many entries are empty, lowest index first and a table after what was in it, and tells `visit` of
    /// each. For regions that nobody has attached any more: no TLB holds anything of them, so there is nothing
    /// to invalidate.
    pub fn dismantle(
        self,
        memory: &mut impl TableMemory,
        from: u64,
        limit: usize,
        mut visit: impl FnMut(Piece),
    ) -> Dismantled {
        let mut left = Left {
            frames: limit,
            entries: MOST_ENTRIES,
        };
        let all = PageRange::between(Page::from_number(from), Page::from_number(self.height.pages()));
        let stopped =
            all.and_then(|all| empty(memory, self.root, self.height.top(), all, &mut left, &mut visit));
        if let Some(page) = stopped {
            return Dismantled::Partly(page.number());
        }
        if left.frames == 0 {
            return Dismantled::Partly(self.height.pages());
        }
        visit(Piece::Frame(self.root));
        Dismantled::Wholly
    }

    #[inline]
    fn page(self, index: u64) -> Page {
        assert!(
            index < self.height.pages(),
            "page {index} of a region with room for {}",
            self.height.pages()
        );
        Page::from_number(index)
    }
}

/// Entries that one call looks at. More than the way to one frame can take (three tables), so that each call
/// gets on.
const MOST_ENTRIES: usize = 4 * crate::ENTRIES as usize;

/// What a call may still do.
struct Left {
    frames: usize,
    entries: usize,
}

/// Takes out what a table holds for `range`; depth is bounded by the height. Answers a page of the first entry
/// that may not have gone, if there is one.
fn empty(
    memory: &mut impl TableMemory,
    table: Frame,
    level: Level,
    range: PageRange,
    left: &mut Left,
    visit: &mut impl FnMut(Piece),
) -> Option<Page> {
    let first_of_table = range.start().number() & !(level.pages() * ENTRIES - 1);
    let first_of = |index: TableIndex| first_of_table + index.get() as u64 * level.pages();
    for index in level.indices(range) {
        let Some(entries) = left.entries.checked_sub(1) else {
            return Some(Page::from_number(first_of(index)));
        };
        left.entries = entries;
        let raw = memory.load(table, index);
        let piece = match (Shape::of(raw, level), level.next()) {
            (Shape::Leaf, None) => Piece::Frame(Leaf::frame_of(raw)),
            (Shape::Leaf, Some(_)) => Piece::Block(Leaf::frame_of(raw)),
            (Shape::Table, Some(below)) => {
                let frame = Table::decode(raw).frame;
                let stopped = empty(memory, frame, below, level.part(range, index), left, visit);
                if stopped.is_some() {
                    return stopped;
                }
                Piece::Frame(frame)
            }
            (Shape::Invalid, _) | (Shape::Table, None) => continue,
        };
        if left.frames == 0 {
            // A table whose pages have gone is come back to by the last of them.
            return Some(Page::from_number(first_of(index) + level.pages() - 1));
        }
        memory.store(table, index, INVALID);
        visit(piece);
        left.frames -= 1;
    }
    None
}
