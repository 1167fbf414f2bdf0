//! What is on a card, read again.

use std::io::{Cursor, Read};

use fatfs::{FileSystem, FsOptions};
use granule_image::card::{File, card};

const PARTITION: usize = 1 << 20;

fn file(name: &str, bytes: &[u8]) -> File {
    let (name, bytes) = (name.into(), bytes.into());
    File { name, bytes }
}

fn some_files() -> Vec<File> {
    vec![
        file("config.txt", b"arm_64bit=1\n"),
        file("bcm2711-rpi-4-b.dtb", &[0xd0; 27_386]),
        file("empty", b""),
        file("LICENCE.broadcom", b"one"),
        file("LICENSE-THIRD-PARTY.md", b"two"),
    ]
}

fn read(card: &[u8], name: &str) -> Vec<u8> {
    let mut volume = card[PARTITION..].to_vec();
    let volume = FileSystem::new(Cursor::new(&mut volume), FsOptions::new()).unwrap();
    let mut bytes = Vec::new();
    let root = volume.root_dir();
    root.open_file(name).unwrap().read_to_end(&mut bytes).unwrap();
    bytes
}

#[test]
fn every_file_is_there_with_its_bytes_and_its_long_name() {
    let card = card(&some_files()).unwrap();
    for file in some_files() {
        assert_eq!(read(&card, &file.name), file.bytes, "{}", file.name);
    }
}

#[test]
fn the_same_files_give_the_same_bytes() {
    assert!(card(&some_files()).unwrap() == card(&some_files()).unwrap());
}

#[test]
fn the_size_is_one_that_qemu_takes_for_a_card() {
    let card = card(&[]).unwrap();
    assert_eq!(card.len(), 64 << 20);
    assert!(card.len().is_power_of_two());
}

#[test]
fn the_partition_table_and_both_boot_sectors_agree_where_the_volume_begins() {
    let card = card(&some_files()).unwrap();
    let word = |at: usize| u32::from_le_bytes(card[at..at + 4].try_into().unwrap());
    assert_eq!(word(446 + 8), 2048);
    assert_eq!(word(446 + 12) as usize * 512, card.len() - PARTITION);
    for boot_sector in [0, 6] {
        let at = PARTITION + boot_sector * 512;
        assert_eq!(word(at + 28), 2048);
        assert_eq!(word(at + 32), word(446 + 12));
        assert_eq!(card[at + 510..at + 512], [0x55, 0xaa]);
    }
}

#[test]
fn the_free_clusters_are_counted() {
    // "FAT32 File System Specification": FSInfo in sector 1, FATSz32 at byte 36 of the boot sector, and
    // RsvdSecCnt at byte 14.
    let card = card(&[file("x", &[1; 5 * 512])]).unwrap();
    let word = |at: usize| u32::from_le_bytes(card[PARTITION + at..PARTITION + at + 4].try_into().unwrap());
    let (fat, reserved) = (word(36), u32::from(card[PARTITION + 14]));
    let clusters = word(32) - reserved - 2 * fat;
    let root_directory = 1;
    assert_eq!(word(512 + 488), clusters - root_directory - 5);
}

#[test]
fn files_that_do_not_fit_are_refused_by_name() {
    let error = card(&[file("huge", &vec![0; 63 << 20])]).unwrap_err();
    assert!(format!("{error:#}").contains("huge"), "{error:#}");
}

#[test]
fn two_files_of_one_name_are_refused_whatever_the_case() {
    let error = card(&[file("README.TXT", b"1"), file("readme.txt", b"2")]).unwrap_err();
    assert!(error.to_string().contains("two files"), "{error}");
}

#[test]
fn folders_are_refused() {
    let error = card(&[file("licences/MIT", b"")]).unwrap_err();
    assert!(format!("{error:#}").contains("no folders"), "{error:#}");
}
