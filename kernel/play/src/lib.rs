//! The portable kernel on a pretend machine, its programs played one trap at a time, for tests.
//!
//! A [`World`] is a kernel and what runs on it: a test puts into registers what a program would, lets
//! it trap, and looks at what came back. A [`Play`] is a world whose programs do whatever the numbers
//! they are fed with stand for, while everything that must hold is checked: random tests feed it with
//! random numbers, `tools/fuzz` with bytes that a search has come up with.
#![forbid(unsafe_code)]

mod fake;
mod gaps;
mod in_place;
mod programs;
mod setup;
mod vectors;
mod world;

pub use fake::{Fake, SLICE, TICKS, Touch};
pub use programs::{OUTCOMES, Play};
pub use setup::{Size, world_of};
pub use vectors::Way;
pub use world::{Back, DEVICE_INTERRUPT, World};
