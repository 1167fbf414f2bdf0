//! All segments of the system, their totals and limits: what `ipcs` shows.

use super::read_structure;
use crate::Error;
use abi::Errno;
use abi::shm::{ShmCommand, ShmId, ShmInfoLimits, ShmInfoTotals, ShmidDs};

/// `IPC_INFO`.
///
/// # Errors
/// As [`abi::memory::ShmControl`].
pub fn limits() -> Result<ShmInfoLimits, Error> {
    read_structure(0, ShmCommand::Limits).map(|(limits, _)| limits)
}

/// `SHM_INFO`.
///
/// # Errors
/// As [`abi::memory::ShmControl`].
pub fn totals() -> Result<ShmInfoTotals, Error> {
    read_structure(0, ShmCommand::Totals).map(|(totals, _)| totals)
}

/// All segments, by `SHM_STAT_ANY`.
///
/// # Errors
/// As [`abi::memory::ShmControl`].
pub fn segments() -> Result<Segments, Error> {
    let (_, last): (ShmInfoTotals, u64) = read_structure(0, ShmCommand::Totals)?;
    Ok(Segments {
        next: 0,
        last: i32::try_from(last).map_err(|_| Error::Garbled)?,
    })
}

/// Iterates over all segments: identifier and state.
#[derive(Debug)]
pub struct Segments {
    next: i32,
    last: i32,
}

impl Iterator for Segments {
    type Item = Result<(ShmId, ShmidDs), Error>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.next <= self.last {
            let index = self.next;
            self.next += 1;
            match read_structure(index, ShmCommand::StatAny) {
                Ok((state, id)) => return Some(identifier(id).map(|id| (id, state))),
                // Nothing has that index.
                Err(Error::Refused(Errno::EINVAL)) => {}
                Err(error) => return Some(Err(error)),
            }
        }
        None
    }
}

fn identifier(value: u64) -> Result<ShmId, Error> {
    i32::try_from(value)
        .ok()
        .and_then(ShmId::from_raw)
        .ok_or(Error::Garbled)
}
