//! The note that says for which ABI version a program was built.

use crate::LoadError;
use elf::ElfBytes;
use elf::abi::PT_NOTE;
use elf::endian::LittleEndian;
use elf::note::{Note, NoteAny};

/// Checks that the program was built for the version this system speaks.
pub(crate) fn check_version(elf: &ElfBytes<'_, LittleEndian>) -> Result<(), LoadError> {
    match find_version(elf) {
        Some(abi::VERSION) => Ok(()),
        Some(found) => Err(LoadError::WrongVersion { found }),
        None => Err(LoadError::NoVersion),
    }
}

fn find_version(elf: &ElfBytes<'_, LittleEndian>) -> Option<u32> {
    elf.segments()?
        .iter()
        .filter(|header| header.p_type == PT_NOTE)
        .filter_map(|header| elf.segment_data_as_notes(&header).ok())
        .flatten()
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
