//! Files that Granule needs and has not got itself, for their licences: fetched once for each user.
//!
//! They are kept in the user's cache and copied to each target folder. Beside them lies a note that says where they
//! came from, under which licence. `debian.rs` gets files from Debian's packages.

pub mod debian;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::build::replace;

/// Files that are fetched together.
#[derive(Debug, Clone, Copy)]
pub struct Collection {
    /// What people call them: "the device tree of a Raspberry Pi 4".
    pub what: &'static str,
    /// The files' names, the note among them.
    pub names: &'static [&'static str],
    /// Whether their contents are complete.
    pub is_whole: fn(&Files) -> bool,
    /// What it means that they cannot be fetched, and what to do.
    pub otherwise: &'static str,
}

/// Contents by name.
pub type Files = BTreeMap<&'static str, Vec<u8>>;

impl Collection {
    /// Makes sure that the files are in the folder `place`, and reads them. `fetch` gets a folder to work in.
    ///
    /// Of several processes at once, one fetches and the others wait for it.
    ///
    /// # Errors
    ///
    /// When they have to be fetched and cannot be; the message says what to do.
    pub fn keep(
        &self,
        place: &Path,
        cache: Option<&Path>,
        fetch: impl FnOnce(&Path) -> Result<Files>,
    ) -> Result<Files> {
        if let Some(files) = self.read(place) {
            return Ok(files);
        }
        let folder = cache
            .filter(|cache| fs::create_dir_all(cache).is_ok())
            .unwrap_or(place);
        let files = self.keep_in(folder, fetch).context(self.otherwise)?;
        write(&files, place)?;
        Ok(files)
    }

    fn keep_in(&self, folder: &Path, fetch: impl FnOnce(&Path) -> Result<Files>) -> Result<Files> {
        fs::create_dir_all(folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
        let _held = self.lock(&folder.join("lock"))?;
        self.locked(folder, fetch)
    }

    /// Waits for others, and locks until the file is dropped.
    fn lock(&self, path: &Path) -> Result<File> {
        let why = || format!("cannot lock {}", path.display());
        let file = File::create(path).with_context(why)?;
        if let Err(TryLockError::WouldBlock) = file.try_lock() {
            eprintln!("Waiting for another process that fetches {}.", self.what);
        }
        file.lock().with_context(why)?;
        Ok(file)
    }

    fn locked(&self, folder: &Path, fetch: impl FnOnce(&Path) -> Result<Files>) -> Result<Files> {
        if let Some(files) = self.read(folder) {
            return Ok(files);
        }
        // One that was interrupted left its folder behind.
        let scratch = folder.join("fetching");
        remove_folder(&scratch)?;
        fs::create_dir(&scratch).with_context(|| format!("cannot make the folder {}", scratch.display()))?;
        eprintln!("Fetching {}, once:", self.what);
        let files = fetch(&scratch);
        remove_folder(&scratch)?;
        let files = files?;
        write(&files, folder)?;
        eprintln!(
            "It is kept in {}; where it is from is written beside it.",
            folder.display()
        );
        Ok(files)
    }

    /// Nothing is as good as a damaged file: both are replaced.
    fn read(&self, folder: &Path) -> Option<Files> {
        let files: Option<Files> = self
            .names
            .iter()
            .map(|name| Some((*name, fs::read(folder.join(name)).ok()?)))
            .collect();
        files.filter(self.is_whole)
    }
}

fn write(files: &Files, folder: &Path) -> Result<()> {
    files
        .iter()
        .try_for_each(|(name, bytes)| replace(&folder.join(name), bytes))
}

fn remove_folder(folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    }
    Ok(())
}

/// Where things that can be fetched again are kept for a user ("XDG Base Directory Specification").
#[must_use]
pub fn cache_folder() -> Option<PathBuf> {
    let variable = |name| std::env::var_os(name);
    cache_folder_of(variable("XDG_CACHE_HOME"), variable("HOME"))
}

fn cache_folder_of(cache: Option<OsString>, home: Option<OsString>) -> Option<PathBuf> {
    let absolute = |path: OsString| Some(PathBuf::from(path)).filter(|path| path.is_absolute());
    let cache = cache.and_then(absolute);
    let folder = cache.or_else(|| Some(home.and_then(absolute)?.join(".cache")))?;
    Some(folder.join("granule"))
}

#[cfg(test)]
pub(crate) mod tests;
