//! Acts with any instruction at all.

use abi::layout::{MESSAGE_PAGES, PROGRAM_BASE, STACK_TOP};
use abi::process::End;
use rt::sys::process::yield_now;
use rt::{Outcome, println};
use tests::{Random, Snippet};

/// Instructions in a row; most processes do not get that far.
const ROW: usize = 2;
/// Turns that a process gets before it is ended, should it not end by itself.
const TURNS: usize = 3;
/// Bits that are the same in a class of instructions, and how many are not, from bit 0.
const CLASSES: &[(u32, u32)] = &[
    // Any.
    (0, 32),
    (0, 32),
    // System registers, hints, barriers, cache and TLB maintenance.
    (0xd500_0000, 22),
    (0xd500_0000, 22),
    (0xd503_2000, 12),
    // Exceptions.
    (0xd400_0000, 24),
    // SVE and SME.
    (0x0400_0000, 25),
    (0x8000_0000, 25),
    // Memory copy and set, pointer authentication.
    (0x1900_0000, 26),
    (0xdac1_0000, 15),
];

/// Executes `count` rows of instructions, those of the sequence `seed`, each in a process of its own.
pub fn execute_anything(seed: u64, count: u64) -> Outcome {
    let mut random = Random::new(seed);
    let (mut faulted, mut exited, mut killed) = (0, 0, 0);
    for _ in 0..count {
        match one_row(&mut random)? {
            End::Faulted(..) => faulted += 1,
            End::Exited(_) => exited += 1,
            End::Killed => killed += 1,
        }
    }
    println!("hostile: of {count} processes {faulted} faulted, {exited} ended, {killed} had to be ended");
    Ok(())
}

fn one_row(random: &mut Random) -> Result<End, rt::Error> {
    let row = (0..ROW).map(|_| instruction(random));
    let snippet = row.fold(Snippet::default(), Snippet::then);
    let words = [PROGRAM_BASE, MESSAGE_PAGES, STACK_TOP, random.word()];
    let child = snippet.start(2, words)?;
    for _ in 0..TURNS {
        yield_now();
    }
    child.kill()?;
    child.wait()
}

fn instruction(random: &mut Random) -> u32 {
    let (same, open_bits) = random.one_of(CLASSES);
    same | (random.word() & ((1 << open_bits) - 1)) as u32
}
