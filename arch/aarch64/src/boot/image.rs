//! Where the parts of the kernel image are: the linker script's symbols, as addresses.
//!
//! A symbol's address is formed relative to the program counter. With the MMU off it is physical,
//! later virtual; both uses are here, and each says which it is.

use crate::boot::Handover;
use addr::{FrameRange, PhysAddr, VirtAddr};

unsafe extern "C" {
    static _start: u8;
    static boot_end: u8;
    static __text_end: u8;
    static __rodata_end: u8;
    static __image_end: u8;
}

/// The borders between the parts of the image, in order. All are multiples of 4 KiB.
#[derive(Clone, Copy)]
pub(crate) struct Borders {
    /// Where code begins.
    pub start: u64,
    /// Behind the code that runs before the MMU is on.
    pub boot_end: u64,
    /// Where code ends and constants begin.
    pub text_end: u64,
    /// Where constants end and variables begin.
    pub rodata_end: u64,
    /// Behind the variables.
    pub end: u64,
}

impl Borders {
    /// As seen from here: physical with the MMU off, virtual with the MMU on.
    pub(crate) fn here() -> Self {
        Self {
            start: (&raw const _start).addr() as u64,
            boot_end: (&raw const boot_end).addr() as u64,
            text_end: (&raw const __text_end).addr() as u64,
            rodata_end: (&raw const __rodata_end).addr() as u64,
            end: (&raw const __image_end).addr() as u64,
        }
    }
}

impl Handover {
    /// The image's frames, variables included.
    pub fn image(&self) -> FrameRange {
        let here = Borders::here();
        self.frames(here.start, here.end)
    }

    /// What of it stays: not the tables that were not needed, nor what lies behind them, which boot alone uses.
    pub fn kept_image(&self) -> FrameRange {
        let start = self.image().start();
        match FrameRange::inside(start.start(), self.spare.first().start()) {
            Some(frames) => frames,
            None => panic!("the spare tables are not at the end of the image"),
        }
    }

    /// The frames of code and constants, which nobody may write to.
    pub(crate) fn constant_image(&self) -> FrameRange {
        let here = Borders::here();
        self.frames(here.start, here.rodata_end)
    }

    fn frames(&self, start: u64, end: u64) -> FrameRange {
        let physical = |addr| self.image_at.raw() + (addr - Borders::here().start);
        match FrameRange::inside(PhysAddr::new(physical(start)), PhysAddr::new(physical(end))) {
            Some(frames) => frames,
            None => panic!("the linker script left a part of the image empty"),
        }
    }

    /// Where the byte of the image at `addr` is in physical memory.
    pub(crate) fn physical(&self, addr: VirtAddr) -> PhysAddr {
        PhysAddr::new(self.image_at.raw() + (addr.raw() - Borders::here().start))
    }
}
