//! The kernel's tables: blocks where they fit, W^X, both halves of the address space.

mod common;

use addr::{FrameRange, MemoryKind, Page, VirtAddr};
use common::{Frames, TestMemory, frame};
use proptest::prelude::proptest;
use vmsa::{Attributes, KernelAccess, KernelMapping, KernelTables, Level};

const DIRECT_MAP: u64 = 0xffff_8000_0000_0000;

struct Kernel {
    memory: TestMemory,
    frames: Frames,
    tables: KernelTables,
}

impl Kernel {
    fn new() -> Self {
        let (mut memory, mut frames) = (TestMemory::default(), Frames::default());
        let tables = KernelTables::create(&mut memory, frames.take());
        Self {
            memory,
            frames,
            tables,
        }
    }

    fn map(&mut self, at: u64, first_frame: u64, count: u64, access: KernelAccess) {
        let range = FrameRange::new(frame(first_frame), count).expect("frames");
        let attributes = Attributes::kernel(access, MemoryKind::Normal);
        let start = Page::starting_at(VirtAddr::new(at)).expect("aligned");
        self.tables
            .map(&mut self.memory, start, range, attributes, || self.frames.take());
    }

    fn lookup(&self, at: u64) -> Option<KernelMapping> {
        self.tables.lookup(&self.memory, VirtAddr::new(at))
    }
}

#[test]
fn four_gib_of_ram_take_four_blocks_and_two_tables() {
    let mut kernel = Kernel::new();
    kernel.map(DIRECT_MAP, 0, 4 << 18, KernelAccess::ReadWrite);
    assert_eq!(kernel.frames.used(), 2);
    let found = kernel.lookup(DIRECT_MAP + 0xfedc_ba98).expect("mapped");
    assert_eq!((found.addr.raw(), found.level), (0xfedc_ba98, Level::One));
    assert_eq!(kernel.lookup(DIRECT_MAP + (4 << 30)), None);
}

#[test]
fn an_unaligned_range_begins_and_ends_with_smaller_pieces() {
    let mut kernel = Kernel::new();
    // From 2 MiB - 4 KiB to 1 GiB + 4 KiB.
    kernel.map(
        DIRECT_MAP + (511 << 12),
        511,
        (1 << 18) - 510,
        KernelAccess::ReadWrite,
    );
    let level = |at: u64| kernel.lookup(DIRECT_MAP + at).map(|found| found.level);
    assert_eq!(level(510 << 12), None);
    assert_eq!(level(511 << 12), Some(Level::Three));
    assert_eq!(level(2 << 20), Some(Level::Two));
    assert_eq!(level((1 << 30) - 1), Some(Level::Two));
    assert_eq!(level(1 << 30), Some(Level::Three));
    assert_eq!(level((1 << 30) + 4096), None);
}

#[test]
fn frames_out_of_step_with_their_pages_get_no_blocks() {
    let mut kernel = Kernel::new();
    kernel.map(DIRECT_MAP, 1, 1024, KernelAccess::ReadOnly);
    let found = kernel.lookup(DIRECT_MAP + (2 << 20) + 5).expect("mapped");
    assert_eq!((found.addr.raw(), found.level), ((513 << 12) + 5, Level::Three));
}

#[test]
fn parts_of_an_image_keep_their_own_permissions() {
    let mut kernel = Kernel::new();
    let image = 0xffff_ffff_8000_0000;
    kernel.map(image, 0x4_0080, 16, KernelAccess::ReadExecute);
    kernel.map(image + (16 << 12), 0x4_0090, 4, KernelAccess::ReadOnly);
    // One page is left out: a guard.
    kernel.map(image + (21 << 12), 0x4_0095, 4, KernelAccess::ReadWrite);
    let access = |page: u64| kernel.lookup(image + (page << 12)).map(|found| found.access);
    assert_eq!(access(15), Some(KernelAccess::ReadExecute));
    assert_eq!(access(16), Some(KernelAccess::ReadOnly));
    assert_eq!(access(20), None);
    assert_eq!(access(21), Some(KernelAccess::ReadWrite));
}

#[test]
fn the_last_page_of_the_address_space_can_be_mapped() {
    let mut kernel = Kernel::new();
    kernel.map(0xffff_ffff_ffff_f000, 1, 1, KernelAccess::ReadOnly);
    assert!(kernel.lookup(u64::MAX).is_some());
}

#[test]
#[should_panic(expected = "run out of the address space")]
fn a_range_behind_the_end_is_refused() {
    Kernel::new().map(0xffff_ffff_ffff_f000, 1, 2, KernelAccess::ReadOnly);
}

#[test]
#[should_panic(expected = "lies in a mapped block")]
fn a_page_inside_a_block_is_not_mapped_again() {
    let mut kernel = Kernel::new();
    kernel.map(DIRECT_MAP, 0, 512, KernelAccess::ReadWrite);
    kernel.map(DIRECT_MAP + 4096, 1, 1, KernelAccess::ReadOnly);
}

proptest! {
    #[test]
    fn every_byte_of_a_range_is_translated_and_none_beside_it(
        offset in 0..2048u64, shift in 0..3u64, count in 1..4096u64, probe in 0..4096u64,
    ) {
        let mut kernel = Kernel::new();
        kernel.map(DIRECT_MAP + (offset << 12), offset + 512 * shift, count, KernelAccess::ReadWrite);
        let at = |page: u64| kernel.lookup(DIRECT_MAP + (page << 12) + 7).map(|found| found.addr.raw());
        let inside = offset + probe % count;
        assert_eq!(at(inside), Some(((inside + 512 * shift) << 12) + 7));
        assert_eq!(at(offset + count), None);
        if offset > 0 {
            assert_eq!(at(offset - 1), None);
        }
        assert_eq!(kernel.memory.replaced, 0);
    }
}
