//! How things are measured: a batch, less the same batch of nothing.

use abi::{CpuSet, Handle};
use rt::sys::process::{read_cpus, set_cpus};
use rt::time::Instant;
use rt::{Error, Failure};

/// A result.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Its name in the table of measures.
    pub id: &'static str,
    /// Nanoseconds or instructions, one operation.
    pub value: u64,
    /// Hundredths of one on top of that, where it is so small that they matter.
    pub hundredths: u64,
}

impl Row {
    /// A whole number.
    pub const fn new(id: &'static str, value: u64) -> Self {
        Self {
            id,
            value,
            hundredths: 0,
        }
    }

    /// `whole`, divided among so many.
    pub const fn share(id: &'static str, whole: u64, count: u64) -> Self {
        Self {
            id,
            value: whole / count,
            hundredths: whole % count * 100 / count,
        }
    }

    /// What `operation` costs on average over so many times.
    pub fn measure(
        id: &'static str,
        count: u64,
        operation: impl FnMut() -> Result<(), Error>,
    ) -> Result<Self, Error> {
        each(count, operation).map(|value| Self::new(id, value))
    }
}

/// The average of `count` times `operation`, after a few times without looking at the clock.
pub fn each(count: u64, mut operation: impl FnMut() -> Result<(), Error>) -> Result<u64, Error> {
    for _ in 0..count.min(4) {
        operation()?;
    }
    let start = Instant::now();
    for _ in 0..count {
        operation()?;
    }
    let whole = nanoseconds(start);
    Ok(whole.saturating_sub(loop_cost(count)) / count)
}

/// Measures where those who take part are on one CPU, so that the less important of them runs only while the other waits.
pub fn on_one_cpu<T>(measure: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    let before = read_cpus(Handle::SELF)?;
    set_cpus(Handle::SELF, CpuSet::of(before.cpu))?;
    let result = measure();
    set_cpus(Handle::SELF, before.cpus)?;
    result
}

/// What looking at the clock and counting costs.
fn loop_cost(count: u64) -> u64 {
    let start = Instant::now();
    for number in 0..count {
        core::hint::black_box(number);
    }
    nanoseconds(start)
}

/// The time that one run of `operation` takes.
pub fn time(operation: impl FnOnce() -> Result<(), Error>) -> Result<u64, Error> {
    let start = Instant::now();
    operation()?;
    Ok(nanoseconds(start))
}

/// Since `start`.
fn nanoseconds(start: Instant) -> u64 {
    u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX)
}
