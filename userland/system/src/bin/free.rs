//! Shows how much memory is free: `free [-b | -k | -m | -g | -h]`.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

extern crate alloc;

use abi::Handle;
use abi::layout::PAGE_BYTES;
use alloc::string::{String, ToString};
use rt::{Outcome, Start, println, shm, sys};
use tools::options::{Options, Usage};
use tools::size;

/// The system, which the shell gives to programs of this folder.
const SYSTEM: Handle = Handle::PARENT;

const USAGE: Usage = Usage {
    line: "free [-b | -k | -m | -g | -h]",
    letters: "bkmgh",
    help: "Shows how much memory there is: in all, used, free, in segments, and free without being promised.\n  -b -k \
           -m -g  in bytes, KiB, MiB, GiB\n  -h  with units",
};

rt::program!(free);

fn free(start: &Start) -> Outcome {
    let options = Options::of(start, &USAGE)?;
    let unit = options.iter().last().map_or('k', |(letter, _)| letter);
    let frames = sys::system::count_frames(SYSTEM)?;
    let shared = shm::totals()?.shm_rss;
    let columns = [
        frames.total,
        frames.total - frames.free,
        frames.free,
        shared,
        frames.free - frames.promised,
    ];
    let [total, used, free, shared, available] = columns.map(|count| amount(count * PAGE_BYTES, unit));
    println!(
        "{:8}{:>12}{:>12}{:>12}{:>12}{:>12}",
        "", "total", "used", "free", "shared", "available"
    );
    println!(
        "{:8}{total:>12}{used:>12}{free:>12}{shared:>12}{available:>12}",
        "Mem:"
    );
    Ok(())
}

fn amount(bytes: u64, unit: char) -> String {
    match unit {
        'b' => bytes.to_string(),
        'm' => (bytes >> 20).to_string(),
        'g' => (bytes >> 30).to_string(),
        'h' => size::human(bytes),
        _ => (bytes >> 10).to_string(),
    }
}
