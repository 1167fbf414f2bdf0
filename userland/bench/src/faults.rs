//! A fault that another process handles.

use crate::measure::Row;
use abi::{Badge, Errno, Handle, Operation};
use rt::fault::{self, Received};
use rt::hazard::undefined;
use rt::ipc::Endpoint;
use rt::spawn::fork;
use rt::svc::trap;
use rt::{Error, Failure, Incoming};

const COUNT: u64 = 4000;
/// The argument with which this program measures that, in a process that has used no FP/SIMD register.
pub const ARGUMENT: &str = "faulting";

/// Measures the way from an instruction that does not exist to its handler and back, where the thread tries again.
pub fn measure() -> Result<Row, Failure> {
    let mut endpoint = Endpoint::create()?;
    fault::handle(Handle::SELF, &endpoint, Badge(1))?;
    let child = fork(|| {
        undefined();
        Ok(())
    })?;
    fault::leave_alone(Handle::SELF)?;
    let received = fault::receive(&mut endpoint, &mut Incoming::new())?;
    if !matches!(received, Received::Fault(_)) {
        return Err(Failure::new("bench: that was no fault"));
    }
    let (object, operation) = (endpoint.handle().raw().into(), Operation::ReplyReceive as u64);
    let row = Row::measure("fault_rtt", COUNT, || {
        let back = trap([object, 0, 0, 0, 0, 0, 0, 0, operation]);
        if back[0] == 0 { Ok(()) } else { Err(Error::Garbled) }
    })?;
    endpoint.reply(Err(Errno::EFAULT))?;
    child.wait()?;
    Ok(row)
}
