//! Atomics: those of `core`. `tests/interleaved.rs` puts others in their place.

pub use core::sync::atomic::{AtomicU64, Ordering};
