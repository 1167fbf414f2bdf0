//! The header of a device tree blob, and the memory reservations it leads to.
//!
//! Devicetree Specification, "Flattened Devicetree (DTB) Format": ten big-endian words, then three
//! blocks anywhere behind.

use super::error::{Block, DtError};
use crate::memory::MemoryRange;
use addr::PhysAddr;
use core::ops::Range;

/// The largest blob we read: what the arm64 boot protocol of Linux, which our loaders follow, allows.
pub const MAX_BLOB_BYTES: usize = 2 * 1024 * 1024;

/// Bytes of a header.
pub(super) const HEADER_BYTES: usize = 40;
/// The first word of each blob.
pub(super) const MAGIC: u32 = 0xd00d_feed;
/// The version we read and write.
pub(super) const VERSION: u32 = 17;
/// The oldest version that ours can be read as.
pub(super) const LAST_COMPATIBLE: u32 = 16;

/// The size in bytes of the blob that begins with `header`.
///
/// For the boot code, which gets an address and must know how much to map or to copy.
///
/// # Errors
/// If it is no header of a device tree, or one of another version, or of an impossible size.
pub fn total_size(header: &[u8; HEADER_BYTES]) -> Result<usize, DtError> {
    let magic = word(header, 0);
    if magic != MAGIC {
        return Err(DtError::NotATree { word: magic });
    }
    let (version, compatible) = (word(header, 20), word(header, 24));
    if version < VERSION || compatible > VERSION {
        return Err(DtError::Version { version, compatible });
    }
    let total = word(header, 4);
    match usize::try_from(total) {
        Ok(bytes) if (HEADER_BYTES..=MAX_BLOB_BYTES).contains(&bytes) => Ok(bytes),
        _ => Err(DtError::Size { total }),
    }
}

/// A header whose blocks lie in the blob.
pub(super) struct Header {
    /// Where nodes and properties are.
    pub structure: Range<usize>,
    /// Where names of properties are.
    pub strings: Range<usize>,
    /// Where the reservations are, without the end mark.
    reservations: Range<usize>,
}

impl Header {
    /// Checks the header of `dtb`.
    pub(super) fn check(dtb: &[u8]) -> Result<Self, DtError> {
        let cut = DtError::Truncated {
            have: dtb.len(),
            total: HEADER_BYTES,
        };
        let header = dtb.first_chunk::<HEADER_BYTES>().ok_or(cut)?;
        let total = total_size(header)?;
        let blob = dtb.get(..total).ok_or(DtError::Truncated {
            have: dtb.len(),
            total,
        })?;
        let structure = block(Block::Structure, word(header, 8), word(header, 36), total)?;
        let strings = block(Block::Strings, word(header, 12), word(header, 32), total)?;
        if !structure.start.is_multiple_of(4) {
            return Err(DtError::BlockMisaligned(Block::Structure));
        }
        if structure.start < strings.end && strings.start < structure.end {
            return Err(DtError::BlocksOverlap);
        }
        let reservations = reservations(blob, word(header, 16))?;
        Ok(Self {
            structure,
            strings,
            reservations,
        })
    }

    /// The memory reservations of `dtb`, whose header this is.
    pub(super) fn reservations<'a>(&self, dtb: &'a [u8]) -> Reservations<'a> {
        Reservations(&dtb[self.reservations.clone()])
    }
}

/// The entries of a memory reservation block; empty ones are left out.
pub(super) struct Reservations<'a>(&'a [u8]);

impl Iterator for Reservations<'_> {
    type Item = MemoryRange;

    fn next(&mut self) -> Option<MemoryRange> {
        loop {
            let (entry, rest) = self.0.split_first_chunk::<ENTRY_BYTES>()?;
            self.0 = rest;
            let (start, bytes) = address_and_size(entry);
            // A size that wraps keeps everything up to the end rather than nothing.
            let end = PhysAddr::new(start.saturating_add(bytes));
            if let Some(range) = MemoryRange::between(PhysAddr::new(start), end) {
                return Some(range);
            }
        }
    }
}

/// Bytes of a reservation: address and size, 64 bits each, big-endian.
const ENTRY_BYTES: usize = 16;

/// A block with a size in the header.
fn block(which: Block, offset: u32, bytes: u32, total: usize) -> Result<Range<usize>, DtError> {
    let outside = DtError::BlockOutside(which);
    let start = usize::try_from(offset).map_err(|_| outside)?;
    let bytes = usize::try_from(bytes).map_err(|_| outside)?;
    let end = start.checked_add(bytes).ok_or(outside)?;
    if start < HEADER_BYTES || end > total {
        Err(outside)
    } else {
        Ok(start..end)
    }
}

/// The reservation block, which ends with an entry of zeros.
fn reservations(blob: &[u8], offset: u32) -> Result<Range<usize>, DtError> {
    let start = block(Block::Reservations, offset, 0, blob.len())?.start;
    let mut entries = blob[start..].chunks_exact(ENTRY_BYTES);
    let count = entries.position(|entry| entry.iter().all(|byte| *byte == 0));
    let count = count.ok_or(DtError::ReservationsEndless)?;
    Ok(start..start + count * ENTRY_BYTES)
}

fn address_and_size(entry: &[u8; ENTRY_BYTES]) -> (u64, u64) {
    let both = u128::from_be_bytes(*entry);
    ((both >> 64) as u64, both as u64)
}

/// The big-endian word at byte `at` of a header.
fn word(header: &[u8; HEADER_BYTES], at: usize) -> u32 {
    u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
}
