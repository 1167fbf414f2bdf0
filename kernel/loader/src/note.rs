//! The note that says for which ABI version a program was built.

use crate::LoadError;
use elf::ElfBytes;
use elf::abi::PT_NOTE;
use elf::endian::LittleEndian;
use elf::note::{Note, NoteAny};
use elf::segment::ProgramHeader;

/// Checks that this version, which a program was built for, is the one that this system speaks.
pub(crate) fn check_version(found: Option<u32>) -> Result<(), LoadError> {
    match found {
        Some(abi::VERSION) => Ok(()),
        Some(found) => Err(LoadError::WrongVersion { found }),
        None => Err(LoadError::NoVersion),
    }
}

/// The version that is said by a program segment, if it consists of notes and one of them says it.
pub(crate) fn find_version(elf: &ElfBytes<'_, LittleEndian>, header: &ProgramHeader) -> Option<u32> {
    if header.p_type != PT_NOTE {
        return None;
    }
    elf.segment_data_as_notes(header)
        .ok()?
        .find_map(|note| match note {
            Note::Unknown(note) => version(&note),
            _ => None,
        })
}

fn version(note: &NoteAny<'_>) -> Option<u32> {
    if note.n_type != u64::from(abi::NOTE_TYPE) || note.name_str().ok()? != abi::NOTE_NAME {
        return None;
    }
    Some(u32::from_le_bytes(note.desc.try_into().ok()?))
}
