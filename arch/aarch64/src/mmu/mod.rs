//! Translation: the kernel's own map, the direct map of RAM, and the address spaces of programs.
//!
//! * [`KernelMap`] extends what boot has mapped, by RAM and by device registers.
//! * [`direct_map`] is how the kernel reaches frames once they are mapped.
//! * [`Hardware`] is what the memory manager sees: it changes the tables of programs and tells the
//!   TLBs.

pub mod direct_map;
mod kernel_map;
pub(crate) mod layout;
mod scratch;
pub(crate) mod tlb;
mod user_space;

pub use kernel_map::{KernelMap, MapError};
pub(crate) use user_space::enter_nobody;
pub use user_space::{Activation, Hardware, Space, activate_none};
