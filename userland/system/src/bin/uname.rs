//! Says which system this is: `uname [-asnrvmio]`.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

extern crate alloc;

use abi::Handle;
use alloc::format;
use alloc::vec::Vec;
use rt::{Incoming, Outcome, Start, println, sys};
use tools::options::{Options, Usage};

/// The system, which the shell gives to programs of this folder.
const SYSTEM: Handle = Handle::PARENT;

const USAGE: Usage = Usage {
    line: "uname [-asnrvmio]",
    letters: "asnrvmio",
    help: "Says which system this is.\n  -s  its name (alone, without an option)\n  -n  the machine's name\n  -r  release\n  -v  \
           version of the boundary to programs\n  -m  instruction set\n  -i  board\n  -o  operating system\n  -a  all",
};

rt::program!(uname);

fn uname(start: &Start) -> Outcome {
    let options = Options::of(start, &USAGE)?;
    let mut board = Incoming::new();
    sys::system::describe(SYSTEM, &mut board)?;
    let board = core::str::from_utf8(board.bytes()).unwrap_or("unknown");
    let abi = format!("ABI {}", abi::VERSION);
    let all = [
        ('s', "Granule"),
        ('n', "granule"),
        ('r', env!("CARGO_PKG_VERSION")),
        ('v', &abi),
        ('m', "aarch64"),
        ('i', board),
        ('o', "Granule"),
    ];
    let nothing_asked = options.iter().next().is_none();
    let is_wanted = |letter| options.has('a') || options.has(letter) || (nothing_asked && letter == 's');
    let wanted = all.iter().filter(|(letter, _)| is_wanted(*letter));
    let words: Vec<&str> = wanted.map(|(_, word)| *word).collect();
    println!("{}", words.join(" "));
    Ok(())
}
