//! What the shell understands and how it shows things: all of it that needs no kernel.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod parse;
pub mod table;
pub mod times;
