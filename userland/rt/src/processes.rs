//! All processes, and what each has mapped: for programs that hold the system.

use crate::sys::system::{count_ticks, next_mapping, next_process};
use crate::time::{self, Duration};
use crate::{Error, Incoming};
use abi::process::Pid;
use abi::system::{Mapping, ProcessFacts};
use abi::{Errno, Handle};
use alloc::string::String;
use alloc::vec::Vec;

/// A process.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Process {
    /// What the system says of it.
    pub facts: ProcessFacts,
    /// Its name.
    pub name: String,
    /// How long its threads have had a CPU.
    pub cpu_time: Duration,
}

/// All processes, by number. One that comes or goes meanwhile may be among them or not.
///
/// # Errors
/// `system` is not the system.
pub fn processes(system: Handle) -> Result<Vec<Process>, Error> {
    let (mut all, mut after) = (Vec::new(), Pid(0));
    while let Some(process) = above(system, after)? {
        after = process.facts.pid;
        all.push(process);
    }
    Ok(all)
}

/// The process with this number; `None` if there is none.
///
/// # Errors
/// As [`processes`].
pub fn process(system: Handle, pid: Pid) -> Result<Option<Process>, Error> {
    let found = above(system, Pid(pid.0.saturating_sub(1)))?;
    Ok(found.filter(|process| process.facts.pid == pid))
}

fn above(system: Handle, after: Pid) -> Result<Option<Process>, Error> {
    let mut name = Incoming::new();
    match next_process(system, after, &mut name) {
        Ok(facts) => {
            let name = String::from_utf8_lossy(name.bytes()).into_owned();
            // It may have been forgotten since.
            let ticks = count_ticks(system, facts.pid).unwrap_or(0);
            Ok(Some(Process {
                facts,
                name,
                cpu_time: time::of_ticks(ticks),
            }))
        }
        Err(Error::Refused(Errno::ESRCH)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// What the process with this number has mapped, lowest address first.
///
/// # Errors
/// As [`processes`], or there is no such process.
pub fn mappings(system: Handle, pid: Pid) -> Result<Vec<Mapping>, Error> {
    let (mut all, mut address) = (Vec::new(), 0);
    loop {
        match next_mapping(system, pid, address) {
            Ok(mapping) => {
                address = mapping.end;
                all.push(mapping);
            }
            Err(Error::Refused(Errno::ENOENT)) => return Ok(all),
            Err(error) => return Err(error),
        }
    }
}
