//! How things are measured: a batch, less the same batch of nothing.

use rt::{Error, clock};

/// A result.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Its name in the table of measures.
    pub id: &'static str,
    /// Nanoseconds or instructions, one operation.
    pub value: u64,
}

impl Row {
    /// `operation`, `count` times, after a few times without looking at the clock.
    pub fn measure(
        id: &'static str,
        count: u64,
        mut operation: impl FnMut() -> Result<(), Error>,
    ) -> Result<Self, Error> {
        for _ in 0..count.min(4) {
            operation()?;
        }
        let start = clock::ticks();
        for _ in 0..count {
            operation()?;
        }
        let whole = clock::nanoseconds(clock::ticks() - start);
        Ok(Self {
            id,
            value: whole.saturating_sub(loop_cost(count)) / count,
        })
    }
}

/// What looking at the clock and counting costs.
fn loop_cost(count: u64) -> u64 {
    let start = clock::ticks();
    for number in 0..count {
        core::hint::black_box(number);
    }
    clock::nanoseconds(clock::ticks() - start)
}

/// The time that one run of `operation` takes.
pub fn time(operation: impl FnOnce() -> Result<(), Error>) -> Result<u64, Error> {
    let start = clock::ticks();
    operation()?;
    Ok(clock::nanoseconds(clock::ticks() - start))
}
