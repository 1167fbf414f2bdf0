//! The flat kernel image: program segments at their offsets, nothing else.
//!
//! The file begins with the arm64 `Image` header (Linux, "Booting AArch64 Linux"), whose `image_size`
//! tells a loader how much memory to leave free, zero-initialised data included. That data is not in the file. QEMU
//! and current Raspberry Pi firmware obey `image_size`; older Pi firmware puts the initramfs right behind
//! the *file*, so whoever writes an SD card pads its copy to `image_size`. The file here stays as small as
//! the kernel is: its length is a figure we report.

use anyhow::{Context, Result, bail, ensure};
use elf::ElfBytes;
use elf::abi::PT_LOAD;
use elf::endian::LittleEndian;
use elf::segment::ProgramHeader;

const IMAGE_SIZE_AT: usize = 16;
const MAGIC_AT: usize = 56;
const MAGIC: &[u8; 4] = b"ARM\x64";
/// A gap this large between program segments means a broken linker script, not a large kernel.
const LIMIT: u64 = 64 * 1024 * 1024;

/// Turns a linked kernel into the bytes of `kernel8.img`.
///
/// # Errors
///
/// When the file is not ELF, has nothing to load, or does not start with a truthful `Image` header.
pub fn flatten(kernel: &[u8]) -> Result<Vec<u8>> {
    let file = ElfBytes::<LittleEndian>::minimal_parse(kernel).context("the file is not ELF")?;
    let segments: Vec<ProgramHeader> = file
        .segments()
        .context("the file has no program headers")?
        .iter()
        .filter(|segment| segment.p_type == PT_LOAD && segment.p_memsz > 0)
        .collect();
    let Some(base) = segments.iter().map(|segment| segment.p_paddr).min() else {
        bail!("the file has no program segment to load");
    };
    let mut image = Vec::new();
    let mut memory = 0;
    for segment in &segments {
        let offset = segment.p_paddr - base;
        memory = memory.max(offset.saturating_add(segment.p_memsz));
        ensure!(
            memory <= LIMIT,
            "a program segment lies {offset:#x} bytes behind the first; check the linker script's load addresses"
        );
        place(&mut image, offset, file.segment_data(segment)?)?;
    }
    check_header(&image, memory)?;
    Ok(image)
}

fn place(image: &mut Vec<u8>, offset: u64, bytes: &[u8]) -> Result<()> {
    let start = usize::try_from(offset)?;
    let end = start + bytes.len();
    if image.len() < end {
        image.resize(end, 0);
    }
    image[start..end].copy_from_slice(bytes);
    Ok(())
}

fn check_header(image: &[u8], memory: u64) -> Result<()> {
    let magic = image.get(MAGIC_AT..MAGIC_AT + MAGIC.len());
    ensure!(
        magic == Some(MAGIC),
        "the first program segment does not begin with an arm64 Image header (no ARM\\x64 at byte {MAGIC_AT})"
    );
    let field = image[IMAGE_SIZE_AT..IMAGE_SIZE_AT + 8]
        .try_into()
        .expect("eight bytes were taken");
    let declared = u64::from_le_bytes(field);
    ensure!(
        declared >= memory,
        "the Image header says {declared} bytes, but the kernel occupies {memory}; a loader would put other things there"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{IMAGE_SIZE_AT, LIMIT, MAGIC, MAGIC_AT, flatten};
    use crate::build::program::tests::{Segment, elf};

    fn header(image_size: u64) -> Vec<u8> {
        let mut bytes = vec![0xaa; 64];
        bytes[IMAGE_SIZE_AT..IMAGE_SIZE_AT + 8].copy_from_slice(&image_size.to_le_bytes());
        bytes[MAGIC_AT..MAGIC_AT + MAGIC.len()].copy_from_slice(MAGIC);
        bytes
    }

    fn kernel(image_size: u64, data_at: u64) -> Vec<u8> {
        elf(&[
            Segment {
                address: 0x4000_0000,
                bytes: header(image_size),
                memory: 64,
            },
            Segment {
                address: 0x4000_0000 + data_at,
                bytes: vec![1, 2, 3],
                memory: 0x100,
            },
        ])
    }

    #[test]
    fn segments_lie_at_their_distance_from_the_first_and_zeroed_memory_is_left_out() {
        let image = flatten(&kernel(0x180, 0x80)).unwrap();
        assert_eq!(image.len(), 0x83);
        assert_eq!(image[..64], header(0x180));
        assert_eq!(image[64..0x80], [0; 64]);
        assert_eq!(image[0x80..], [1, 2, 3]);
    }

    #[test]
    fn an_image_size_that_leaves_out_zeroed_memory_is_refused() {
        let error = flatten(&kernel(0x17f, 0x80)).unwrap_err();
        assert!(error.to_string().contains("occupies 384"), "{error}");
    }

    #[test]
    fn a_kernel_without_an_image_header_is_refused() {
        let file = elf(&[Segment {
            address: 0,
            bytes: vec![0; 128],
            memory: 128,
        }]);
        let error = flatten(&file).unwrap_err();
        assert!(error.to_string().contains("Image header"), "{error}");
    }

    #[test]
    fn a_segment_linked_far_away_is_refused_instead_of_filling_the_disk() {
        let error = flatten(&kernel(u64::MAX, LIMIT)).unwrap_err();
        assert!(error.to_string().contains("linker script"), "{error}");
    }
}
