//! The archive of programs that travels beside the kernel: `cpio` in the newc format.
//!
//! The same programs give the same bytes, whenever and wherever they are packed: entries are sorted,
//! owned by user 0, and dated 0.
//!
//! Each file's contents begin at a multiple of 64 bytes, a cache line, so that whoever copies them reads whole words and
//! lines. To that end there are more zeroes behind its path than the one that ends it; readers take a path to end at the first.

use std::io::Write;

use anyhow::{Context, Result};
use cpio::newc;

/// A file of the archive.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// Its path inside the archive, without a leading slash.
    pub name: String,
    /// Its contents.
    pub bytes: Vec<u8>,
}

/// A regular file that everybody may read and execute.
const EXECUTABLE: u32 = 0o100_755;

/// Contents begin at multiples of this.
const ALIGNMENT: usize = 64;
/// Bytes of what comes before a path: `cpio(5)`, "New ASCII Format".
const HEADER_BYTES: usize = 110;

/// Packs the entries, sorted by name.
///
/// # Errors
///
/// When a file is larger than the format allows (4 GiB).
pub fn pack(mut entries: Vec<Entry>) -> Result<Vec<u8>> {
    entries.sort();
    let mut archive = Vec::new();
    for (inode, entry) in (1..).zip(&entries) {
        let size = u32::try_from(entry.bytes.len())
            .with_context(|| format!("{} is too large for the archive", entry.name))?;
        let mut writer = newc::Builder::new(&padded(&entry.name, archive.len()))
            .ino(inode)
            .mode(EXECUTABLE)
            .nlink(1)
            .mtime(0)
            .write(&mut archive, size);
        writer.write_all(&entry.bytes)?;
        writer.finish()?;
    }
    newc::trailer(&mut archive)?;
    Ok(archive)
}

/// The name of an entry whose header begins at `start`, with as many zeroes as its contents want before the one that the
/// format puts behind a name.
fn padded(name: &str, start: usize) -> String {
    let end = start + HEADER_BYTES + name.len() + 1;
    let zeroes = end.next_multiple_of(ALIGNMENT) - end;
    format!("{name}{}", "\0".repeat(zeroes))
}

#[cfg(test)]
mod tests {
    use super::{Entry, pack};

    fn entry(name: &str, bytes: &[u8]) -> Entry {
        Entry {
            name: name.into(),
            bytes: bytes.into(),
        }
    }

    #[test]
    fn the_order_in_which_programs_come_does_not_change_the_archive() {
        let (init, shell) = (entry("bin/init", b"one"), entry("bin/shell", b"three"));
        let forwards = pack(vec![init.clone(), shell.clone()]).unwrap();
        assert_eq!(pack(vec![shell, init]).unwrap(), forwards);
    }

    #[test]
    fn the_kernels_reader_finds_every_program_with_its_bytes() {
        let archive = pack(vec![entry("bin/b", b"12345"), entry("bin/a", b"")]).unwrap();
        let read: Result<Vec<_>, _> = loader::archive::files(&archive).collect();
        let file = |path, bytes| loader::archive::File { path, bytes };
        let expected = vec![file("bin/a", &b""[..]), file("bin/b", b"12345")];
        assert_eq!(read, Ok(expected));
    }

    #[test]
    fn contents_begin_at_a_cache_line() {
        let names = [
            "bin/a",
            "bin/ab",
            "etc/a-rather-long-name-that-needs-more-than-a-line-for-itself-and-its-header",
        ];
        let entries = names
            .iter()
            .zip(1..)
            .map(|(name, length)| entry(name, &[b'x'; 100][..length]));
        let archive = pack(entries.collect()).unwrap();
        for file in loader::archive::files(&archive) {
            let bytes = file.unwrap().bytes;
            let offset = bytes.as_ptr().addr() - archive.as_ptr().addr();
            assert_eq!((offset % 64, bytes[0]), (0, b'x'));
        }
    }
}
