//! Exceptions: from programs to the image's `kernel_trap` and back, and what the kernel itself must
//! not raise.
//!
//! The kernel runs with interrupts masked from entry to return, so every exception it takes itself
//! is its own mistake, with two exceptions: `semihosting`, and what is pending when it boots
//! (`system_error`).

pub mod syndrome;

#[cfg(target_os = "none")]
mod kernel;
#[cfg(target_os = "none")]
pub mod system_error;
#[cfg(target_os = "none")]
mod vectors;

#[cfg(target_os = "none")]
pub(crate) use vectors::install as install_vectors;
#[cfg(target_os = "none")]
pub use vectors::{Kind, cause, resume, take_no_shortcuts};
