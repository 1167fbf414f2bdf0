//! What a case gives the machine for an initrd: the programs, or something that cannot be started.
//!
//! The spoiled ones are made of the real `init`, so that each differs from what boots in one thing alone.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use crate::build::archive::{Entry, pack};
use crate::build::{program, replace};
use crate::workspace::Workspace;

/// An initrd, by what is in it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Initrd {
    /// All programs.
    #[default]
    Programs,
    /// There is none.
    Missing,
    /// A file without a byte.
    Empty,
    /// Bytes without meaning.
    Noise,
    /// An archive that ends in the middle of `bin/init`.
    Cut,
    /// A `bin/init` that is not ELF.
    Script,
    /// A `bin/init` for the next version of the ABI.
    OtherAbi,
}

const SPOILED: [Initrd; 5] = [
    Initrd::Empty,
    Initrd::Noise,
    Initrd::Cut,
    Initrd::Script,
    Initrd::OtherAbi,
];

impl Initrd {
    /// The file that the machine gets.
    #[must_use]
    pub fn path(self, workspace: &Workspace) -> Option<PathBuf> {
        let name = match self {
            Self::Programs => return Some(workspace.initrd()),
            Self::Missing => return None,
            Self::Empty => "initrd-empty.cpio",
            Self::Noise => "initrd-noise.cpio",
            Self::Cut => "initrd-cut.cpio",
            Self::Script => "initrd-script.cpio",
            Self::OtherAbi => "initrd-other-abi.cpio",
        };
        Some(workspace.output(name))
    }
}

/// Writes every spoiled initrd. The programs have been built.
///
/// # Errors
///
/// When there is no `init`, or a file cannot be written.
pub fn write_spoiled(workspace: &Workspace) -> Result<()> {
    let programs = workspace.programs();
    let init = programs.iter().find(|program| program.name == "init");
    let path = workspace.program_elf(init.context("there is no program init")?);
    let init = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let init = program::strip(&init)?;
    for kind in SPOILED {
        let path = kind.path(workspace).expect("a spoiled initrd is a file");
        replace(&path, &spoiled(kind, &init)?)?;
    }
    Ok(())
}

fn spoiled(kind: Initrd, init: &[u8]) -> Result<Vec<u8>> {
    match kind {
        Initrd::Programs | Initrd::Missing => archive(init),
        Initrd::Empty => Ok(Vec::new()),
        Initrd::Noise => Ok(noise(100_000)),
        Initrd::Cut => Ok(archive(init)?[..init.len() / 2].to_vec()),
        Initrd::Script => archive(b"#!/bin/sh\necho there is no shell yet\n"),
        Initrd::OtherAbi => archive(&with_next_abi(init)?),
    }
}

fn archive(init: &[u8]) -> Result<Vec<u8>> {
    pack(vec![Entry {
        name: "bin/init".into(),
        bytes: init.to_vec(),
    }])
}

/// The same bytes each time, from a linear congruential generator.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    std::iter::repeat_with(next).take(length).collect()
}

/// Counts up the version in the ELF note, which comes behind the owner's name.
fn with_next_abi(init: &[u8]) -> Result<Vec<u8>> {
    const OWNER: &[u8] = b"\x01\0\0\0Granule\0";
    let places = init.windows(OWNER.len()).enumerate();
    let found: Vec<usize> = places
        .filter(|(_, bytes)| *bytes == OWNER)
        .map(|(at, _)| at)
        .collect();
    ensure!(
        found.len() == 1,
        "init has {} notes with an ABI version",
        found.len()
    );
    let mut changed = init.to_vec();
    changed[found[0] + OWNER.len()] += 1;
    Ok(changed)
}

#[cfg(test)]
mod tests {
    use super::{Initrd, SPOILED, noise, spoiled};

    const INIT: &[u8] = b"\x7fELF....\x01\0\0\0Granule\0\x01\0\0\0 and some code";

    #[test]
    fn each_spoiled_initrd_differs_from_the_one_that_boots() {
        let good = spoiled(Initrd::Programs, INIT).unwrap();
        for kind in SPOILED {
            assert_ne!(spoiled(kind, INIT).unwrap(), good, "{kind:?}");
        }
    }

    #[test]
    fn the_version_is_the_only_byte_that_another_abi_changes() {
        let good = spoiled(Initrd::Programs, INIT).unwrap();
        let other = spoiled(Initrd::OtherAbi, INIT).unwrap();
        let changes: Vec<_> = good.iter().zip(&other).filter(|(a, b)| a != b).collect();
        assert_eq!(changes, [(&1, &2)]);
        assert!(spoiled(Initrd::OtherAbi, b"no note").is_err());
    }

    #[test]
    fn noise_is_the_same_each_time_and_no_archive() {
        assert_eq!(noise(64), noise(64));
        assert!(loader::archive::files(&noise(4096)).all(|file| file.is_err()));
    }
}
