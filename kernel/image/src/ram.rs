//! RAM at boot: what there is, and who takes what before the page allocator gets the rest.

use crate::board;
use aarch64::boot::Handover;
use aarch64::mmu::direct_map;
use addr::{Frame, FrameRange, GRANULE};
use alloc::vec::Vec;
use boards::{Board, MemoryRange};
use core::mem::MaybeUninit;
use slots::Slot;

/// RAM that nobody has taken yet, ascending.
pub struct Ram {
    free: Vec<FrameRange>,
    /// All that the direct map gets.
    mapped: Vec<FrameRange>,
}

impl Ram {
    /// The RAM of `board` that neither its tree reserves nor the loader has used.
    pub fn of(board: &Board, handover: &Handover) -> Self {
        let taken: Vec<MemoryRange> = taken(board, handover).into_iter().flatten().collect();
        let mut free: Vec<FrameRange> = board.memory.usable(&taken).collect();
        free.extend(board::scratch_frames(handover));
        free.sort_by_key(|range| range.start());
        let mut mapped = free.clone();
        mapped.extend(initrd_frames(board));
        Self { free, mapped }
    }

    /// Maps it, and the initrd, into the direct map.
    pub fn map(&mut self, handover: &mut Handover) {
        let constants = handover.constants();
        for range in core::mem::take(&mut self.mapped) {
            if let Err(error) = handover.map.map_ram(range, constants, || self.take(1)) {
                panic!("RAM cannot be mapped: {error:?}");
            }
        }
    }

    /// What is left.
    pub fn ranges(&self) -> &[FrameRange] {
        &self.free
    }

    /// Frames left.
    pub fn frames(&self) -> u64 {
        self.free.iter().map(|range| range.count()).sum()
    }

    /// Takes `count` frames in a row, from the end of the last range that has them, so that the
    /// large blocks at its start stay whole.
    ///
    /// # Panics
    /// If there are none: the machine is too small for the kernel.
    pub fn take(&mut self, count: u64) -> Frame {
        let Some(index) = self.free.iter().rposition(|range| range.count() > count) else {
            panic!("this machine has too little memory: there are no {count} frames in a row");
        };
        let range = self.free[index];
        let left = range.count() - count;
        if let Some(rest) = FrameRange::new(range.start(), left) {
            self.free[index] = rest;
        }
        range.start().offset(left)
    }

    /// Memory for `count` values, each as `make` makes it, for good. RAM is mapped.
    pub fn take_slice<T>(&mut self, count: usize, make: impl Fn() -> T) -> &'static mut [T] {
        const { assert!(align_of::<T>() <= GRANULE as usize) };
        let frames = ((count * size_of::<T>()) as u64).div_ceil(GRANULE).max(1);
        let start = direct_map::pointer(self.take(frames).start()).cast::<MaybeUninit<T>>();
        // SAFETY: These frames are RAM that nobody else has, in the direct map for good, large
        // enough and aligned; uninitialised memory is what `MaybeUninit` stands for.
        let slice = unsafe { core::slice::from_raw_parts_mut(start.as_ptr(), count) };
        for place in &mut *slice {
            place.write(make());
        }
        // SAFETY: Every element was just written.
        unsafe { slice.assume_init_mut() }
    }

    /// Memory for `count` slots.
    pub fn take_slots<T>(&mut self, count: usize) -> &'static mut [Slot<T>] {
        self.take_slice(count, || Slot::EMPTY)
    }
}

/// The frames of the initrd.
pub fn initrd_frames(board: &Board) -> Option<FrameRange> {
    let initrd = board.initrd?;
    FrameRange::touching(initrd.start(), initrd.end())
}

/// What the loader put into RAM.
fn taken(board: &Board, handover: &Handover) -> [Option<MemoryRange>; 3] {
    let image = handover.image();
    let tree = handover
        .device_tree
        .and_then(|tree| MemoryRange::new(handover.device_tree_at, tree.len() as u64));
    [
        MemoryRange::between(image.start().start(), image.end().start()),
        tree,
        board.initrd,
    ]
}
