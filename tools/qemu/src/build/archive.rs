//! The archive of programs that travels beside the kernel: `cpio` in the newc format.
//!
//! The same programs give the same bytes, whenever and wherever they are packed: entries are sorted,
//! owned by user 0, and dated 0.

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
        let mut writer = newc::Builder::new(&entry.name)
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
}
