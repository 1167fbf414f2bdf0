//! The kernel's own tables, one at a time through a scratch page.
//!
//! The direct map is what frames are reached by; but while it is built, the frames of its own
//! tables are not in it yet. So the kernel's tables, which change at boot and when a driver maps
//! registers, are reached through one page that is mapped to the table in question. Slow, and no
//! matter where the frame is.

use crate::mmu::layout::{SCRATCH_PAGE, SCRATCH_TABLE_PAGE};
use crate::mmu::tlb;
use addr::{Frame, MemoryKind, VirtAddr};
use core::cell::Cell;
use core::sync::atomic::{AtomicU64, Ordering};
use vmsa::{Attributes, Descriptor, KernelAccess, Leaf, Level, TableIndex, TableMemory};

/// The scratch page. There is one, with one owner: [`crate::mmu::KernelMap`].
pub(crate) struct Scratch {
    shows: Cell<Option<Frame>>,
}

impl Scratch {
    pub(crate) const fn new() -> Self {
        Self {
            shows: Cell::new(None),
        }
    }

    /// The descriptor at `index` of `table`, until the page shows another.
    fn descriptor(&self, table: Frame, index: TableIndex) -> &AtomicU64 {
        self.show(table);
        word(SCRATCH_PAGE, index)
    }

    fn show(&self, table: Frame) {
        if self.shows.replace(Some(table)) == Some(table) {
            return;
        }
        let leaf = Leaf {
            frame: table,
            attributes: Attributes::kernel(KernelAccess::ReadWrite, MemoryKind::Normal),
        };
        let own = word(
            SCRATCH_TABLE_PAGE,
            Level::Three.index(VirtAddr::new(SCRATCH_PAGE).page()),
        );
        // Break-before-make: never two frames at one address in any TLB (Arm ARM, "Using
        // break-before-make when updating translation table entries").
        own.store(Descriptor::Invalid.encode(Level::Three), Ordering::Relaxed);
        tlb::invalidate_kernel_page(VirtAddr::new(SCRATCH_PAGE));
        own.store(Descriptor::Leaf(leaf).encode(Level::Three), Ordering::Relaxed);
        tlb::publish_new_entries();
    }
}

impl TableMemory for Scratch {
    fn load(&self, table: Frame, index: TableIndex) -> u64 {
        self.descriptor(table, index).load(Ordering::Relaxed)
    }

    fn store(&mut self, table: Frame, index: TableIndex, descriptor: u64) {
        self.descriptor(table, index).store(descriptor, Ordering::Relaxed);
    }

    fn zero(&mut self, table: Frame) {
        for index in TableIndex::all() {
            self.store(table, index, Descriptor::Invalid.encode(Level::Three));
        }
        tlb::publish_new_entries();
    }
}

fn word(page: u64, index: TableIndex) -> &'static AtomicU64 {
    let word = core::ptr::with_exposed_provenance::<AtomicU64>(page as usize + index.byte_offset());
    // SAFETY: Both pages are mapped read-write for ever: the scratch table by boot, the scratch
    // page to a table by `show`. Tables are only ever accessed as atomic words.
    unsafe { &*word }
}
