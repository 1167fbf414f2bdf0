//! The time: a counter that every program can read, and the date, which the kernel is asked for.
//!
//! ```
//! use rt::time::Instant;
//!
//! let start = Instant::now();
//! let took = start.elapsed();
//! # assert!(took.as_secs() < 3600);
//! ```

mod civil;
mod counter;

pub use civil::DateTime;
pub use core::time::Duration;

use crate::Error;
use crate::sys::process::read_clock;

/// A moment by the system counter, which is never set and stands still for nobody.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Instant {
    pub(crate) ticks: u64,
}

impl Instant {
    /// This moment. No trap: programs may read the counter. It is not read before what comes before is
    /// done (Arm ARM, "CNTVCT_EL0").
    #[inline(always)]
    pub fn now() -> Self {
        Self {
            ticks: counter::ticks(),
        }
    }

    /// How long ago it was.
    pub fn elapsed(self) -> Duration {
        Self::now().duration_since(self)
    }

    /// How long it is after `earlier`; nothing if it is before.
    pub fn duration_since(self, earlier: Self) -> Duration {
        counter::frequency().duration(self.ticks.saturating_sub(earlier.ticks))
    }

    /// The moment that is so much later, or the next that the counter has a number for. Centuries after the
    /// counter's start time ends.
    pub fn after(self, time: Duration) -> Self {
        let ticks = counter::frequency().ticks(time);
        Self {
            ticks: self.ticks.saturating_add(ticks),
        }
    }

    /// The count of the counter.
    pub const fn ticks(self) -> u64 {
        self.ticks
    }

    /// How long it is after the counter's start, at power-on or soon after.
    pub fn since_start(self) -> Duration {
        counter::frequency().duration(self.ticks)
    }
}

/// How long so many ticks of the counter take.
pub fn of_ticks(ticks: u64) -> Duration {
    counter::frequency().duration(ticks)
}

/// Lets so much time pass at least while others run.
pub fn sleep(time: Duration) {
    sleep_until(Instant::now().after(time));
}

/// Waits until `moment`, or goes on at once if that has passed.
pub fn sleep_until(moment: Instant) {
    crate::sys::process::sleep_until(moment.ticks);
}

/// A moment by the calendar.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SystemTime {
    seconds: i64,
    nanoseconds: u32,
}

impl SystemTime {
    /// This moment; `None` if the machine does not know the date.
    ///
    /// # Errors
    /// The kernel cannot be asked.
    pub fn now() -> Result<Option<Self>, Error> {
        let reading = read_clock()?;
        let now = Self {
            seconds: reading.seconds,
            nanoseconds: reading.nanoseconds,
        };
        Ok(Some(now).filter(|_| reading.source.knows_the_date()))
    }

    /// `seconds` after 1970-01-01 00:00:00 UTC, as in POSIX `time_t`.
    pub const fn from_unix(seconds: i64) -> Self {
        Self {
            seconds,
            nanoseconds: 0,
        }
    }

    /// Whole seconds since 1970-01-01 00:00:00 UTC.
    pub const fn unix_seconds(self) -> i64 {
        self.seconds
    }

    /// Nanoseconds of its second.
    pub const fn subsec_nanoseconds(self) -> u32 {
        self.nanoseconds
    }

    /// Its date and time of day in UTC.
    pub const fn utc(self) -> DateTime {
        DateTime::of_unix(self.seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::{Duration, Instant, SystemTime};
    use crate::{Error, fake};
    use abi::IpcError;

    #[test]
    fn instants_follow_each_other_and_the_earlier_is_no_time_after_the_later() {
        let (first, second) = (Instant::now(), Instant::now());
        assert!(first <= second);
        assert_eq!(first.duration_since(second), Duration::ZERO);
        assert!(second.since_start() >= first.since_start());
    }

    #[test]
    fn the_date_is_the_kernels_or_unknown() {
        fake::install(|sent, _| {
            assert_eq!(sent[..2], [1, 0x10b]);
            [0, 0, 7, 6, 1_795_881_461, 5, 1, 0, 0]
        });
        let now = SystemTime::now().expect("an answer").expect("a date");
        assert_eq!((now.unix_seconds(), now.subsec_nanoseconds()), (1_795_881_461, 5));
        fake::install(|_, _| [0, 0, 7, 6, 1, 5, 0, 0, 0]);
        assert_eq!(SystemTime::now(), Ok(None));
        fake::install(|_, _| [IpcError::BadHandle as u64, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(SystemTime::now(), Err(Error::Ipc(IpcError::BadHandle)));
    }
}
