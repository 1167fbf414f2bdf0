//! The other half of the demonstration: reads what `producer` puts into the segment.
//!
//! `consumer KEY` finds the segment by its key, attaches it at an address of its own choice, and
//! checks that what arrives is what was sent.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

extern crate alloc;

use abi::Errno;
use abi::shm::ShmKey;
use alloc::format;
use rt::ring::{Checksum, Reader};
use rt::shm::Shm;
use rt::sys::process::yield_now;
use rt::time::{Duration, Instant};
use rt::{Error, Failure, Outcome, Start, println};

/// Somewhere in user space, and not where the kernel puts the producer's attachment.
const ADDRESS: u64 = 0x20_0000_0000;
/// How long to wait for the producer to create the segment.
const PATIENCE: Duration = Duration::from_secs(5);

rt::program!(consume);

fn consume(start: &Start) -> Outcome {
    let key = start.arg(0).and_then(|arg| arg.parse().ok()).map(ShmKey);
    let key = key.ok_or_else(|| Failure::new("consumer: usage: consumer KEY"))?;
    let segment = find(key).map_err(|error| match error {
        Error::Refused(Errno::ENOENT) => Failure::new(format!(
            "consumer: no segment has key {}; `producer {} MIB` makes one",
            key.0, key.0
        )),
        other => other.into(),
    })?;
    let attachment = segment.attach_at(ADDRESS)?;
    let mut reader = Reader::new(attachment.words()).ok_or_else(|| Failure::new("no room"))?;
    let address = attachment.address();
    println!(
        "consumer: found segment {}, attached at {address:#x}",
        segment.id().raw()
    );

    let count = reader.receive()?;
    let mut checksum = Checksum::default();
    for _ in 0..count {
        checksum.add(reader.receive()?);
    }
    let sent = reader.receive()?;
    println!(
        "consumer: received {} MiB, checksum {:016x}",
        count >> 17,
        checksum.value()
    );
    attachment.detach()?;
    if sent == checksum.value() {
        Ok(())
    } else {
        Err(Failure::new("consumer: that is not what the producer sent"))
    }
}

/// The producer may not have come to creating it yet.
fn find(key: ShmKey) -> Result<Shm, Error> {
    let start = Instant::now();
    loop {
        let late = start.elapsed() > PATIENCE;
        match Shm::open(key) {
            Err(Error::Refused(Errno::ENOENT)) if !late => yield_now(),
            found_or_error => return found_or_error,
        }
    }
}
