//! The archive that programs come in: `cpio`, format "newc", as for Linux' initramfs.
//!
//! One archive may follow another, with zeroes in between: so loaders join several files. What
//! comes later replaces what has the same name (Linux, "initramfs buffer format"). Behind a path there may be more than one
//! zero byte, so that its file begins at an address that is good for copying.

use core::ffi::CStr;
use core::fmt;

/// The folder that programs are in.
pub const PROGRAMS: &str = "bin";

/// A file of an archive.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct File<'a> {
    /// Its path.
    pub path: &'a str,
    /// What is in it.
    pub bytes: &'a [u8],
}

/// What is wrong with an archive.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ArchiveError {
    /// There is something else where a file should begin.
    NoArchive,
    /// It ends in the middle of a file, or no mark of the end follows its last file.
    EndsEarly,
    /// A number in a file's header is none, or a path is not UTF-8 text with zero bytes behind it and none in it.
    BadHeader,
}

impl fmt::Display for ArchiveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoArchive => "is no cpio archive (newc, not compressed)",
            Self::EndsEarly => "ends too early",
            Self::BadHeader => "has a damaged header in it",
        })
    }
}

impl core::error::Error for ArchiveError {}

impl<'a> File<'a> {
    /// Its path within `folder`, if that is where it lies.
    pub fn name_in(&self, folder: &str) -> Option<&'a str> {
        let path = self.path.trim_start_matches("./");
        path.strip_prefix(folder)?.strip_prefix('/')
    }
}

/// The file `name` in `folder`; the last, if there are several.
///
/// # Errors
/// The archive is damaged, maybe behind the file.
pub fn find<'a>(archive: &'a [u8], folder: &str, name: &str) -> Result<Option<&'a [u8]>, ArchiveError> {
    files(archive).try_fold(None, |found, file| {
        let file = file?;
        Ok(if file.name_in(folder) == Some(name) {
            Some(file.bytes)
        } else {
            found
        })
    })
}

/// All files, in order. An error is the last that comes.
pub fn files(archive: &[u8]) -> Files<'_> {
    Files {
        rest: archive,
        inside: true,
    }
}

/// See [`files`].
#[derive(Clone, Debug)]
pub struct Files<'a> {
    rest: &'a [u8],
    /// Whether an archive has begun, so that a file or the mark of the end must follow.
    inside: bool,
}

const MAGIC: &[u8] = b"070701";
const END_MARK: &str = "TRAILER!!!";
/// Headers, and files after their header and path, begin at multiples of this.
const ALIGNMENT: usize = 4;
/// The magic and thirteen numbers of eight hexadecimal digits.
const HEADER_BYTES: usize = 6 + 13 * DIGITS;
const DIGITS: usize = 8;
/// Which of the numbers are the lengths of the file, and of its path with the zero byte behind it.
const FILE_BYTES: usize = 6;
const PATH_BYTES: usize = 11;

impl<'a> Iterator for Files<'a> {
    type Item = Result<File<'a>, ArchiveError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if !self.inside {
                let padding = self.rest.iter().position(|&byte| byte != 0)?;
                self.rest = &self.rest[padding..];
                self.inside = true;
            }
            match self.take() {
                Ok(file) if file.path == END_MARK => self.inside = false,
                Ok(file) => return Some(Ok(file)),
                Err(error) => {
                    (self.rest, self.inside) = (&[], false);
                    return Some(Err(error));
                }
            }
        }
    }
}

impl<'a> Files<'a> {
    /// Takes the file, or the mark of the end, at the front of what is left.
    fn take(&mut self) -> Result<File<'a>, ArchiveError> {
        if !self.rest.starts_with(MAGIC) {
            let cut = MAGIC.starts_with(self.rest);
            return Err(if cut {
                ArchiveError::EndsEarly
            } else {
                ArchiveError::NoArchive
            });
        }
        let header = self.rest.get(..HEADER_BYTES).ok_or(ArchiveError::EndsEarly)?;
        let path_end = sum(HEADER_BYTES, number(header, PATH_BYTES)?)?;
        let start = aligned(path_end)?;
        let end = sum(start, number(header, FILE_BYTES)?)?;
        let path = self
            .rest
            .get(HEADER_BYTES..path_end)
            .ok_or(ArchiveError::EndsEarly)?;
        let bytes = self.rest.get(start..end).ok_or(ArchiveError::EndsEarly)?;
        let path = text(path).ok_or(ArchiveError::BadHeader)?;
        // The last file's padding may be missing.
        self.rest = self.rest.get(aligned(end)?..).unwrap_or_default();
        Ok(File { path, bytes })
    }
}

/// The text in these bytes, with nothing but zeroes behind it, of which there is at least one. Text behind a zero would be a
/// name to one reader and none to the next.
fn text(bytes: &[u8]) -> Option<&str> {
    let text = CStr::from_bytes_until_nul(bytes).ok()?.to_str().ok()?;
    let ends = bytes[text.len()..].iter().all(|&byte| byte == 0);
    ends.then_some(text)
}

/// Number `place` of a header.
fn number(header: &[u8], place: usize) -> Result<usize, ArchiveError> {
    let digits = &header[MAGIC.len() + place * DIGITS..][..DIGITS];
    digits.iter().try_fold(0, |number, digit| {
        let digit = char::from(*digit).to_digit(16).ok_or(ArchiveError::BadHeader)?;
        Ok(number << 4 | digit as usize)
    })
}

fn sum(a: usize, b: usize) -> Result<usize, ArchiveError> {
    a.checked_add(b).ok_or(ArchiveError::EndsEarly)
}

fn aligned(at: usize) -> Result<usize, ArchiveError> {
    at.checked_next_multiple_of(ALIGNMENT)
        .ok_or(ArchiveError::EndsEarly)
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::{ArchiveError, File, PROGRAMS, files, find};
    use proptest::prelude::*;
    use std::vec::Vec;

    /// As `cpio -H newc -o` writes it: `cpio(5)`.
    fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (path, file) in files.iter().chain(&[("TRAILER!!!", &b""[..])]) {
            let numbers = [
                0,
                0o100_755,
                0,
                0,
                1,
                0,
                file.len(),
                0,
                0,
                0,
                0,
                path.len() + 1,
                0,
            ];
            bytes.extend(b"070701");
            for number in numbers {
                bytes.extend(std::format!("{number:08x}").bytes());
            }
            bytes.extend(path.bytes());
            bytes.push(0);
            bytes.resize(bytes.len().next_multiple_of(4), 0);
            bytes.extend(*file);
            bytes.resize(bytes.len().next_multiple_of(4), 0);
        }
        bytes
    }

    const TWO: &[(&str, &[u8])] = &[("bin/init", b"one"), ("./bin/shell", b"second")];

    #[test]
    fn files_come_in_their_order_with_all_their_bytes() {
        let bytes = archive(TWO);
        let found: Result<Vec<_>, _> = files(&bytes).collect();
        let (path, bytes) = ("bin/init", &b"one"[..]);
        let second = File {
            path: "./bin/shell",
            bytes: b"second",
        };
        assert_eq!(found, Ok(std::vec![File { path, bytes }, second]));
        assert_eq!(second.name_in(PROGRAMS), Some("shell"));
    }

    #[test]
    fn of_joined_archives_the_last_file_of_a_name_counts() {
        let mut bytes = archive(TWO);
        bytes.resize(bytes.len().next_multiple_of(512), 0);
        bytes.extend(archive(&[("bin/init", b"newer")]));
        assert_eq!(find(&bytes, PROGRAMS, "init"), Ok(Some(&b"newer"[..])));
        assert_eq!(find(&bytes, PROGRAMS, "shell"), Ok(Some(&b"second"[..])));
        assert_eq!(find(&bytes, PROGRAMS, "nobody"), Ok(None));
    }

    #[test]
    fn more_zeroes_behind_a_path_are_no_part_of_it() {
        let bytes = archive(&[("bin/init\0\0\0\0\0", b"one"), ("bin/shell", b"second")]);
        assert_eq!(find(&bytes, PROGRAMS, "init"), Ok(Some(&b"one"[..])));
        assert_eq!(find(&bytes, PROGRAMS, "shell"), Ok(Some(&b"second"[..])));
    }

    #[test]
    fn an_empty_archive_has_no_files_and_nothing_is_no_archive() {
        assert_eq!(files(&archive(&[])).next(), None);
        for none in [&b"\0\0\0\0"[..], b"070707", b"not an archive"] {
            assert_eq!(files(none).collect::<Vec<_>>(), [Err(ArchiveError::NoArchive)]);
        }
    }

    #[test]
    fn an_archive_that_is_cut_anywhere_says_that_it_ends_early() {
        let whole = archive(TWO);
        let mark = whole.len() - "TRAILER!!!\0\0\0\0".len();
        for length in 0..mark {
            let last = files(&whole[..length]).last();
            assert_eq!(last, Some(Err(ArchiveError::EndsEarly)), "cut to {length} bytes");
        }
    }

    #[test]
    fn bytes_behind_an_archive_that_are_no_archive_are_an_error() {
        let mut bytes = archive(TWO);
        bytes.extend(b"rubbish");
        assert_eq!(files(&bytes).last(), Some(Err(ArchiveError::NoArchive)));
    }

    #[test]
    fn numbers_that_are_none_and_paths_that_are_no_text_are_bad_headers() {
        let good = archive(TWO);
        // The length of the file, that of the path, the path, and the zero byte behind it.
        for (at, byte) in [(54, b'+'), (94, b'x'), (110, 0xff), (118, b'x')] {
            let mut bad = good.clone();
            bad[at] = byte;
            assert_eq!(
                files(&bad).next(),
                Some(Err(ArchiveError::BadHeader)),
                "byte {at}"
            );
        }
    }

    #[test]
    fn a_path_with_a_zero_in_it_is_a_bad_header() {
        for path in ["bin/init\0x", "bin/init\0\0\0x\0", "\0bin/init"] {
            let bytes = archive(&[(path, b"one")]);
            let first = files(&bytes).next();
            assert_eq!(first, Some(Err(ArchiveError::BadHeader)), "{path:?}");
        }
    }

    proptest! {
        #[test]
        fn whatever_the_bytes_are_reading_them_ends(
            at in 0_usize..400, byte in any::<u8>(), length in 0_usize..400
        ) {
            let mut bytes = archive(TWO);
            let place = at % bytes.len();
            bytes[place] = byte;
            let end = length.min(bytes.len());
            prop_assert!(files(&bytes[..end]).count() <= 4);
        }
    }
}
