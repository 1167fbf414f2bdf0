//! Onto a real card: which device it is, whether it may be overwritten, writing and checking.
//!
//! What this asks of the machine it runs on is a [`System`], so that tests can pretend one.

mod disk;
// Elsewhere one would have to ask other things than sysfs.
#[cfg(target_os = "linux")]
mod linux;
mod write;

use std::io;
use std::path::Path;

use anyhow::{Context, Result, ensure};

pub use disk::{Disk, Refusal};
#[cfg(target_os = "linux")]
pub use linux::Linux;
pub use write::{Failure, Medium, Step, write};

/// The machine with the card in it.
pub trait System {
    /// Where sysfs is mounted: `/sys`.
    fn sys(&self) -> &Path;
    /// What is mounted where, in the form of `/proc/self/mountinfo`.
    ///
    /// # Errors
    ///
    /// When the machine does not tell.
    fn mounts(&self) -> io::Result<String>;
    /// The number of the block device at a path, `8:16`, or nothing if it is no block device. Links are followed.
    ///
    /// # Errors
    ///
    /// When there is nothing at that path.
    fn number(&self, path: &Path) -> io::Result<Option<String>>;
    /// Opens the device for nobody but us.
    ///
    /// # Errors
    ///
    /// When somebody uses it, or we may not.
    fn open(&self, path: &Path, disk: &Disk) -> io::Result<Box<dyn Medium>>;
}

/// The person who wants this.
pub trait Person {
    /// Asks whether all that is on this disk may be lost.
    ///
    /// # Errors
    ///
    /// When nobody can be asked.
    fn agrees(&mut self, disk: &Disk) -> Result<bool>;
    /// Says how far a step has come.
    fn hear(&mut self, step: Step, bytes: u64, of: u64);
}

/// Overwrites the card at `path` with the image, if it is one and the person agrees.
///
/// # Errors
///
/// When it is none, or somebody uses it: then nothing was written. When writing or checking fails: then the error
/// says what state the card is in.
pub fn flash(system: &impl System, path: &Path, image: &[u8], person: &mut impl Person) -> Result<()> {
    let size = image.len() as u64;
    let disk = Disk::find(system, path, size)?;
    ensure!(person.agrees(&disk)?, "{} was left as it is", path.display());
    let mut medium = system
        .open(path, &disk)
        .with_context(|| format!("cannot open {}, which was left as it is", path.display()))?;
    write(medium.as_mut(), image, &mut |step, bytes| {
        person.hear(step, bytes, size)
    })?;
    Ok(())
}
