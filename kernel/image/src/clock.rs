//! The clock: how fast the counter counts, and what the date is.
//!
//! The date is read once, at boot, and then goes by the counter. That gives it nanoseconds where a real-time
//! clock has seconds, it cannot jump, and reading it touches no device; the price is that it drifts from the
//! real-time clock as far as the two oscillators differ, and that it may be late by the part of a second that
//! had gone by at boot.

use crate::device::Registers;
use crate::exit;
use aarch64::timer;
use abi::time::{ClockSource, Frequency};
use alloc::boxed::Box;
use boards::{Board, rtc};
use core::fmt;
use kcore::Clock;

/// The slowest counter that is usual (Arm ARM, "The Generic Timer"). What firmware claims must not be far below
/// the truth: a time slice that is over before its program is entered would leave it no time at all.
const LEAST_HERTZ: u32 = 1_000_000;

/// Sets the clock: by the real-time clock, or else by bootarg `time=`, or else not.
pub fn set(board: &Board, devices: &mut Registers<'_>) -> &'static Clock {
    let clock = Clock::without_date(frequency(), timer::count().get());
    let clock = if let Some(seconds) = real_time(board, devices) {
        clock.set_to(seconds, ClockSource::RealTimeClock)
    } else if let Some(seconds) = board.options().time() {
        clock.set_to(seconds, ClockSource::BootArgument)
    } else {
        clock
    };
    Box::leak(Box::new(clock))
}

/// Without it there is no time and no time slice.
fn frequency() -> Frequency {
    match Frequency::new(timer::frequency()) {
        None => exit::cannot_start(format_args!(
            "firmware has not said in CNTFRQ_EL0 how fast the system counter counts"
        )),
        Some(slow) if slow.hertz() < LEAST_HERTZ => exit::cannot_start(format_args!(
            "the system counter counts {} times a second, as CNTFRQ_EL0 says; {LEAST_HERTZ} are needed at least",
            slow.hertz()
        )),
        Some(frequency) => frequency,
    }
}

fn real_time(board: &Board, devices: &mut Registers<'_>) -> Option<i64> {
    // SAFETY: The device tree says that this is a PL031.
    let registers = unsafe { devices.map("real-time clock", board.rtc?) };
    rtc::seconds(registers).map(i64::from)
}

/// How fast the counter counts, and where the date is from.
pub struct About<'a>(pub &'a Clock);

impl fmt::Display for About<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kilohertz = self.0.frequency().hertz() / 1000;
        write!(f, "counter at {}.{:03} MHz; ", kilohertz / 1000, kilohertz % 1000)?;
        f.write_str(match self.0.source() {
            ClockSource::Boot => "no clock: time counts from boot",
            ClockSource::RealTimeClock => "clock set by the real-time clock",
            ClockSource::BootArgument => "clock set by bootarg time=",
        })
    }
}
