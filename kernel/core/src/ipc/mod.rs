//! Messages between threads.
//!
//! An [`Endpoint`] holds whoever came first: callers until somebody receives, or receivers until
//! somebody calls. When both are there the message is copied once, from registers to registers,
//! and the caller waits for the answer of that very receiver.

mod call;
mod endpoint;
mod handles;
mod receive;

pub use endpoint::Endpoint;
