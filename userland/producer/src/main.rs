//! One half of the demonstration: fills a shared memory segment with words for `consumer`.
//!
//! `producer KEY MIB` creates a segment of 4 MiB under KEY and passes MIB MiB through it. The
//! segment stays, as it would if this program had failed; who started it removes it.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use abi::shm::{Mode, ShmKey};
use rt::ring::{Checksum, Writer};
use rt::shm::Shm;
use rt::{Error, Failure, Outcome, Start, println};

const SEGMENT_BYTES: u64 = 4 << 20;
const WORDS_IN_A_MIB: u64 = (1 << 20) / 8;

rt::program!(produce);

fn produce(start: &Start) -> Outcome {
    let number = |place| start.arg(place).and_then(|arg| arg.parse().ok());
    let (Some(key), Some(mib)) = (number(0).map(ShmKey), number(1)) else {
        return Err(Failure::new("producer: usage: producer KEY MIB"));
    };
    let segment = Shm::create(key, SEGMENT_BYTES, Mode::from_bits(0o600))?;
    let attachment = segment.attach()?;
    let mut writer = Writer::new(attachment.words()).ok_or_else(|| Failure::new("no room"))?;
    let address = attachment.address();
    println!(
        "producer: created segment {}, attached at {address:#x}",
        segment.id().raw()
    );

    let checksum = stream(&mut writer, mib.unsigned_abs().into())?;
    println!("producer: sent {mib} MiB, checksum {:016x}", checksum.value());
    attachment.detach()?;
    Ok(())
}

/// Sends how many words will follow, the words, and their checksum.
fn stream(writer: &mut Writer<'_>, mib: u64) -> Result<Checksum, Error> {
    let count = mib * WORDS_IN_A_MIB;
    writer.send(count)?;
    let mut checksum = Checksum::default();
    let mut word = 1;
    for _ in 0..count {
        word = following(word);
        checksum.add(word);
        writer.send(word)?;
    }
    writer.send(checksum.value())?;
    Ok(checksum)
}

/// The next of a sequence of words that looks random (Marsaglia, "Xorshift RNGs").
fn following(word: u64) -> u64 {
    let word = word ^ word << 13;
    let word = word ^ word >> 7;
    word ^ word << 17
}
