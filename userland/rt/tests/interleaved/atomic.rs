//! Loom's atomics.

pub use loom::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};
