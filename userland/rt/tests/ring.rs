//! Words through a ring, with or without waiting for them.

use rt::ring::{Checksum, Reader, Writer};
use std::sync::atomic::AtomicU64;

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
