//! The two stacks of a CPU, each with pages below it that are not mapped.

use addr::GRANULE;
use core::cell::UnsafeCell;
use core::mem::offset_of;
use core::ops::Range;

/// Bytes of the stack that all kernel code runs on.
const STACK_BYTES: usize = 64 * 1024;
/// Bytes of the stack for exceptions of the kernel itself: enough to report one.
const EMERGENCY_BYTES: usize = 32 * 1024;
/// Bytes below each stack that are not mapped: more than the largest frame, so that no function
/// steps over them.
pub(crate) const GUARD_BYTES: usize = 4 * GRANULE as usize;

/// The stacks of one CPU. They grow down, into the guards.
#[repr(C, align(4096))]
pub(crate) struct Stacks {
    guard: UnsafeCell<[u8; GUARD_BYTES]>,
    stack: UnsafeCell<[u8; STACK_BYTES]>,
    emergency_guard: UnsafeCell<[u8; GUARD_BYTES]>,
    emergency: UnsafeCell<[u8; EMERGENCY_BYTES]>,
}

// SAFETY: Only the stack pointer of one CPU goes there; no reference to the contents is ever made.
unsafe impl Sync for Stacks {}

/// Where the stack begins, from the start of [`Stacks`].
pub(crate) const STACK_TOP: usize = offset_of!(Stacks, emergency_guard);
const EMERGENCY_TOP: usize = size_of::<Stacks>();

/// The boot CPU's, in use before the MMU is on.
pub(crate) static BOOT_STACKS: Stacks = Stacks {
    guard: UnsafeCell::new([0; GUARD_BYTES]),
    stack: UnsafeCell::new([0; STACK_BYTES]),
    emergency_guard: UnsafeCell::new([0; GUARD_BYTES]),
    emergency: UnsafeCell::new([0; EMERGENCY_BYTES]),
};

impl Stacks {
    /// Where the pages begin that stay unmapped, ascending; as seen from here, physical with the
    /// MMU off.
    pub(crate) fn guards() -> [u64; 2] {
        let start = StackPlace::of(&BOOT_STACKS).0;
        [start + GUARD as u64, start + EMERGENCY_GUARD as u64]
    }
}

const GUARD: usize = offset_of!(Stacks, guard);
const EMERGENCY_GUARD: usize = offset_of!(Stacks, emergency_guard);

/// The parts of [`Stacks`] that are mapped: where each begins, and how many bytes it has.
pub(crate) const MAPPED: [(usize, usize); 2] = [
    (offset_of!(Stacks, stack), STACK_BYTES),
    (offset_of!(Stacks, emergency), EMERGENCY_BYTES),
];

/// The address of the [`Stacks`] of a CPU.
#[derive(Clone, Copy)]
pub(crate) struct StackPlace(pub u64);

impl StackPlace {
    /// In the image.
    pub(crate) fn of(stacks: &'static Stacks) -> Self {
        Self((&raw const *stacks).addr() as u64)
    }

    /// Initial stack pointer for kernel code.
    pub(crate) fn top(self) -> u64 {
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
        if inside(GUARD) {
            return Some("kernel stack overflow");
        }
        inside(EMERGENCY_GUARD).then_some("emergency stack overflow")
    }
}
