//! The system's clock: what the counter says, and what the date was when it said something else.

use abi::time::{ClockReading, ClockSource, Frequency};
use core::time::Duration;
use mm::Seconds;

/// The clock. It is set once, at boot, and from then on goes by the system counter, so it never jumps.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    frequency: Frequency,
    /// The counter as the kernel started.
    booted: u64,
    /// Seconds at that time.
    seconds_at_boot: i64,
    source: ClockSource,
}

impl Clock {
    /// Without a date: counts from `booted`, now.
    pub const fn without_date(frequency: Frequency, booted: u64) -> Self {
        Self {
            frequency,
            booted,
            seconds_at_boot: 0,
            source: ClockSource::Boot,
        }
    }

    /// The same, set to `seconds` since 1970.
    pub const fn set_to(self, seconds: i64, source: ClockSource) -> Self {
        Self {
            seconds_at_boot: seconds,
            source,
            ..self
        }
    }

    /// Where the date is from.
    pub const fn source(&self) -> ClockSource {
        self.source
    }

    /// Ticks in a second.
    pub const fn frequency(&self) -> Frequency {
        self.frequency
    }

    /// What it says when the counter is at `ticks`.
    pub fn read(&self, ticks: u64) -> ClockReading {
        let since_boot = self.frequency.duration(self.since_boot(ticks));
        ClockReading {
            monotonic: nanoseconds(self.frequency.duration(ticks)),
            uptime: nanoseconds(since_boot),
            seconds: self.seconds_at_boot.saturating_add_unsigned(since_boot.as_secs()),
            nanoseconds: since_boot.subsec_nanos(),
            source: self.source,
        }
    }

    /// The same second, for the times of segments. Those are 0 for what never happened (POSIX, `sys/shm.h`), so what
    /// happens in the first second after a boot without a date happens in second 1.
    pub fn seconds(&self, ticks: u64) -> Seconds {
        let since_boot = self.frequency.seconds(self.since_boot(ticks));
        Seconds(self.seconds_at_boot.saturating_add_unsigned(since_boot).max(1))
    }

    /// Ticks.
    fn since_boot(&self, ticks: u64) -> u64 {
        ticks.saturating_sub(self.booted)
    }
}

/// Enough for five centuries.
fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::Clock;
    use abi::time::{ClockSource, Frequency};
    use mm::Seconds;

    const HERTZ: u64 = 54_000_000;
    /// The counter has run for half a minute when the kernel starts.
    const BOOTED: u64 = 30 * HERTZ;

    fn without_date() -> Clock {
        let frequency = Frequency::new(HERTZ as u32).expect("not zero");
        Clock::without_date(frequency, BOOTED)
    }

    #[test]
    fn without_a_date_seconds_count_from_boot_and_the_first_is_one() {
        let clock = without_date();
        let reading = clock.read(BOOTED + HERTZ * 5 / 2);
        assert_eq!((reading.seconds, reading.nanoseconds), (2, 500_000_000));
        assert_eq!(reading.uptime, 2_500_000_000);
        assert_eq!(reading.monotonic, 32_500_000_000);
        assert_eq!(reading.source, ClockSource::Boot);
        assert_eq!(clock.seconds(BOOTED), Seconds(1));
        assert_eq!(clock.seconds(BOOTED + 7 * HERTZ), Seconds(7));
    }

    #[test]
    fn with_a_date_seconds_count_from_1970() {
        let clock = without_date().set_to(1_795_881_461, ClockSource::RealTimeClock);
        let reading = clock.read(BOOTED + HERTZ + HERTZ / 4);
        assert_eq!(
            (reading.seconds, reading.nanoseconds),
            (1_795_881_462, 250_000_000)
        );
        assert_eq!(
            (reading.uptime, reading.source),
            (1_250_000_000, ClockSource::RealTimeClock)
        );
        assert_eq!(clock.seconds(BOOTED + HERTZ), Seconds(1_795_881_462));
    }

    #[test]
    fn a_date_that_is_out_of_reach_stays_at_the_last_second() {
        let clock = without_date().set_to(i64::MAX, ClockSource::BootArgument);
        assert_eq!(clock.read(u64::MAX).seconds, i64::MAX);
        assert_eq!(clock.seconds(u64::MAX), Seconds(i64::MAX));
    }

    #[test]
    fn a_counter_that_is_behind_its_own_past_does_not_make_time_negative() {
        // One CPU's counter may lag another's by a tick.
        let reading = without_date().read(BOOTED - 1);
        assert_eq!((reading.uptime, reading.seconds), (0, 0));
    }
}
