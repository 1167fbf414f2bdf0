//! A queue of words in memory that two processes share: one writes, the other reads.
//!
//! ```text
//!   word 0: how many words were ever written   (the writer's)
//!   word 1: 1 while the reader waits for more
//!   word 8: how many words were ever read      (the reader's; on a cache line of its own)
//!   word 9: 1 while the writer waits for room
//!   word 16...: the words, each at its number modulo the capacity
//! ```
//!
//! Whoever has to wait says so first, and then looks once more; the other one counts first, and then looks
//! whether somebody waits. A fence stands between the two on either side, so at least one of them sees what the
//! other did, and nobody waits for what is there. The words that say so are also what is waited for.
//!
//! Either side may be hostile: a wrong count from the other process gives wrong words or a wait that nobody ends,
//! never an access outside of the ring.

use crate::Error;
use crate::atomic::{AtomicU64, Ordering, fence};
use crate::sync::{LOOKS, wait, wake};

const WRITTEN: usize = 0;
const READER_WAITS: usize = 1;
const READ: usize = 8;
const WRITER_WAITS: usize = 9;
const FIRST: usize = 16;

/// A checksum over words in order, for both ends to compare.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Checksum(u64);

impl Checksum {
    /// Takes a word in: rotates, so that order counts, and mixes with the FNV prime.
    pub fn add(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(0x100_0000_01b3);
    }

    /// What it is now.
    pub fn value(self) -> u64 {
        self.0
    }
}

/// The end that writes.
#[derive(Debug)]
pub struct Writer<'a> {
    ring: Ring<'a>,
    written: u64,
}

/// The end that reads.
#[derive(Debug)]
pub struct Reader<'a> {
    ring: Ring<'a>,
    read: u64,
}

#[derive(Clone, Copy, Debug)]
struct Ring<'a> {
    written: &'a AtomicU64,
    reader_waits: &'a AtomicU64,
    read: &'a AtomicU64,
    writer_waits: &'a AtomicU64,
    words: &'a [AtomicU64],
}

impl<'a> Ring<'a> {
    fn new(memory: &'a [AtomicU64]) -> Option<Self> {
        let words = memory.get(FIRST..).filter(|words| !words.is_empty())?;
        Some(Self {
            written: &memory[WRITTEN],
            reader_waits: &memory[READER_WAITS],
            read: &memory[READ],
            writer_waits: &memory[WRITER_WAITS],
            words,
        })
    }

    fn word(&self, number: u64) -> &'a AtomicU64 {
        &self.words[(number % self.words.len() as u64) as usize]
    }
}

impl<'a> Writer<'a> {
    /// Writes to the ring in `memory`, which starts empty if it is all zeroes; `None` if that is
    /// too small. There must be no other writer.
    pub fn new(memory: &'a [AtomicU64]) -> Option<Self> {
        let ring = Ring::new(memory)?;
        Some(Self {
            ring,
            written: ring.written.load(Ordering::Relaxed),
        })
    }

    /// Appends a word, and waits until there is room.
    ///
    /// # Errors
    /// As [`wait`].
    pub fn send(&mut self, word: u64) -> Result<(), Error> {
        while !self.push(word) {
            sleep_while(self.ring.writer_waits, || self.is_full())?;
        }
        Ok(())
    }

    /// Appends a word; `false` if there is no room now.
    pub fn push(&mut self, word: u64) -> bool {
        if self.is_full() {
            return false;
        }
        self.ring.word(self.written).store(word, Ordering::Relaxed);
        self.written = self.written.wrapping_add(1);
        // Release: who sees the count sees the word.
        self.ring.written.store(self.written, Ordering::Release);
        wake_if_asleep(self.ring.reader_waits);
        true
    }

    fn is_full(&self) -> bool {
        // Acquire: the reader is done with a place before it is written again.
        let waiting = self.written.wrapping_sub(self.ring.read.load(Ordering::Acquire));
        waiting >= self.ring.words.len() as u64
    }
}

impl<'a> Reader<'a> {
    /// Reads from the ring in `memory`; `None` if that is too small. There must be no other
    /// reader.
    pub fn new(memory: &'a [AtomicU64]) -> Option<Self> {
        let ring = Ring::new(memory)?;
        Some(Self {
            ring,
            read: ring.read.load(Ordering::Relaxed),
        })
    }

    /// Takes the next word, and waits until there is one.
    ///
    /// # Errors
    /// As [`wait`].
    pub fn receive(&mut self) -> Result<u64, Error> {
        loop {
            if let Some(word) = self.pop() {
                return Ok(word);
            }
            sleep_while(self.ring.reader_waits, || self.is_empty())?;
        }
    }

    /// Takes the next word; `None` if there is none now.
    pub fn pop(&mut self) -> Option<u64> {
        if self.is_empty() {
            return None;
        }
        let word = self.ring.word(self.read).load(Ordering::Relaxed);
        self.read = self.read.wrapping_add(1);
        self.ring.read.store(self.read, Ordering::Release);
        wake_if_asleep(self.ring.writer_waits);
        Some(word)
    }

    fn is_empty(&self) -> bool {
        // Acquire and release: as for the writer, the other way round.
        self.ring.written.load(Ordering::Acquire) == self.read
    }
}

/// Sleeps until the other side finds 1 in `waits`, unless `nothing_happens` is not so any more. Comes back early
/// now and then.
fn sleep_while(waits: &AtomicU64, nothing_happens: impl Fn() -> bool) -> Result<(), Error> {
    for _ in 0..LOOKS {
        if !nothing_happens() {
            return Ok(());
        }
        core::hint::spin_loop();
    }
    waits.store(1, Ordering::Relaxed);
    fence(Ordering::SeqCst);
    if nothing_happens() {
        wait(waits, 1)
    } else {
        waits.store(0, Ordering::Relaxed);
        Ok(())
    }
}

/// To be called after a count was stored.
fn wake_if_asleep(waits: &AtomicU64) {
    fence(Ordering::SeqCst);
    if waits.load(Ordering::Relaxed) != 0 {
        waits.store(0, Ordering::Relaxed);
        // It can fail only if there is no memory manager to ask, and then nobody could wait either.
        wake(waits, 1).ok();
    }
}
