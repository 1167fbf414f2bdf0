//! Lists files of the archive: `ls [-lR] [FOLDER...]`.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use rt::archive::Archive;
use rt::{Failure, Outcome, Start, println};
use tools::options::{Options, Usage, each};

const USAGE: Usage = Usage {
    line: "ls [-lR] [FOLDER...]",
    letters: "lR1a",
    help: "Lists the archive's files.\n  -l  with their sizes in bytes\n  -R  all, with their paths",
};

rt::program!(ls);

fn ls(start: &Start) -> Outcome {
    let options = Options::of(start, &USAGE)?;
    let archive = Archive::from_start(start).ok_or_else(|| Failure::new("ls: there is no archive"))?;
    let folders = if options.operands.is_empty() {
        Vec::from([String::new()])
    } else {
        options.operands.clone()
    };
    each(&folders, |folder| {
        let entries = entries(archive, &normal(folder), options.has('R'));
        if entries.is_empty() {
            return Err(Failure::new(format!("ls: {folder}: no such file or folder")));
        }
        entries.iter().for_each(|entry| entry.print(options.has('l')));
        Ok(())
    });
    Ok(())
}

/// A file, or a folder with files in it.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    name: String,
    /// `None` for folders.
    bytes: Option<usize>,
}

impl Entry {
    fn print(&self, long: bool) {
        match (long, self.bytes) {
            (false, _) => println!("{}", self.name),
            (true, Some(bytes)) => println!("-r-xr-xr-x {bytes:>8} {}", self.name),
            (true, None) => println!("dr-xr-xr-x {:>8} {}", "-", self.name),
        }
    }
}

/// Without slashes around it, and nothing for the top.
fn normal(path: &str) -> String {
    let path = path.trim_start_matches("./").trim_matches('/');
    if path == "." {
        String::new()
    } else {
        path.to_string()
    }
}

fn entries(archive: Archive, folder: &str, recursive: bool) -> Vec<Entry> {
    let files = archive.files();
    let mut entries: Vec<Entry> = files
        .filter_map(|file| {
            let path = normal(file.path);
            let below = below(folder, &path)?;
            let bytes = Some(file.bytes.len());
            Some(match below.split_once('/') {
                Some((name, _)) if !recursive => Entry {
                    name: name.to_string(),
                    bytes: None,
                },
                _ => Entry {
                    name: if recursive { path } else { below.to_string() },
                    bytes,
                },
            })
        })
        .collect();
    entries.sort();
    entries.dedup();
    entries
}

/// What of `path` lies in `folder`; the file itself, if that is one.
fn below<'a>(folder: &str, path: &'a str) -> Option<&'a str> {
    if folder.is_empty() || path == folder {
        return Some(path);
    }
    path.strip_prefix(folder)?.strip_prefix('/')
}
