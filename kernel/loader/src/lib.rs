//! From the bytes of an ELF file to what has to be mapped, or why not.
//!
//! [`plan`] checks the whole file before anything is done with it; the [`Plan`] it returns then
//! yields one [`Segment`] after the other and cannot fail any more. Nothing is copied and nothing
//! allocated: the kernel uses it for the first program, the runtime of programs for all others.
//!
//! ```text
//!   bytes --plan()--> Plan --segments()--> Segment { pages, protection, offset, bytes }
//!                       +----entry()
//! ```
//!
//! What is a program here: a little-endian 64-bit AArch64 `ET_EXEC` file, statically linked, with
//! the note that names the ABI version it was built for ([`abi::NOTE_NAME`]).
#![no_std]
#![forbid(unsafe_code)]

pub mod archive;
mod error;
mod header;
mod note;
mod plan;
#[cfg(test)]
mod tests;

pub use error::LoadError;
pub use plan::{Plan, Segment, plan};
