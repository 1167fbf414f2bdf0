//! Why a file is not a program that can be loaded.

use core::fmt;

/// Why a file cannot be loaded. Each prints as the end of a sentence that starts with the file's
/// name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LoadError {
    /// Not an ELF file, or one whose tables cannot be read.
    NotElf,
    /// For another machine, or of the 32-bit or big-endian kind.
    WrongMachine,
    /// `ET_DYN`: to be loaded anywhere.
    PositionIndependent,
    /// An object file, a core dump or the like.
    NotExecutable,
    /// Needs a dynamic linker.
    Dynamic,
    /// Needs thread-local storage, which no one sets up.
    ThreadLocal,
    /// Carries no note with an ABI version.
    NoVersion,
    /// Was built for another ABI.
    WrongVersion {
        /// The version its note names.
        found: u32,
    },
    /// Ends before its program segments do.
    Truncated,
    /// Has no program segment.
    Empty,
    /// A program segment lies, partly at least, where programs may not be.
    OutsideUserSpace {
        /// Its first byte.
        address: u64,
    },
    /// A program segment shares a page with one before it, or lies below it.
    Overlapping {
        /// Its first byte.
        address: u64,
    },
    /// A program segment is writable and executable at once.
    WritableAndExecutable {
        /// Its first byte.
        address: u64,
    },
    /// A program segment can neither be read, written nor executed.
    NoAccess {
        /// Its first byte.
        address: u64,
    },
    /// A program segment has more bytes in the file than in memory.
    LargerThanMemory {
        /// Its first byte.
        address: u64,
    },
    /// The entry is not an instruction in an executable program segment.
    BadEntry {
        /// Where it is.
        entry: u64,
    },
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::NotElf => f.write_str("is not an ELF file"),
            Self::WrongMachine => f.write_str("is not for 64-bit little-endian Arm"),
            Self::PositionIndependent => {
                f.write_str("is position independent; link it with -static -no-pie, to run at one address")
            }
            Self::NotExecutable => f.write_str("is an ELF file, but not an executable one"),
            Self::Dynamic => f.write_str("wants a dynamic linker; link it statically"),
            Self::ThreadLocal => f.write_str("wants thread-local storage, which is not supported"),
            Self::NoVersion => f.write_str("does not say for which ABI version it was built"),
            Self::WrongVersion { found } => {
                let ours = abi::VERSION;
                write!(f, "was built for ABI version {found}, this is version {ours}")
            }
            Self::Truncated => f.write_str("ends before its program segments do"),
            Self::Empty => f.write_str("has no program segments"),
            Self::OutsideUserSpace { address } => {
                write!(f, "has a program segment at {address:#x}, outside of user space")
            }
            Self::Overlapping { address } => write!(
                f,
                "has a program segment at {address:#x} on or below the pages of an earlier one"
            ),
            Self::WritableAndExecutable { address } => write!(
                f,
                "has a program segment at {address:#x} that is writable and executable at once"
            ),
            Self::NoAccess { address } => {
                write!(f, "has a program segment at {address:#x} without any access")
            }
            Self::LargerThanMemory { address } => write!(
                f,
                "has a program segment at {address:#x} with more bytes in the file than in memory"
            ),
            Self::BadEntry { entry } => {
                write!(f, "starts at {entry:#x}, which is no instruction of it")
            }
        }
    }
}

impl core::error::Error for LoadError {}
