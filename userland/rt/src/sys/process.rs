//! Requests to processes, one's own and children: [`abi::process`].

use crate::call::{call, call_for_handles, call_with, exchange, one_handle};
use crate::svc::trap;
use crate::{Error, Incoming, Outgoing};
use abi::process::{
    Become, Close, CountTicks, CpuFacts, Create, CreateEndpoint, Derive, End, Exit, Fork, Give, HandleFaults,
    Identify, Kill, OpenFaulted, Pid, Priority, PriorityFacts, ReadClock, ReadCpus, ReadCredential,
    ReadPriority, SetCpus, SetCredential, SetPriority, SignalEnd, Sleep, Start, TakeCaller, UserAndGroup,
    Wait, WaitAndClose,
};
use abi::time::ClockReading;
use abi::{Badge, CpuSet, Handle, Operation, Rights};
use core::convert::Infallible;

/// As [`Create`]. Returns the child, its memory manager and its number.
///
/// # Errors
/// As [`Create`].
pub fn create(name: &str) -> Result<(Handle, Handle, Pid), Error> {
    let name = Outgoing::bytes(name.as_bytes());
    let ((pid,), handles) = call_for_handles(Handle::SELF, Create {}, name)?;
    match *handles.as_slice() {
        [process, memory] => Ok((process, memory, pid)),
        _ => Err(Error::Garbled),
    }
}

/// As [`Give`]: `child` finds this program's `handle` at `place`.
///
/// # Errors
/// As [`Give`].
pub fn give(child: Handle, place: u32, handle: Handle) -> Result<(), Error> {
    call_with(child, Give { place }, Outgoing::handles(&[handle]))
}

/// As [`Start`].
///
/// # Errors
/// As [`Start`].
pub fn start(child: Handle, request: Start, bytes: &[u8]) -> Result<(), Error> {
    call_with(child, request, Outgoing::bytes(bytes))
}

/// As [`Fork`]: comes back twice. Returns the child and its number; `None` in the child.
///
/// # Errors
/// As [`Fork`].
pub fn fork() -> Result<Option<(Handle, Pid)>, Error> {
    let ((pid,), handles) = call_for_handles(Handle::SELF, Fork {}, Outgoing::NOTHING)?;
    match *handles.as_slice() {
        [] => Ok(None),
        [child] => Ok(Some((child, pid))),
        _ => Err(Error::Garbled),
    }
}

/// As [`Become`]: does not come back if it is done.
///
/// # Errors
/// As [`Become`].
pub fn become_prepared(prepared: Handle, request: Become, bytes: &[u8]) -> Result<Infallible, Error> {
    let handles = &[prepared];
    let outgoing = Outgoing { bytes, handles };
    call_with(Handle::SELF, request, outgoing)?;
    Err(Error::Garbled)
}

/// As [`Exit`].
pub fn exit(status: i32) -> ! {
    loop {
        // If the kernel did not do it, there is nothing better than to ask again.
        call(Handle::SELF, Exit { status }).ok();
    }
}

/// As [`Wait`].
///
/// # Errors
/// As [`Wait`].
pub fn wait(child: Handle) -> Result<End, Error> {
    call(child, Wait {})
}

/// As [`WaitAndClose`] for the handle itself.
///
/// # Errors
/// As [`WaitAndClose`].
pub fn wait_and_close(child: Handle) -> Result<End, Error> {
    call(child, WaitAndClose { handle: child })
}

/// As [`SignalEnd`], through `signaller`, which has the right to signal and to be passed on.
///
/// # Errors
/// As [`SignalEnd`].
pub fn signal_end(child: Handle, signaller: Handle) -> Result<(), Error> {
    call_with(child, SignalEnd {}, Outgoing::handles(&[signaller]))
}

/// As [`HandleFaults`].
///
/// # Errors
/// As [`HandleFaults`].
pub fn handle_faults(process: Handle, endpoint: Option<Handle>) -> Result<(), Error> {
    call_with(process, HandleFaults {}, Outgoing::handles(endpoint.as_slice()))
}

/// As [`OpenFaulted`].
///
/// # Errors
/// As [`OpenFaulted`].
pub fn open_faulted() -> Result<Handle, Error> {
    one_handle(Handle::SELF, OpenFaulted {})
}

/// As [`Kill`].
///
/// # Errors
/// As [`Kill`].
pub fn kill(child: Handle) -> Result<(), Error> {
    call(child, Kill {})
}

/// As [`CreateEndpoint`].
///
/// # Errors
/// As [`CreateEndpoint`].
pub fn create_endpoint() -> Result<Handle, Error> {
    one_handle(Handle::SELF, CreateEndpoint {})
}

/// As [`Derive`].
///
/// # Errors
/// As [`Derive`].
pub fn derive(handle: Handle, rights: Rights, badge: Badge) -> Result<Handle, Error> {
    let request = Derive {
        handle,
        rights,
        badge,
    };
    one_handle(Handle::SELF, request)
}

/// As [`TakeCaller`].
///
/// # Errors
/// As [`TakeCaller`].
pub fn take_caller() -> Result<Handle, Error> {
    one_handle(Handle::SELF, TakeCaller {})
}

/// As [`Close`].
///
/// # Errors
/// As [`Close`].
pub fn close(handle: Handle) -> Result<(), Error> {
    call(Handle::SELF, Close { handle })
}

/// As [`Operation::Yield`].
pub fn yield_now() {
    trap([0, 0, 0, 0, 0, 0, 0, 0, Operation::Yield as u64]);
}

/// As [`Sleep`], until the counter is at `deadline`.
pub fn sleep_until(deadline: u64) {
    // The kernel refuses nobody this; a server in its place might, and then no time passes.
    call(Handle::SELF, Sleep { deadline }).ok();
}

/// As [`CountTicks`].
///
/// # Errors
/// As [`CountTicks`].
pub fn count_ticks(process: Handle) -> Result<u64, Error> {
    call(process, CountTicks {}).map(|(ticks,)| ticks)
}

/// As [`SetPriority`].
///
/// # Errors
/// As [`SetPriority`].
pub fn set_priority(process: Handle, priority: Priority, highest: Priority) -> Result<(), Error> {
    call(process, SetPriority { priority, highest })
}

/// As [`ReadPriority`].
///
/// # Errors
/// As [`ReadPriority`].
pub fn read_priority(process: Handle) -> Result<PriorityFacts, Error> {
    call(process, ReadPriority {})
}

/// As [`SetCpus`].
///
/// # Errors
/// As [`SetCpus`].
pub fn set_cpus(process: Handle, cpus: CpuSet) -> Result<(), Error> {
    call(process, SetCpus { cpus })
}

/// As [`ReadCpus`].
///
/// # Errors
/// As [`ReadCpus`].
pub fn read_cpus(process: Handle) -> Result<CpuFacts, Error> {
    call(process, ReadCpus {})
}

/// As [`Identify`].
///
/// # Errors
/// As [`Identify`].
pub fn identify(process: Handle) -> Result<Pid, Error> {
    call(process, Identify {}).map(|(pid,)| pid)
}

/// As [`ReadClock`].
///
/// # Errors
/// As [`ReadClock`].
pub fn read_clock() -> Result<ClockReading, Error> {
    call(Handle::SELF, ReadClock {})
}

/// As [`SetCredential`]; `groups` are bytes as they go into the message.
///
/// # Errors
/// As [`SetCredential`].
pub fn set_credential(process: Handle, uid: u32, gid: u32, groups: &[u8]) -> Result<(), Error> {
    call_with(process, SetCredential { uid, gid }, Outgoing::bytes(groups))
}

/// As [`ReadCredential`]; `groups` receives the supplementary groups.
///
/// # Errors
/// As [`ReadCredential`].
pub fn read_credential(process: Handle, groups: &mut Incoming) -> Result<UserAndGroup, Error> {
    exchange(process, ReadCredential {}, Outgoing::NOTHING, groups)
}
