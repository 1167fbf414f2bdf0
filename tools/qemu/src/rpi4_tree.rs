//! The device tree of a Raspberry Pi 4: where this host has it.
//!
//! Granule has no such tree of its own, as the one that everybody uses belongs to the Linux kernel (GPL-2.0). It is
//! taken from Debian's kernel package once for each user ([`fetch`](crate::fetch)).

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use crate::fetch::debian::{Apt, Package, PackagedFile, Sources, files_in_package};
use crate::fetch::{Collection, Files, cache_folder};
use crate::workspace::Workspace;

/// The tree's name, in the kernel package and here.
pub const NAME: &str = "bcm2711-rpi-4-b.dtb";
/// The name of the note that says where it is from.
pub const NOTE: &str = "bcm2711-rpi-4-b.txt";
/// The environment variable that names another file.
const VARIABLE: &str = "GRANULE_RPI4_DTB";

const TREE: Collection = Collection {
    what: "the device tree of a Raspberry Pi 4",
    names: &[NAME, NOTE],
    is_whole: |files| is_tree(&files[NAME]),
    otherwise: "raspi4b needs bcm2711-rpi-4-b.dtb, the device tree of a Raspberry Pi 4, and Debian's kernel package, \
                which has it, cannot be fetched; take the file from another arm64 Linux and name it in \
                GRANULE_RPI4_DTB",
};

/// The package that depends on the newest kernel.
const META_PACKAGE: &str = "linux-image-arm64";
/// A package that takes less room than this when installed, in KiB, holds no tree.
const TREE_KIB: u64 = 24;

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
        None => {
            let place = workspace.output(NAME);
            let folder = place.parent().expect("an output file lies in a folder");
            TREE.keep(folder, cache_folder().as_deref(), fetch)?;
            Ok(place)
        }
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

/// What is known about the tree's origin: the note beside it.
#[must_use]
pub fn note(tree: &Path) -> String {
    fs::read_to_string(tree.with_file_name(NOTE)).unwrap_or_else(|_| {
        format!(
            "{NAME} is the device tree of a Raspberry Pi 4 model B from a Linux kernel.

Licence: GPL-2.0
Source:  arch/arm64/boot/dts/broadcom/bcm2711-rpi-4-b.dts and what it includes,
         in the source of the Linux that the file was taken from
"
        )
    })
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

/// Fetches the tree from Debian's kernel package for arm64, working in an empty folder.
fn fetch(folder: &Path) -> Result<Files> {
    let apt = Apt::new(folder, Sources::Host)?;
    let mut packages = with_parts(META_PACKAGE, |package| apt.show(package))?;
    packages.retain(|package| package.kib >= TREE_KIB);
    packages.sort_by_key(|package| package.size);
    for package in &packages {
        let found = files_in_package(&apt.download(package)?, 1, is_path_of_tree)?;
        if let Some(tree) = found.into_iter().next() {
            return checked(package, tree);
        }
    }
    let names: Vec<_> = packages.iter().map(|package| package.name.as_str()).collect();
    bail!("{NAME} is in none of these packages: {}", names.join(", "))
}

/// The package and all its parts, which are packages of the same build. Debian 13 has a kernel in one package, with
/// its trees; after that it is split.
fn with_parts(name: &str, show: impl Fn(&str) -> Result<Package>) -> Result<Vec<Package>> {
    let mut packages = vec![show(name)?];
    let mut next = 0;
    while let Some(package) = packages.get(next) {
        for (name, version) in package.parts.clone() {
            if !packages.iter().any(|known| known.name == name) {
                packages.push(show(&format!("{name}={version}"))?);
            }
        }
        next += 1;
    }
    Ok(packages)
}

fn is_path_of_tree(path: &Path) -> bool {
    path.ends_with(Path::new("broadcom").join(NAME))
}

fn checked(package: &Package, tree: PackagedFile) -> Result<Files> {
    let path = tree.path.display().to_string();
    ensure!(is_tree(&tree.bytes), "{path} is not a device tree of this board");
    let origin = origin(package, &path).into_bytes();
    Ok(Files::from([(NAME, tree.bytes), (NOTE, origin)]))
}

fn origin(package: &Package, path: &str) -> String {
    let Package {
        name,
        version,
        sha256,
        ..
    } = package;
    let (source, source_version) = &package.source;
    format!(
        "{NAME} is the device tree of a Raspberry Pi 4 model B from the Linux kernel.

Package:         {name} {version}, of Debian for arm64
SHA-256 of that: {sha256}
Path therein:    {path}
Licence:         GPL-2.0
Source:          arch/arm64/boot/dts/broadcom/bcm2711-rpi-4-b.dts and what it includes,
                 in Debian's source package {source} {source_version}
                 (apt-get source {source}={source_version})
"
    )
}

#[cfg(test)]
mod tests {
    use super::{NAME, NOTE, checked, is_path_of_tree, is_tree, named, note, origin, with_parts};
    use crate::fetch::debian::tests::{KERNEL, package};
    use crate::fetch::debian::{Package, PackagedFile};
    use crate::fetch::tests::Folder;
    use anyhow::{Context, Result};
    use std::fs;
    use std::path::Path;

    /// A header, and the name that tells this SoC.
    fn tree_bytes() -> Vec<u8> {
        let mut bytes = vec![0xd0, 0x0d, 0xfe, 0xed, 0, 0, 0, 40];
        bytes.extend(b"raspberrypi,4-model-b\0");
        bytes.resize(32, 0);
        bytes.extend(b"brcm,bcm2711\0");
        bytes
    }

    #[test]
    fn a_file_that_somebody_names_is_checked() {
        let folder = Folder::new("named-tree");
        let file = folder.path().join("own.dtb");
        assert!(named(file.clone()).is_err());
        fs::write(&file, "no tree").unwrap();
        let error = named(file.clone()).unwrap_err();
        assert!(error.to_string().contains("not a device tree"), "{error}");
        fs::write(&file, tree_bytes()).unwrap();
        assert_eq!(named(file.clone()).unwrap(), file);
        let error = named("own.dtb".into()).unwrap_err();
        assert!(error.to_string().contains("whole path"), "{error}");
    }

    #[test]
    fn only_a_whole_tree_of_this_soc_is_one() {
        let tree = tree_bytes();
        assert!(is_tree(&tree));
        assert!(!is_tree(&tree[..39]));
        assert!(!is_tree(b""));
        let mut other = tree;
        other[40] = b'6';
        assert!(!is_tree(&other));
    }

    #[test]
    fn all_parts_of_a_kernel_are_found_and_nothing_else() {
        let known = [
            package(
                "linux-image-arm64",
                "linux-base-arm64 (= 7-1), linux-image-7 (= 7-1)",
            ),
            package("linux-base-arm64", "linux-base-7 (= 7-1)"),
            package("linux-image-7", "kmod, linux-base (>= 4), linux-base-7 (= 7-1)"),
            package("linux-base-7", ""),
            package("kmod", ""),
        ];
        let show = |wanted: &str| -> Result<Package> {
            let found = known.iter().find(|package| {
                package.name == wanted || format!("{}={}", package.name, package.version) == wanted
            });
            found.cloned().context("asked for another package")
        };
        let found = with_parts("linux-image-arm64", show).unwrap();
        let names: Vec<_> = found.iter().map(|package| package.name.as_str()).collect();
        let expected = [
            "linux-image-arm64",
            "linux-base-arm64",
            "linux-image-7",
            "linux-base-7",
        ];
        assert_eq!(names, expected);
    }

    #[test]
    fn the_tree_is_found_wherever_a_kernel_package_has_it() {
        for (path, is_it) in [
            (
                "./usr/lib/linux-image-6.1.0-56-arm64/broadcom/bcm2711-rpi-4-b.dtb",
                true,
            ),
            (
                "./usr/lib/modules/7.2.13+deb14-arm64/dtb/broadcom/bcm2711-rpi-4-b.dtb",
                true,
            ),
            ("./usr/lib/linux/broadcom/bcm2711-rpi-400.dtb", false),
            ("./usr/share/bcm2711-rpi-4-b.dtb", false),
        ] {
            assert_eq!(is_path_of_tree(Path::new(path)), is_it, "{path}");
        }
    }

    #[test]
    fn what_a_package_has_in_the_place_of_the_tree_is_checked() {
        let kernel = Package::parse(KERNEL).unwrap();
        let file = |bytes: &[u8]| PackagedFile {
            path: "./a/broadcom/bcm2711-rpi-4-b.dtb".into(),
            bytes: bytes.into(),
        };
        assert!(checked(&kernel, file(b"<html>")).is_err());
        let files = checked(&kernel, file(&tree_bytes())).unwrap();
        assert_eq!(files[NAME], tree_bytes());
        assert_eq!(files.len(), 2);
    }

    #[test]
    fn the_origin_names_package_licence_and_source() {
        let text = origin(&Package::parse(KERNEL).unwrap(), "usr/lib/x.dtb");
        for part in [
            "linux-image-6.1.0-56-arm64 6.1.192-2",
            "GPL-2.0",
            "apt-get source linux=6.1.192-2",
        ] {
            assert!(text.contains(part), "{part} is missing in {text}");
        }
    }

    #[test]
    fn the_note_beside_a_tree_is_kept_and_a_missing_one_is_made_up_for() {
        let folder = Folder::new("note");
        let tree = folder.path().join("own.dtb");
        assert!(note(&tree).contains("GPL-2.0"));
        fs::write(folder.path().join(NOTE), "from a friend").unwrap();
        assert_eq!(note(&tree), "from a friend");
    }
}
