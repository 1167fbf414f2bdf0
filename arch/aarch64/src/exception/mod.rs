//! Exceptions: from programs to the image and back, and what the kernel itself must not raise.
//!
//! The image is entered by `kernel_call`, `kernel_receive`, `kernel_reply`, `kernel_reply_receive`, `kernel_send`, `kernel_yield` and
//! `kernel_signal` for most traps, by `kernel_trap` for everything else; `vectors` says what each is given.
//!
//! The kernel runs with interrupts masked from entry to return, so every exception it takes itself
//! is its own mistake, with two exceptions: `semihosting`, and what is pending when it boots
//! (`system_error`).

pub mod syndrome;

#[cfg(target_os = "none")]
pub(crate) mod kernel;
#[cfg(target_os = "none")]
pub mod system_error;
#[cfg(target_os = "none")]
mod vectors;

#[cfg(target_os = "none")]
pub(crate) use vectors::install as install_vectors;
#[cfg(target_os = "none")]
pub use vectors::{Kind, TrapEnd, cause, resume, take_no_shortcuts};
