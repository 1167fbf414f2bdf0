//! Requests to the program's own memory manager: [`abi::memory`].
//!
//! Each has a twin with another name in [`crate::shm`] where that is about shared memory. To act
//! for another process, [`call`] its memory manager.

use crate::call::{call, call_with, exchange};
use crate::{Error, Incoming, Outgoing};
use abi::Handle;
use abi::memory::{
    CountUsage, Map, Move, Protection, ShmAttach, ShmControl, ShmDetach, ShmGet, ShmIdArgument, Unmap, Usage,
};
use abi::shm::{AttachFlags, GetFlags, ShmId, ShmKey};

/// As [`Map`].
///
/// # Errors
/// As [`Map`].
pub fn map(address: u64, length: u64, protection: Protection) -> Result<u64, Error> {
    let request = Map {
        address,
        length,
        protection,
    };
    call(Handle::MEMORY, request).map(|(address,)| address)
}

/// As [`Unmap`].
///
/// # Errors
/// As [`Unmap`].
pub fn unmap(address: u64, length: u64) -> Result<(), Error> {
    call(Handle::MEMORY, Unmap { address, length })
}

/// As [`Move`], out of this program's space into that of `destination`, a memory manager.
///
/// # Errors
/// As [`Move`].
pub fn move_to(destination: Handle, request: Move) -> Result<(), Error> {
    call_with(destination, request, Outgoing::handles(&[Handle::MEMORY]))
}

/// As [`CountUsage`].
///
/// # Errors
/// As [`CountUsage`].
pub fn count_usage() -> Result<Usage, Error> {
    call(Handle::MEMORY, CountUsage {})
}

/// As [`ShmGet`].
///
/// # Errors
/// As [`ShmGet`].
pub fn shm_get(key: ShmKey, size: u64, flags: GetFlags) -> Result<ShmId, Error> {
    call(Handle::MEMORY, ShmGet { key, size, flags }).map(|(id,)| id)
}

/// As [`ShmAttach`].
///
/// # Errors
/// As [`ShmAttach`].
pub fn shm_attach(id: ShmId, address: u64, flags: AttachFlags) -> Result<u64, Error> {
    call(Handle::MEMORY, ShmAttach { id, address, flags }).map(|(address,)| address)
}

/// As [`ShmDetach`].
///
/// # Errors
/// As [`ShmDetach`].
pub fn shm_detach(address: u64) -> Result<(), Error> {
    call(Handle::MEMORY, ShmDetach { address })
}

/// As [`ShmControl`]; `outgoing` is what C passes in the structure, `incoming` what it gets back.
///
/// # Errors
/// As [`ShmControl`].
pub fn shm_control(id: i32, command: i32, outgoing: &[u8], incoming: &mut Incoming) -> Result<u64, Error> {
    let request = ShmControl {
        id: ShmIdArgument(id),
        command,
    };
    exchange(Handle::MEMORY, request, Outgoing::bytes(outgoing), incoming).map(|(value,)| value)
}
