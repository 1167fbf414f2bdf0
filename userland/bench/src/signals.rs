//! Signals.

use crate::measure::Row;
use abi::{Badge, Operation};
use rt::ipc::Endpoint;
use rt::svc::trap;
use rt::{Error, Failure};

const COUNT: u64 = 4000;

/// Measures them.
pub fn measure() -> Result<[Row; 1], Failure> {
    let endpoint = Endpoint::create()?;
    let signaller = endpoint.signaller(Badge(1))?;
    let (object, operation) = (signaller.get().raw().into(), Operation::Signal as u64);
    let no_waiter = Row::measure("notify_no_waiter", COUNT, || {
        let back = trap([object, 0, 0, 0, 0, 0, 0, 0, operation]);
        if back[0] == 0 { Ok(()) } else { Err(Error::Garbled) }
    })?;
    Ok([no_waiter])
}
