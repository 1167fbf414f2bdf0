//! Where things are in a user address space.
//!
//! ```text
//!   0x0000_0000_0000   nothing, so that null pointers fault
//!   0x0000_0040_0000   PROGRAM_BASE: where programs are linked
//!   0x0010_0000_0000   AREA_START: attachments and mappings whose place the kernel chooses
//!   0x7000_0000_0000   AREA_END
//!   0x7fff_f000_0000   STACK_TOP of the first thread
//!   0x7fff_fff0_0000   MESSAGE_PAGES, one a thread, then end
//! ```
//!
//! NuttX sets the place of its shared memory area at build time (`CONFIG_ARCH_SHM_VBASE`); here
//! every process chooses within the same wide area.

/// The page size, and the segment low boundary address multiple (POSIX `SHMLBA`), in bytes.
pub const PAGE_BYTES: u64 = 4096;
/// POSIX `SHMLBA`.
pub const SHMLBA: u64 = PAGE_BYTES;
/// Lowest address that can be mapped.
pub const USER_START: u64 = 0x1_0000;
/// First address past user space: 47 bits.
pub const USER_END: u64 = 1 << 47;
/// Where programs are linked.
pub const PROGRAM_BASE: u64 = 0x40_0000;
/// First address that the kernel chooses from.
pub const AREA_START: u64 = 0x10_0000_0000;
/// First address past those.
pub const AREA_END: u64 = 0x7000_0000_0000;
/// First address past a program's first stack.
pub const STACK_TOP: u64 = 0x7fff_f000_0000;
/// Bytes of a program's first stack when it starts.
pub const STACK_BYTES: u64 = 64 * 1024;
/// Bytes that it may grow to.
pub const STACK_MOST: u64 = 1024 * 1024;
/// Bytes below where a stack may grow to in which nothing is ever placed. Compilers for AArch64 suppose
/// that many where they probe the stack.
pub const STACK_GUARD: u64 = 64 * 1024;
/// Where programs end at most: below the first stack, wherever it grows to.
pub const PROGRAM_END: u64 = STACK_TOP - STACK_MOST - STACK_GUARD;
/// The first thread's message page.
pub const MESSAGE_PAGES: u64 = 0x7fff_fff0_0000;
/// Threads that a process can have, those included that have ended while a handle still names them.
pub const MOST_THREADS: u32 = 64;

/// Where thread number `thread` of a process, one below [`MOST_THREADS`], has its message page.
pub const fn message_page(thread: u32) -> u64 {
    MESSAGE_PAGES + thread as u64 * PAGE_BYTES
}
