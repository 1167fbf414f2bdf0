//! Copies of bytes, of every length and wherever they lie: all of them arrive, and nothing else changes.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use core::hint::black_box;
use rt::{Outcome, Start, println};
use tests::expect;

/// More than twice as many as are copied in one step.
const LONGEST: usize = 150;
/// Places relative to a cache line, of what is copied and of the copy.
const PLACES: usize = 17;
const ROOM: usize = PLACES + LONGEST + PLACES;
/// What is around a copy.
const UNTOUCHED: u8 = 0xee;

rt::program!(run);

fn run(_: &Start) -> Outcome {
    let mut source = [0; ROOM];
    for (byte, number) in source.iter_mut().zip(1..) {
        *byte = number;
    }
    for length in 0..=LONGEST {
        for from in 0..PLACES {
            for to in 0..PLACES {
                copy(&source[from..][..length], to)?;
            }
        }
    }
    println!("copies: done");
    Ok(())
}

fn copy(bytes: &[u8], to: usize) -> Outcome {
    let mut room = [UNTOUCHED; ROOM];
    let (bytes, end) = (black_box(bytes), to + bytes.len());
    room[to..end].copy_from_slice(bytes);
    let room = black_box(room);
    let is_right = |(place, &byte): (usize, &u8)| {
        let expected = (to..end).contains(&place).then(|| bytes[place - to]);
        byte == expected.unwrap_or(UNTOUCHED)
    };
    let wrong = room.iter().enumerate().filter(|&it| !is_right(it)).count();
    expect("bytes of a copy that are wrong", wrong as u64, 0)
}
