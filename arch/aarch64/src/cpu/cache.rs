//! Cache maintenance by address (Arm ARM, "AArch64 cache maintenance instructions").
//!
//! Translation tables and data shared between CPUs need none: all of it is Normal, write-back and
//! inner shareable, walkers included. What is left are instructions, which are fetched past the
//! data caches, and observers with their caches off.

use aarch64_cpu::asm::barrier;
use addr::GRANULE;
use core::arch::asm;
use core::cmp::min;
use core::ptr::NonNull;
use tock_registers::{LocalRegisterCopy, register_bitfields};

/// How many lines are maintained in a row: two instructions each, and three more for the loop.
const UNROLLED: usize = 8;

/// Does `$instruction` to each line of the frame that begins at `$frame`.
macro_rules! each_line {
    ($instruction:literal, $frame:expr, $line:expr) => {{
        let start = $frame.addr().get();
        asm!(
            "2:",
            ".rept {unrolled}",
            concat!($instruction, ", {at}"),
            "add {at}, {at}, {line}",
            ".endr",
            "cmp {at}, {end}",
            "b.ne 2b",
            at = inout(reg) start => _,
            // A row ends with the frame, however long a line may be.
            line = in(reg) min($line, GRANULE as usize / UNROLLED),
            end = in(reg) start + GRANULE as usize,
            unrolled = const UNROLLED,
            options(nostack)
        )
    }};
}

/// Makes what was written as data to the frame that begins at `frame` visible to instruction fetches of every
/// CPU, at whatever address they are fetched (Arm ARM, "Concurrent modification and execution of
/// instructions").
#[inline(never)] // once is enough for so long a piece of code
pub fn publish_code(frame: NonNull<u8>) {
    let cache = CacheType::read();
    // SAFETY: Cleaning writes back what is there already; any mapped address may be cleaned.
    unsafe { each_line!("dc cvau", frame, cache.data_line()) };
    // The instruction caches refill from where the cleaned lines are now.
    barrier::dsb(barrier::ISH);
    if cache.instruction_cache_has_aliases() {
        // A line of a virtually indexed cache is found only by the address that it will be fetched
        // at, which is not this one. SAFETY: Instruction caches hold copies only.
        unsafe { asm!("ic ialluis", options(nostack, preserves_flags)) };
    } else {
        // SAFETY: As above; any mapped address may be given.
        unsafe { each_line!("ic ivau", frame, cache.instruction_line()) };
    }
    barrier::dsb(barrier::ISH);
    barrier::isb(barrier::SY);
}

/// Writes `bytes` bytes at `start` back to memory and forgets them, for an observer with its caches
/// off: a CPU that waits in firmware, or a device that does not snoop.
pub fn clean_and_invalidate_to_memory(start: NonNull<u8>, bytes: usize) {
    for line in lines_of(start, bytes, CacheType::read().data_line()) {
        // SAFETY: Writes back what is there already; any mapped address may be given.
        unsafe { asm!("dc civac, {}", in(reg) line, options(nostack, preserves_flags)) };
    }
    barrier::dsb(barrier::SY);
}

/// Bytes that one DC ZVA zeroes, if programs and the kernel may use it (Arm ARM, "DCZID_EL0").
pub(crate) fn zero_block_bytes() -> Option<usize> {
    const PROHIBITED: u64 = 1 << 4;
    let id: u64;
    // SAFETY: Reads an identification register.
    unsafe { asm!("mrs {}, dczid_el0", out(reg) id, options(nostack, nomem, preserves_flags)) };
    (id & PROHIBITED == 0).then(|| 4 << (id & 0xf))
}

register_bitfields! {u64,
    /// Arm ARM, "CTR_EL0, Cache Type Register". Line sizes are the smallest of any cache, as log2
    /// of words.
    CTR [
        I_MIN_LINE OFFSET(0) NUMBITS(4) [],
        /// How level-1 instruction caches are indexed and tagged.
        L1_IP OFFSET(14) NUMBITS(2) [Physical = 0b11],
        D_MIN_LINE OFFSET(16) NUMBITS(4) []
    ]
}

/// CTR_EL0.
struct CacheType(LocalRegisterCopy<u64, CTR::Register>);

impl CacheType {
    fn read() -> Self {
        let raw;
        // SAFETY: Reads an identification register.
        unsafe { asm!("mrs {}, ctr_el0", out(reg) raw, options(nostack, nomem, preserves_flags)) };
        Self(LocalRegisterCopy::new(raw))
    }

    fn data_line(&self) -> usize {
        4 << self.0.read(CTR::D_MIN_LINE)
    }

    fn instruction_line(&self) -> usize {
        4 << self.0.read(CTR::I_MIN_LINE)
    }

    fn instruction_cache_has_aliases(&self) -> bool {
        !self.0.matches_all(CTR::L1_IP::Physical)
    }
}

/// The address of every line that `bytes` bytes from `start` touch.
fn lines_of(start: NonNull<u8>, bytes: usize, line: usize) -> impl Iterator<Item = usize> {
    let start = start.addr().get();
    (start - start % line..start + bytes).step_by(line)
}
