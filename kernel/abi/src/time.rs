//! What a clock says, and how long ticks of the system counter take.
//!
//! Programs read the counter themselves (CNTVCT_EL0, and CNTFRQ_EL0 for its frequency); the kernel adds what
//! the date was when it booted, and nothing else. So a program that has asked once can go on by itself.

use crate::request::{numbered, words};
use core::num::NonZeroU32;
use core::time::Duration;

/// How fast the system counter counts (Arm ARM, "CNTFRQ_EL0").
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Frequency(NonZeroU32);

impl Frequency {
    /// `hertz` ticks in a second; `None` for 0.
    pub const fn new(hertz: u32) -> Option<Self> {
        match NonZeroU32::new(hertz) {
            Some(hertz) => Some(Self(hertz)),
            None => None,
        }
    }

    /// Ticks in a second.
    pub const fn hertz(self) -> u32 {
        self.0.get()
    }

    /// How many whole seconds `ticks` ticks take.
    pub const fn seconds(self, ticks: u64) -> u64 {
        ticks / self.hertz() as u64
    }

    /// How many ticks it takes until so much time has passed: rounded up, and at most what a counter has.
    pub const fn ticks(self, time: Duration) -> u64 {
        let (hertz, nanoseconds) = (self.hertz() as u64, time.subsec_nanos() as u64);
        // Less than a second's, so the product is below 2^62.
        let rest = (nanoseconds * hertz).div_ceil(NANOSECONDS);
        time.as_secs().saturating_mul(hertz).saturating_add(rest)
    }

    /// How long `ticks` ticks take, rounded down to a nanosecond: exact for any number of them.
    pub const fn duration(self, ticks: u64) -> Duration {
        let hertz = self.hertz() as u64;
        // The rest is below 2^32, and so the product below 2^62.
        let rest = ticks % hertz * NANOSECONDS / hertz;
        Duration::new(self.seconds(ticks), rest as u32)
    }
}

const NANOSECONDS: u64 = 1_000_000_000;

/// Where the kernel has the date from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u64)]
pub enum ClockSource {
    /// Nowhere: seconds count from boot.
    Boot = 0,
    /// A real-time clock, read at boot.
    RealTimeClock = 1,
    /// The bootarg `time=`.
    BootArgument = 2,
}

numbered!(ClockSource: Boot, RealTimeClock, BootArgument);

impl ClockSource {
    /// Whether seconds count from 1970-01-01 00:00:00 UTC, so that they name a date.
    pub const fn knows_the_date(self) -> bool {
        !matches!(self, Self::Boot)
    }
}

words! {
    /// One moment, as the system's clock has it.
    ClockReading {
        /// Nanoseconds since the system counter started, at power-on or soon after. Never set back.
        monotonic: u64,
        /// Nanoseconds since the kernel started.
        uptime: u64,
        /// Seconds, from when is up to `source`. Those of segments are counted in the same way.
        seconds: i64,
        /// Nanoseconds of the second.
        nanoseconds: u32,
        /// Where the date is from.
        source: ClockSource,
    }
}

#[cfg(test)]
mod tests {
    use super::Frequency;
    use core::time::Duration;

    /// A slow one, the slowest usual one, a Raspberry Pi 4's, QEMU's, that of newer CPUs, and the limit.
    const FREQUENCIES: [u32; 7] = [1, 50, 1_000_000, 54_000_000, 62_500_000, 1_000_000_000, u32::MAX];

    fn frequency(hertz: u32) -> Frequency {
        Frequency::new(hertz).expect("not zero")
    }

    #[test]
    fn a_duration_is_exact_to_the_nanosecond_whatever_the_frequency() {
        for hertz in FREQUENCIES {
            for shift in 0..64 {
                for ticks in [u64::MAX >> shift, (u64::MAX >> shift) - 1, 1 << shift] {
                    let exact = u128::from(ticks) * 1_000_000_000 / u128::from(hertz);
                    assert_eq!(
                        frequency(hertz).duration(ticks).as_nanos(),
                        exact,
                        "{ticks} at {hertz}"
                    );
                }
            }
        }
    }

    #[test]
    fn after_the_ticks_of_a_time_it_has_passed_and_not_a_tick_earlier() {
        for hertz in FREQUENCIES {
            for nanoseconds in [0, 1, 7, 999, 10_000_000, 999_999_999] {
                for seconds in [0, 1, 86_400 * 366 * 100] {
                    let time = Duration::new(seconds, nanoseconds);
                    let ticks = frequency(hertz).ticks(time);
                    assert!(frequency(hertz).duration(ticks) >= time, "{time:?} at {hertz}");
                    assert!(
                        ticks == 0 || frequency(hertz).duration(ticks - 1) < time,
                        "{time:?} at {hertz}"
                    );
                }
            }
            assert_eq!(frequency(hertz).ticks(Duration::MAX), u64::MAX, "at {hertz}");
        }
    }

    #[test]
    fn time_never_goes_back_where_a_second_ends() {
        for hertz in FREQUENCIES {
            let second = u64::from(hertz);
            for ticks in second.saturating_sub(3)..second + 3 {
                let [before, after] = [ticks, ticks + 1].map(|ticks| frequency(hertz).duration(ticks));
                assert!(before <= after, "{ticks} at {hertz}");
            }
            assert_eq!(frequency(hertz).duration(second), Duration::from_secs(1));
        }
    }

    #[test]
    fn a_century_fits_into_the_nanoseconds_of_a_reading() {
        const CENTURY: u64 = 100 * 366 * 86_400;
        for hertz in FREQUENCIES {
            let ticks = CENTURY * u64::from(hertz);
            let nanoseconds = frequency(hertz).duration(ticks).as_nanos();
            assert_eq!(
                u64::try_from(nanoseconds),
                Ok(CENTURY * 1_000_000_000),
                "at {hertz}"
            );
        }
    }

    #[test]
    fn a_counter_that_does_not_count_has_no_frequency() {
        assert_eq!(Frequency::new(0), None);
    }
}
