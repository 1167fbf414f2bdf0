//! The programs of the archive, and what they are started with.

use crate::SYSTEM;
use abi::Handle;
use rt::Failure;
use rt::archive::Archive;
use rt::spawn::Command;

/// What `init` starts programs from.
#[derive(Clone, Copy)]
pub struct Programs {
    /// Where they are.
    pub archive: Archive,
    /// Their console, if it is not the kernel's.
    pub console: Option<Handle>,
}

impl Programs {
    /// How to start one.
    ///
    /// # Errors
    /// There is none of that name.
    pub fn find<'a>(&self, name: &'a str) -> Result<Command<'a>, Failure> {
        let file = self.archive.program(name);
        let file = file.ok_or_else(|| Failure::new(alloc::format!("there is no program {name}")))?;
        let command = Command::new(name, file);
        Ok(match self.console {
            Some(console) => command.give(Handle::CONSOLE.index(), console),
            None => command,
        })
    }

    /// The same for one that may start others and ask the system.
    ///
    /// # Errors
    /// There is none of that name.
    pub fn with_archive<'a>(&self, name: &'a str) -> Result<Command<'a>, Failure> {
        let command = self.find(name)?.archive(self.archive);
        Ok(command.give(Handle::PARENT.index(), SYSTEM))
    }
}
