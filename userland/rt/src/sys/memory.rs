//! Requests to the program's own memory manager: [`abi::memory`].
//!
//! Each has a twin with another name in [`crate::shm`] where that is about shared memory. To act
//! for another process, [`call`] its memory manager.

use crate::call::{call, call_with, exchange, one_handle};
use crate::{Error, Incoming, Outgoing};
use abi::memory::{
    ChangeShmSetting, CountShmUser, CountUsage, LowerQuota, Map, MapCopy, MapFlags, Move, Protect,
    Protection, ReadShmSetting, RegionAttach, RegionControl, RegionCreate, RegionOpen, RegionPublish,
    Relocate, ShmAttach, ShmControl, ShmDetach, ShmGet, ShmIdArgument, Unmap, Usage, UserUsage, WaitWord,
    WakeAndWait, WakeWord,
};
use abi::shm::{AttachFlags, GetFlags, ShmId, ShmKey, ShmSetting};
use abi::{Handle, Rights};

/// As [`Map`].
///
/// # Errors
/// As [`Map`].
pub fn map(address: u64, length: u64, protection: Protection) -> Result<u64, Error> {
    let request = Map::new(address, length, protection);
    call(Handle::MEMORY, request).map(|(address,)| address)
}

/// Maps pages, read-write, in place of whatever is in their range ([`MapFlags::REPLACE`]).
///
/// # Errors
/// As [`Map`].
///
/// # Safety
/// Nothing that Rust knows of lies there.
pub unsafe fn map_fixed(address: u64, length: u64, protection: Protection) -> Result<u64, Error> {
    let request = Map {
        flags: MapFlags::REPLACE,
        ..Map::new(address, length, protection)
    };
    call(Handle::MEMORY, request).map(|(address,)| address)
}

/// Maps a stack of `length` bytes anywhere, which a touch below makes grow by up to `growth` bytes.
/// Answers the lowest address it has now.
///
/// # Errors
/// As [`Map`].
pub fn map_stack(length: u64, growth: u64) -> Result<u64, Error> {
    let request = Map {
        growth,
        ..Map::new(0, length, Protection::READ | Protection::WRITE)
    };
    call(Handle::MEMORY, request).map(|(address,)| address)
}

/// As [`Protect`].
///
/// # Errors
/// As [`Protect`].
pub fn protect(address: u64, length: u64, protection: Protection) -> Result<(), Error> {
    let request = Protect {
        address,
        length,
        protection,
    };
    call(Handle::MEMORY, request)
}

/// As [`LowerQuota`], of `memory`, a memory manager.
///
/// # Errors
/// As [`LowerQuota`].
pub fn lower_quota(memory: Handle, quota: LowerQuota) -> Result<(), Error> {
    call(memory, quota)
}

/// As [`Unmap`].
///
/// # Errors
/// As [`Unmap`].
pub fn unmap(address: u64, length: u64) -> Result<(), Error> {
    call(Handle::MEMORY, Unmap { address, length })
}

/// As [`MapCopy`], of `bytes` of this program, into the space of `memory`, a memory manager.
///
/// # Errors
/// As [`MapCopy`].
pub fn map_copy(
    memory: Handle,
    bytes: &[u8],
    destination: u64,
    length: u64,
    protection: Protection,
) -> Result<(), Error> {
    let request = MapCopy {
        source: bytes.as_ptr().addr() as u64,
        bytes: bytes.len() as u64,
        destination,
        length,
        protection,
    };
    call_with(memory, request, Outgoing::handles(&[Handle::MEMORY]))
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

/// As [`Relocate`].
///
/// # Errors
/// As [`Relocate`].
pub fn relocate(address: u64, destination: u64) -> Result<(), Error> {
    call(Handle::MEMORY, Relocate { address, destination })
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

/// The same for a command that answers no structure.
///
/// # Errors
/// As [`ShmControl`].
pub fn shm_command(id: i32, command: i32, outgoing: &[u8]) -> Result<u64, Error> {
    let request = ShmControl {
        id: ShmIdArgument(id),
        command,
    };
    call_with(Handle::MEMORY, request, Outgoing::bytes(outgoing)).map(|(value,)| value)
}

/// As [`RegionCreate`].
///
/// # Errors
/// As [`RegionCreate`].
pub fn region_create(size: u64, flags: GetFlags) -> Result<Handle, Error> {
    one_handle(Handle::MEMORY, RegionCreate { size, flags })
}

/// As [`RegionOpen`].
///
/// # Errors
/// As [`RegionOpen`].
pub fn region_open(id: ShmId, rights: Rights) -> Result<Handle, Error> {
    one_handle(Handle::MEMORY, RegionOpen { id, rights })
}

/// As [`RegionAttach`].
///
/// # Errors
/// As [`RegionAttach`].
pub fn region_attach(region: Handle, address: u64, flags: AttachFlags) -> Result<u64, Error> {
    let request = RegionAttach { address, flags };
    call_with(Handle::MEMORY, request, Outgoing::handles(&[region])).map(|(address,)| address)
}

/// As [`RegionControl`]; `outgoing` is what C passes in the structure, `incoming` what it gets back.
///
/// # Errors
/// As [`RegionControl`].
pub fn region_control(
    region: Handle,
    command: i32,
    outgoing: &[u8],
    incoming: &mut Incoming,
) -> Result<i32, Error> {
    let outgoing = Outgoing {
        bytes: outgoing,
        handles: &[region],
    };
    exchange(Handle::MEMORY, RegionControl { command }, outgoing, incoming).map(|(value,)| value)
}

/// As [`RegionPublish`].
///
/// # Errors
/// As [`RegionPublish`].
pub fn region_publish(region: Handle, key: ShmKey) -> Result<ShmId, Error> {
    call_with(
        Handle::MEMORY,
        RegionPublish { key },
        Outgoing::handles(&[region]),
    )
    .map(|(id,)| id)
}

/// As [`ReadShmSetting`].
///
/// # Errors
/// As [`ReadShmSetting`].
pub fn read_shm_setting(setting: ShmSetting) -> Result<u64, Error> {
    call(Handle::MEMORY, ReadShmSetting { setting }).map(|(value,)| value)
}

/// As [`ChangeShmSetting`].
///
/// # Errors
/// As [`ChangeShmSetting`].
pub fn change_shm_setting(setting: ShmSetting, value: u64) -> Result<(), Error> {
    call(Handle::MEMORY, ChangeShmSetting { setting, value })
}

/// As [`CountShmUser`].
///
/// # Errors
/// As [`CountShmUser`].
pub fn count_shm_user(uid: u32) -> Result<UserUsage, Error> {
    call(Handle::MEMORY, CountShmUser { uid })
}

/// As [`WaitWord`].
///
/// # Errors
/// As [`WaitWord`].
#[inline]
pub fn wait_word(address: u64, expected: u32, deadline: u64) -> Result<(), Error> {
    let request = WaitWord {
        address,
        expected,
        deadline,
    };
    call(Handle::MEMORY, request)
}

/// As [`WakeWord`].
///
/// # Errors
/// As [`WakeWord`].
#[inline]
pub fn wake_word(address: u64, count: u32) -> Result<u32, Error> {
    call(Handle::MEMORY, WakeWord { address, count }).map(|(woken,)| woken)
}

/// As [`WakeAndWait`].
///
/// # Errors
/// As [`WakeAndWait`].
#[inline]
pub fn wake_and_wait(woken: u64, address: u64, expected: u32, deadline: u64) -> Result<(), Error> {
    let request = WakeAndWait {
        woken,
        address,
        expected,
        deadline,
    };
    call(Handle::MEMORY, request)
}
