//! Requests to the system: [`abi::system`].

use crate::call::{call, exchange};
use crate::{Error, Incoming, Outgoing};
use abi::Handle;
use abi::process::Pid;
use abi::system::{
    CountFrames, CountTicks, Describe, FrameCounts, KillProcess, Machine, MachineEnd, Mapping, NextMapping,
    NextProcess, ProcessFacts, ReadLog, ShutDown,
};

/// As [`Describe`]; `name` receives the board's name.
///
/// # Errors
/// As [`Describe`].
pub fn describe(system: Handle, name: &mut Incoming) -> Result<Machine, Error> {
    exchange(system, Describe {}, Outgoing::NOTHING, name)
}

/// As [`CountFrames`].
///
/// # Errors
/// As [`CountFrames`].
pub fn count_frames(system: Handle) -> Result<FrameCounts, Error> {
    call(system, CountFrames {})
}

/// As [`NextProcess`]; `name` receives the process's name.
///
/// # Errors
/// As [`NextProcess`].
pub fn next_process(system: Handle, after: Pid, name: &mut Incoming) -> Result<ProcessFacts, Error> {
    exchange(system, NextProcess { after }, Outgoing::NOTHING, name)
}

/// As [`ShutDown`]: no answer comes, so one that returns was refused.
///
/// # Errors
/// The handle is not the system's.
pub fn shut_down(system: Handle, end: MachineEnd, status: u32) -> Result<(), Error> {
    call(system, ShutDown { status, end })
}

/// As [`ReadLog`]; `text` receives what there is. Returns where to read on.
///
/// # Errors
/// As [`ReadLog`].
pub fn read_log(system: Handle, position: u64, text: &mut Incoming) -> Result<u64, Error> {
    exchange(system, ReadLog { position }, Outgoing::NOTHING, text).map(|(next,)| next)
}

/// As [`KillProcess`].
///
/// # Errors
/// As [`KillProcess`].
pub fn kill_process(system: Handle, pid: Pid) -> Result<(), Error> {
    call(system, KillProcess { pid })
}

/// As [`NextMapping`].
///
/// # Errors
/// As [`NextMapping`].
pub fn next_mapping(system: Handle, pid: Pid, address: u64) -> Result<Mapping, Error> {
    call(system, NextMapping { pid, address })
}

/// As [`CountTicks`].
///
/// # Errors
/// As [`CountTicks`].
pub fn count_ticks(system: Handle, pid: Pid) -> Result<u64, Error> {
    call(system, CountTicks { pid }).map(|(ticks,)| ticks)
}
