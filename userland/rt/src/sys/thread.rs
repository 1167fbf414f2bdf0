//! Requests to threads, one's own and others: [`abi::thread`].

use crate::call::{call, call_for_handles, call_with, exchange};
use crate::{Error, Incoming, Outgoing};
use abi::process::{CpuFacts, CreateThread, End, ExitThread, Priority};
use abi::thread::{
    Cancel, IdentifyThread, Join, JoinAndClose, ReadRegisters, ReadThreadCpus, SetThreadCpus,
    SetThreadPriority, ThreadFacts, ThreadRegisters, WriteRegisters,
};
use abi::{CpuSet, Handle};

/// As [`CreateThread`]. Returns the thread's handle and its number.
///
/// # Errors
/// As [`CreateThread`].
///
/// # Safety
/// What the thread does from its entry on breaks none of Rust's rules; in particular nobody else uses
/// its stack.
pub unsafe fn create(request: CreateThread) -> Result<(Handle, u32), Error> {
    let ((number,), handles) = call_for_handles(Handle::SELF, request, Outgoing::NOTHING)?;
    match *handles.as_slice() {
        [thread] => Ok((thread, number)),
        _ => Err(Error::Garbled),
    }
}

/// As [`ExitThread`].
pub fn exit(status: i32) -> ! {
    loop {
        // If the kernel did not do it, there is nothing better than to ask again.
        call(Handle::SELF, ExitThread { status }).ok();
    }
}

/// As [`Join`].
///
/// # Errors
/// As [`Join`].
pub fn join(thread: Handle) -> Result<End, Error> {
    call(thread, Join {})
}

/// As [`JoinAndClose`] for the handle itself.
///
/// # Errors
/// As [`JoinAndClose`].
pub fn join_and_close(thread: Handle) -> Result<End, Error> {
    call(thread, JoinAndClose { handle: thread })
}

/// As [`Cancel`]. Whether it waited for something.
///
/// # Errors
/// As [`Cancel`].
pub fn cancel(thread: Handle) -> Result<bool, Error> {
    call(thread, Cancel {}).map(|(waited,)| waited != 0)
}

/// As [`SetThreadPriority`].
///
/// # Errors
/// As [`SetThreadPriority`].
pub fn set_priority(thread: Handle, priority: Priority) -> Result<(), Error> {
    call(thread, SetThreadPriority { priority })
}

/// As [`SetThreadCpus`].
///
/// # Errors
/// As [`SetThreadCpus`].
pub fn set_cpus(thread: Handle, cpus: CpuSet) -> Result<(), Error> {
    call(thread, SetThreadCpus { cpus })
}

/// As [`ReadThreadCpus`].
///
/// # Errors
/// As [`ReadThreadCpus`].
pub fn read_cpus(thread: Handle) -> Result<CpuFacts, Error> {
    call(thread, ReadThreadCpus {})
}

/// As [`IdentifyThread`].
///
/// # Errors
/// As [`IdentifyThread`].
pub fn identify(thread: Handle) -> Result<ThreadFacts, Error> {
    call(thread, IdentifyThread {})
}

/// As [`ReadRegisters`].
///
/// # Errors
/// As [`ReadRegisters`].
pub fn read_registers(thread: Handle) -> Result<ThreadRegisters, Error> {
    let mut incoming = Incoming::new();
    exchange(thread, ReadRegisters {}, Outgoing::NOTHING, &mut incoming)?;
    ThreadRegisters::from_bytes(incoming.bytes()).ok_or(Error::Garbled)
}

/// As [`WriteRegisters`].
///
/// # Errors
/// As [`WriteRegisters`].
pub fn write_registers(thread: Handle, registers: &ThreadRegisters) -> Result<(), Error> {
    call_with(thread, WriteRegisters {}, Outgoing::bytes(&registers.to_bytes()))
}
