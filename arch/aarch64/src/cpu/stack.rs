//! The two stacks of a CPU, each with pages below it that are not mapped: there is no memory for these.

use crate::mmu::layout::STACK_WINDOW;
use addr::{FrameRange, GRANULE, PhysAddr};
use core::cell::UnsafeCell;
use core::ops::Range;
use kcore::{CpuId, MAX_CPUS};

/// Bytes of the stack that all kernel code runs on. Boot goes 17 KiB deep, since it puts together there what it makes; nothing
/// that a trap does goes 6 KiB.
const STACK_BYTES: usize = 24 * 1024;
/// Bytes of the stack for exceptions of the kernel itself: enough to report one, which takes 2 KiB.
const EMERGENCY_BYTES: usize = 8 * 1024;
/// Bytes below each stack that are not mapped: more than the largest frame, so that no function
/// steps over them.
const GUARD_BYTES: usize = 4 * GRANULE as usize;

/// What the first CPU's stacks are made of, in use before the MMU is on. Afterwards it has them where others have theirs.
#[repr(C, align(4096))]
pub(crate) struct BootStacks(UnsafeCell<[u8; STACK_BYTES + EMERGENCY_BYTES]>);

// SAFETY: Only the stack pointer of one CPU goes there; no reference to the contents is ever made.
unsafe impl Sync for BootStacks {}

pub(crate) static BOOT_STACKS: BootStacks = BootStacks(UnsafeCell::new([0; STACK_BYTES + EMERGENCY_BYTES]));

/// Where the stack begins in these.
pub(crate) const BOOT_STACK_TOP: usize = STACK_BYTES;

impl BootStacks {
    /// Where they are, as seen from here: physical with the MMU off.
    pub(crate) fn place(&'static self) -> Range<u64> {
        let start = (&raw const *self).addr() as u64;
        start..start + size_of::<Self>() as u64
    }

    /// With the MMU off, what each of the parts that are [`MAPPED`] is made of.
    pub(crate) fn parts(&'static self) -> [Option<FrameRange>; 2] {
        let Range { start, end } = self.place();
        let border = start + STACK_BYTES as u64;
        [(start, border), (border, end)]
            .map(|(start, end)| FrameRange::inside(PhysAddr::new(start), PhysAddr::new(end)))
    }
}

/// The parts of the place of a CPU's stacks, from its start on. They grow down, into the guards.
const STACK: usize = GUARD_BYTES;
const STACK_TOP: usize = STACK + STACK_BYTES;
const EMERGENCY: usize = STACK_TOP + GUARD_BYTES;
const EMERGENCY_TOP: usize = EMERGENCY + EMERGENCY_BYTES;

/// Where the parts that are mapped begin, and how many bytes each has.
pub(crate) const MAPPED: [(usize, usize); 2] = [(STACK, STACK_BYTES), (EMERGENCY, EMERGENCY_BYTES)];

/// Bytes of all places of stacks.
pub(crate) const ALL_PLACES: usize = MAX_CPUS * EMERGENCY_TOP;

/// The address of a CPU's stacks.
#[derive(Clone, Copy)]
pub(crate) struct StackPlace(pub u64);

impl StackPlace {
    /// That of the first CPU.
    pub(crate) const BOOT: Self = Self::of(CpuId::BOOT);

    /// That of `cpu`.
    pub(crate) const fn of(cpu: CpuId) -> Self {
        Self(STACK_WINDOW + (cpu.index() * EMERGENCY_TOP) as u64)
    }

    /// Initial stack pointer for kernel code.
    pub(crate) const fn top(self) -> u64 {
        self.0 + STACK_TOP as u64
    }

    /// Where the stack for kernel code is.
    pub(crate) fn stack(self) -> Range<u64> {
        self.top() - STACK_BYTES as u64..self.top()
    }

    /// Initial stack pointer for exceptions taken from the kernel.
    pub(crate) fn emergency_top(self) -> u64 {
        self.0 + EMERGENCY_TOP as u64
    }

    /// What a fault at `address` ran into, if it was one of the guards.
    pub(crate) fn overflown(self, address: u64) -> Option<&'static str> {
        let inside = |guard: usize| (address.wrapping_sub(self.0 + guard as u64) as usize) < GUARD_BYTES;
        if inside(0) {
            return Some("kernel stack overflow");
        }
        inside(STACK_TOP).then_some("emergency stack overflow")
    }
}
