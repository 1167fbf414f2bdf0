//! The first translation tables, built while the MMU is still off.
//!
//! This code runs at physical addresses, while every address stored in the image is a virtual one.
//! So it follows no stored address: no trait objects, no tables of strings. (A panic would, and
//! ends in an exception that `boot_vectors` does not expect: the machine stops. None is expected.) All memory is Device
//! memory now, which knows neither unaligned accesses nor exclusives, hence no locks and no atomic
//! updates.
//!
//! The tables lie at the end of the image's own BSS, so that nothing needs to be known about RAM, and those that are not
//! used can be RAM afterwards.

use crate::boot::device_tree::{self, Found, NoDeviceTree};
use crate::boot::image::Borders;
use crate::cpu::stack::{self, BOOT_STACKS, StackPlace};
use crate::mmu::layout::{DEVICE_TREE_WINDOW, SCRATCH_TABLE_PAGE};
use aarch64_cpu::registers::{ID_AA64MMFR0_EL1, MAIR_EL1, TCR_EL1, TTBR0_EL1, TTBR1_EL1};
use addr::{Frame, FrameRange, MemoryKind, Page, PhysAddr, VirtAddr};
use core::cell::UnsafeCell;
use core::mem::MaybeUninit;
use tock_registers::interfaces::{Readable, Writeable};
use vmsa::asid::{Asid, AsidBits};
use vmsa::{Attributes, KernelAccess, KernelTables, TableIndex, TableMemory, control};

/// Tables set aside: three levels for the kernel, two of level 3 each for the image, which the linker script limits to
/// 4 MiB, and for a device tree; seven for the identity map, if its two pages are the last of one half of the address
/// space's and the first of another; three for registers that are mapped before it is known where RAM is.
const TABLES: usize = 17;

#[repr(C, align(4096))]
pub(crate) struct TableFrame(UnsafeCell<[u64; vmsa::ENTRIES as usize]>);

// SAFETY: Before the MMU is on there is one CPU and one owner, `prepare_translation`; afterwards
// the contents are reached by physical address only.
unsafe impl Sync for TableFrame {}

impl TableFrame {
    /// A table without a valid descriptor.
    pub(crate) const fn empty() -> Self {
        Self(UnsafeCell::new([0; vmsa::ENTRIES as usize]))
    }

    /// Its frame: with the MMU off, addresses are physical.
    fn frame_with_mmu_off(&'static self) -> Frame {
        PhysAddr::new((&raw const *self).expose_provenance() as u64).frame()
    }
}

/// Used from the lowest on. The linker script puts them at the end of BSS, so what is not used is one piece with what
/// lies behind.
#[unsafe(link_section = ".early_tables")]
static EARLY_TABLES: [TableFrame; TABLES] = [const { TableFrame::empty() }; TABLES];
static SCRATCH_TABLE: TableFrame = TableFrame::empty();
/// In BSS, like everything that is written with the cache off.
static PREPARED: PreparedCell = PreparedCell(UnsafeCell::new(MaybeUninit::uninit()));

/// What [`prepare_translation`] leaves to the code after it.
#[derive(Clone, Copy)]
pub(crate) struct Prepared {
    /// The kernel's tables.
    pub kernel: KernelTables,
    /// The way across for CPUs that are started later.
    pub identity: KernelTables,
    /// What is left of the tables set aside.
    pub spare: SpareTables,
    /// The device tree that was mapped.
    pub device_tree: Result<Found, NoDeviceTree>,
}

/// Tables that were set aside and that nobody has taken yet.
#[derive(Clone, Copy)]
pub struct SpareTables {
    next: Frame,
    left: u64,
}

impl SpareTables {
    /// Takes one.
    ///
    /// # Panics
    /// If none is left.
    pub fn take(&mut self) -> Frame {
        assert!(self.left > 0, "the tables set aside for boot are used up");
        let table = self.next;
        self.next = table.offset(1);
        self.left -= 1;
        table
    }

    /// The lowest one that is left: from here on nothing in the image is used any more when boot is over.
    pub(crate) fn first(self) -> Frame {
        self.next
    }
}

struct PreparedCell(UnsafeCell<MaybeUninit<Prepared>>);

// SAFETY: Written by the one CPU that boots, before there is code that could read it.
unsafe impl Sync for PreparedCell {}

impl Prepared {
    /// # Safety
    /// [`prepare_translation`] has been called.
    pub(crate) unsafe fn get() -> Self {
        // SAFETY: Nothing writes it any more.
        let prepared = unsafe { &*PREPARED.0.get() };
        // SAFETY: The caller vouches that it has been written.
        unsafe { prepared.assume_init() }
    }
}

/// Builds the kernel's map of itself and the identity map of the code that turns the MMU on, and
/// loads all translation registers except SCTLR_EL1.
///
/// `device_tree` and `image` are physical; `linked` is the address the image is linked for.
pub(crate) extern "C" fn prepare_translation(device_tree: u64, image: u64, linked: u64) {
    let mut memory = MmuOff;
    let [first, ..] = &EARLY_TABLES;
    let mut spare = SpareTables {
        next: first.frame_with_mmu_off(),
        left: TABLES as u64,
    };
    let mut new_table = || spare.take();

    let kernel = KernelTables::create(&mut memory, new_table());
    let mut map = |at: u64, frames: Option<FrameRange>, access: KernelAccess| {
        if let Some(frames) = frames {
            let attributes = Attributes::kernel(access, MemoryKind::Normal);
            kernel.map(
                &mut memory,
                VirtAddr::new(at).page(),
                frames,
                attributes,
                &mut new_table,
            );
        }
    };
    map_image(&mut map, linked - image);
    let device_tree = device_tree::find(PhysAddr::new(device_tree));
    map(
        DEVICE_TREE_WINDOW,
        device_tree.ok().map(|found| found.frames),
        KernelAccess::ReadOnly,
    );
    make_scratch_table(kernel, &mut memory);
    map_stacks(kernel, &mut memory);

    let identity = KernelTables::create(&mut memory, new_table());
    let here = Borders::here();
    if let Some(boot) = between(here.start, here.boot_end) {
        let attributes = Attributes::kernel(KernelAccess::ReadExecute, MemoryKind::Normal);
        identity.map(
            &mut memory,
            Page::from_number(boot.start().number()),
            boot,
            attributes,
            &mut new_table,
        );
    }
    load_registers(kernel, identity);
    let prepared = Prepared {
        kernel,
        identity,
        spare,
        device_tree,
    };
    // SAFETY: Nobody else runs, so nobody reads it.
    unsafe { PREPARED.0.get().write(MaybeUninit::new(prepared)) };
}

/// Code may be executed, variables written, nothing both; the stacks are left out.
fn map_image(map: &mut impl FnMut(u64, Option<FrameRange>, KernelAccess), up: u64) {
    let here = Borders::here();
    let mut part = |start: u64, end: u64, access| map(start + up, between(start, end), access);
    part(here.start, here.text_end, KernelAccess::ReadExecute);
    part(here.text_end, here.rodata_end, KernelAccess::ReadOnly);
    let stacks = BOOT_STACKS.place();
    part(here.rodata_end, stacks.start, KernelAccess::ReadWrite);
    part(stacks.end, here.end, KernelAccess::ReadWrite);
}

fn between(start: u64, end: u64) -> Option<FrameRange> {
    FrameRange::inside(PhysAddr::new(start), PhysAddr::new(end))
}

/// Makes the table above the scratch page, by mapping the table itself behind that page.
fn make_scratch_table(kernel: KernelTables, memory: &mut MmuOff) {
    let attributes = Attributes::kernel(KernelAccess::ReadWrite, MemoryKind::Normal);
    let page = VirtAddr::new(SCRATCH_TABLE_PAGE).page();
    if let Some(frames) = FrameRange::new(SCRATCH_TABLE.frame_with_mmu_off(), 1) {
        kernel.map(
            memory,
            page,
            frames,
            attributes,
            no_more_than(Some(frames.start())),
        );
    }
}

/// A source of tables that has this one at most: the scratch page is in the GiB of the image, and the stacks are in its 2 MiB.
fn no_more_than(mut table: Option<Frame>) -> impl FnMut() -> Frame {
    move || match table.take() {
        Some(table) => table,
        None => panic!("scratch page and stacks are where one table is enough"),
    }
}

/// Maps this CPU's stacks where those of others will be. What they need of tables is there.
fn map_stacks(kernel: KernelTables, memory: &mut MmuOff) {
    let attributes = Attributes::kernel(KernelAccess::ReadWrite, MemoryKind::Normal);
    for ((offset, _), frames) in stack::MAPPED.into_iter().zip(BOOT_STACKS.parts()) {
        let page = VirtAddr::new(StackPlace::BOOT.0 + offset as u64).page();
        if let Some(frames) = frames {
            kernel.map(memory, page, frames, attributes, no_more_than(None));
        }
    }
}

fn load_registers(kernel: KernelTables, identity: KernelTables) {
    let features = ID_AA64MMFR0_EL1.get();
    let pa_range = ID_AA64MMFR0_EL1.read(ID_AA64MMFR0_EL1::PARange);
    MAIR_EL1.set(control::MAIR_EL1);
    TCR_EL1.set(control::tcr_el1(pa_range, AsidBits::implemented(features)));
    TTBR0_EL1.set(control::ttbr0_el1(identity.root(), Asid::NO_PROCESS));
    TTBR1_EL1.set(control::ttbr1_el1(kernel.root()));
}

/// Tables by physical address, with the MMU off.
struct MmuOff;

impl MmuOff {
    fn descriptor(table: Frame, index: TableIndex) -> *mut u64 {
        core::ptr::with_exposed_provenance_mut::<u64>(table.start().raw() as usize + index.byte_offset())
    }
}

impl TableMemory for MmuOff {
    fn load(&self, table: Frame, index: TableIndex) -> u64 {
        // SAFETY: All tables are frames of `EARLY_TABLES` and `SCRATCH_TABLE`, which live for ever, and the MMU is off.
        unsafe { Self::descriptor(table, index).read_volatile() }
    }

    fn store(&mut self, table: Frame, index: TableIndex, descriptor: u64) {
        // SAFETY: As for `load`; nobody else uses the tables yet, not even a walker.
        unsafe { Self::descriptor(table, index).write_volatile(descriptor) }
    }

    fn zero(&mut self, table: Frame) {
        for index in TableIndex::all() {
            self.store(table, index, 0);
        }
    }
}
