//! Which mutant this process is: one of those that were built into the crate, or none.
//!
//! This file is not part of the tool: it becomes a module of the copy that is tried.

extern crate std;

use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

const UNKNOWN: usize = usize::MAX;
const NONE: usize = usize::MAX - 1;

static CHOSEN: AtomicUsize = AtomicUsize::new(UNKNOWN);
static REACHED: [AtomicBool; 1 << 14] = [const { AtomicBool::new(false) }; 1 << 14];

/// Whether the process is mutant `number`. What the compiler computes is never changed.
#[inline(always)]
pub const fn is(number: usize) -> bool {
    core::intrinsics::const_eval_select((number,), at_compile_time, at_run_time)
}

const fn at_compile_time(_number: usize) -> bool {
    false
}

#[inline(always)]
fn at_run_time(number: usize) -> bool {
    let chosen = CHOSEN.load(Ordering::Relaxed);
    if chosen < REACHED.len() { chosen == number } else { is_new(number) }
}

/// Where no mutant is chosen, or none yet, whether it is this one.
#[cold]
fn is_new(number: usize) -> bool {
    if CHOSEN.load(Ordering::Relaxed) == UNKNOWN {
        choose();
    }
    let chosen = CHOSEN.load(Ordering::Relaxed);
    if chosen == NONE && !REACHED[number].load(Ordering::Relaxed) {
        REACHED[number].store(true, Ordering::Relaxed);
        note(number);
    }
    chosen == number
}

fn choose() {
    let name = std::env::var("GRANULE_MUTANT").ok();
    let number = name.and_then(|name| name.parse().ok());
    CHOSEN.store(number.unwrap_or(NONE), Ordering::Relaxed);
}

/// Adds a mutant's number to the file that is to have all that are reached.
fn note(number: usize) {
    if let Some(path) = std::env::var_os("GRANULE_MUTANTS_REACHED") {
        let mut options = std::fs::OpenOptions::new();
        let mut file = options.append(true).create(true).open(path).expect("it can be written");
        file.write_all(std::format!("{number}\n").as_bytes()).expect("there is room");
    }
}

/// What a function gives that gives some iterator: its own, or that of a mutant.
pub enum Iter<I: Iterator> {
    Usual(I),
    Other(Option<I::Item>),
}

impl<I: Iterator> Iterator for Iter<I> {
    type Item = I::Item;

    fn next(&mut self) -> Option<I::Item> {
        match self {
            Self::Usual(iterator) => iterator.next(),
            Self::Other(item) => item.take(),
        }
    }
}
