//! What the test programs share. The programs are in `src/bin`:
//!
//! | program | tests |
//! | --- | --- |
//! | `hostile` | that the kernel outlives whatever a program does |
//! | `conform` | rules of the shared memory catalogue, on the real kernel |
//! | `ipc` | messages between processes, and servers in the kernel's place |
//! | `preempt` | that nobody can keep the CPU |
//! | `asid` | that many processes are kept apart when ASIDs are few |
//! | `mapping` | that mappings are protected, replaced and grow as they should |
//! | `linked` | that processes share the tables of a large segment, and cannot tell |
//! | `blocks` | that processes share 2 MiB blocks, which are whole or not there |
//! | `copies` | that bytes which are copied arrive, all of them and no others
//! | `fp` | that FP/SIMD registers belong to their process |
//! | `faults` | that who handles faults of others is told of them, and decides what becomes of them |
//! | `threads` | that threads share what is their process's, have what is theirs, and end with it |
//! | `smp_stress` | that nothing is lost when more processes than CPUs do anything at all |
//! | `words` | that processes wait for words of memory, and are woken there |
//! | `syscalls` | that nothing is lost whatever many programs put into the registers of a trap |
//! | `registers` | that traps and interruptions leave all other registers as they must |
//!
//! Each prints a line about what it found, and exits with status 0 if that is as it should be.
//! They are started by `init` (boot argument `test=NAME`), and start themselves again, with an
//! argument, where a test needs several processes.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod edges;
mod family;
mod frames;
mod random;
mod snippet;

pub use edges::EDGES;
pub use family::{Family, expect};
pub use frames::Frames;
pub use random::Random;
pub use snippet::{General, Snippet};
