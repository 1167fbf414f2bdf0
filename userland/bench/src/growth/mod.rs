//! How costs grow with what there is: `bench growth`.
//!
//! Prints `growth: SWEEP COUNT CURVE VALUE` for each point of each curve. It takes more memory, and more mappings a
//! process, than machines have that only run the other measures.

pub mod attachers;
mod mappings;
mod regions;
mod sizes;

use crate::measure::each;
use rt::archive::Archive;
use rt::{Error, Outcome, println};

/// Measures all of them.
pub fn measure(archive: Archive) -> Outcome {
    regions::measure()?;
    sizes::measure()?;
    mappings::measure()?;
    attachers::measure(archive)?;
    println!("growth: done");
    Ok(())
}

/// A thing there may be more and more of, and how many there are just now.
#[derive(Clone, Copy)]
struct Sweep {
    name: &'static str,
    count: u64,
}

impl Sweep {
    /// `operation` costs this much now, on average over so many times.
    fn measure(
        self,
        curve: &str,
        times: u64,
        operation: impl FnMut() -> Result<(), Error>,
    ) -> Result<u64, Error> {
        let value = each(times, operation)?;
        self.point(curve, value);
        Ok(value)
    }

    fn point(self, curve: &str, value: u64) {
        println!("growth: {} {} {curve} {value}", self.name, self.count);
    }
}

/// One after the other of so many, not in the order they were made in.
struct Round {
    count: u64,
    now: u64,
}

impl Round {
    fn of(count: u64) -> Self {
        Self { count, now: 0 }
    }

    fn next(&mut self) -> u64 {
        /// Prime, so that all get their turn.
        const STEP: u64 = 7919;
        self.now = (self.now + STEP) % self.count;
        self.now
    }
}
