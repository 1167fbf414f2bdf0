//! The kernel's own map after boot: RAM into the direct map, device registers into their window.

use crate::boot::Handover;
use crate::cpu::features;
use crate::cpu::stack::{self, StackPlace};
use crate::mmu::layout::{DEVICE_WINDOW, DIRECT_MAP, DIRECT_MAP_BYTES};
use crate::mmu::scratch::Scratch;
use crate::mmu::tlb;
use addr::{Frame, FrameRange, MemoryKind, PhysAddr, VirtAddr};
use core::fmt;
use core::ops::Range;
use core::ptr::NonNull;
use kcore::CpuId;
use vmsa::{Attributes, KernelAccess, KernelTables};

/// The tables behind TTBR1. They only grow.
pub struct KernelMap {
    tables: KernelTables,
    scratch: Scratch,
    /// Where the next device registers go.
    next_device: VirtAddr,
}

/// Why something could not be mapped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MapError {
    /// RAM that ends beyond 128 TiB or what the CPU can address.
    OutOfDirectMap(FrameRange),
    /// Device registers without length, or beyond what the CPU can address.
    NoSuchRegisters(PhysAddr),
}

impl fmt::Display for MapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutOfDirectMap(range) => {
                let (start, end) = (range.start().start(), range.end().start());
                write!(
                    f,
                    "the RAM at {start}-{end} ends beyond what this CPU and kernel can address"
                )
            }
            Self::NoSuchRegisters(at) => write!(f, "there can be no registers at {at}"),
        }
    }
}

impl KernelMap {
    /// The tables that boot has made.
    pub(crate) const fn new(tables: KernelTables) -> Self {
        Self {
            tables,
            scratch: Scratch::new(),
            next_device: VirtAddr::new(DEVICE_WINDOW),
        }
    }

    /// Puts `ram` into the direct map, except for the image's code and constants: what is not to be
    /// written to has no writable address. Tables are made of frames from `new_table`.
    ///
    /// `ram` must be memory, all of it, and nobody maps any of it with another memory type: the CPU
    /// may read ahead anywhere in it.
    ///
    /// # Errors
    /// [`MapError::OutOfDirectMap`] if there is no room for its addresses.
    ///
    /// # Panics
    /// If some of it has been mapped already.
    pub fn map_ram(
        &mut self,
        ram: FrameRange,
        image: ImageFrames,
        new_table: &mut dyn FnMut() -> Frame,
    ) -> Result<(), MapError> {
        for part in without(ram, image.0).into_iter().flatten() {
            self.map_directly(part, KernelAccess::ReadWrite, &mut *new_table)?;
        }
        Ok(())
    }

    /// Puts `frames` into the direct map for reading: nobody writes to them any more. As [`Self::map_ram`]
    /// otherwise.
    ///
    /// # Errors
    /// [`MapError::OutOfDirectMap`] if there is no room for its addresses; nothing has been mapped.
    ///
    /// # Panics
    /// If some of it has been mapped already.
    pub fn map_constant(
        &mut self,
        frames: FrameRange,
        new_table: &mut dyn FnMut() -> Frame,
    ) -> Result<(), MapError> {
        self.map_directly(frames, KernelAccess::ReadOnly, new_table)
    }

    /// Zeroes bytes of RAM that is not in the direct map yet: `bytes` of `frame`.
    pub fn zero_bytes(&mut self, frame: Frame, bytes: Range<u64>) {
        self.scratch.zero_bytes(frame, bytes);
    }

    fn map_directly(
        &mut self,
        frames: FrameRange,
        access: KernelAccess,
        new_table: &mut dyn FnMut() -> Frame,
    ) -> Result<(), MapError> {
        if frames.end().start().raw() > DIRECT_MAP_BYTES.min(features::physical_addresses()) {
            return Err(MapError::OutOfDirectMap(frames));
        }
        let attributes = Attributes::kernel(access, MemoryKind::Normal);
        let at = VirtAddr::new(DIRECT_MAP + frames.start().start().raw()).page();
        self.tables
            .map(&mut self.scratch, at, frames, attributes, new_table);
        tlb::publish_new_entries();
        Ok(())
    }

    /// Maps the `bytes` bytes of device registers at `start`, and returns where. The type is
    /// Device-nGnRE: in order, not merged, not speculative, but a store may be acknowledged on its
    /// way.
    ///
    /// # Errors
    /// [`MapError::NoSuchRegisters`] if `bytes` is 0 or the end is beyond what the CPU can address.
    pub fn map_device(
        &mut self,
        start: PhysAddr,
        bytes: u64,
        new_table: &mut dyn FnMut() -> Frame,
    ) -> Result<NonNull<u8>, MapError> {
        let refused = MapError::NoSuchRegisters(start);
        let end = start
            .checked_add(bytes)
            .filter(|end| end.raw() <= features::physical_addresses())
            .ok_or(refused)?;
        let frames = FrameRange::touching(start, end).ok_or(refused)?;
        let at = self.next_device;
        // A page between neighbours stays unmapped, so that running off the end faults.
        let next = at
            .checked_add((frames.count() + 1) * addr::GRANULE)
            .ok_or(refused)?;
        let attributes = Attributes::kernel(KernelAccess::ReadWrite, MemoryKind::Device);
        self.tables
            .map(&mut self.scratch, at.page(), frames, attributes, new_table);
        tlb::publish_new_entries();
        self.next_device = next;
        let registers = core::ptr::with_exposed_provenance_mut((at.raw() + start.offset()) as usize);
        NonNull::new(registers).ok_or(refused)
    }

    /// Maps stacks for `cpu`, made of `frames`, which hands out as many frames in a row as it is asked for. The
    /// holes below them stay unmapped.
    ///
    /// # Panics
    /// If that CPU has stacks.
    pub(crate) fn map_stacks(&mut self, cpu: CpuId, frames: &mut dyn FnMut(u64) -> Frame) -> StackPlace {
        let place = StackPlace::of(cpu);
        let attributes = Attributes::kernel(KernelAccess::ReadWrite, MemoryKind::Normal);
        for (offset, bytes) in stack::MAPPED {
            let count = bytes as u64 / addr::GRANULE;
            if let Some(stack) = FrameRange::new(frames(count), count) {
                let at = VirtAddr::new(place.0 + offset as u64).page();
                let new_table: &mut dyn FnMut() -> Frame = &mut || frames(1);
                self.tables
                    .map(&mut self.scratch, at, stack, attributes, new_table);
            }
        }
        tlb::publish_new_entries();
        place
    }
}

/// The frames of the image's code and constants.
#[derive(Clone, Copy)]
pub struct ImageFrames(FrameRange);

impl Handover {
    /// What [`KernelMap::map_ram`] leaves out.
    pub fn constants(&self) -> ImageFrames {
        ImageFrames(self.constant_image())
    }
}

/// `range` less `hole`: what lies before and behind.
fn without(range: FrameRange, hole: FrameRange) -> [Option<FrameRange>; 2] {
    let between =
        |start: Frame, end: Frame| FrameRange::new(start, end.number().checked_sub(start.number())?);
    if !range.overlaps(hole) {
        return [Some(range), None];
    }
    [
        between(range.start(), hole.start()),
        between(hole.end(), range.end()),
    ]
}
