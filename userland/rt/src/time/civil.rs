//! Seconds since 1970 to a date and a time of day, in UTC.
//!
//! The calendar is the Gregorian one for all time, and a day has 86400 seconds (POSIX, "Seconds Since the
//! Epoch"): leap seconds do not exist.

use core::fmt;

/// A date and a time of day in UTC. Shown as the command `date` shows it: `Sat Nov 28 15:57:41 UTC 2026`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DateTime {
    /// Astronomical: the year before 1 is 0.
    pub year: i64,
    /// From 1.
    pub month: u8,
    /// Of the month, from 1.
    pub day: u8,
    /// From 0.
    pub hour: u8,
    /// From 0.
    pub minute: u8,
    /// From 0 to 59.
    pub second: u8,
    /// From 0, a Sunday.
    pub weekday: u8,
}

const SECONDS_IN_A_DAY: i64 = 86_400;
/// After so many days the calendar repeats itself: weekdays too.
const DAYS_IN_400_YEARS: i64 = 146_097;
/// From 0000-03-01 to 1970-01-01.
const DAYS_TO_1970: i64 = 719_468;

impl DateTime {
    /// What it is `seconds` after 1970-01-01 00:00:00.
    pub const fn of_unix(seconds: i64) -> Self {
        let days = seconds.div_euclid(SECONDS_IN_A_DAY);
        let of_day = seconds.rem_euclid(SECONDS_IN_A_DAY);
        let (year, month, day) = date(days);
        Self {
            year,
            month,
            day,
            hour: (of_day / 3600) as u8,
            minute: (of_day / 60 % 60) as u8,
            second: (of_day % 60) as u8,
            // 1970-01-01 was a Thursday.
            weekday: (days + 4).rem_euclid(7) as u8,
        }
    }

    /// The same as `2026-11-28 15:57:41` (ISO 8601 with a space).
    pub const fn iso(self) -> Iso {
        Iso(self)
    }
}

/// Year, month and day, `days` after 1970-01-01.
///
/// Years are counted from March here, so that a leap day is the last of its year and what comes before it has the
/// same length in each year.
const fn date(days: i64) -> (i64, u8, u8) {
    let days = days + DAYS_TO_1970;
    let period = days.div_euclid(DAYS_IN_400_YEARS);
    let day = days.rem_euclid(DAYS_IN_400_YEARS);
    // The leap days up to then taken off, each year has 365 days. The last day of 4, 100 and 400 years is one.
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    // Months have 31 and 30 days in turn, five of them 153 days.
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (year, month) = match month {
        ..10 => (year, month + 3),
        _ => (year + 1, month - 9),
    };
    (period * 400 + year, month as u8, day as u8)
}

const WEEKDAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

impl fmt::Display for DateTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let weekday = WEEKDAYS[usize::from(self.weekday)];
        let month = MONTHS[usize::from(self.month) - 1];
        write!(f, "{weekday} {month} {:>2} ", self.day)?;
        write!(f, "{:02}:{:02}:{:02} UTC ", self.hour, self.minute, self.second)?;
        write!(f, "{}", self.year)
    }
}

/// A date as ISO 8601 has it.
#[derive(Clone, Copy, Debug)]
pub struct Iso(DateTime);

impl fmt::Display for Iso {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let DateTime { year, month, day, .. } = self.0;
        let DateTime {
            hour, minute, second, ..
        } = self.0;
        write!(
            f,
            "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::DateTime;
    use std::string::ToString;

    const DAY: i64 = 86_400;

    fn text(seconds: i64) -> std::string::String {
        DateTime::of_unix(seconds).to_string()
    }

    #[test]
    fn dates_are_those_that_other_systems_show() {
        assert_eq!(text(0), "Thu Jan  1 00:00:00 UTC 1970");
        assert_eq!(text(951_782_400), "Tue Feb 29 00:00:00 UTC 2000");
        assert_eq!(text(1_795_881_461), "Sat Nov 28 15:57:41 UTC 2026");
        assert_eq!(text(i32::MAX.into()), "Tue Jan 19 03:14:07 UTC 2038");
        assert_eq!(text(i64::from(i32::MAX) + 1), "Tue Jan 19 03:14:08 UTC 2038");
        assert_eq!(text(4_107_542_400 - 1), "Sun Feb 28 23:59:59 UTC 2100");
        assert_eq!(text(4_107_542_400), "Mon Mar  1 00:00:00 UTC 2100");
        assert_eq!(text(u32::MAX.into()), "Sun Feb  7 06:28:15 UTC 2106");
        assert_eq!(text(253_402_300_800), "Sat Jan  1 00:00:00 UTC 10000");
        assert_eq!(text(-1), "Wed Dec 31 23:59:59 UTC 1969");
    }

    #[test]
    fn the_iso_form_is_padded() {
        assert_eq!(DateTime::of_unix(0).iso().to_string(), "1970-01-01 00:00:00");
        assert_eq!(
            DateTime::of_unix(1_795_881_461).iso().to_string(),
            "2026-11-28 15:57:41"
        );
    }

    /// A calendar as a child learns it.
    fn next_day((year, month, day): (i64, u8, u8)) -> (i64, u8, u8) {
        let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let days = match month {
            2 if leap => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        };
        match (month, day) {
            (12, 31) => (year + 1, 1, 1),
            (_, last) if last == days => (year, month + 1, 1),
            _ => (year, month, day + 1),
        }
    }

    #[test]
    fn every_day_of_eight_centuries_follows_the_one_before() {
        let mut expected = (1970, 1, 1);
        for days in 0..2 * 146_097 {
            let noon = DateTime::of_unix(days * DAY + DAY / 2);
            assert_eq!((noon.year, noon.month, noon.day), expected);
            assert_eq!((noon.hour, noon.minute, noon.second), (12, 0, 0));
            assert_eq!(i64::from(noon.weekday), (days + 4) % 7);
            expected = next_day(expected);
        }
        assert_eq!(expected, (2770, 1, 1));
    }

    #[test]
    fn the_calendar_repeats_itself_as_far_as_seconds_go_in_either_direction() {
        for seconds in [i64::MIN, i64::MAX] {
            let date = DateTime::of_unix(seconds);
            let toward_1970 = seconds - seconds.signum() * 146_097 * DAY;
            let other = DateTime::of_unix(toward_1970);
            assert_eq!(date.year - other.year, seconds.signum() * 400);
            assert_eq!(
                DateTime {
                    year: other.year,
                    ..date
                },
                other
            );
        }
    }
}
