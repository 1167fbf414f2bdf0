//! The targets.

mod archive;
mod device_tree;
mod elf;
mod grown_tree;
mod messages;

use crate::{Memory, Target};

/// All of them.
pub const TARGETS: &[Target] = &[
    Target {
        name: "device-tree",
        summary: "blobs to the device-tree reader",
        run: device_tree::run,
        more_seeds: Some(("boards/testdata", "dtb")),
        memory: Memory::Returned,
    },
    Target {
        name: "grown-tree",
        summary: "well-formed trees with anything in them to the device-tree reader",
        run: grown_tree::run,
        more_seeds: None,
        memory: Memory::Returned,
    },
    Target {
        name: "elf",
        summary: "files to the ELF loader",
        run: elf::run,
        more_seeds: None,
        memory: Memory::Returned,
    },
    Target {
        name: "archive",
        summary: "archives to the reader of the initrd",
        run: archive::run,
        more_seeds: None,
        memory: Memory::Returned,
    },
    Target {
        name: "messages",
        summary: "what programs ask of the kernel, and faults and interrupts, on a pretend machine",
        run: messages::run,
        more_seeds: None,
        memory: Memory::Kept,
    },
];
