//! Any bytes as an archive of programs: every file lies in it, there is an end, and searching finds what is there.

use loader::archive::{File, PROGRAMS, files, find};

/// The shortest header of a file, without its path.
const HEADER_BYTES: usize = 110;

pub fn run(bytes: &[u8]) {
    let mut listed = Vec::new();
    let mut damage = None;
    for entry in files(bytes) {
        assert_eq!(damage, None, "an error is the last that comes");
        match entry {
            Ok(file) => listed.push(file),
            Err(error) => damage = Some(error),
        }
        assert!(
            listed.len() * HEADER_BYTES <= bytes.len(),
            "each file takes some bytes"
        );
    }
    for file in &listed {
        check(*file, bytes);
        let Some(name) = file.name_in(PROGRAMS) else {
            continue;
        };
        let last = listed.iter().rfind(|other| other.name_in(PROGRAMS) == Some(name));
        let expected = match damage {
            Some(error) => Err(error),
            None => Ok(last.map(|file| file.bytes)),
        };
        assert_eq!(find(bytes, PROGRAMS, name), expected);
    }
}

fn check(file: File<'_>, archive: &[u8]) {
    let all = archive.as_ptr_range();
    for part in [file.bytes, file.path.as_bytes()] {
        let part = part.as_ptr_range();
        assert!(all.start <= part.start && part.end <= all.end);
    }
}
