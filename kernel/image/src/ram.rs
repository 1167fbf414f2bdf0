//! RAM at boot: what there is, and who takes what before the page allocator gets the rest.

use crate::{exit, initrd};
use aarch64::boot::Handover;
use aarch64::cpu;
use aarch64::mmu::{MapError, direct_map};
use addr::{Frame, FrameRange, GRANULE, PhysAddr};
use alloc::vec::Vec;
use boards::{Board, Cpu, EnableMethod, MemoryRange};
use core::mem::MaybeUninit;
use core::ops::Range;
use slots::Slot;

/// RAM that nobody has taken yet, ascending.
pub struct Ram {
    free: Vec<FrameRange>,
    /// All of it, for the direct map, and the initrd.
    mapped: Vec<FrameRange>,
    constant: Option<FrameRange>,
    /// What is left of the lowest frame that slices have taken: the bytes before those in use.
    room: Range<u64>,
}

impl Ram {
    /// The RAM of `board` that neither its tree reserves nor the loader has used. The tree itself is in it, for it has
    /// been read.
    pub fn of(board: &Board, handover: &Handover) -> Self {
        let taken = taken(board, handover);
        let usable = board.memory.usable(&taken).filter_map(addressable);
        let mut free: Vec<FrameRange> = usable.collect();
        let mapped = free.clone();
        keep_largest(&mut free, mm::MOST_RANGES);
        Self {
            free,
            mapped,
            constant: initrd::frames(board),
            room: 0..0,
        }
    }

    /// Maps it into the direct map, and the initrd for reading.
    pub fn map(&mut self, handover: &mut Handover) {
        if let Err(error) = self.try_map(handover) {
            exit::cannot_start(format_args!("{error}"));
        }
    }

    fn try_map(&mut self, handover: &mut Handover) -> Result<(), MapError> {
        let image = handover.constants();
        for range in core::mem::take(&mut self.mapped) {
            handover.map.map_ram(range, image, &mut || self.take(1))?;
        }
        match self.constant.take() {
            Some(initrd) => handover.map.map_constant(initrd, &mut || self.take(1)),
            None => Ok(()),
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
    /// large blocks at its start stay whole. If there are none, the machine ends and says so:
    /// [`crate::storage::check_room`] has seen that there is enough, but it may be in pieces.
    pub fn take(&mut self, count: u64) -> Frame {
        let index = self.range_with(count);
        let range = self.free[index];
        let left = range.count() - count;
        if let Some(rest) = FrameRange::new(range.start(), left) {
            self.free[index] = rest;
        }
        range.start().offset(left)
    }

    /// The range that [`take`](Self::take) takes `count` frames from.
    fn range_with(&self, count: u64) -> usize {
        let Some(index) = self.free.iter().rposition(|range| range.count() > count) else {
            exit::cannot_start(format_args!(
                "the free RAM is in pieces too small: none has {} KiB in a row",
                count * GRANULE / 1024
            ));
        };
        index
    }

    /// Takes `bytes` bytes that begin a cache line, right before what was taken last if that is possible: so no slice
    /// leaves a part of a frame unused.
    #[inline(never)] // however many types of values there are
    fn take_bytes(&mut self, bytes: u64) -> PhysAddr {
        let missing = bytes
            .saturating_sub(self.room.end - self.room.start)
            .div_ceil(GRANULE);
        if missing > 0 && self.free[self.range_with(missing)].end().start().raw() == self.room.start {
            self.room.start = self.take(missing).start().raw();
        } else if missing > 0 {
            let count = bytes.div_ceil(GRANULE);
            let first = self.take(count);
            self.room = first.start().raw()..first.offset(count).start().raw();
        }
        self.room.end = (self.room.end - bytes) & !(CACHE_LINE - 1);
        PhysAddr::new(self.room.end)
    }

    /// Memory for `count` values, each as `make` makes it, for good. RAM is mapped.
    pub fn take_slice<T>(&mut self, count: usize, make: impl Fn() -> T) -> &'static mut [T] {
        const { assert!(align_of::<T>() <= CACHE_LINE as usize) };
        let bytes = (count * size_of::<T>()) as u64;
        let start = direct_map::pointer(self.take_bytes(bytes)).cast::<MaybeUninit<T>>();
        // SAFETY: These bytes are RAM that nobody else has, in the direct map for good, large
        // enough and aligned; uninitialised memory is what `MaybeUninit` stands for.
        let slice = unsafe { core::slice::from_raw_parts_mut(start.as_ptr(), count) };
        for place in &mut *slice {
            place.write(make());
        }
        // SAFETY: Every element was just written.
        unsafe { slice.assume_init_mut() }
    }

    /// Memory for one value, for good. RAM is mapped.
    pub fn take_place<T>(&mut self) -> &'static mut MaybeUninit<T> {
        let [place] = self.take_slice(1, MaybeUninit::uninit) else {
            panic!("one place was asked for");
        };
        place
    }

    /// Memory for `count` slots.
    pub fn take_slots<T>(&mut self, count: usize) -> &'static mut [Slot<T>] {
        self.take_slice(count, Slot::empty)
    }
}

/// No two slices share a line.
const CACHE_LINE: u64 = 64;

/// Frames that `count` values take at most.
pub fn frames_for<T>(count: usize) -> u64 {
    ((count * size_of::<T>()) as u64).div_ceil(GRANULE).max(1)
}

/// Gives up the smallest ranges until `most` are left.
fn keep_largest(ranges: &mut Vec<FrameRange>, most: usize) {
    while ranges.len() > most
        && let Some((smallest, _)) = ranges.iter().enumerate().min_by_key(|(_, range)| range.count())
    {
        ranges.remove(smallest);
    }
}

/// What of it the CPU can address.
fn addressable(range: FrameRange) -> Option<FrameRange> {
    let end = Frame::from_number(cpu::physical_addresses() / GRANULE).min(range.end());
    let count = end.number().checked_sub(range.start().number())?;
    FrameRange::new(range.start(), count)
}

/// What the loader and firmware put into RAM, and is needed.
fn taken(board: &Board, handover: &Handover) -> Vec<MemoryRange> {
    let mut taken = Vec::new();
    let mut take = |range: Option<MemoryRange>| {
        if let Some(range) = range {
            taken.push(range);
        }
    };
    take(range_of(handover.kept_image()));
    take(initrd::place(board));
    for cpu in board.cpus.iter() {
        take(spin_table(cpu));
    }
    taken
}

fn range_of(frames: FrameRange) -> Option<MemoryRange> {
    MemoryRange::between(frames.start().start(), frames.end().start())
}

/// Where a CPU that firmware has parked looks for an address to go to. It does so for ever, and
/// jumps to whatever it finds there, so nobody may write to it; trees do not always reserve it.
fn spin_table(cpu: Cpu) -> Option<MemoryRange> {
    match cpu.enable {
        EnableMethod::SpinTable { release } => MemoryRange::new(release, size_of::<u64>() as u64),
        EnableMethod::Psci | EnableMethod::Unknown => None,
    }
}
