//! The load plan: which pages a program needs, what goes into them, who may do what there.

use crate::{LoadError, header, note};
use abi::layout::{PROGRAM_BASE, USER_END};
use abi::memory::Protection;
use addr::{PageRange, VirtAddr};
use elf::ElfBytes;
use elf::abi::{PF_R, PF_W, PF_X, PT_LOAD};
use elf::endian::LittleEndian;
use elf::segment::ProgramHeader;

/// Checks an ELF file and says how to load it.
///
/// # Errors
/// The first reason why it cannot be loaded.
pub fn plan(file: &[u8]) -> Result<Plan<'_>, LoadError> {
    let elf = header::read(file)?;
    let plan = Plan { file, elf };
    plan.check()?;
    Ok(plan)
}

/// A program that can be loaded.
#[derive(Debug)]
pub struct Plan<'file> {
    file: &'file [u8],
    elf: ElfBytes<'file, LittleEndian>,
}

/// One program segment: pages to map and the bytes to put into them. All other bytes of the pages
/// are zero.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Segment<'file> {
    /// Where it goes. Ranges of a plan are in ascending order and do not overlap.
    pub pages: PageRange,
    /// What the program may do there; never writing and executing both.
    pub protection: Protection,
    /// Where in the first page [`Self::bytes`] begin.
    pub offset: u64,
    /// The bytes from the file. `offset + bytes.len()` is within the pages.
    pub bytes: &'file [u8],
}

impl<'file> Plan<'file> {
    /// Address of the first instruction, inside an executable segment.
    pub fn entry(&self) -> VirtAddr {
        VirtAddr::new(self.elf.ehdr.e_entry)
    }

    /// What to map, in ascending order.
    pub fn segments(&self) -> impl Iterator<Item = Segment<'file>> {
        let headers = self.elf.segments().into_iter().flat_map(|table| table.iter());
        headers
            .filter(needs_memory)
            .filter_map(|header| read_segment(self.file, &header).ok())
    }

    /// Looks at each program header once: to read one takes hundreds of instructions.
    fn check(&self) -> Result<(), LoadError> {
        let entry = self.elf.ehdr.e_entry;
        let (mut version, mut below, mut is_entered) = (None, None, false);
        for header in self.elf.segments().ok_or(LoadError::Empty)? {
            header::check_needs(&header)?;
            version = version.or_else(|| note::find_version(&self.elf, &header));
            if !needs_memory(&header) {
                continue;
            }
            let segment = read_segment(self.file, &header)?;
            if below.is_some_and(|end| segment.pages.start() < end) {
                let address = header.p_vaddr;
                return Err(LoadError::Overlapping { address });
            }
            below = Some(segment.pages.end());
            is_entered |= has_instruction(&header, entry);
        }
        note::check_version(version)?;
        below.ok_or(LoadError::Empty)?;
        is_entered.then_some(()).ok_or(LoadError::BadEntry { entry })
    }
}

/// Some linkers leave empty program segments.
fn needs_memory(header: &ProgramHeader) -> bool {
    header.p_type == PT_LOAD && (header.p_memsz | header.p_filesz) != 0
}

/// Whether `address` is that of an instruction that comes from the file.
fn has_instruction(header: &ProgramHeader, address: u64) -> bool {
    let is_inside = address >= header.p_vaddr && address - header.p_vaddr < header.p_filesz;
    is_inside && header.p_flags & PF_X != 0 && address.is_multiple_of(4)
}

fn read_segment<'file>(file: &'file [u8], header: &ProgramHeader) -> Result<Segment<'file>, LoadError> {
    let address = header.p_vaddr;
    if header.p_filesz > header.p_memsz {
        return Err(LoadError::LargerThanMemory { address });
    }
    Ok(Segment {
        pages: pages(address, header.p_memsz).ok_or(LoadError::OutsideUserSpace { address })?,
        protection: protection(header.p_flags, address)?,
        offset: VirtAddr::new(address).offset(),
        bytes: bytes(file, header.p_offset, header.p_filesz).ok_or(LoadError::Truncated)?,
    })
}

/// The pages that `length` bytes at `address` touch, if programs may be there.
fn pages(address: u64, length: u64) -> Option<PageRange> {
    let end = address.checked_add(length)?;
    if address < PROGRAM_BASE || end > USER_END {
        return None;
    }
    PageRange::touching(VirtAddr::new(address), VirtAddr::new(end))
}

/// Reading is always allowed: the translation tables know no page that can be written or executed
/// but not read (Arm ARM, "Access permission bits for stage 1 translations").
fn protection(flags: u32, address: u64) -> Result<Protection, LoadError> {
    let mut protection = Protection::READ;
    protection.set(Protection::WRITE, flags & PF_W != 0);
    protection.set(Protection::EXEC, flags & PF_X != 0);
    if flags & (PF_R | PF_W | PF_X) == 0 {
        Err(LoadError::NoAccess { address })
    } else if protection.contains(Protection::WRITE | Protection::EXEC) {
        Err(LoadError::WritableAndExecutable { address })
    } else {
        Ok(protection)
    }
}

fn bytes(file: &[u8], offset: u64, length: u64) -> Option<&[u8]> {
    let start = usize::try_from(offset).ok()?;
    let end = start.checked_add(usize::try_from(length).ok()?)?;
    file.get(start..end)
}
