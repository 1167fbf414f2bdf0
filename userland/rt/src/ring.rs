//! A queue of words in memory that two processes share: one writes, the other reads.
//!
//! ```text
//!   word 0: how many words were ever written   (the writer's)
//!   word 8: how many words were ever read      (the reader's; on a cache line of its own)
//!   word 16...: the words, each at its number modulo the capacity
//! ```
//!
//! Either side may be hostile: a wrong count from the other process gives wrong words, never an
//! access outside of the ring.

use core::sync::atomic::{AtomicU64, Ordering};

const WRITTEN: usize = 0;
const READ: usize = 8;
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
    read: &'a AtomicU64,
    words: &'a [AtomicU64],
}

impl<'a> Ring<'a> {
    fn new(memory: &'a [AtomicU64]) -> Option<Self> {
        let words = memory.get(FIRST..).filter(|words| !words.is_empty())?;
        Some(Self {
            written: &memory[WRITTEN],
            read: &memory[READ],
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

    /// Appends a word; `false` if there is no room now.
    pub fn push(&mut self, word: u64) -> bool {
        // Acquire: the reader is done with a place before it is written again.
        let waiting = self.written.wrapping_sub(self.ring.read.load(Ordering::Acquire));
        if waiting >= self.ring.words.len() as u64 {
            return false;
        }
        self.ring.word(self.written).store(word, Ordering::Relaxed);
        self.written = self.written.wrapping_add(1);
        // Release: who sees the count sees the word.
        self.ring.written.store(self.written, Ordering::Release);
        true
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

    /// Takes the next word; `None` if there is none now.
    pub fn pop(&mut self) -> Option<u64> {
        // Acquire and release: as in `Writer::push`, the other way round.
        if self.ring.written.load(Ordering::Acquire) == self.read {
            return None;
        }
        let word = self.ring.word(self.read).load(Ordering::Relaxed);
        self.read = self.read.wrapping_add(1);
        self.ring.read.store(self.read, Ordering::Release);
        Some(word)
    }
}

#[cfg(test)]
mod tests {
    use super::{Checksum, Reader, Writer};
    use std::sync::atomic::AtomicU64;
    use std::vec::Vec;

    fn memory(words: usize) -> Vec<AtomicU64> {
        (0..words).map(|_| AtomicU64::new(0)).collect()
    }

    #[test]
    fn words_come_out_in_the_order_they_went_in_and_a_full_ring_takes_none() {
        let memory = memory(16 + 3);
        let mut writer = Writer::new(&memory).expect("large enough");
        let mut reader = Reader::new(&memory).expect("large enough");
        for round in 0..5 {
            assert_eq!(reader.pop(), None);
            for word in 0..3 {
                assert!(writer.push(round * 10 + word));
            }
            assert!(!writer.push(99));
            for word in 0..3 {
                assert_eq!(reader.pop(), Some(round * 10 + word));
            }
        }
    }

    #[test]
    fn two_threads_pass_many_words_through_a_small_ring() {
        const COUNT: u64 = 100_000;
        let memory = memory(16 + 7);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut writer = Writer::new(&memory).expect("large enough");
                for word in 0..COUNT {
                    while !writer.push(word) {
                        std::thread::yield_now();
                    }
                }
            });
            let mut reader = Reader::new(&memory).expect("large enough");
            for expected in 0..COUNT {
                let word = loop {
                    if let Some(word) = reader.pop() {
                        break word;
                    }
                    std::thread::yield_now();
                };
                assert_eq!(word, expected);
            }
        });
    }

    #[test]
    fn memory_without_room_for_a_word_is_no_ring() {
        assert!(Writer::new(&memory(16)).is_none());
        assert!(Reader::new(&memory(3)).is_none());
    }

    #[test]
    fn counts_that_the_other_side_made_up_do_no_harm() {
        let memory = memory(16 + 3);
        memory[0].store(u64::MAX, std::sync::atomic::Ordering::Relaxed);
        let mut reader = Reader::new(&memory).expect("large enough");
        assert_eq!((reader.pop(), reader.pop()), (Some(0), Some(0)));
        memory[8].store(1 << 40, std::sync::atomic::Ordering::Relaxed);
        assert!(!Writer::new(&memory).expect("large enough").push(1));
    }

    #[test]
    fn a_checksum_tells_words_and_their_order_apart() {
        let of = |words: &[u64]| {
            let mut checksum = Checksum::default();
            words.iter().for_each(|&word| checksum.add(word));
            checksum.value()
        };
        assert_ne!(of(&[1, 2, 3]), of(&[1, 3, 2]));
        assert_ne!(of(&[1, 2, 3]), of(&[1, 2, 1 << 63 | 3]));
        assert_eq!(of(&[1, 2, 3]), of(&[1, 2, 3]));
    }
}
