//! Producer and consumer: one process puts numbers into a ring in shared memory, the other takes them out.
//!
//! `ring [COUNT]`
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use abi::process::End;
use abi::shm::{Mode, ShmKey};
use rt::ring::{Reader, Writer};
use rt::shm::{Attachment, Shm};
use rt::spawn::fork;
use rt::{Failure, Outcome, Start, println};

const RING_BYTES: u64 = 4096;

rt::program!(ring);

fn ring(start: &Start) -> Outcome {
    let count: u64 = start.arg(0).map_or(Ok(100_000), str::parse)?;
    let segment = Shm::create(ShmKey::PRIVATE, RING_BYTES, Mode::from_bits(0o600))?;
    let memory = segment.attach()?;
    // It has no name any more, and goes with the last of the two processes.
    segment.remove()?;

    let consumer = fork(|| consume(&memory, count))?;
    produce(&memory, count)?;
    match consumer.wait()? {
        End::Exited(0) => Ok(()),
        _ => Err(Failure::new("ring: the consumer failed")),
    }
}

fn produce(memory: &Attachment, count: u64) -> Outcome {
    let mut ring = Writer::new(memory.words()).ok_or_else(|| Failure::new("ring: no room"))?;
    for number in 1..=count {
        ring.send(number)?;
    }
    println!("producer: sent {count} numbers");
    Ok(())
}

fn consume(memory: &Attachment, count: u64) -> Outcome {
    let mut ring = Reader::new(memory.words()).ok_or_else(|| Failure::new("ring: no room"))?;
    let mut sum = 0;
    for _ in 0..count {
        sum += ring.receive()?;
    }
    println!("consumer: their sum is {sum}");
    if sum == count * (count + 1) / 2 {
        Ok(())
    } else {
        Err(Failure::new("consumer: that is wrong"))
    }
}
