//! Atomics, in a place of their own: tests put others there, which try every order of loads and stores
//! (`tests/interleaved.rs`).

pub use core::sync::atomic::{AtomicU32, Ordering, fence};
