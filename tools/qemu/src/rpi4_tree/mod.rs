//! The device tree of a Raspberry Pi 4: where this host has it.
//!
//! Granule has no such tree of its own, as the one that everybody uses belongs to the Linux kernel (GPL-2.0). It is
//! taken from Debian's kernel package (`debian.rs`) once for each user, and copied to each target folder. Beside it
//! lies a text that says where it came from and where its source is.

mod debian;

use std::ffi::OsString;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::build::replace;
use crate::workspace::Workspace;

/// The tree's name, in the kernel package and here.
const NAME: &str = "bcm2711-rpi-4-b.dtb";
/// The environment variable that names another file.
const VARIABLE: &str = "GRANULE_RPI4_DTB";

/// A device tree, and where it came from, for people to read.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Tree {
    bytes: Vec<u8>,
    origin: String,
}

/// Returns the file with the tree: the one that `GRANULE_RPI4_DTB` names, or the one in the target folder.
///
/// If the latter is missing it is copied from the user's cache, and if that has none, fetched.
///
/// # Errors
///
/// When the named file is no tree of this board, or none can be fetched; the message says what to do.
pub fn obtain(workspace: &Workspace) -> Result<PathBuf> {
    match std::env::var_os(VARIABLE) {
        Some(file) => named(file.into()),
        None => kept(&workspace.output(NAME), cache_folder().as_deref(), debian::fetch),
    }
}

fn named(file: PathBuf) -> Result<PathBuf> {
    let why = || format!("{VARIABLE} names {}, which cannot be used", file.display());
    ensure!(file.is_absolute(), "{}: give its whole path, from / on", why());
    let bytes = fs::read(&file).with_context(why)?;
    ensure!(
        is_tree(&bytes),
        "{}: it is not a device tree of a Raspberry Pi 4; {NAME} of any Linux kernel is one",
        why()
    );
    Ok(file)
}

/// Makes sure that the tree is at `place`. `fetch` gets a folder to work in.
///
/// Of several processes at once, one fetches and the others wait for it.
fn kept(place: &Path, cache: Option<&Path>, fetch: impl FnOnce(&Path) -> Result<Tree>) -> Result<PathBuf> {
    if Tree::read(place).is_none() {
        let own = place.parent().expect("an output file lies in a folder");
        let folder = cache
            .filter(|cache| fs::create_dir_all(cache).is_ok())
            .unwrap_or(own);
        let tree = kept_in(folder, fetch).with_context(|| {
            format!(
                "raspi4b needs {NAME}, the device tree of a Raspberry Pi 4, and Debian's kernel package, which has it, \
                 cannot be fetched; take the file from another arm64 Linux and name it in {VARIABLE}"
            )
        })?;
        tree.write(place)?;
    }
    Ok(place.to_owned())
}

fn kept_in(folder: &Path, fetch: impl FnOnce(&Path) -> Result<Tree>) -> Result<Tree> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
    let _held = lock(&folder.join("lock"))?;
    locked(folder, fetch)
}

/// Waits for others, and locks until the file is dropped.
fn lock(path: &Path) -> Result<File> {
    let why = || format!("cannot lock {}", path.display());
    let file = File::create(path).with_context(why)?;
    if let Err(TryLockError::WouldBlock) = file.try_lock() {
        eprintln!("Waiting for another process that fetches {NAME}.");
    }
    file.lock().with_context(why)?;
    Ok(file)
}

fn locked(folder: &Path, fetch: impl FnOnce(&Path) -> Result<Tree>) -> Result<Tree> {
    let place = folder.join(NAME);
    if let Some(tree) = Tree::read(&place) {
        return Ok(tree);
    }
    // One that was interrupted left its folder behind.
    let scratch = folder.join("fetching");
    remove_folder(&scratch)?;
    fs::create_dir(&scratch).with_context(|| format!("cannot make the folder {}", scratch.display()))?;
    let tree = fetch(&scratch);
    remove_folder(&scratch)?;
    let tree = tree?;
    tree.write(&place)?;
    eprintln!(
        "It is kept as {}; where it is from is written beside it.",
        place.display()
    );
    Ok(tree)
}

fn remove_folder(folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    }
    Ok(())
}

impl Tree {
    /// Nothing is as good as a damaged file: both are replaced.
    fn read(path: &Path) -> Option<Self> {
        let bytes = fs::read(path).ok().filter(|bytes| is_tree(bytes))?;
        let origin = fs::read_to_string(origin_of(path)).ok()?;
        Some(Self { bytes, origin })
    }

    fn write(&self, path: &Path) -> Result<()> {
        replace(&origin_of(path), self.origin.as_bytes())?;
        replace(path, &self.bytes)
    }
}

fn origin_of(tree: &Path) -> PathBuf {
    tree.with_extension("txt")
}

/// Whether the bytes are a whole flattened device tree ("Devicetree Specification", "Header") of this SoC.
fn is_tree(bytes: &[u8]) -> bool {
    const SOC: &[u8] = b"brcm,bcm2711\0";
    let word = |at: usize| bytes.get(at..at + 4)?.try_into().ok().map(u32::from_be_bytes);
    let size = word(4).and_then(|size| usize::try_from(size).ok());
    word(0) == Some(0xd00d_feed)
        && size.is_some_and(|size| size <= bytes.len())
        && bytes.windows(SOC.len()).any(|window| window == SOC)
}

/// Where things that can be fetched again are kept for a user ("XDG Base Directory Specification").
fn cache_folder() -> Option<PathBuf> {
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
mod tests;
