//! Whether frames got lost.

use abi::Handle;
use abi::process::{Priority, PriorityFacts};
use rt::sys::process::{read_priority, set_priority};
use rt::{Error, Failure, Outcome, sys};

/// Turns that others are given at most: enough for 64 ends of many steps each.
const TURNS: u32 = 10_000;

/// Counts frames; does nothing in a program that was not given the system as its parent handle.
#[derive(Clone, Copy, Debug)]
pub struct Frames {
    unused: Option<u64>,
}

impl Frames {
    /// How many there are now.
    pub fn count() -> Self {
        Self {
            unused: unused_by_others().ok(),
        }
    }

    /// Whether as many are there again. Programs that were never started end on their own when whoever made
    /// them has ended, so they are given turns until they have, however unimportant somebody has made them.
    ///
    /// # Errors
    /// A sentence with both numbers.
    pub fn check(self) -> Outcome {
        let mut now = Self::count();
        if now.unused != self.unused {
            let PriorityFacts { priority, highest } = read_priority(Handle::SELF)?;
            set_priority(Handle::SELF, Priority::LEAST, highest)?;
            for _ in 0..TURNS {
                sys::process::yield_now();
                now = Self::count();
                if now.unused == self.unused {
                    break;
                }
            }
            set_priority(Handle::SELF, priority, highest)?;
        }
        let (Some(before), Some(after)) = (self.unused, now.unused) else {
            return Ok(());
        };
        if before == after {
            Ok(())
        } else {
            let sentence = alloc::format!("{before} frames were free before, {after} are now");
            Err(Failure::new(sentence))
        }
    }
}

/// Frames that are free, or this program's own: it may touch a page more of its stack or heap.
fn unused_by_others() -> Result<u64, Error> {
    let own = sys::memory::count_usage()?;
    Ok(sys::system::count_frames(Handle::PARENT)?.free + own.private + own.tables)
}
