//! Prints its arguments: `echo [-n] [WORD...]`.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::vec::Vec;
use rt::{Outcome, Start, print, println};

rt::program!(echo);

fn echo(start: &Start) -> Outcome {
    let words: Vec<&str> = start.args().collect();
    match &words[..] {
        ["-n", words @ ..] => print!("{}", words.join(" ")),
        words => println!("{}", words.join(" ")),
    }
    Ok(())
}
