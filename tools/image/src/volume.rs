//! A FAT32 volume with files in it, the same bytes each time.

use std::collections::BTreeSet;
use std::io::{Cursor, Write};

use anyhow::{Context, Result, ensure};
use fatfs::{Date, DateTime, Dir, FatType, FileSystem, FormatVolumeOptions, FsOptions, Time, TimeProvider};

use crate::card::{File, SECTOR};

const LABEL: &[u8; 11] = b"GRANULE    ";
/// With clusters of more than a sector, so small a volume would have too few of them to be FAT32.
const CLUSTER: u32 = SECTOR as u32;
/// Where a boot sector counts the sectors before its partition, and where the boot sector and its copy are.
const HIDDEN_SECTORS: usize = 28;
const BOOT_SECTORS: [usize; 2] = [0, 6];

type Volume<'a> = Cursor<&'a mut [u8]>;

/// Formats the volume, which begins at sector `first` of its disk, and writes the files into it.
pub(crate) fn fill(volume: &mut [u8], first: u32, id: u32, files: &[File]) -> Result<()> {
    let options = FormatVolumeOptions::new()
        .fat_type(FatType::Fat32)
        .bytes_per_cluster(CLUSTER)
        .volume_id(id)
        .volume_label(*LABEL);
    fatfs::format_volume(Cursor::new(&mut *volume), options).context("cannot format the card")?;
    write_files(volume, files)?;
    // The crate formats disks without partitions.
    for sector in BOOT_SECTORS {
        let at = sector * SECTOR + HIDDEN_SECTORS;
        volume[at..at + 4].copy_from_slice(&first.to_le_bytes());
    }
    Ok(())
}

fn write_files(volume: &mut [u8], files: &[File]) -> Result<()> {
    let options = FsOptions::new().time_provider(&EPOCH);
    let volume = FileSystem::new(Cursor::new(volume), options).context("cannot read what was formatted")?;
    let mut written = BTreeSet::new();
    for file in files {
        ensure!(
            written.insert(file.name.to_lowercase()),
            "the card has two files {}",
            file.name
        );
        write_file(&volume.root_dir(), file)
            .with_context(|| format!("cannot put {} on the card", file.name))?;
    }
    // Counts the free clusters, so that whoever mounts the volume need not.
    volume.stats()?;
    volume.unmount()?;
    Ok(())
}

fn write_file(root: &Dir<'_, Volume<'_>>, file: &File) -> Result<()> {
    // The crate gives the entry `.` of a folder a long name, and fsck.fat rightly calls that damage.
    ensure!(!file.name.contains('/'), "there are no folders on a card");
    let mut entry = root.create_file(&file.name)?;
    entry.write_all(&file.bytes)?;
    entry.flush()?;
    Ok(())
}

/// Every file is of this time: the beginning of FAT's calendar.
#[derive(Debug)]
struct Epoch;

static EPOCH: Epoch = Epoch;

impl TimeProvider for Epoch {
    fn get_current_date(&self) -> Date {
        Date {
            year: 1980,
            month: 1,
            day: 1,
        }
    }

    fn get_current_date_time(&self) -> DateTime {
        let time = Time {
            hour: 0,
            min: 0,
            sec: 0,
            millis: 0,
        };
        DateTime {
            date: self.get_current_date(),
            time,
        }
    }
}
