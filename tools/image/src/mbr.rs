//! The partition table: a master boot record with one entry.
//!
//! The crates for this carry a dozen others with them, for sixteen bytes.

use std::ops::Range;

/// A FAT32 partition that is found by sector numbers, not by cylinders.
const FAT32_LBA: u8 = 0x0c;
const ACTIVE: u8 = 0x80;
/// Cylinder, head and sector for one that has none: the largest there are.
const NO_CHS: [u8; 3] = [0xfe, 0xff, 0xff];

/// Writes a table with one active FAT32 partition of these sectors into the first sector of a disk.
pub(crate) fn write(sector: &mut [u8], disk: u32, partition: Range<u32>) {
    let mut entry = [0; 16];
    entry[0] = ACTIVE;
    entry[1..4].copy_from_slice(&NO_CHS);
    entry[4] = FAT32_LBA;
    entry[5..8].copy_from_slice(&NO_CHS);
    entry[8..12].copy_from_slice(&partition.start.to_le_bytes());
    entry[12..16].copy_from_slice(&(partition.end - partition.start).to_le_bytes());
    sector[440..444].copy_from_slice(&disk.to_le_bytes());
    sector[446..462].copy_from_slice(&entry);
    sector[510..512].copy_from_slice(&[0x55, 0xaa]);
}

#[cfg(test)]
mod tests {
    use super::write;

    #[test]
    fn the_table_has_one_entry_and_the_mark_of_a_table() {
        let mut sector = [0; 512];
        write(&mut sector, 0x1234_5678, 2048..131_072);
        assert_eq!(sector[440..444], [0x78, 0x56, 0x34, 0x12]);
        assert_eq!(sector[446..451], [0x80, 0xfe, 0xff, 0xff, 0x0c]);
        assert_eq!(sector[454..462], [0, 8, 0, 0, 0, 0xf8, 1, 0]);
        assert_eq!(sector[462..510], [0; 48]);
        assert_eq!(sector[510..], [0x55, 0xaa]);
    }
}
