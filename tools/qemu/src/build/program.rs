//! User programs without the parts that no loader reads.
//!
//! The kernel's loader and the user-space one read program headers only. Section headers, symbols
//! and debug information come behind the last program segment, so a program is stripped by cutting
//! the file there; gdb takes the symbols from the uncut file.

use anyhow::{Context, Result, ensure};
use elf::ElfBytes;
use elf::endian::LittleEndian;

/// `e_shoff`: 8 bytes.
const SECTION_TABLE_AT: usize = 40;
/// `e_shentsize`, `e_shnum`, `e_shstrndx`: 2 bytes each.
const SECTION_COUNTS_AT: usize = 58;

/// Returns the program cut behind its last program segment.
///
/// # Errors
///
/// When the file is not a little-endian 64-bit ELF file with program headers.
pub fn strip(program: &[u8]) -> Result<Vec<u8>> {
    let file = ElfBytes::<LittleEndian>::minimal_parse(program).context("the file is not ELF")?;
    ensure!(
        file.ehdr.class == elf::file::Class::ELF64,
        "the file is not 64-bit ELF"
    );
    let segments = file.segments().context("the file has no program headers")?;
    let table = file.ehdr.e_phoff + u64::from(file.ehdr.e_phnum) * u64::from(file.ehdr.e_phentsize);
    let end = segments
        .iter()
        .map(|segment| segment.p_offset.saturating_add(segment.p_filesz))
        .fold(table, u64::max);
    let mut stripped = program
        .get(..usize::try_from(end)?)
        .context("a program segment ends behind the end of the file")?
        .to_vec();
    stripped[SECTION_TABLE_AT..SECTION_TABLE_AT + 8].fill(0);
    stripped[SECTION_COUNTS_AT..SECTION_COUNTS_AT + 6].fill(0);
    Ok(stripped)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::strip;
    use elf::ElfBytes;
    use elf::endian::LittleEndian;

    /// One program segment of a file made by [`elf`].
    pub(crate) struct Segment {
        pub(crate) address: u64,
        pub(crate) bytes: Vec<u8>,
        pub(crate) memory: u64,
    }

    /// Makes a small AArch64 ELF file, with section headers behind the last segment as a linker leaves them.
    pub(crate) fn elf(segments: &[Segment]) -> Vec<u8> {
        let count = u16::try_from(segments.len()).unwrap();
        let mut offset = 64 + 56 * u64::from(count);
        let mut table = Vec::new();
        let mut data: Vec<u8> = Vec::new();
        for segment in segments {
            let length = segment.bytes.len() as u64;
            table.extend(1u32.to_le_bytes());
            table.extend(7u32.to_le_bytes());
            for field in [offset, segment.address, segment.address, length] {
                table.extend(field.to_le_bytes());
            }
            table.extend(segment.memory.to_le_bytes());
            table.extend(8u64.to_le_bytes());
            data.extend(&segment.bytes);
            offset += length;
        }
        let mut file = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
        for field in [2u16, 183] {
            file.extend(field.to_le_bytes());
        }
        file.extend(1u32.to_le_bytes());
        for field in [0u64, 64, offset] {
            file.extend(field.to_le_bytes());
        }
        file.extend(0u32.to_le_bytes());
        for field in [64, 56, count, 64, 2, 0] {
            file.extend(field.to_le_bytes());
        }
        file.extend(table);
        file.extend(data);
        file.extend([0x5a; 128]);
        file
    }

    fn program() -> Vec<u8> {
        elf(&[
            Segment {
                address: 0x1000,
                bytes: vec![3; 20],
                memory: 20,
            },
            Segment {
                address: 0x2000,
                bytes: vec![4; 5],
                memory: 64,
            },
        ])
    }

    #[test]
    fn a_stripped_program_keeps_its_segments_and_ends_behind_the_last() {
        let stripped = strip(&program()).unwrap();
        assert_eq!(stripped.len(), 64 + 2 * 56 + 25);
        let file = ElfBytes::<LittleEndian>::minimal_parse(&stripped).unwrap();
        let segments: Vec<_> = file.segments().unwrap().iter().collect();
        assert_eq!(file.segment_data(&segments[0]).unwrap(), [3; 20]);
        assert_eq!(file.segment_data(&segments[1]).unwrap(), [4; 5]);
    }

    #[test]
    fn a_stripped_program_no_longer_claims_to_have_sections() {
        let stripped = strip(&program()).unwrap();
        let file = ElfBytes::<LittleEndian>::minimal_parse(&stripped).unwrap();
        assert!(file.section_headers().is_none());
    }

    #[test]
    fn stripping_twice_changes_nothing_more() {
        let once = strip(&program()).unwrap();
        assert_eq!(strip(&once).unwrap(), once);
    }

    #[test]
    fn a_truncated_program_is_refused() {
        let whole = program();
        assert!(strip(&whole[..64 + 2 * 56 + 10]).is_err());
    }
}
