//! Fork and share: after a fork each process has variables of its own, and both have the segment.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use abi::shm::{Mode, ShmKey};
use core::sync::atomic::Ordering;
use rt::shm::Shm;
use rt::spawn::fork;
use rt::{Outcome, Start, println};

rt::program!(share);

fn share(_: &Start) -> Outcome {
    let segment = Shm::create(ShmKey::PRIVATE, 4096, Mode::from_bits(0o600))?;
    let memory = segment.attach()?;
    segment.remove()?;
    let shared = &memory.words()[0];
    let mut own = 1;
    shared.store(1, Ordering::Relaxed);

    let child = fork(|| {
        own += 1;
        shared.fetch_add(1, Ordering::Release);
        println!("child: own {own}, shared {}", shared.load(Ordering::Relaxed));
        Ok(())
    })?;
    child.wait()?;
    println!("parent: own {own}, shared {}", shared.load(Ordering::Acquire));
    Ok(())
}
