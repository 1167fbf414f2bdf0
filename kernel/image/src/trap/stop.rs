//! The end of the system.

use crate::console::say;
use crate::exit;
use abi::process::End;
use kcore::log::Log;
use kcore::sched::Stop;

pub(super) fn end(stop: Stop, log: &Log) -> ! {
    match stop {
        Stop::ShutDown(how, status) => exit::end(how, status),
        Stop::FirstEnded(end) => {
            let mut text = [0; LAST_LOG_BYTES];
            let (_, count) = log.read(log.end().saturating_sub(LAST_LOG_BYTES as u64), &mut text);
            let lines = text[..count].trim_ascii_end();
            let last = lines.rsplit(|&byte| byte == b'\n').next().unwrap_or_default();
            let last = core::str::from_utf8(last).unwrap_or("a line that is too long");
            say(format_args!(
                "The first program ended ({}), so everything does. Last in the log:",
                Words(end)
            ));
            say(format_args!("{last}"));
            exit::power_off(exit::PANIC_STATUS)
        }
    }
}

/// Enough for the report of a fault.
const LAST_LOG_BYTES: usize = 256;

struct Words(End);

impl core::fmt::Display for Words {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self.0 {
            End::Exited(status) => write!(f, "it exited with status {status}"),
            End::Faulted(kind, address) => write!(f, "by a fault, {kind:?}, at {address:#x}"),
            End::Killed => write!(f, "it was killed"),
        }
    }
}
