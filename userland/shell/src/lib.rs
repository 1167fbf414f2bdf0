//! What the shell knows without a kernel: its language.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod parse;
