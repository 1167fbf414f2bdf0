//! Readers of untrusted bytes, fed with whatever coverage-guided mutation comes up with.
//!
//! A [`Target`] is a function that takes any bytes and panics if something is wrong: the code under test does, or
//! what it answers breaks a rule. Adding one takes a file in `target/` and a row in [`TARGETS`].
//!
//! ```text
//!   tools/fuzz/seeds/TARGET/      inputs to begin with; some targets have theirs elsewhere
//!   tools/fuzz/crashes/TARGET/    inputs that once broke something
//!         |                           |
//!         +---- cargo test: each is run once (tests/replay.rs)
//!         |
//!         +---- just fuzz: copied to the corpus, which grows with every run
//!   target/granule/fuzz/TARGET/   the corpus, and what broke something in this run
//! ```

pub mod target;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
pub use target::TARGETS;

/// Something to be fuzzed.
#[derive(Clone, Copy)]
pub struct Target {
    /// Its name on the command line, and that of its folders.
    pub name: &'static str,
    /// What is fed, in a few words.
    pub summary: &'static str,
    /// Takes any bytes, and panics if that shows a mistake.
    pub run: fn(&[u8]),
    /// A folder of files that are good to begin with besides its own, by their extension.
    pub more_seeds: Option<(&'static str, &'static str)>,
    /// What becomes of the memory that a run takes.
    pub memory: Memory,
}

/// What becomes of the memory that a run takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Memory {
    /// It is given back.
    Returned,
    /// Some of it stays taken: kernel objects live in slots that nobody gives back. The engine then runs in
    /// processes that end after a while.
    Kept,
}

/// The target with this name.
#[must_use]
pub fn by_name(name: &str) -> Option<Target> {
    TARGETS.iter().copied().find(|target| target.name == name)
}

/// The top folder of the tree.
#[must_use]
pub fn root() -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2);
    folder.expect("this crate is two folders deep").into()
}

impl Target {
    /// Every checked-in input: seeds, and what once broke something.
    ///
    /// # Errors
    /// If a folder cannot be listed.
    pub fn inputs(&self) -> Result<Vec<PathBuf>> {
        let mut inputs = Vec::new();
        for kind in ["seeds", "crashes"] {
            let folder = root().join("tools/fuzz").join(kind).join(self.name);
            if folder.exists() {
                inputs.extend(files(&folder, None)?);
            }
        }
        if let Some((folder, extension)) = self.more_seeds {
            inputs.extend(files(&root().join(folder), Some(extension))?);
        }
        inputs.sort();
        Ok(inputs)
    }
}

fn files(folder: &Path, extension: Option<&str>) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    let mut files = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let fits = extension.is_none_or(|wanted| path.extension().is_some_and(|it| it == wanted));
        if fits && path.is_file() {
            files.push(path);
        }
    }
    Ok(files)
}
