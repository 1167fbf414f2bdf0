//! Device registers, mapped for good.

use crate::exit;
use crate::ram::Ram;
use aarch64::mmu::{KernelMap, MapError};
use addr::{Frame, PhysAddr};
use boards::RegisterBlock;
use core::fmt;
use core::ptr::NonNull;

/// Where device registers are mapped, and the RAM that tables are made of.
pub struct Registers<'a> {
    map: &'a mut KernelMap,
    ram: &'a mut Ram,
}

impl<'a> Registers<'a> {
    /// To be mapped in `map`.
    pub fn new(map: &'a mut KernelMap, ram: &'a mut Ram) -> Self {
        Self { map, ram }
    }

    /// The registers of `what`, as many as `T` has: some trees give a size from before their board's last
    /// revision. If they cannot be mapped, the machine ends and says why.
    ///
    /// # Safety
    /// The device at `block` has such registers.
    pub unsafe fn map<T>(&mut self, what: &str, block: RegisterBlock) -> &'static T {
        // SAFETY: The caller vouches for it.
        match unsafe { map_block(block, self.map, &mut || self.ram.take(1)) } {
            Ok(registers) => registers,
            Err(error) => refuse(what, error),
        }
    }

    /// The `bytes` bytes of registers of `what` at `base`, for a driver that checks for itself what is
    /// there.
    pub fn map_bytes(&mut self, what: &str, base: PhysAddr, bytes: u64) -> NonNull<u8> {
        match map_bytes(base, bytes, self.map, &mut || self.ram.take(1)) {
            Ok(registers) => registers,
            Err(error) => refuse(what, error),
        }
    }
}

fn refuse(what: &str, error: BadRegisters) -> ! {
    exit::cannot_start(format_args!(
        "the registers of the {what} cannot be mapped: {error}"
    ))
}

/// Maps as many registers as `T` has, with tables from `new_table`.
///
/// # Errors
/// If there can be none there.
///
/// # Safety
/// The device at `block` has such registers.
pub unsafe fn map_block<T>(
    block: RegisterBlock,
    map: &mut KernelMap,
    new_table: &mut dyn FnMut() -> Frame,
) -> Result<&'static T, BadRegisters> {
    const { assert!(align_of::<T>() <= ALIGNMENT) };
    let registers = map_bytes(block.base, size_of::<T>() as u64, map, new_table)?;
    // SAFETY: Mapped for good just now, aligned and as long as `T`; registers are cells that may be shared,
    // and the caller vouches that there are some.
    Ok(unsafe { registers.cast().as_ref() })
}

/// No register is wider.
const ALIGNMENT: usize = 8;

#[inline(never)] // however many devices there are
fn map_bytes(
    base: PhysAddr,
    bytes: u64,
    map: &mut KernelMap,
    new_table: &mut dyn FnMut() -> Frame,
) -> Result<NonNull<u8>, BadRegisters> {
    if !base.raw().is_multiple_of(ALIGNMENT as u64) {
        return Err(BadRegisters::NotAligned(base));
    }
    map.map_device(base, bytes, new_table).map_err(BadRegisters::Map)
}

/// Why there can be no registers where the device tree says.
pub enum BadRegisters {
    NotAligned(PhysAddr),
    Map(MapError),
}

impl fmt::Display for BadRegisters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAligned(base) => write!(f, "{base} is not aligned"),
            Self::Map(error) => write!(f, "{error}"),
        }
    }
}
