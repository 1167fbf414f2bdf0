//! The targets.

mod archive;
mod device_tree;
mod elf;
mod grown_tree;

use crate::Target;

/// All of them.
pub const TARGETS: &[Target] = &[
    Target {
        name: "device-tree",
        summary: "blobs to the device-tree reader",
        run: device_tree::run,
        more_seeds: Some(("boards/testdata", "dtb")),
    },
    Target {
        name: "grown-tree",
        summary: "well-formed trees with anything in them to the device-tree reader",
        run: grown_tree::run,
        more_seeds: None,
    },
    Target {
        name: "elf",
        summary: "files to the ELF loader",
        run: elf::run,
        more_seeds: None,
    },
    Target {
        name: "archive",
        summary: "archives to the reader of the initrd",
        run: archive::run,
        more_seeds: None,
    },
];
