//! The kernel's own tables: what TTBR1 points to, and the identity map of early boot.
//!
//! They are built once, out of large ranges with blocks where alignment allows, and only added
//! to later. Entries are global: a tree that is not to stay (the identity map) has to be
//! followed by `TLBI VMALLE1` when its TTBR is given up.

use crate::tables::{descend, put_raw};
use crate::{Access, Attributes, Descriptor, ENTRIES, KernelAccess, Leaf, Level, TableMemory};
use addr::{Frame, FrameRange, GRANULE, MemoryKind, Page, PhysAddr, VirtAddr};

/// A tree of kernel tables, named by its root.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KernelTables {
    root: Frame,
}

/// What an address of the kernel is mapped to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KernelMapping {
    /// The physical address.
    pub addr: PhysAddr,
    /// What the kernel may do.
    pub access: KernelAccess,
    /// The memory type.
    pub kind: MemoryKind,
    /// The level the walk ended at: 1 GiB and 2 MiB blocks, or pages.
    pub level: Level,
}

impl KernelTables {
    /// Makes `root` the topmost table of a tree without translations.
    pub fn create(memory: &mut impl TableMemory, root: Frame) -> Self {
        memory.zero(root);
        Self { root }
    }

    /// The topmost table.
    pub const fn root(self) -> Frame {
        self.root
    }

    /// Maps `frames` at `start` and behind, with the largest blocks that alignment allows. Of
    /// `start`, bits 47 to 12 count: which half it lies in is a matter of the register that
    /// `root` is loaded into.
    ///
    /// # Panics
    /// If any of it is mapped already, or the half ends before `frames` does.
    pub fn map(
        self,
        memory: &mut impl TableMemory,
        start: Page,
        frames: FrameRange,
        attributes: Attributes,
        mut new_table: impl FnMut() -> Frame,
    ) {
        assert!(
            matches!(attributes.access, Access::Kernel(_)),
            "{start:?}: kernel tables hold kernel mappings only"
        );
        let room = crate::USER_PAGES - start.number() % crate::USER_PAGES;
        assert!(
            frames.count() <= room,
            "{} frames at {start:?} run out of the address space",
            frames.count()
        );
        let mut done = 0;
        while done < frames.count() {
            let page = Page::from_number(start.number() + done);
            let frame = frames.start().offset(done);
            let left = frames.count() - done;
            let level = largest_block(page, frame, left);
            let table = descend(memory, self.root, Level::Zero, page, level, &mut new_table);
            let leaf = Leaf { frame, attributes };
            done += fill(memory, table, page, (leaf, level), left);
        }
    }

    /// What `addr` is mapped to.
    pub fn lookup(self, memory: &impl TableMemory, addr: VirtAddr) -> Option<KernelMapping> {
        let (mut table, mut level) = (self.root, Level::Zero);
        loop {
            match Descriptor::decode(memory.load(table, level.index(addr.page())), level) {
                Descriptor::Invalid => return None,
                Descriptor::Table(next) => table = next.frame,
                Descriptor::Leaf(leaf) => return mapping(leaf, level, addr),
            }
            level = level.next()?;
        }
    }
}

/// Maps `page` and those behind to `first` and the frames behind, `most` at most, as far as one table of `level` goes.
/// Answers how many. Where a larger block would do, a table begins.
fn fill(
    memory: &mut impl TableMemory,
    table: Frame,
    page: Page,
    (first, level): (Leaf, Level),
    most: u64,
) -> u64 {
    let mut raw = Descriptor::Leaf(first).encode(level);
    let in_table = ENTRIES - level.index(page).get() as u64;
    let count = in_table.min(most / level.pages());
    for number in 0..count {
        put_raw(
            memory,
            table,
            Page::from_number(page.number() + number * level.pages()),
            level,
            raw,
        );
        raw += level.pages() * GRANULE;
    }
    count * level.pages()
}

/// The highest level at which one entry can map `page` to `frame` and takes no more than `left` pages.
fn largest_block(page: Page, frame: Frame, left: u64) -> Level {
    let fits = |level: &Level| {
        let pages = level.pages();
        pages <= left && page.number().is_multiple_of(pages) && frame.number().is_multiple_of(pages)
    };
    [Level::One, Level::Two]
        .into_iter()
        .find(fits)
        .unwrap_or(Level::Three)
}

fn mapping(leaf: Leaf, level: Level, addr: VirtAddr) -> Option<KernelMapping> {
    let Attributes {
        access: Access::Kernel(access),
        kind,
    } = leaf.attributes
    else {
        return None;
    };
    let inside = addr.page().number() % level.pages();
    let addr = leaf.frame.offset(inside).start().checked_add(addr.offset())?;
    Some(KernelMapping {
        addr,
        access,
        kind,
        level,
    })
}
