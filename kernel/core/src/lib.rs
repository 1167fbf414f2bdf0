//! The portable kernel: processes, threads, handles, messages, scheduling.
//!
//! Principles, each of which can say no to a change:
//!
//! 1. **A blocked thread is a register frame and a state.** No kernel stack belongs to it, so
//!    every way out of a trap is visible in [`thread::State`].
//! 2. **Everything is an object named by a handle.** A trap does nothing but find the object and
//!    hand it the message; each object decodes its own labels, in its own file.
//! 3. **Check, then commit.** Whatever can fail fails before anything has changed.
//! 4. **Steps are bounded.** What may take long is [`thread::Work`], done piece by piece with
//!    interrupts served in between, and answered after the last piece.
//! 5. **Nothing outlives its process.** The last thread takes its process apart; only then does
//!    anybody learn of the end.
//!
//! The way of a trap: the image calls [`Here::serve`] ([`ipc`]), which has a straight line for what is most
//! frequent, and finds the object that a call is for ([`handle`]), which [`Here::ask_memory_directly`] or
//! [`Kernel::ask_directly`] asks ([`object`]). For the rest the image calls [`Kernel::serve_at_length`] ([`trap`]), which does both or meets another
//! thread ([`ipc`]). If that does not say which thread goes on, [`Kernel::run`] does ([`sched`]).
#![no_std]
#![forbid(unsafe_code)]

mod atomic;
pub mod audit;
pub mod clock;
pub mod fault;
pub mod handle;
pub mod handler;
mod heap;
pub mod here;
pub mod ipc;
pub mod kernel;
pub mod log;
pub mod message;
pub mod object;
pub mod platform;
pub mod process;
mod queue;
pub mod registers;
pub mod sched;
mod share;
pub mod thread;
mod trace;
pub mod trap;

pub use clock::Clock;
pub use heap::Place;
pub use here::{Here, There};
pub use kernel::{Kernel, Storage};
pub use platform::{Guarded, Interrupt, Local, MemoryLock, Nested, Platform};
pub use queue::Queued;
pub use registers::Registers;
pub use sched::{Cpu, CpuId, MAX_CPUS, Next, Shown};
