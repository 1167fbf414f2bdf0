//! A program that starts itself again.

use abi::process::{End, FaultKind};
use abi::shm::ShmId;
use alloc::format;
use alloc::string::ToString;
use rt::archive::Archive;
use rt::spawn::{Child, Command, Ended};
use rt::{Failure, Outcome, Start};

/// What it takes to start more processes of the same program.
#[derive(Clone, Copy, Debug)]
pub struct Family {
    name: &'static str,
    archive: Archive,
    file: &'static [u8],
}

impl Family {
    /// Of the program `name`, which is running with this start message.
    ///
    /// # Errors
    /// Its parent gave it no archive with itself in it.
    pub fn new(name: &'static str, start: &Start) -> Result<Self, Failure> {
        let archive = Archive::from_start(start);
        let file = archive.and_then(|archive| Some((archive, archive.program(name)?)));
        let (archive, file) = file.ok_or_else(|| Failure::new("I cannot find my own file"))?;
        Ok(Self { name, archive, file })
    }

    /// How to start one more with these arguments.
    pub fn command<'s>(&self, args: impl IntoIterator<Item = &'s str>) -> Command<'static> {
        Command::new(self.name, self.file).args(args)
    }

    /// The archive it came from.
    pub fn archive(&self) -> Archive {
        self.archive
    }

    /// Starts one more with these arguments.
    ///
    /// # Errors
    /// The reason.
    pub fn start<'s>(&self, args: impl IntoIterator<Item = &'s str>) -> Result<Child, Failure> {
        Ok(self.command(args).spawn()?)
    }

    /// Starts one more to play `part` with a segment, and waits for its end.
    ///
    /// # Errors
    /// A sentence, if it does not end as expected.
    pub fn ends(&self, part: &str, id: ShmId, expected: End) -> Outcome {
        let end = self.start([part, id.raw().to_string().as_str()])?.wait()?;
        if end == expected {
            Ok(())
        } else {
            let (end, expected) = (Ended(end), Ended(expected));
            Err(Failure::new(format!(
                "{}: {part} {end}, not {expected}",
                self.name
            )))
        }
    }

    /// The same for one that a fault at `address` is to end.
    ///
    /// # Errors
    /// As [`ends`](Self::ends).
    pub fn faults(&self, part: &str, id: ShmId, kind: FaultKind, address: u64) -> Outcome {
        self.ends(part, id, End::Faulted(kind, address))
    }
}

/// Whether a number is as expected.
///
/// # Errors
/// A sentence with both.
pub fn expect(what: &str, found: u64, expected: u64) -> Outcome {
    if found == expected {
        Ok(())
    } else {
        Err(Failure::new(format!("{what} is {found:#x}, not {expected:#x}")))
    }
}
