//! Threads: one begins, ends, and is waited for.

use crate::measure::Row;
use rt::thread::spawn;
use rt::{Error, Failure};

const THREADS: u64 = 500;

/// Measures that, with a stack of its own for each, which is given back.
pub fn measure() -> Result<Row, Failure> {
    let row = Row::measure("thread_create_join", THREADS, || {
        spawn(|| ())?.join().ok_or(Error::Garbled)
    })?;
    Ok(row)
}
