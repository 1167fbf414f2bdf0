//! All RAM at a fixed offset: how the kernel reaches frames, translation tables among them.
//!
//! Only what [`crate::mmu::KernelMap`] has mapped is there; the rest of the window faults.
//! Frames may be mapped by programs at the same time, and other CPUs may run those, so nothing here
//! makes a reference to a frame's bytes: they are copied by atomic words and bytes.

use crate::cpu::cache;
use crate::mmu::layout::DIRECT_MAP;
use aarch64_cpu::asm::barrier;
use addr::{Frame, FrameRange, GRANULE, PhysAddr};
use core::arch::asm;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};
use vmsa::{TableIndex, TableMemory};

/// Where the byte at `at` is. The pointer is only good for memory that is in the direct map.
///
/// # Panics
/// Never for an address that a direct map could hold.
pub fn pointer(at: PhysAddr) -> NonNull<u8> {
    match NonNull::new(core::ptr::with_exposed_provenance_mut(
        (DIRECT_MAP + at.raw()) as usize,
    )) {
        Some(pointer) => pointer,
        None => panic!("{at:?} is in no direct map"),
    }
}

/// The `bytes` bytes at `start`.
///
/// # Safety
/// They are in the direct map, and nobody writes to them or hands their frames out: they were mapped by
/// [`crate::mmu::KernelMap::map_constant`], for instance.
pub unsafe fn constant_bytes(start: PhysAddr, bytes: usize) -> &'static [u8] {
    // SAFETY: The caller vouches for the bytes.
    unsafe { core::slice::from_raw_parts(pointer(start).as_ptr(), bytes) }
}

/// Copies from `frame`, `offset` bytes in. What a program writes meanwhile is read in part or not.
///
/// # Panics
/// If that goes beyond the frame.
pub fn read(frame: Frame, offset: usize, to: &mut [u8]) {
    let at = frame_at(frame, check(offset, to.len()));
    // SAFETY: Words are as good as the bytes they consist of.
    let (before, words, behind) = unsafe { to.align_to_mut::<u64>() };
    if !before.is_empty() || !at.is_multiple_of(8) {
        return read_bytes(at, to);
    }
    for (word, at) in words.iter_mut().zip((at..).step_by(8)) {
        *word = word_at(at).load(Ordering::Relaxed);
    }
    read_bytes(at + size_of_val(words), behind);
}

fn read_bytes(at: usize, to: &mut [u8]) {
    for (byte, at) in to.iter_mut().zip(at..) {
        *byte = byte_at(at).load(Ordering::Relaxed);
    }
}

/// The 32-bit word `offset` bytes, a multiple of 4, into `frame`. Under a lock, it shows what was stored before the
/// same lock was taken by whoever had it before: that released it after the store.
///
/// # Panics
/// If that is not in the frame, or no multiple of 4.
pub(crate) fn load_word(frame: Frame, offset: usize) -> u32 {
    assert!(offset.is_multiple_of(4), "a word at {offset}");
    let word = core::ptr::with_exposed_provenance::<AtomicU32>(frame_at(frame, check(offset, 4)));
    // SAFETY: As for `word_at`; it is a multiple of 4.
    let word = unsafe { &*word };
    word.load(Ordering::Acquire)
}

/// Copies into `frame`, `offset` bytes in.
///
/// # Panics
/// If that goes beyond the frame.
pub fn write(frame: Frame, offset: usize, from: &[u8]) {
    let at = frame_at(frame, check(offset, from.len()));
    // SAFETY: Words are as good as the bytes they consist of.
    let (before, words, behind) = unsafe { from.align_to::<u64>() };
    if !before.is_empty() || !at.is_multiple_of(8) {
        return write_bytes(at, from);
    }
    for (word, at) in words.iter().zip((at..).step_by(8)) {
        word_at(at).store(*word, Ordering::Relaxed);
    }
    write_bytes(at + size_of_val(words), behind);
}

fn write_bytes(at: usize, from: &[u8]) {
    for (byte, at) in from.iter().zip(at..) {
        byte_at(at).store(*byte, Ordering::Relaxed);
    }
}

/// Fills `frame` with zeroes, before every later store for all observers: a translation to it that
/// is published afterwards never shows what was there.
pub fn zero(frame: Frame) {
    zero_bytes(frame, GRANULE as usize);
}

/// The same for frames in a row.
pub(crate) fn zero_run(frames: FrameRange) {
    zero_bytes(frames.start(), (frames.count() * GRANULE) as usize);
}

/// How many times in a row DC ZVA is written down: two instructions each, and two more for the loop.
const UNROLLED: usize = 32;

/// Fills `bytes` bytes, whole frames, from `first` on.
#[inline(never)] // once is enough for so long a piece of code
fn zero_bytes(first: Frame, bytes: usize) {
    let start = frame_at(first, 0);
    match cache::zero_block_bytes() {
        Some(block) if UNROLLED * block <= GRANULE as usize => {
            // SAFETY: Zeroes blocks inside of frames that the caller owns, which are a multiple of what one
            // turn of the loop zeroes: both are powers of two. The direct map is Normal memory, where DC ZVA is
            // allowed (Arm ARM, "DC ZVA").
            unsafe {
                asm!(
                    "2:",
                    ".rept {unrolled}",
                    "dc zva, {at}",
                    "add {at}, {at}, {block}",
                    ".endr",
                    "cmp {at}, {end}",
                    "b.ne 2b",
                    at = inout(reg) start => _,
                    block = in(reg) block,
                    end = in(reg) start + bytes,
                    unrolled = const UNROLLED,
                    options(nostack)
                );
            }
        }
        _ => {
            for at in (start..start + bytes).step_by(8) {
                word_at(at).store(0, Ordering::Relaxed);
            }
        }
    }
    barrier::dsb(barrier::ISHST);
}

/// Fills `to` with what is in `from`, before every later store for all observers, as in [`zero`].
pub(crate) fn copy(from: Frame, to: Frame) {
    let words = (GRANULE / 8) as usize;
    let (from, to) = (
        pointer(from.start()).cast::<u64>(),
        pointer(to.start()).cast::<u64>(),
    );
    // SAFETY: Both are whole frames in the direct map. The caller owns `to`, to which nothing leads yet, and says
    // that no program can write to `from`: it is shared, and TLBs have forgotten that anybody could.
    unsafe { core::ptr::copy_nonoverlapping(from.as_ptr(), to.as_ptr(), words) };
    barrier::dsb(barrier::ISHST);
}

/// Copies `bytes` bytes from one frame to another, each so far into it, before every later store for all observers, as in
/// [`zero`]. What a program writes to the source meanwhile is read in part or not.
///
/// # Panics
/// If that goes beyond a frame.
pub(crate) fn copy_bytes(from: (Frame, u64), to: (Frame, u64), bytes: u64) {
    let bytes = bytes as usize;
    let place = |(frame, offset): (Frame, u64)| frame_at(frame, check(offset as usize, bytes));
    // SAFETY: Both places are in the direct map, as `place` checks, and the caller owns the second, to which nothing leads
    // yet. The routine is no Rust code, so what programs do to the first at the same time is no data race for it.
    unsafe { memory_copy_anywhere(place(to), place(from), bytes) };
    barrier::dsb(barrier::ISHST);
}

unsafe extern "C" {
    /// Copies bytes in Normal memory, aligned or not: `memory.S`.
    fn memory_copy_anywhere(to: usize, from: usize, bytes: usize);
}

/// Makes code in `frame` visible to instruction fetches.
pub(crate) fn publish_code(frame: Frame) {
    cache::publish_code(pointer(frame.start()));
}

/// Translation tables in the direct map.
///
/// Descriptors are single 64-bit stores, which a walker sees whole or not at all. When it sees them
/// is ordered by whoever changes tables: [`crate::mmu::tlb`].
pub(crate) struct DirectTables;

impl TableMemory for DirectTables {
    fn load(&self, table: Frame, index: TableIndex) -> u64 {
        word_at(frame_at(table, index.byte_offset())).load(Ordering::Relaxed)
    }

    fn store(&mut self, table: Frame, index: TableIndex, descriptor: u64) {
        word_at(frame_at(table, index.byte_offset())).store(descriptor, Ordering::Relaxed);
    }

    fn zero(&mut self, table: Frame) {
        zero(table);
    }
}

fn check(offset: usize, bytes: usize) -> usize {
    assert!(
        offset
            .checked_add(bytes)
            .is_some_and(|end| end <= GRANULE as usize),
        "{bytes} bytes at {offset}"
    );
    offset
}

#[inline]
fn frame_at(frame: Frame, offset: usize) -> usize {
    (DIRECT_MAP + frame.start().raw()) as usize + offset
}

fn word_at(at: usize) -> &'static AtomicU64 {
    let word = core::ptr::with_exposed_provenance::<AtomicU64>(at);
    // SAFETY: `at` is a multiple of 8 in the direct map, which stays mapped read-write for ever; a
    // frame's contents are only ever accessed as atomics, by programs as well as here.
    unsafe { &*word }
}

fn byte_at(at: usize) -> &'static AtomicU8 {
    let byte = core::ptr::with_exposed_provenance::<AtomicU8>(at);
    // SAFETY: As for `word_at`, without the alignment.
    unsafe { &*byte }
}
