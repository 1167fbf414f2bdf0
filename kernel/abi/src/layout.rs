//! Where things are in a user address space.
//!
//! ```text
//!   0x0000_0000_0000   nothing, so that null pointers fault
//!   0x0000_0040_0000   MESSAGE_PAGES, one a thread
//!   0x0000_0044_0000   USER_START: from here on programs can map
//!   0x0000_0056_0000   STACK_TOP of the first thread
//!   0x0000_0058_0000   PROGRAM_BASE: where programs are linked
//!   0x0010_0000_0000   AREA_START: attachments and mappings whose place the kernel chooses
//!   0x7000_0000_0000   AREA_END
//! ```
//!
//! What every process has is in 2 MiB: a small program has a translation table of each level, and no more.
//!
//! NuttX sets the place of its shared memory area at build time (`CONFIG_ARCH_SHM_VBASE`); here
//! every process chooses within the same wide area.

/// The page size, and the segment low boundary address multiple (POSIX `SHMLBA`), in bytes.
pub const PAGE_BYTES: u64 = 4096;
/// POSIX `SHMLBA`.
pub const SHMLBA: u64 = PAGE_BYTES;
/// The first thread's message page. Nothing is ever mapped below.
pub const MESSAGE_PAGES: u64 = 0x40_0000;
/// Threads that a process can have, those included that have ended while a handle still names them.
pub const MOST_THREADS: u32 = 64;
/// Lowest address that a program can map something at.
pub const USER_START: u64 = message_page(MOST_THREADS);
/// First address past user space: 47 bits.
pub const USER_END: u64 = 1 << 47;
/// Where programs are linked. None begins below.
pub const PROGRAM_BASE: u64 = 0x58_0000;
/// First address that the kernel chooses from.
pub const AREA_START: u64 = 0x10_0000_0000;
/// First address past those.
pub const AREA_END: u64 = 0x7000_0000_0000;
/// First address past a program's first stack.
pub const STACK_TOP: u64 = 0x56_0000;
/// Bytes of a program's first stack when it starts.
pub const STACK_BYTES: u64 = 64 * 1024;
/// Bytes that it may grow to.
pub const STACK_MOST: u64 = 1024 * 1024;
/// Bytes below where a stack may grow to in which nothing is ever placed. Compilers for AArch64 suppose
/// that many where they probe the stack.
pub const STACK_GUARD: u64 = 64 * 1024;

const _: () = assert!(USER_START + STACK_GUARD + STACK_MOST <= STACK_TOP && STACK_TOP < PROGRAM_BASE);

/// Where thread number `thread` of a process, one below [`MOST_THREADS`], has its message page.
pub const fn message_page(thread: u32) -> u64 {
    MESSAGE_PAGES + thread as u64 * PAGE_BYTES
}
