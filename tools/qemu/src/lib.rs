//! Builds Granule, runs it in QEMU, and judges what it prints.
//!
//! The binary `granule` is what `just` calls. Its verbs, one module each:
//!
//! * [`build`]: the kernel image and the archive of programs.
//! * [`run`]: a machine for a person, or for a script that waits for it to end.
//! * [`suite`]: the QEMU cases of `cases/`, run in parallel under the standard test runner.
//! * [`conformance`]: each row of `docs/conformance.tsv` with the tests that prove it.
//! * [`debug`]: a halted machine with gdb attached.
//! * [`card`]: an SD card for a Raspberry Pi 4, of what was built; [`flash`](mod@flash) writes it.
//! * [`mod@bench`]: figures that repeat, measured in executed instructions.
//!
//! Below them: [`workspace`] knows where things lie, [`settings`] says which machine people ask for, [`board`]
//! what there is to choose, and [`machine`] makes a QEMU command of it. [`bare`] makes one without firmware, [`chain`]
//! boots as QEMU's own loader cannot, and [`rpi4_boot`] as a Raspberry Pi's firmware does, with its
//! [`armstub`](mod@armstub). [`rpi4_tree`] and [`rpi4_firmware`] have what that board needs of others, which [`fetch`]
//! fetches. For the cases that want that, [`initrd`] spoils the programs and [`tree`](mod@tree) the device tree.
//! [`case`](mod@case) reads a case file, [`expect`] judges a transcript, [`watch`] what QEMU itself reports, and
//! [`guest`] brings the two together with a running QEMU.

#![forbid(unsafe_code)]

pub mod armstub;
pub mod bare;
pub mod bench;
pub mod board;
pub mod build;
pub mod card;
pub mod case;
pub mod chain;
pub mod conformance;
pub mod debug;
pub mod expect;
pub mod fetch;
pub mod flash;
pub mod growth;
pub mod guest;
pub mod initrd;
pub mod machine;
pub mod peers;
pub mod rpi4_boot;
pub mod rpi4_firmware;
pub mod rpi4_tree;
pub mod run;
pub mod settings;
pub mod soak;
pub mod suite;
pub mod symbols;
pub mod tree;
pub mod watch;
pub mod workspace;
