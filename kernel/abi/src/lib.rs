//! The boundary between the kernel and programs, on one page.
//!
//! # The trap
//!
//! Everything a program asks of the kernel is a message, sent with `svc #1` (`svc #0` is left to
//! a Linux personality). Registers at the trap:
//!
//! | register | in | out |
//! | --- | --- | --- |
//! | x0 | handle of the object | 0, or an [`IpcError`]: the message did not get there |
//! | x1 | [`Tag`]: label, byte count, handle count; for `Signal` the bits | tag of the answer (label = [`Errno`], 0 if done) or of what was received |
//! | x2-x7 | six words | six words; of signals the first, which has their bits |
//! | x8 | [`Operation`], perhaps with a deadline | receive: badge of the handle used by the sender; else 0 |
//! | x9 | with [`Operation::UNTIL`] in x8 the deadline, else anything | 0 |
//! | x10-x17 | anything | 0 |
//! | x18-x30, SP, V0-V31, TPIDR_EL0 | kept | kept |
//!
//! What does not fit travels in the thread's message page ([`MessagePage`], at the address in
//! TPIDRRO_EL0): up to 512 bytes and four handles. No request contains a pointer.
//!
//! # Operations
//!
//! | x8 | [`Operation`] | does |
//! | --- | --- | --- |
//! | 0 | `Call` | sends, then waits for the answer |
//! | 1 | `Receive` | waits for a message on an endpoint |
//! | 2 | `ReplyReceive` | answers the caller of the last message received, then receives |
//! | 3 | `Send` | sends, then waits until the message is received; no answer comes |
//! | 4 | `Reply` | answers a caller and goes on |
//! | 5 | `Signal` | adds bits to the signals of an endpoint and goes on |
//! | 8 | `Yield` | lets others run; looks at no other register |
//!
//! With [`Operation::UNTIL`] added, what waits does so no longer than until the deadline in x9.
//!
//! # Objects and labels
//!
//! A label's upper byte is the kind of object, so a message to the wrong kind is always `ENOSYS`.
//!
//! | labels | object | table |
//! | --- | --- | --- |
//! | 0x01.. | a process: its own handle, or a child's | [`process`] |
//! | 0x02.. | a memory manager: (address space, credential, pid) | [`memory`] |
//! | 0x03.. | a console | [`console`] |
//! | 0x04.. | the system as a whole | [`system`] |
//! | 0x05.. | a thread | [`thread`] |
//! | 0x06.. | a device | [`device`] |
//! | 0x07.. | the kernel asks: the handler of a process's faults | [`fault`] |
//! | any | an endpoint: whatever its server says | - |
//!
//! A memory manager or console served by a program answers the same labels in the same way, so
//! its clients cannot tell.
//!
//! # Start of a program
//!
//! A new thread begins at its program's entry as if it had just received a message: x0 = 0, x1 =
//! tag, x2-x7 words, bytes in its message page, all chosen by its parent. TPIDR_EL0 is 0, or what
//! the thread that made it chose; the message page of each thread is its own. Handles 1 to 4 are
//! [`Handle::SELF`], [`Handle::MEMORY`], [`Handle::CONSOLE`] and [`Handle::PARENT`]. A program's
//! ELF file carries a note with [`VERSION`]; a loader refuses any other.
#![no_std]
#![forbid(unsafe_code)]

pub mod console;
mod cpus;
pub mod device;
mod errno;
pub mod fault;
mod handle;
pub mod layout;
pub mod memory;
mod message;
mod operation;
pub mod process;
mod request;
pub mod shm;
pub mod system;
pub mod thread;
pub mod time;

pub use cpus::CpuSet;
pub use errno::Errno;
pub use handle::{Badge, Handle, Rights};
pub use message::{Arrival, BUFFER_BYTES, Label, MAX_HANDLES, MessagePage, Tag, WORDS, Words6};
pub use operation::{IpcError, Operation};
pub use request::{About, Field, Request, Row, Server, Word, Words};

/// Version of everything this crate says. Checked when a program is loaded.
pub const VERSION: u32 = 1;
/// Owner name of the ELF note that carries [`VERSION`] as a little-endian 32-bit word.
pub const NOTE_NAME: &str = "Granule";
/// Type of that note.
pub const NOTE_TYPE: u32 = 1;
