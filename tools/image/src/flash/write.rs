//! Writing a card, and reading it back.
//!
//! The first mebibyte, which has the partition table, is erased first and written last, when the rest has been read
//! back. So a card that was not finished has no partition table: nothing boots from it, and nobody takes it for good.

use std::fmt;
use std::io;
use std::ops::Range;

/// What is written to.
pub trait Medium {
    /// Writes all bytes at this offset.
    ///
    /// # Errors
    ///
    /// Those of the device.
    fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()>;
    /// Reads as many bytes as there is room for from this offset.
    ///
    /// # Errors
    ///
    /// Those of the device.
    fn read_at(&mut self, bytes: &mut [u8], offset: u64) -> io::Result<()>;
    /// Waits until all is on the medium, so that what is read afterwards comes from there.
    ///
    /// # Errors
    ///
    /// Those of the device, and of everything written before.
    fn settle(&mut self) -> io::Result<()>;
}

/// What is being done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Bytes go onto the card.
    Writing,
    /// They are read back.
    Checking,
}

/// Why a card is not what it should be. The numbers are offsets in bytes.
#[derive(Debug)]
pub enum Failure {
    /// The partition table could not be erased.
    Erase(io::Error),
    /// Something in this range could not be written.
    Write(Range<u64>, io::Error),
    /// Something in this range could not be read back.
    Read(Range<u64>, io::Error),
    /// From here on something else came back than was written.
    Differs(u64),
}

/// What is written at once.
const CHUNK: usize = 1 << 20;
/// How many chunks the machine may keep to itself before it has to bring them to the card: few, so that progress is
/// what it says, and an error is near where it happened.
const BATCH: usize = 4;

/// Writes the image from the medium's first byte on and reads it back. `tell` hears how many bytes are done.
///
/// # Errors
///
/// When the medium fails or forgets; the failure says what state it is in.
pub fn write(medium: &mut dyn Medium, image: &[u8], tell: &mut dyn FnMut(Step, u64)) -> Result<(), Failure> {
    let (head, rest) = image.split_at(image.len().min(CHUNK));
    let nothing = vec![0; head.len()];
    let (behind, before) = (head.len() as u64, rest.len() as u64);
    put(medium, 0, &nothing, &mut |_| {}).map_err(|failed| Failure::Erase(failed.1))?;

    put(medium, behind, rest, &mut |done| tell(Step::Writing, done))?;
    // Where a card holds less than it says, its end may be its beginning.
    check(medium, 0, &nothing, &mut |_| {})?;
    check(medium, behind, rest, &mut |done| tell(Step::Checking, done))?;

    put(medium, 0, head, &mut |done| tell(Step::Writing, before + done))?;
    check(medium, 0, head, &mut |done| tell(Step::Checking, before + done))
}

/// What could not be written, and why.
struct Failed(Range<u64>, io::Error);

/// Writes the bytes at this offset, and tells how many are done.
fn put(medium: &mut dyn Medium, offset: u64, bytes: &[u8], tell: &mut dyn FnMut(u64)) -> Result<(), Failed> {
    let mut range = offset..offset;
    for batch in bytes.chunks(CHUNK * BATCH) {
        let start = range.end;
        for chunk in batch.chunks(CHUNK) {
            range = range.end..range.end + chunk.len() as u64;
            let written = medium.write_at(chunk, range.start);
            written.map_err(|error| Failed(range.clone(), error))?;
        }
        let settled = medium.settle();
        settled.map_err(|error| Failed(start..range.end, error))?;
        tell(range.end - offset);
    }
    Ok(())
}

/// Compares the bytes with what is at this offset, and tells how many are done.
fn check(
    medium: &mut dyn Medium,
    offset: u64,
    bytes: &[u8],
    tell: &mut dyn FnMut(u64),
) -> Result<(), Failure> {
    let mut room = vec![0; CHUNK];
    let mut range = offset..offset;
    for chunk in bytes.chunks(CHUNK) {
        range = range.end..range.end + chunk.len() as u64;
        let read = &mut room[..chunk.len()];
        let result = medium.read_at(read, range.start);
        result.map_err(|error| Failure::Read(range.clone(), error))?;
        if let Some(at) = chunk.iter().zip(read.iter()).position(|(a, b)| a != b) {
            return Err(Failure::Differs(range.start + at as u64));
        }
        tell(range.end - offset);
    }
    Ok(())
}

impl From<Failed> for Failure {
    fn from(Failed(range, error): Failed) -> Self {
        Self::Write(range, error)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Erase(error) => write!(
                f,
                "the card cannot be written to: {error}. Of what was on it at most the partition table is lost; try \
                 another reader or card"
            ),
            Self::Write(range, error) => write!(
                f,
                "the card cannot be written to between byte {} and {}: {error}. {}",
                range.start,
                range.end,
                lost(range.start)
            ),
            Self::Read(range, error) => write!(
                f,
                "the card was written, but cannot be read between byte {} and {}: {error}. {}",
                range.start,
                range.end,
                lost(range.start)
            ),
            Self::Differs(at) => write!(
                f,
                "the card was written, but something else comes back from byte {at} on: it is worn out, or holds less \
                 than it says. {}",
                lost(*at)
            ),
        }
    }
}

/// What state a card is in that failed at this offset.
fn lost(at: u64) -> &'static str {
    if at < CHUNK as u64 {
        "What was on it is lost, and its partition table may be damaged: do not use it as it is. Try again, and then \
         another card"
    } else {
        "What was on it is lost, and it has no partition table now, so that nothing boots from it. Try again, and \
         then another card"
    }
}

impl std::error::Error for Failure {}
