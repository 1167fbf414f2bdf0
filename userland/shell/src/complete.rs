//! How words may go on: names of commands first, then of files.

use crate::builtin::BUILTINS;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use rt::archive::Archive;

/// Words for Tab.
pub struct Words {
    archive: Option<Archive>,
}

impl Words {
    /// With the programs and files of an archive.
    pub fn new(archive: Option<Archive>) -> Self {
        Self { archive }
    }

    /// Those that may stand behind this part of a line.
    pub fn behind(&self, before: &str) -> Vec<String> {
        let before = before.trim_end();
        if before.is_empty() || before.ends_with(['|', ';', '&']) || before == "time" {
            self.commands().map(ToString::to_string).collect()
        } else {
            self.files().collect()
        }
    }

    fn commands(&self) -> impl Iterator<Item = &'static str> {
        let builtins = BUILTINS.iter().map(|(name, ..)| *name);
        builtins.chain(
            self.archive
                .iter()
                .flat_map(Archive::programs)
                .collect::<Vec<_>>(),
        )
    }

    fn files(&self) -> impl Iterator<Item = String> {
        let files = self.archive.iter().flat_map(Archive::files);
        files.map(|file| file.path.trim_start_matches("./").to_string())
    }
}
