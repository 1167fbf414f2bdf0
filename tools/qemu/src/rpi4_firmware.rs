//! The firmware of a Raspberry Pi 4: where this host has it.
//!
//! The board boots by a program for its graphics processor, which reads kernel and device tree from the card. It
//! belongs to Broadcom and may be passed on with its licence, for use with a Raspberry Pi alone, so Granule does not
//! have it. It is taken from Debian's package `raspi-firmware` once for each user ([`fetch`](crate::fetch)).

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::build::sha256;
use crate::fetch::debian::{Apt, Package, PackagedFile, Sources, files_in_package};
use crate::fetch::{Collection, Files, cache_folder};
use crate::workspace::Workspace;

/// The program, which is one half of a pair.
pub const START: &str = "start4.elf";
/// The other half: where in the program which addresses have to be filled in.
pub const FIXUP: &str = "fixup4.dat";
/// The licence of both.
pub const LICENCE: &str = "LICENCE.broadcom";
/// The name of the note that says where they are from.
pub const NOTE: &str = "raspi-firmware.txt";
/// The environment variable that names another folder.
const VARIABLE: &str = "GRANULE_RPI4_FIRMWARE";

const FIRMWARE: Collection = Collection {
    what: "the firmware of a Raspberry Pi 4",
    names: &[START, FIXUP, LICENCE, NOTE],
    is_whole,
    otherwise: "a Raspberry Pi 4 needs start4.elf and fixup4.dat, its firmware, and Debian's package raspi-firmware, \
                which has them, cannot be fetched; take them with LICENCE.broadcom from the first partition of any \
                card with Raspberry Pi OS, put the three into a folder, and name that in GRANULE_RPI4_FIRMWARE",
};

/// The package, and the component of Debian that it is in since Debian 12.
const PACKAGE: &str = "raspi-firmware";
const COMPONENT: &str = "non-free-firmware";
/// Where the package has its licences.
const COPYRIGHT: &str = "doc/raspi-firmware/copyright";

/// Returns the firmware, its licence and the note: from the folder that `GRANULE_RPI4_FIRMWARE` names, or from the one
/// in the target folder.
///
/// If the latter is missing it is copied from the user's cache, and if that has none, fetched.
///
/// # Errors
///
/// When the named folder does not have it, or it cannot be fetched; the message says what to do.
pub fn obtain(workspace: &Workspace) -> Result<Files> {
    match std::env::var_os(VARIABLE) {
        Some(folder) => named(&PathBuf::from(folder)),
        None => {
            let cache = cache_folder().map(|folder| folder.join(PACKAGE));
            FIRMWARE.keep(&workspace.output(PACKAGE), cache.as_deref(), fetch)
        }
    }
}

fn named(folder: &Path) -> Result<Files> {
    let why = || format!("{VARIABLE} names {}, which cannot be used", folder.display());
    ensure!(folder.is_absolute(), "{}: give its whole path, from / on", why());
    let mut files = Files::new();
    for name in [START, FIXUP, LICENCE] {
        let bytes = fs::read(folder.join(name)).with_context(|| format!("{}: it has no {name}", why()))?;
        files.insert(name, bytes);
    }
    ensure!(
        is_program(&files[START]),
        "{}: its {START} is not the firmware",
        why()
    );
    let note = note(&files, "Origin: a folder that whoever made this named\n");
    files.insert(NOTE, note.into_bytes());
    Ok(files)
}

/// Fetches the firmware from Debian's package, working in an empty folder.
fn fetch(folder: &Path) -> Result<Files> {
    let apt = Apt::new(folder, Sources::Component(COMPONENT))?;
    let package = apt.show(PACKAGE)?;
    let found = files_in_package(&apt.download(&package)?, 3, |path| name_of(path).is_some())?;
    complete(&package, found)
}

/// Which of our files the package's file `path` is.
fn name_of(path: &Path) -> Option<&'static str> {
    let places = [(START, START), (FIXUP, FIXUP), (COPYRIGHT, LICENCE)];
    places
        .into_iter()
        .find(|(place, _)| path.ends_with(place))
        .map(|(_, name)| name)
}

fn complete(package: &Package, found: Vec<PackagedFile>) -> Result<Files> {
    let mut files: Files = found
        .into_iter()
        .filter_map(|file| Some((name_of(&file.path)?, file.bytes)))
        .collect();
    for name in [START, FIXUP, LICENCE] {
        ensure!(files.contains_key(name), "the package {PACKAGE} has no {name}");
    }
    ensure!(
        is_program(&files[START]),
        "{START} of the package {PACKAGE} is not the firmware"
    );
    let Package {
        name,
        version,
        sha256,
        ..
    } = package;
    let origin = format!("Package: {name} {version}, of Debian ({COMPONENT})\nSHA-256 of that: {sha256}\n");
    files.insert(NOTE, note(&files, &origin).into_bytes());
    Ok(files)
}

/// Where the files are from, and digests by which one sees that they are what they were.
fn note(files: &Files, origin: &str) -> String {
    let digests: String = files
        .iter()
        .map(|(name, bytes)| format!("SHA-256 of {name}: {}\n", sha256(bytes)))
        .collect();
    format!(
        "{START} and {FIXUP} are the firmware of the Raspberry Pi 4, by Broadcom and Raspberry Pi.

{origin}{digests}Licence: in {LICENCE}, the paragraph about boot/*; for use with a Raspberry Pi alone
"
    )
}

fn is_whole(files: &Files) -> bool {
    let note = String::from_utf8_lossy(&files[NOTE]);
    [START, FIXUP, LICENCE]
        .iter()
        .all(|name| note.contains(&sha256(&files[name])))
}

/// Whether the bytes are a 32-bit ELF file for the VideoCore IV and its successors, machine 137.
fn is_program(bytes: &[u8]) -> bool {
    bytes.starts_with(b"\x7fELF\x01\x01") && bytes.get(18..20) == Some(&137_u16.to_le_bytes())
}

#[cfg(test)]
mod tests {
    use super::{
        FIXUP, Files, LICENCE, NOTE, Package, PackagedFile, START, complete, is_whole, name_of, named,
    };
    use crate::fetch::tests::Folder;
    use std::fs;
    use std::path::Path;

    fn program() -> Vec<u8> {
        let mut bytes = b"\x7fELF\x01\x01".to_vec();
        bytes.resize(18, 0);
        bytes.extend([137, 0, 1, 2, 3]);
        bytes
    }

    fn packaged(path: &str, bytes: &[u8]) -> PackagedFile {
        let (path, bytes) = (path.into(), bytes.into());
        PackagedFile { path, bytes }
    }

    fn package() -> (Package, Vec<PackagedFile>) {
        let about = "Package: raspi-firmware\nVersion: 1.2\nInstalled-Size: 1\nSize: 1\nSHA256: f00\n";
        let files = vec![
            packaged("./usr/lib/raspi-firmware/fixup4.dat", b"fixup"),
            packaged("./usr/lib/raspi-firmware/start4.elf", &program()),
            packaged("./usr/share/doc/raspi-firmware/copyright", b"licence"),
        ];
        (Package::parse(about).unwrap(), files)
    }

    fn firmware() -> Files {
        let (package, files) = package();
        complete(&package, files).unwrap()
    }

    #[test]
    fn the_pair_and_its_licence_are_found_in_the_package_and_no_other_firmware() {
        for (path, name) in [
            ("./usr/lib/raspi-firmware/start4.elf", Some(START)),
            ("./usr/lib/raspi-firmware/fixup4.dat", Some(FIXUP)),
            ("./usr/share/doc/raspi-firmware/copyright", Some(LICENCE)),
            ("./usr/lib/raspi-firmware/start4x.elf", None),
            ("./usr/lib/raspi-firmware/fixup.dat", None),
        ] {
            assert_eq!(name_of(Path::new(path)), name, "{path}");
        }
    }

    #[test]
    fn the_note_names_package_and_licence() {
        let files = firmware();
        let note = String::from_utf8(files[NOTE].clone()).unwrap();
        for part in ["raspi-firmware 1.2", "f00", "LICENCE.broadcom"] {
            assert!(note.contains(part), "{part} is missing in {note}");
        }
    }

    #[test]
    fn a_package_without_one_of_the_files_is_an_error() {
        for missing in 0..3 {
            let (package, mut files) = package();
            files.remove(missing);
            assert!(complete(&package, files).is_err(), "{missing}");
        }
    }

    #[test]
    fn one_half_of_another_pair_is_noticed() {
        let mut files = firmware();
        assert!(is_whole(&files));
        files.insert(FIXUP, b"another".to_vec());
        assert!(!is_whole(&files));
    }

    #[test]
    fn a_folder_that_somebody_names_must_have_all_three_files() {
        let folder = Folder::new("named-firmware");
        for (name, bytes) in [
            (START, program()),
            (FIXUP, b"fixup".to_vec()),
            (LICENCE, b"licence".to_vec()),
        ] {
            let error = named(folder.path()).unwrap_err();
            assert!(
                format!("{error:#}").contains(&format!("has no {name}")),
                "{error:#}"
            );
            fs::write(folder.path().join(name), bytes).unwrap();
        }
        assert_eq!(named(folder.path()).unwrap()[FIXUP], b"fixup");
        assert!(named(Path::new("firmware")).is_err());
        fs::write(folder.path().join(START), "a page about an error").unwrap();
        let error = named(folder.path()).unwrap_err();
        assert!(error.to_string().contains("not the firmware"), "{error}");
    }
}
