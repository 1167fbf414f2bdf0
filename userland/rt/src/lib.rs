//! What a program links to: its start, its heap, and the kernel's requests as functions.
//!
//! ```text
//!   program          shm, spawn, thread, io, time, ...         what programs are written with
//!      |                      |
//!      |                     sys                        one function a request
//!      |                      |
//!      |                 call, ipc                      typed requests <-> messages
//!      |                      |
//!      +--> start            svc                        registers; the trap
//! ```
//!
//! A program starts at `_start` (in `start.rs`), which the link script names as the entry; that
//! calls the function given to [`program!`], and ends the program with what it returned:
//!
//! ```
//! #![cfg_attr(target_os = "none", no_std, no_main)]
//! use rt::{Outcome, Start, println};
//!
//! rt::program!(greet);
//!
//! fn greet(start: &Start) -> Outcome {
//!     for name in start.args() {
//!         println!("Hello, {name}");
//!     }
//!     Ok(())
//! }
//! ```
//!
//! # Memory safety
//!
//! Functions here are safe where they cannot break Rust's rules about the memory that Rust code
//! owns. One thing stays outside of that, as `/proc/self/mem` does elsewhere: a message to the
//! program's own memory manager can ask for any address, its own heap included.
//!
//! On the host this crate has no kernel to call; `fake` plays one for tests.
#![no_std]

extern crate alloc;
#[cfg(not(target_os = "none"))]
extern crate std;

pub mod archive;
mod atomic;
mod call;
mod credential;
pub mod device;
mod failure;
pub mod fault;
pub mod handle;
pub mod interpose;
pub mod io;
pub mod ipc;
pub mod line;
pub mod log;
mod message;
pub mod pipeline;
mod place;
pub mod processes;
pub mod ring;
pub mod shm;
pub mod spawn;
mod start;
pub mod svc;
pub mod sync;
pub mod sys;
pub mod thread;
pub mod time;

#[cfg(target_os = "none")]
pub mod hazard;
#[cfg(target_os = "none")]
mod heap;
#[cfg(target_os = "none")]
mod memcpy;
#[cfg(target_os = "none")]
mod panic;

#[cfg(not(target_os = "none"))]
pub use svc::fake;

pub use call::{Error, call, call_with, exchange};
pub use credential::Credential;
pub use failure::{Failure, Outcome};
pub use message::{Incoming, Outgoing};
pub use start::Start;
