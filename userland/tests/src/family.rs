//! A program that starts itself again.

use rt::archive::Archive;
use rt::spawn::{Child, Command};
use rt::{Failure, Start};

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
}
