//! The architecture layer: everything that knows it runs on an AArch64 CPU.
//!
//! | what | where |
//! | --- | --- |
//! | from firmware to the image's `kernel_main` | `boot` |
//! | from a program to the image's `kernel_call` and the like, or `kernel_trap`, and back | [`exception`] |
//! | FP/SIMD registers | `context` |
//! | translation tables and TLBs, as the memory manager asks for them | `mmu` |
//! | CPUs, their caches, firmware calls | `cpu` |
//! | memcpy and memset | `memory` |
//! | interrupts and time | [`gic`], `timer` |
//! | locks | [`sync`] |
//! | exit status for tests | `semihosting` |
//!
//! At EL1 runs the kernel, at EL0 programs; EL2 and EL3, where we are entered there, are left for
//! good. What is arithmetic is pure and tested on the host; what executes AArch64 instructions is
//! compiled for the target only. Manual sections are cited by title: "Arm ARM" is DDI 0487.
#![no_std]

pub mod exception;
pub mod gic;
pub mod sync;

#[cfg(target_os = "none")]
pub mod boot;
#[cfg(target_os = "none")]
pub mod context;
#[cfg(target_os = "none")]
pub mod cpu;
#[cfg(target_os = "none")]
mod memory;
#[cfg(target_os = "none")]
pub mod mmu;
#[cfg(target_os = "none")]
pub mod semihosting;
#[cfg(target_os = "none")]
pub mod timer;
