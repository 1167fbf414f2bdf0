//! What can be wrong with a device tree, one sentence each.

use super::DevTreeError;
use super::header::{HEADER_BYTES, MAX_BLOB_BYTES};
use core::fmt;

/// Why a device tree cannot be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DtError {
    /// The first word is not the magic number of a device tree.
    NotATree {
        /// What was there.
        word: u32,
    },
    /// The layout is of another version than 17.
    Version {
        /// The version it is written in.
        version: u32,
        /// The oldest version it can be read as.
        compatible: u32,
    },
    /// The header gives a total size below the header's own, or above what we accept.
    Size {
        /// The total size in bytes.
        total: u32,
    },
    /// The blob ends before the total size.
    Truncated {
        /// Bytes that are there.
        have: usize,
        /// Bytes that the header promises.
        total: usize,
    },
    /// A block reaches out of the blob, or into its header.
    BlockOutside(Block),
    /// A block begins where its words would not be aligned.
    BlockMisaligned(Block),
    /// The structure block and the strings block share bytes.
    BlocksOverlap,
    /// The list of reservations has no end inside the blob.
    ReservationsEndless,
    /// The structure block ends in the middle of something.
    StructureCutShort,
    /// A word in the structure block is no token.
    UnknownToken {
        /// The word.
        token: u32,
        /// Where in the structure block it is.
        offset: usize,
    },
    /// Nodes begin and end in an order that makes no tree.
    Unbalanced {
        /// Where in the structure block that shows.
        offset: usize,
    },
    /// Nodes nest deeper than we follow.
    TooDeep {
        /// Where in the structure block the node begins.
        offset: usize,
    },
    /// A property lies outside a node, or behind a child of its node.
    StrayProperty {
        /// Where in the structure block it begins.
        offset: usize,
    },
    /// The name of a property lies outside the strings block.
    PropertyName {
        /// Where in the structure block the property begins.
        offset: usize,
    },
    /// The parser needs more scratch memory.
    ScratchTooSmall {
        /// How much would do, in bytes.
        needed: usize,
    },
    /// The parser refuses what we found to be in order.
    Parser(DevTreeError),
}

/// The parts of a blob behind its header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Block {
    /// Nodes and properties.
    Structure,
    /// Names of properties.
    Strings,
    /// The memory reservations.
    Reservations,
}

impl From<DevTreeError> for DtError {
    fn from(error: DevTreeError) -> Self {
        Self::Parser(error)
    }
}

impl fmt::Display for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Structure => "structure block",
            Self::Strings => "strings block",
            Self::Reservations => "memory reservation block",
        })
    }
}

impl fmt::Display for DtError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::NotATree { word } => {
                write!(
                    f,
                    "no device tree: it begins with {word:#010x} instead of 0xd00dfeed"
                )
            }
            Self::Version { version, compatible } => {
                write!(
                    f,
                    "the device tree has version {version}, compatible down to {compatible}, not 17"
                )
            }
            Self::Size { total } => write!(
                f,
                "the device tree says it is {total} bytes long, not {HEADER_BYTES} to {MAX_BLOB_BYTES}"
            ),
            Self::Truncated { have, total } => {
                write!(f, "the device tree is cut off after {have} of {total} bytes")
            }
            Self::BlockOutside(block) => write!(
                f,
                "the device tree's {block} does not lie between its header and its end"
            ),
            Self::BlockMisaligned(block) => write!(f, "the device tree's {block} is misaligned"),
            Self::BlocksOverlap => f.write_str("the device tree's structure block and strings block overlap"),
            Self::ReservationsEndless => f.write_str("the device tree's memory reservation block has no end"),
            Self::StructureCutShort => f.write_str("the device tree's structure block is cut short"),
            Self::UnknownToken { token, offset } => {
                write!(
                    f,
                    "the device tree's structure block has the unknown token {token:#x} at {offset:#x}"
                )
            }
            Self::Unbalanced { offset } => {
                write!(
                    f,
                    "the device tree's nodes do not make one tree, as shows at {offset:#x} of the structure block"
                )
            }
            Self::TooDeep { offset } => {
                write!(
                    f,
                    "the device tree nests too deep at {offset:#x} of the structure block"
                )
            }
            Self::StrayProperty { offset } => {
                write!(
                    f,
                    "the device tree has a property where none may be, at {offset:#x} of the structure block"
                )
            }
            Self::PropertyName { offset } => {
                write!(
                    f,
                    "the device tree's property at {offset:#x} of the structure block has its name outside the strings block"
                )
            }
            Self::ScratchTooSmall { needed } => {
                write!(
                    f,
                    "reading the device tree takes {needed} bytes of memory, more than are set aside for it"
                )
            }
            Self::Parser(error) => write!(f, "the device tree parser refuses the tree: {error}"),
        }
    }
}

impl core::error::Error for DtError {}
