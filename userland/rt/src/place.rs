//! Where in its address space a program keeps what the runtime maps: between the program itself
//! and the area from which the kernel chooses, so that nothing else is ever put there.
//!
//! ```text
//!   PROGRAM_BASE    program
//!   HEAP_START      heap, growing up to
//!   ARCHIVE         the archive of programs, if the parent gave one
//!   AREA_START      mappings and attachments whose place the kernel chooses
//! ```

use abi::layout::{AREA_START, PROGRAM_BASE};

/// First address of the heap.
pub(crate) const HEAP_START: u64 = 0x1_0000_0000;
/// First address it never reaches.
pub(crate) const HEAP_END: u64 = ARCHIVE;
/// Where a child finds the archive.
pub(crate) const ARCHIVE: u64 = 0x8_0000_0000;

const _: () = assert!(PROGRAM_BASE < HEAP_START && HEAP_START < HEAP_END);
const _: () = assert!(HEAP_END <= ARCHIVE && ARCHIVE < AREA_START);
