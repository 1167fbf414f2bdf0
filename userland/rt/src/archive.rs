//! The archive of programs (`cpio`, newc format): which there are, and their files.

use crate::Start;
use loader::archive::PROGRAMS;

/// Where programs are that work on the system as a whole, so that whoever starts them gives them its handle.
const SYSTEM: &str = "sbin";
/// Where programs are that exist for the sake of tests: started by name, but not listed.
const TESTS: &str = "test";

pub use loader::archive::File;

/// A program, and where it was found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Program {
    /// Its ELF file.
    pub file: &'static [u8],
    /// Whether it works on the system as a whole.
    pub is_for_system: bool,
}

/// An archive that is mapped into this program and stays so.
#[derive(Clone, Copy, Debug)]
pub struct Archive {
    bytes: &'static [u8],
}

impl Archive {
    /// The archive in these bytes.
    pub const fn new(bytes: &'static [u8]) -> Self {
        Self { bytes }
    }

    /// The archive this program's parent left in its memory, if it did: address and length are
    /// the first two words of the start message.
    pub fn from_start(start: &Start) -> Option<Self> {
        let [address, length, ..] = start.words();
        let address = usize::try_from(address).ok().filter(|&address| address != 0)?;
        let length = usize::try_from(length).ok().filter(|&length| length != 0)?;
        let first = core::ptr::with_exposed_provenance(address);
        // SAFETY: the parent says that an archive is there (who may start a program with a wrong
        // one may as well fill its memory with anything), read-only for this program; nothing in
        // it unmaps that.
        Some(Self::new(unsafe { core::slice::from_raw_parts(first, length) }))
    }

    /// All of it.
    pub const fn bytes(&self) -> &'static [u8] {
        self.bytes
    }

    /// This program. There is none in a damaged archive.
    pub fn find(&self, name: &str) -> Option<Program> {
        [PROGRAMS, SYSTEM, TESTS].into_iter().find_map(|folder| {
            let file = loader::archive::find(self.bytes, folder, name).ok()??;
            Some(Program {
                file,
                is_for_system: folder != PROGRAMS,
            })
        })
    }

    /// The ELF file of this program.
    pub fn program(&self, name: &str) -> Option<&'static [u8]> {
        self.find(name).map(|program| program.file)
    }

    /// The names of all programs but those for tests, in the archive's order, as far as it can be read.
    pub fn programs(&self) -> impl Iterator<Item = &'static str> {
        self.files()
            .filter_map(|file| file.name_in(PROGRAMS).or_else(|| file.name_in(SYSTEM)))
    }

    /// All files, in the archive's order, as far as it can be read.
    pub fn files(&self) -> impl Iterator<Item = File<'static>> {
        loader::archive::files(self.bytes).map_while(Result::ok)
    }

    /// What is in the file with this path, which may begin with a slash.
    pub fn file(&self, path: &str) -> Option<&'static [u8]> {
        let path = path.trim_start_matches("./").trim_start_matches('/');
        let is_it = |file: &File<'_>| file.path.trim_start_matches("./") == path;
        self.files().filter(is_it).last().map(|file| file.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::Archive;
    use std::format;
    use std::vec::Vec;

    /// An archive in the newc format: `cpio(5)`.
    fn archive(files: &[(&str, &[u8])]) -> Archive {
        let mut bytes = Vec::new();
        for (name, file) in files.iter().chain(&[("TRAILER!!!", &b""[..])]) {
            let fields = [
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
                name.len() + 1,
                0,
            ];
            bytes.extend(b"070701");
            for field in fields {
                bytes.extend(format!("{field:08X}").bytes());
            }
            bytes.extend(name.bytes());
            bytes.push(0);
            bytes.resize(bytes.len().next_multiple_of(4), 0);
            bytes.extend(*file);
            bytes.resize(bytes.len().next_multiple_of(4), 0);
        }
        Archive::new(bytes.leak())
    }

    #[test]
    fn programs_are_found_by_name_in_the_folder_for_programs() {
        let archive = archive(&[("bin/init", b"one"), ("etc/motd", b"two"), ("bin/sh", b"three")]);
        assert_eq!(archive.programs().collect::<Vec<_>>(), ["init", "sh"]);
        assert_eq!(archive.program("sh"), Some(&b"three"[..]));
        assert_eq!(archive.program("motd"), None);
    }

    #[test]
    fn programs_for_tests_are_found_by_name_but_not_listed() {
        let archive = archive(&[
            ("test/both", b"one"),
            ("test/hostile", b"two"),
            ("bin/both", b"three"),
        ]);
        assert_eq!(archive.programs().collect::<Vec<_>>(), ["both"]);
        assert_eq!(archive.file("/test/hostile"), Some(&b"two"[..]));
        assert_eq!(archive.program("hostile"), Some(&b"two"[..]));
        assert_eq!(archive.program("both"), Some(&b"three"[..]));
    }

    #[test]
    fn programs_for_the_system_are_marked_as_such() {
        let archive = archive(&[("bin/cat", b"one"), ("sbin/ps", b"two"), ("etc/ps", b"three")]);
        assert_eq!(archive.programs().collect::<Vec<_>>(), ["cat", "ps"]);
        let is_for_system = |name| archive.find(name).map(|program| program.is_for_system);
        assert_eq!(
            (is_for_system("cat"), is_for_system("ps")),
            (Some(false), Some(true))
        );
        assert_eq!(is_for_system("motd"), None);
    }

    #[test]
    fn bytes_that_are_no_archive_hold_no_program() {
        assert_eq!(Archive::new(b"").programs().count(), 0);
        assert_eq!(Archive::new(b"this is not an archive").programs().count(), 0);
    }
}
