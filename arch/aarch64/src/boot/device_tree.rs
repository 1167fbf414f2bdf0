//! What x0 points to, looked at while the MMU is still off: a device tree, or why there is none.
//!
//! The loader may have left anything in x0. A read where there is no memory ends in an external abort, or an
//! address size fault, so the first read of each kind goes through `boot_probe` (`entry.S`), which survives
//! that. (Where such a read is reported by a later SError, that is taken with what firmware left pending:
//! `exception::system_error`.) What cannot be recognised is an address behind which is no memory but a device,
//! which may mind being read.

use crate::cpu::cache;
use crate::mmu::layout::DEVICE_TREE_WINDOW;
use addr::{FrameRange, PhysAddr};
use core::fmt;
use core::ops::RangeInclusive;
use core::ptr::NonNull;

/// The sizes that a device tree may have: at least its header, at most what the boot protocol allows (Linux,
/// "Booting AArch64 Linux").
const SIZES: RangeInclusive<u32> = 40..=2 << 20;
/// Where it begins is a multiple of this (the same).
const ALIGNMENT: u64 = 8;
/// How much of its header is read here: its magic number and its size (Devicetree Specification, "Header").
const HEADER_BYTES: usize = 8;
const MAGIC: u32 = 0xd00d_feed;
/// The second word of a list of ATAGs, the first being a length (Linux, "Booting ARM Linux").
const ATAG_CORE: u32 = 0x5441_0001;

/// Why there is no device tree.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NoDeviceTree {
    /// The loader passed the address 0.
    NoAddress,
    /// The address is no multiple of 8.
    Misaligned,
    /// Nothing can be read there, or not to the tree's end.
    NoMemory,
    /// It is a list of ATAGs, which 32-bit kernels are started with.
    Atags,
    /// It begins with another word than a device tree.
    OtherMagic(u32),
    /// It says it has this many bytes, which are too few or too many.
    Size(u32),
}

/// A device tree in memory.
#[derive(Clone, Copy)]
pub(crate) struct Found {
    /// The frames that it touches.
    pub frames: FrameRange,
    /// Its size, as it says itself.
    bytes: usize,
}

/// The device tree, to be read. Whoever has it can lend it, and no more: when it is dropped nobody looks at it, and its
/// frames can become RAM for other things.
#[derive(Debug)]
pub struct DeviceTree {
    start: *const u8,
    bytes: usize,
}

impl DeviceTree {
    /// What was found at `at`, where [`early`](super::early) has mapped it.
    ///
    /// # Safety
    /// It is mapped there, for reading, and nobody writes to it before this is dropped.
    pub(super) unsafe fn mapped(at: PhysAddr, found: Found) -> Self {
        let start = DEVICE_TREE_WINDOW + at.offset();
        Self {
            start: core::ptr::with_exposed_provenance(start as usize),
            bytes: found.bytes,
        }
    }

    /// Its bytes: `totalsize`, as its header says.
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: whoever made this promised that they can be read, and do not change as long as it is there.
        unsafe { core::slice::from_raw_parts(self.start, self.bytes) }
    }
}

/// The device tree at `at`.
pub(super) fn find(at: PhysAddr) -> Result<Found, NoDeviceTree> {
    if at.raw() == 0 {
        return Err(NoDeviceTree::NoAddress);
    }
    if !at.raw().is_multiple_of(ALIGNMENT) {
        return Err(NoDeviceTree::Misaligned);
    }
    probe(at)?;
    forget_cached_header(at);
    let magic = u32::from_be(probe(at)?);
    let second = probe(after(at, 4)?)?;
    if magic != MAGIC {
        return Err(match second {
            ATAG_CORE => NoDeviceTree::Atags,
            _ => NoDeviceTree::OtherMagic(magic),
        });
    }
    let bytes = u32::from_be(second);
    if !SIZES.contains(&bytes) {
        return Err(NoDeviceTree::Size(bytes));
    }
    let end = after(at, u64::from(bytes))?;
    let frames = FrameRange::touching(at, end).ok_or(NoDeviceTree::NoMemory)?;
    for frame in frames.iter() {
        probe(frame.start())?;
    }
    Ok(Found {
        frames,
        bytes: bytes as usize,
    })
}

/// A loader that changed the tree may have left it in a cache, which we read past: the protocol wants only
/// the image clean.
fn forget_cached_header(at: PhysAddr) {
    let header = core::ptr::with_exposed_provenance_mut(at.raw() as usize);
    if let Some(header) = NonNull::new(header) {
        cache::clean_and_invalidate_to_memory(header, HEADER_BYTES);
    }
}

fn after(at: PhysAddr, bytes: u64) -> Result<PhysAddr, NoDeviceTree> {
    at.checked_add(bytes).ok_or(NoDeviceTree::NoMemory)
}

/// The little-endian word at `at`, a multiple of 4.
fn probe(at: PhysAddr) -> Result<u32, NoDeviceTree> {
    unsafe extern "C" {
        /// Reads the word at a physical address; more than a word can hold stands for an abort.
        fn boot_probe(at: u64) -> u64;
    }
    // SAFETY: The MMU is off, so this is a read of Device memory, whose failure is caught; entry.S has
    // installed the vector for that.
    let answer = unsafe { boot_probe(at.raw()) };
    u32::try_from(answer).map_err(|_| NoDeviceTree::NoMemory)
}

impl fmt::Display for NoDeviceTree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::NoAddress => f.write_str("the loader passed no device tree in x0"),
            Self::Misaligned => f.write_str("the device tree is not aligned to 8 bytes"),
            Self::NoMemory => f.write_str("the device tree is not, or not to its end, in memory"),
            Self::Atags => {
                f.write_str("the loader passed ATAGs instead of a device tree (with QEMU, use -dtb)")
            }
            Self::OtherMagic(word) => {
                write!(
                    f,
                    "no device tree: it begins with {word:#010x} instead of {MAGIC:#010x}"
                )
            }
            Self::Size(bytes) => {
                let (least, most) = (SIZES.start(), SIZES.end());
                write!(
                    f,
                    "the device tree says it is {bytes} bytes long, not {least} to {most}"
                )
            }
        }
    }
}
