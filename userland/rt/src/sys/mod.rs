//! One function for each request of the kernel, named as the request.
//!
//! They only pack and unpack: what a request does and which errors it answers is said where it is
//! declared, in [`abi`].

pub mod console;
pub mod memory;
pub mod process;
pub mod system;
pub mod thread;
