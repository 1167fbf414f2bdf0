//! Attaches a segment for reading only, and then writes to it: the MMU stops that.
//!
//! `reader KEY`
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use abi::shm::ShmKey;
use rt::shm::Shm;
use rt::{Failure, Outcome, Start, hazard, println};

rt::program!(read_and_write);

fn read_and_write(start: &Start) -> Outcome {
    let key = start.arg(0).and_then(|arg| arg.parse().ok()).map(ShmKey);
    let key = key.ok_or_else(|| Failure::new("reader: usage: reader KEY"))?;
    let attachment = Shm::open(key)?.attach_read_only()?;
    let (address, word) = (attachment.address(), attachment.word(0).unwrap_or(0));
    println!("reader: attached read-only at {address:#x}, word 0 is {word}; now writing to it");
    hazard::write(address, 0);
    Err(Failure::new("reader: that was possible"))
}
