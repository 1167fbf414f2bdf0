//! What the shell knows without a kernel: its language, and what becomes of bytes in a pipeline.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod parse;
pub mod pipe;
