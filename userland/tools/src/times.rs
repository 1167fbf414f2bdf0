//! How dates and durations are shown.

use abi::time::{ClockReading, ClockSource};
use core::fmt;
use rt::time::{Duration, SystemTime};

/// Said where a date is asked for and there is none.
pub const NO_DATE: &str = "this machine does not know the date: it has no clock, and no bootarg time=SECONDS";

/// How long something lasts: `4:05:06`, `3 days, 4:05:06`.
#[derive(Clone, Copy, Debug)]
pub struct Lasting(pub Duration);

impl fmt::Display for Lasting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        match seconds / 86_400 {
            0 => {}
            1 => f.write_str("1 day, ")?,
            days => write!(f, "{days} days, ")?,
        }
        let (hours, minutes) = (seconds / 3600 % 24, seconds / 60 % 60);
        write!(f, "{hours}:{minutes:02}:{:02}", seconds % 60)
    }
}

/// What `uptime` says: the time of day, if it is known, and since when the machine runs.
#[derive(Clone, Copy, Debug)]
pub struct UptimeLine(pub ClockReading);

impl fmt::Display for UptimeLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ClockReading {
            uptime,
            seconds,
            source,
            ..
        } = self.0;
        if source.knows_the_date() {
            let now = SystemTime::from_unix(seconds).utc();
            write!(f, "{:02}:{:02}:{:02} ", now.hour, now.minute, now.second)?;
        }
        write!(f, "up {}", Lasting(Duration::from_nanos(uptime)))
    }
}

/// A time of a segment.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// As `shmid_ds` has it; 0 for never.
    pub seconds: i64,
    /// From when it counts.
    pub source: ClockSource,
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.seconds == 0 {
            f.pad("Not set")
        } else if self.source.knows_the_date() {
            f.pad(&alloc::format!(
                "{}",
                SystemTime::from_unix(self.seconds).utc().iso()
            ))
        } else {
            f.pad(&alloc::format!("{} s after boot", self.seconds))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Lasting, Moment, UptimeLine};
    use abi::time::{ClockReading, ClockSource};
    use alloc::string::ToString;
    use rt::time::Duration;

    #[test]
    fn a_duration_is_shown_in_days_hours_minutes_and_seconds() {
        let text = |seconds| Lasting(Duration::from_secs(seconds)).to_string();
        assert_eq!(text(0), "0:00:00");
        assert_eq!(text(86_399), "23:59:59");
        assert_eq!(text(86_400), "1 day, 0:00:00");
        assert_eq!(text(40 * 86_400 + 3 * 3600 + 61), "40 days, 3:01:01");
    }

    #[test]
    fn uptime_has_the_time_of_day_only_where_it_is_known() {
        let reading = ClockReading {
            monotonic: 9_000_000_000,
            uptime: 5_999_999_999,
            seconds: 1_795_881_461,
            nanoseconds: 0,
            source: ClockSource::RealTimeClock,
        };
        assert_eq!(UptimeLine(reading).to_string(), "15:57:41 up 0:00:05");
        let source = ClockSource::Boot;
        assert_eq!(
            UptimeLine(ClockReading { source, ..reading }).to_string(),
            "up 0:00:05"
        );
    }

    #[test]
    fn a_moment_is_a_date_or_counts_from_boot_or_has_not_been() {
        let text = |seconds, source| alloc::format!("{:<20}|", Moment { seconds, source });
        assert_eq!(
            text(1_795_881_461, ClockSource::BootArgument),
            "2026-11-28 15:57:41 |"
        );
        assert_eq!(text(12, ClockSource::Boot), "12 s after boot     |");
        assert_eq!(text(0, ClockSource::RealTimeClock), "Not set             |");
    }
}
