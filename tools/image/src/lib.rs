//! SD cards for the Raspberry Pi 4.
//!
//! * [`card`]: files in, the bytes of a card out: a partition table (`mbr.rs`) and a FAT32 volume (`volume.rs`). No root,
//!   no mounting, and the same files give the same bytes.
//!
//! Which files a card needs is the business of whoever calls this.

#![forbid(unsafe_code)]

pub mod card;
mod mbr;
mod volume;
