//! What the programs one knows from elsewhere have in common, and how they show things: all that needs no kernel.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod dump;
pub mod launch;
pub mod limits;
pub mod names;
pub mod options;
pub mod segments;
pub mod shmcall;
pub mod size;
pub mod times;
