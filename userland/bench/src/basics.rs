//! A call that the kernel answers at once.

use crate::measure::Row;
use abi::process::Identify;
use abi::{Handle, Operation, Request};
use rt::Error;
use rt::svc::trap;

const COUNT: u64 = 4000;

/// Measures it.
pub fn measure() -> Result<[Row; 1], Error> {
    let object = Handle::SELF.raw().into();
    let (label, operation) = (Identify::LABEL.0.into(), Operation::Call as u64);
    let null_call = Row::measure("ipc_null_call", COUNT, || {
        core::hint::black_box(trap([object, label, 0, 0, 0, 0, 0, 0, operation]));
        Ok(())
    })?;
    Ok([null_call])
}
