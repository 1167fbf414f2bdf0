//! The bytes of a card: a partition table, and files in one FAT32 partition.
//!
//! ```text
//!   sector 0     partition table
//!          2048  FAT32 volume, to the end
//! ```

use anyhow::Result;

use crate::{mbr, volume};

/// A file on the card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Its name; it lies in the top folder.
    pub name: String,
    /// Its contents.
    pub bytes: Vec<u8>,
}

/// Bytes in a sector.
pub(crate) const SECTOR: usize = 512;
/// Sectors on the card, 64 MiB: the smallest power of two that FAT32 is happy with. QEMU insists on a power of two.
const SECTORS: u32 = 64 << 11;
/// Where the partition starts: at 1 MiB, as everywhere, since cards erase in blocks of that order.
const PARTITION: u32 = 2048;
/// What tells this disk and this volume from others: "RPI4". Fixed, so that the bytes are the same each time.
const ID: u32 = 0x5250_4934;

/// Makes a card with these files.
///
/// # Errors
///
/// When they do not fit, or a name is none that FAT32 could have.
pub fn card(files: &[File]) -> Result<Vec<u8>> {
    let mut card = vec![0; SECTORS as usize * SECTOR];
    let (before, partition) = card.split_at_mut(PARTITION as usize * SECTOR);
    mbr::write(&mut before[..SECTOR], ID, PARTITION..SECTORS);
    volume::fill(partition, PARTITION, ID, files)?;
    Ok(card)
}
