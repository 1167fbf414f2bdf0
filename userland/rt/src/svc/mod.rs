//! The trap: nine registers in, nine registers out. The only way into the kernel.

#[cfg(target_os = "none")]
mod aarch64;
#[cfg(not(target_os = "none"))]
pub mod fake;

#[cfg(target_os = "none")]
use aarch64 as machine;
#[cfg(not(target_os = "none"))]
use fake as machine;

pub(crate) use machine::message_page;

use crate::message::{Incoming, Outgoing};
use abi::{Operation, Tag};

/// Registers x0 to x8 at the trap; [`abi`] says what each of them means.
pub type Registers = [u64; 9];

/// Traps into the kernel with these registers and returns what they are afterwards.
///
/// Nothing is checked: tests send nonsense this way. Programs use [`call`](crate::call) and
/// [`ipc`](crate::ipc).
#[inline(always)]
pub fn trap(registers: Registers) -> Registers {
    machine::trap(registers)
}

/// The same, but what waits does so no longer than until `deadline`, in ticks of the counter.
pub(crate) fn trap_until(mut registers: Registers, deadline: u64) -> Registers {
    registers[8] |= Operation::UNTIL;
    machine::trap_until(registers, deadline)
}

/// Traps with a message page that holds bytes and handles, whatever the tag in x1 says about
/// them. Takes what the tag that comes back announces, if the message was delivered.
///
/// # Panics
/// If they do not fit.
pub fn trap_with(registers: Registers, outgoing: Outgoing<'_>, incoming: &mut Incoming) -> Registers {
    outgoing
        .put(abi::Label::DONE)
        .expect("fits into the message page");
    let returned = trap(registers);
    match Tag::decode_received(returned[1]) {
        Ok(tag) if returned[0] == 0 => incoming.take(tag),
        _ => *incoming = Incoming::new(),
    }
    returned
}
