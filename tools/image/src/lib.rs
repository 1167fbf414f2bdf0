//! SD cards for the Raspberry Pi 4.
//!
//! * [`card`]: files in, the bytes of a card out: a partition table (`mbr.rs`) and a FAT32 volume (`volume.rs`). No root,
//!   no mounting, and the same files give the same bytes.
//! * [`flash`]: these bytes onto a real card, after making sure that it is one.
//!
//! Which files a card needs is the business of whoever calls this.

#![forbid(unsafe_code)]

pub mod card;
pub mod flash;
mod mbr;
mod volume;
