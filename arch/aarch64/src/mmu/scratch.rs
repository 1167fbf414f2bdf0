//! The kernel's own tables, one at a time through a scratch page.
//!
//! The direct map is what frames are reached by; but while it is built, the frames of its own
//! tables are not in it yet. So the kernel's tables, which change at boot and when a driver maps
//! registers, are reached through one page that is mapped to the table in question. Slow, and no
//! matter where the frame is. The same page serves to change frames that get no writable address of their own.

use crate::mmu::layout::{SCRATCH_PAGE, SCRATCH_TABLE_PAGE};
use crate::mmu::tlb;
use addr::{Frame, MemoryKind, VirtAddr};
use core::cell::Cell;
use core::ops::Range;
use core::sync::atomic::{AtomicU8, AtomicU64, Ordering};
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

    /// Zeroes these bytes of `frame`, which is not a table.
    pub(crate) fn zero_bytes(&mut self, frame: Frame, bytes: Range<u64>) {
        self.show(frame);
        for offset in bytes {
            byte(SCRATCH_PAGE, offset).store(0, Ordering::Relaxed);
        }
    }

    fn show(&self, frame: Frame) {
        if self.shows.replace(Some(frame)) == Some(frame) {
            return;
        }
        let leaf = Leaf {
            frame,
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

fn byte(page: u64, offset: u64) -> &'static AtomicU8 {
    let byte = core::ptr::with_exposed_provenance::<AtomicU8>((page + offset % addr::GRANULE) as usize);
    // SAFETY: As for `word`, without the alignment; nobody has a reference to bytes that are not constant yet.
    unsafe { &*byte }
}

fn word(page: u64, index: TableIndex) -> &'static AtomicU64 {
    let word = core::ptr::with_exposed_provenance::<AtomicU64>(page as usize + index.byte_offset());
    // SAFETY: Both pages are mapped read-write for ever: the scratch table by boot, the scratch
    // page to a table by `show`. Tables are only ever accessed as atomic words.
    unsafe { &*word }
}
