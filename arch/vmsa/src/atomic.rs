//! Atomics: those of `core`. `tests/interleaved.rs` puts others in their place.

pub use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
