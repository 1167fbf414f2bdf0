//! The board layer: which machine this is, and where its parts are.
//!
//! ```text
//!   device tree --blob--> checked copy --fdt-rs--> index --dt--> Board
//!   (untrusted bytes)     (in scratch)                           (plain facts)
//! ```
//!
//! [`read`] is a pure function from the bytes of a device tree to a [`Board`]: RAM, reserved
//! memory, initrd, command line, console, interrupt controller, timer, CPUs. Nothing here knows an
//! address beforehand; `qemu_virt` and `rpi4` hold only what the tree does not say. The console
//! drivers in [`console`] get their registers, already mapped, from whoever may map them.
//!
//! The tree comes from a loader and may be damaged. So the blob is checked and copied first
//! (`dt/blob.rs`), and only the copy reaches the parser: a broken one gives a [`DtError`] that says
//! in a sentence what is wrong.
#![no_std]
#![forbid(unsafe_code)]

mod board;
pub mod console;
mod dt;
mod irq;
mod list;
mod memory;
mod options;
pub mod qemu_virt;
pub mod rpi4;
pub mod rtc;
mod text;

pub use board::{
    BadInitrd, Board, BoardKind, ConsoleDevice, ConsoleKind, Cpu, EnableMethod, Gic, Mpidr, PsciConduit,
    RegisterBlock, TimerIrqs,
};
pub use dt::{
    Block, CheckedBlob, DevTree, DevTreeError, DtError, MAX_BLOB_BYTES, OpenTree, SCRATCH_BYTES, read,
    total_size,
};
pub use irq::Irq;
pub use list::List;
pub use memory::{MemoryMap, MemoryRange};
pub use options::Options;
pub use text::Text;
