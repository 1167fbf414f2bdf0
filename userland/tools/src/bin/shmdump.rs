//! Shows what is in a shared memory segment: `shmdump SHMID [OFFSET [BYTES]]`.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

extern crate alloc;

use abi::Errno;
use alloc::format;
use rt::shm::Shm;
use rt::{Error, Failure, Outcome, Start, println};
use tools::dump::{Dump, LINE_BYTES};
use tools::options::{Options, Usage};
use tools::{names, size};

const USAGE: Usage = Usage {
    line: "shmdump SHMID [OFFSET [BYTES]]",
    letters: "",
    help: "Shows what is in a shared memory segment, as hexdump -C does.",
};

rt::program!(shmdump);

fn shmdump(start: &Start) -> Outcome {
    let options = Options::of(start, &USAGE)?;
    let Some((id, range)) = options
        .operands
        .split_first()
        .filter(|(_, range)| range.len() <= 2)
    else {
        return Err(USAGE.failure("it takes a shmid, and where to begin and how much to show"));
    };
    let segment = Shm::from_id(names::segment(id).map_err(|wrong| USAGE.failure(&wrong))?);
    let bytes = segment.stat().map_err(|error| explained(id, error))?.shm_segsz;
    let mut numbers = range
        .iter()
        .map(|text| number(text).ok_or_else(|| USAGE.failure("that is no number")));
    let offset = numbers.next().transpose()?.unwrap_or(0).min(bytes);
    let length = numbers
        .next()
        .transpose()?
        .unwrap_or(u64::MAX)
        .min(bytes - offset);
    dump(segment, offset, length)
}

fn explained(id: &str, error: Error) -> Failure {
    match error {
        Error::Refused(Errno::EINVAL) => Failure::new(format!("shmdump: nothing has shmid {id}")),
        Error::Refused(Errno::EACCES) => Failure::new(format!("shmdump: segment {id} may not be read")),
        other => other.into(),
    }
}

fn dump(segment: Shm, offset: u64, length: u64) -> Outcome {
    let attachment = segment.attach_read_only()?;
    let mut dump = Dump::default();
    for start in (offset..offset + length).step_by(LINE_BYTES) {
        let mut line = [0; LINE_BYTES];
        let count = (offset + length - start).min(LINE_BYTES as u64) as usize;
        attachment.read(start as usize, &mut line[..count]);
        if let Some(line) = dump.line(start, &line[..count]) {
            println!("{line}");
        }
    }
    println!("{:08x}", offset + length);
    Ok(attachment.detach()?)
}

/// `4096`, `0x1000` or `4K`.
fn number(text: &str) -> Option<u64> {
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => size::parse(text),
    }
}
