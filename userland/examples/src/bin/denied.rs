//! Permission denied: a segment's mode decides what other users may do with it.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use abi::Handle;
use abi::shm::{Mode, ShmId, ShmKey};
use rt::shm::Shm;
use rt::spawn::fork;
use rt::{Credential, Outcome, Start, println};

/// Neither the owner nor in its group.
const STRANGER: Credential = Credential::new(1000, 1000);

rt::program!(denied);

fn denied(_: &Start) -> Outcome {
    for mode in [0o600, 0o604, 0o606] {
        let segment = Shm::create(ShmKey::PRIVATE, 4096, Mode::from_bits(mode))?;
        let tried = try_as_stranger(segment.id(), mode);
        segment.remove()?;
        tried?;
    }
    Ok(())
}

fn try_as_stranger(id: ShmId, mode: u32) -> Outcome {
    let stranger = fork(|| {
        STRANGER.give_to(Handle::SELF)?;
        let segment = Shm::from_id(id);
        let reading = segment.attach_read_only().map(|_| "allowed");
        let writing = segment.attach().map(|_| "allowed");
        println!("mode {mode:o}: user {} may read: {}", STRANGER.uid, word(reading));
        println!(
            "mode {mode:o}: user {} may write: {}",
            STRANGER.uid,
            word(writing)
        );
        Ok(())
    })?;
    stranger.wait()?;
    Ok(())
}

fn word(result: Result<&'static str, rt::Error>) -> &'static str {
    match result {
        Ok(allowed) => allowed,
        Err(rt::Error::Refused(errno)) => errno.name(),
        Err(_) => "?",
    }
}
