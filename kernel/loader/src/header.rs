//! The file header: is this a program for this machine?

use crate::LoadError;
use elf::abi::{EM_AARCH64, ET_DYN, ET_EXEC, PT_DYNAMIC, PT_INTERP, PT_TLS};
use elf::endian::LittleEndian;
use elf::file::{Class, FileHeader};
use elf::segment::ProgramHeader;
use elf::{ElfBytes, ParseError};

/// Reads the file header.
pub(crate) fn read(file: &[u8]) -> Result<ElfBytes<'_, LittleEndian>, LoadError> {
    let elf = ElfBytes::minimal_parse(file).map_err(|error| match error {
        ParseError::UnsupportedElfEndianness(_) => LoadError::WrongMachine,
        _ => LoadError::NotElf,
    })?;
    check(&elf.ehdr)?;
    Ok(elf)
}

fn check(header: &FileHeader<LittleEndian>) -> Result<(), LoadError> {
    if header.class != Class::ELF64 || header.e_machine != EM_AARCH64 {
        return Err(LoadError::WrongMachine);
    }
    match header.e_type {
        ET_EXEC => Ok(()),
        ET_DYN => Err(LoadError::PositionIndependent),
        _ => Err(LoadError::NotExecutable),
    }
}

/// Refuses what only a dynamic linker or a C library could provide.
pub(crate) fn check_needs(header: &ProgramHeader) -> Result<(), LoadError> {
    match header.p_type {
        PT_INTERP | PT_DYNAMIC => Err(LoadError::Dynamic),
        PT_TLS => Err(LoadError::ThreadLocal),
        _ => Ok(()),
    }
}
