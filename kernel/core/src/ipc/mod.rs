//! Messages between threads.
//!
//! An [`Endpoint`] holds whoever came first: callers until somebody receives, or receivers until
//! somebody calls. When both are there the message is copied once, from registers to registers,
//! and the caller waits for the answer of that very receiver. Besides messages, an endpoint takes
//! signals: bits that wait until somebody receives.

mod call;
mod direct;
mod endpoint;
mod give_up;
mod handles;
mod lent;
mod queue;
mod receive;
mod reply;
mod send;
mod signal;
mod until;
mod waits;

pub use direct::{Direct, may_share};
pub use endpoint::Endpoint;
pub(crate) use handles::Places;
pub use signal::{SignalTarget, Told};
pub(crate) use waits::stay_here;
