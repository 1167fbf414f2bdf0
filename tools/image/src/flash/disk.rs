//! Which disk a path stands for, and whether it is a card that nobody uses.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::System;

/// Sysfs counts sectors of this size whatever the device has.
const SECTOR: u64 = 512;

/// A whole removable disk that nothing is mounted from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disk {
    /// The kernel's name for it: `sdb`, `mmcblk0`.
    pub name: String,
    /// Its number: `8:16`.
    pub number: String,
    /// Who made it, as far as it says.
    pub model: String,
    /// How much it holds.
    pub bytes: u64,
}

/// Why a path does not stand for a card that may be overwritten.
#[derive(Debug)]
pub enum Refusal {
    /// Nothing there, or it cannot be looked at.
    NotThere(PathBuf, io::Error),
    /// A file or folder.
    NoDevice(PathBuf),
    /// Sysfs does not know it.
    Unknown(PathBuf),
    /// A partition, and the disk it is on.
    Partition(PathBuf, String),
    /// Built in, as far as the kernel knows.
    NotRemovable(Disk),
    /// There is no card in the reader.
    Empty(Disk),
    /// The card's switch.
    ReadOnly(Disk),
    /// It holds less than the image.
    TooSmall(Disk, u64),
    /// What of it is mounted, and where.
    Mounted(Vec<(String, String)>),
    /// What of it is in use, and by what.
    Held(String, String),
}

impl Disk {
    /// The disk at `path`, which is to take `needed` bytes.
    ///
    /// # Errors
    ///
    /// When it is not one that may be overwritten.
    pub fn find(system: &impl System, path: &Path, needed: u64) -> Result<Self, Refusal> {
        let number = system
            .number(path)
            .map_err(|error| Refusal::NotThere(path.into(), error))?
            .ok_or_else(|| Refusal::NoDevice(path.into()))?;
        let folder = fs::canonicalize(system.sys().join("dev/block").join(&number))
            .map_err(|_| Refusal::Unknown(path.into()))?;
        if folder.join("partition").exists() {
            let disk = folder.parent().map(name_of).unwrap_or_default();
            return Err(Refusal::Partition(path.into(), disk));
        }
        let disk = Self {
            name: name_of(&folder),
            number,
            model: model(&folder),
            bytes: attribute(&folder, "size").parse::<u64>().unwrap_or(0) * SECTOR,
        };
        disk.check(&folder, needed)?;
        disk.check_users(system, &folder)?;
        Ok(disk)
    }

    fn check(&self, folder: &Path, needed: u64) -> Result<(), Refusal> {
        let disk = || self.clone();
        if !is_removable(folder) {
            return Err(Refusal::NotRemovable(disk()));
        }
        if self.bytes == 0 {
            return Err(Refusal::Empty(disk()));
        }
        if attribute(folder, "ro") == "1" {
            return Err(Refusal::ReadOnly(disk()));
        }
        if self.bytes < needed {
            return Err(Refusal::TooSmall(disk(), needed));
        }
        Ok(())
    }

    /// The last word is with whoever opens the device alone; this is for a better error.
    fn check_users(&self, system: &impl System, folder: &Path) -> Result<(), Refusal> {
        let parts = with_partitions(folder);
        let mounts = system
            .mounts()
            .map_err(|error| Refusal::NotThere("/proc/self/mountinfo".into(), error))?;
        let mounted = mounted(&mounts, &parts);
        if !mounted.is_empty() {
            return Err(Refusal::Mounted(mounted));
        }
        for part in parts {
            if let Some(holder) = entries(&part.folder.join("holders")).first() {
                return Err(Refusal::Held(part.name, name_of(holder)));
            }
        }
        Ok(())
    }
}

/// The whole disk, or a partition of it.
struct Part {
    folder: PathBuf,
    name: String,
    number: String,
}

fn with_partitions(disk: &Path) -> Vec<Part> {
    let partitions = entries(disk)
        .into_iter()
        .filter(|entry| entry.join("partition").exists());
    std::iter::once(disk.to_owned())
        .chain(partitions)
        .map(|folder| Part {
            name: name_of(&folder),
            number: attribute(&folder, "dev"),
            folder,
        })
        .collect()
}

/// Which of the parts are mounted where ("proc_pid_mountinfo(5)"). Some file systems have a number of their own, but
/// name the device.
fn mounted(mounts: &str, parts: &[Part]) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for line in mounts.lines() {
        let (fields, source) = line.split_once(" - ").unwrap_or((line, ""));
        let fields: Vec<&str> = fields.split(' ').collect();
        let (Some(number), Some(place)) = (fields.get(2), fields.get(4)) else {
            continue;
        };
        let device = source
            .split(' ')
            .nth(1)
            .and_then(|source| source.strip_prefix("/dev/"));
        let part = parts
            .iter()
            .find(|part| part.number == *number || Some(part.name.as_str()) == device);
        if let Some(part) = part {
            found.push((part.name.clone(), place.replace(r"\040", " ")));
        }
    }
    found
}

/// Card readers on USB say that they are removable. Built-in ones do not, but say what kind of card they hold.
fn is_removable(disk: &Path) -> bool {
    attribute(disk, "removable") == "1" || attribute(disk, "device/type") == "SD"
}

/// In words. Some drivers have numbers in the place of a name.
fn model(disk: &Path) -> String {
    let parts = ["device/vendor", "device/model", "device/name"];
    let words: Vec<String> = parts
        .into_iter()
        .map(|part| attribute(disk, part))
        .filter(|word| !word.is_empty() && !word.starts_with("0x"))
        .collect();
    words.join(" ")
}

/// What a file of sysfs says; nothing if there is none.
fn attribute(folder: &Path, name: &str) -> String {
    let text = fs::read_to_string(folder.join(name)).unwrap_or_default();
    text.trim().into()
}

/// What is in the folder, sorted; nothing if there is no folder.
fn entries(folder: &Path) -> Vec<PathBuf> {
    let mut entries: Vec<PathBuf> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect();
    entries.sort();
    entries
}

fn name_of(folder: &Path) -> String {
    folder.file_name().unwrap_or_default().to_string_lossy().into()
}

impl fmt::Display for Disk {
    /// As one recognises a card: sizes are sold in powers of ten.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, tenth) = (self.bytes / 1_000_000_000, self.bytes / 100_000_000 % 10);
        write!(f, "{} ({whole}.{tenth} GB", self.name)?;
        if !self.model.is_empty() {
            write!(f, ", {}", self.model)?;
        }
        f.write_str(")")
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotThere(path, error) => write!(f, "cannot look at {}: {error}", path.display()),
            Self::NoDevice(path) => write!(
                f,
                "{} is no device; name the card, as `lsblk` lists it: /dev/sdb or /dev/mmcblk0, for instance",
                path.display()
            ),
            Self::Unknown(path) => write!(
                f,
                "sysfs knows nothing about {}; only on Linux can this tell a card from other disks",
                path.display()
            ),
            Self::Partition(path, disk) => write!(
                f,
                "{} is a partition; name the whole card, /dev/{disk}",
                path.display()
            ),
            Self::NotRemovable(disk) => write!(
                f,
                "{disk} is no removable disk, so it may be one that this machine needs; a card in a card reader is wanted"
            ),
            Self::Empty(disk) => write!(f, "there is no card in {}", disk.name),
            Self::ReadOnly(disk) => write!(
                f,
                "{disk} is write-protected; many cards have a switch for that on their side"
            ),
            Self::TooSmall(disk, needed) => write!(
                f,
                "{disk} holds {} bytes, and {needed} are to be written",
                disk.bytes
            ),
            Self::Mounted(mounts) => {
                let places: Vec<String> = mounts
                    .iter()
                    .map(|(part, place)| format!("{part} at {place}"))
                    .collect();
                write!(
                    f,
                    "the card is in use, mounted are {}; unmount that first (`umount` or the file manager)",
                    places.join(" and ")
                )
            }
            Self::Held(part, holder) => {
                write!(f, "{part} is in use by {holder}; end that first")
            }
        }
    }
}

impl std::error::Error for Refusal {}
