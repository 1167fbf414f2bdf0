//! The kernel's own tables: what TTBR1 points to, and the identity map of early boot.
//!
//! They are built once, out of large ranges with blocks where alignment allows, and only added
//! to later. Entries are global: a tree that is not to stay (the identity map) has to be
//! followed by `TLBI VMALLE1` when its TTBR is given up.

use crate::tables::{descend, put};
use crate::{Access, Attributes, Descriptor, KernelAccess, Leaf, Level, TableMemory};
use addr::{Frame, FrameRange, MemoryKind, Page, PhysAddr, VirtAddr};

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
        let mut reached = None;
        while done < frames.count() {
            let page = Page::from_number(start.number() + done);
            let frame = frames.start().offset(done);
            let level = largest_block(page, frame, frames.count() - done);
            let table = match reached {
                // The neighbour of the entry before it is in the same table.
                Some((table, same)) if same == level && level.index(page).get() != 0 => table,
                _ => descend(memory, self.root, Level::Zero, page, level, &mut new_table),
            };
            reached = Some((table, level));
            put(
                memory,
                table,
                page,
                level,
                Descriptor::Leaf(Leaf { frame, attributes }),
            );
            done += level.pages();
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
