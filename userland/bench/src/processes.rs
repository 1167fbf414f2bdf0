//! Switching to another process, and starting and ending one.

use crate::measure::Row;
use abi::process::End;
use rt::archive::Archive;
use rt::spawn::Command;
use rt::sys::process::yield_now;
use rt::{Failure, Outcome};

const SWITCHES: u64 = 2000;
const SPAWNS: u64 = 50;

/// Measures both.
pub fn measure(archive: Archive) -> Result<[Row; 2], Failure> {
    let program = |name| {
        let missing = || Failure::new("bench: its programs are not in the archive");
        archive.program(name).ok_or_else(missing)
    };
    let other = Command::new("bench", program("bench")?).arg("yield").spawn()?;
    // There and back: two switches.
    let there_and_back = Row::measure("yield_switch", SWITCHES, || {
        yield_now();
        Ok(())
    })?;
    other.kill()?;

    let command = Command::new("nothing", program("nothing")?);
    let spawn = Row::measure("spawn_exit_wait", SPAWNS, || {
        let child = command.spawn().map_err(|_| rt::Error::Garbled)?;
        match child.wait()? {
            End::Exited(0) => Ok(()),
            _ => Err(rt::Error::Garbled),
        }
    })?;
    Ok([
        Row {
            value: there_and_back.value / 2,
            ..there_and_back
        },
        spawn,
    ])
}

/// The other process.
pub fn yield_forever() -> Outcome {
    loop {
        yield_now();
    }
}
