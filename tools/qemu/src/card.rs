//! The card that boots a Raspberry Pi 4: which files are on it, and where they come from.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use granule_image::card::{File, card};

use crate::build::replace;
use crate::workspace::Workspace;
use crate::{rpi4_firmware, rpi4_tree};

/// The files that are checked in, from the top folder on.
const CHECKED_IN: [&str; 6] = [
    "boards/rpi4/config.txt",
    "boards/rpi4/cmdline.txt",
    "boards/rpi4/README.TXT",
    "LICENSE-MIT",
    "LICENSE-APACHE",
    "LICENSE-THIRD-PARTY.md",
];
/// The name of the programs' archive on the card.
pub const INITRD: &str = "initrd.cpio";
/// The name of the kernel on the card.
pub const KERNEL: &str = "kernel8.img";

/// Writes the card's bytes to the target folder; kernel and programs have been built. Returns the file.
///
/// # Errors
///
/// When firmware or device tree cannot be had, or a file cannot be read or written.
pub fn write(workspace: &Workspace) -> Result<PathBuf> {
    let path = workspace.card();
    let bytes = card(&files(workspace)?).context("cannot make the card")?;
    replace(&path, &bytes)?;
    Ok(path)
}

/// All files of the card.
///
/// # Errors
///
/// When firmware or device tree cannot be had, a file cannot be read, or they do not fit together.
pub fn files(workspace: &Workspace) -> Result<Vec<File>> {
    let tree = rpi4_tree::obtain(workspace)?;
    let mut files = vec![
        file(KERNEL, padded(read(&workspace.image())?)?),
        file(INITRD, read(&workspace.initrd())?),
        file(rpi4_tree::NAME, read(&tree)?),
        file(rpi4_tree::NOTE, rpi4_tree::note(&tree).into_bytes()),
    ];
    let firmware = rpi4_firmware::obtain(workspace)?;
    files.extend(firmware.into_iter().map(|(name, bytes)| file(name, bytes)));
    for path in CHECKED_IN {
        let path = workspace.root().join(path);
        let name = path.file_name().expect("it names a file").to_string_lossy();
        files.push(file(&name, read(&path)?));
    }
    check_names(&files)?;
    Ok(files)
}

fn file(name: &str, bytes: Vec<u8>) -> File {
    let name = name.into();
    File { name, bytes }
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

/// Makes the file as long as the kernel is in memory. Firmware of before 2023 puts the initrd right behind the file,
/// where it would lie in the kernel's zero-initialised data.
fn padded(mut kernel: Vec<u8>) -> Result<Vec<u8>> {
    const IMAGE_SIZE: std::ops::Range<usize> = 16..24;
    const GRANULE: usize = 4096;
    let field = kernel.get(IMAGE_SIZE).context("the kernel has no Image header")?;
    let size = usize::try_from(u64::from_le_bytes(field.try_into().expect("eight bytes")))?;
    ensure!(
        size >= kernel.len() && size.is_multiple_of(GRANULE),
        "the kernel's image_size is {size}: it must cover the file's {} bytes and end with a page, behind which an \
         initrd may follow",
        kernel.len()
    );
    kernel.resize(size, 0);
    Ok(kernel)
}

/// Makes sure that each file that `config.txt` names is on the card: the firmware says little about one that is not.
fn check_names(files: &[File]) -> Result<()> {
    let content = |name| files.iter().find(|file| file.name == name);
    let config = content("config.txt").context("the card has no config.txt")?;
    let config = String::from_utf8_lossy(&config.bytes);
    for name in names_in(&config) {
        ensure!(
            content(name).is_some(),
            "config.txt names {name}, which is not on the card"
        );
    }
    Ok(())
}

fn names_in(config: &str) -> impl Iterator<Item = &str> {
    config.lines().filter_map(|line| {
        let named = line
            .strip_prefix("kernel=")
            .or_else(|| line.strip_prefix("device_tree="));
        named.or_else(|| line.strip_prefix("initramfs ")?.split(' ').next())
    })
}

#[cfg(test)]
mod tests {
    use super::{check_names, file, names_in, padded};

    const CONFIG: &str = include_str!("../../../boards/rpi4/config.txt");

    fn kernel(image_size: u64, length: usize) -> Vec<u8> {
        let mut bytes = vec![0xaa; length];
        bytes[16..24].copy_from_slice(&image_size.to_le_bytes());
        bytes
    }

    #[test]
    fn the_kernel_on_the_card_is_as_long_as_it_is_in_memory() {
        let padded = padded(kernel(8192, 5000)).unwrap();
        assert_eq!(padded[..5000], kernel(8192, 5000));
        assert_eq!(padded[5000..], [0; 3192]);
    }

    #[test]
    fn a_kernel_behind_which_no_initrd_could_follow_is_refused() {
        for (image_size, length) in [(4096, 5000), (5001, 5000), (0, 64)] {
            assert!(padded(kernel(image_size, length)).is_err(), "{image_size}");
        }
        assert!(padded(vec![0; 20]).is_err());
    }

    #[test]
    fn what_config_txt_names_must_be_on_the_card() {
        let names: Vec<_> = names_in(CONFIG).collect();
        assert_eq!(names, ["kernel8.img", "bcm2711-rpi-4-b.dtb", "initrd.cpio"]);
        let mut files = vec![file("config.txt", CONFIG.into())];
        for name in names {
            let error = check_names(&files).unwrap_err();
            assert!(error.to_string().contains(name), "{error}");
            files.push(file(name, Vec::new()));
        }
        check_names(&files).unwrap();
    }

    /// The firmware knows no comment behind a setting, and ignores lines of 98 bytes and more.
    #[test]
    fn every_line_of_config_txt_is_a_comment_or_a_setting() {
        for line in CONFIG.lines().filter(|line| !line.is_empty()) {
            let is_comment = line.starts_with('#');
            assert!(is_comment || !line.contains('#'), "{line}");
            assert!(is_comment || line.len() < 98, "{line}");
        }
    }
}
