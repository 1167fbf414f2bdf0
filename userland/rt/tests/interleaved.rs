//! Rings and locks in every order of their loads and stores that the memory model allows.
//!
//! What runs here is their own source, with the atomics of the crate `loom`, which repeats each test with every
//! outcome that they can have, and fails if all threads wait. In the kernel's place is a list of who waits for
//! which word, looked at and changed under a lock.
#![allow(dead_code, reason = "the sources have more than is used here")]

#[path = "interleaved/atomic.rs"]
mod atomic;
#[path = "../src/sync/lock.rs"]
mod lock;
#[path = "../src/ring.rs"]
mod ring;
#[path = "interleaved/sync.rs"]
mod sync;

use abi::process::Pid;
use atomic::{AtomicU32, AtomicU64, Ordering};
use lock::Lock;
use loom::sync::Arc;
use loom::thread;
use ring::{Reader, Writer};

/// What waiting can fail with: nothing.
type Error = std::convert::Infallible;

/// How often a thread is overtaken before it would wait. The environment variable `LOOM_MAX_PREEMPTIONS` sets
/// another bound.
const PREEMPTIONS: usize = 3;

fn in_every_order(play: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound.get_or_insert(PREEMPTIONS);
    builder.check(play);
}

/// A ring with room for so many words.
fn memory(room: usize) -> Arc<Vec<AtomicU64>> {
    Arc::new((0..16 + room).map(|_| AtomicU64::new(0)).collect())
}

/// Two threads pass three words through a ring.
fn pass(room: usize) {
    let memory = memory(room);
    let of_writer = Arc::clone(&memory);
    let writer = thread::spawn(move || {
        let mut writer = Writer::new(&of_writer).expect("large enough");
        for word in 1..=3 {
            let Ok(()) = writer.send(word);
        }
    });
    let mut reader = Reader::new(&memory).expect("large enough");
    for expected in 1..=3 {
        assert_eq!(reader.receive(), Ok(expected));
    }
    writer.join().expect("nothing fails");
}

#[test]
fn both_ends_of_a_ring_with_room_for_one_word_wait_and_are_woken() {
    in_every_order(|| pass(1));
}

#[test]
fn both_ends_of_a_ring_with_room_for_two_words_wait_and_are_woken() {
    in_every_order(|| pass(2));
}

/// So many threads count under a lock, each once.
fn count_together(threads: u32) {
    let memory = Arc::new([AtomicU32::new(0), AtomicU32::new(0)]);
    let count = |memory: &[AtomicU32; 2], number| {
        let Ok(held) = Lock::new(&memory[0], Pid(number)).lock();
        let before = memory[1].load(Ordering::Relaxed);
        memory[1].store(before + 1, Ordering::Relaxed);
        drop(held);
    };
    let others: Vec<_> = (1..threads)
        .map(|number| {
            let memory = Arc::clone(&memory);
            thread::spawn(move || count(&memory, 1 + number))
        })
        .collect();
    count(&memory, 1);
    for other in others {
        other.join().expect("nothing fails");
    }
    assert_eq!(memory[1].load(Ordering::Relaxed), threads);
    assert_eq!(memory[0].load(Ordering::Relaxed), 0, "nobody holds it");
}

#[test]
fn two_threads_are_never_inside_of_a_lock_together_and_none_waits_for_ever() {
    in_every_order(|| count_together(2));
}

#[test]
fn three_threads_are_never_inside_of_a_lock_together_and_none_waits_for_ever() {
    in_every_order(|| count_together(3));
}

#[test]
fn who_waits_for_a_lock_whose_holder_has_ended_gets_it_when_somebody_says_so() {
    const GONE: Pid = Pid(7);
    in_every_order(|| {
        let word = Arc::new(AtomicU32::new(GONE.0));
        let of_waiter = Arc::clone(&word);
        let waiter = thread::spawn(move || {
            let Ok(held) = Lock::new(&of_waiter, Pid(8)).lock();
            drop(held);
        });
        let parent = Lock::new(&word, Pid(1));
        assert_eq!(parent.release_of(Pid(9)), Ok(false), "somebody else");
        assert_eq!(parent.release_of(GONE), Ok(true));
        waiter.join().expect("nothing fails");
        assert_eq!(word.load(Ordering::Relaxed), 0);
    });
}

#[test]
fn a_waiter_that_ends_when_it_is_woken_keeps_no_other_one_waiting() {
    const HOLDER: u32 = 1;
    const CONTENDED: u32 = 1 << 31;
    in_every_order(|| {
        let word = Arc::new(AtomicU32::new(HOLDER | CONTENDED));
        let (of_ended, of_waiter) = (Arc::clone(&word), Arc::clone(&word));
        let ended = thread::spawn(move || {
            let Ok(()) = sync::wait(&*of_ended, HOLDER | CONTENDED);
        });
        let waiter = thread::spawn(move || {
            let Ok(held) = Lock::new(&of_waiter, Pid(8)).lock();
            drop(held);
        });
        let holder = Lock::new(&word, Pid(HOLDER));
        assert_eq!(holder.release_of(Pid(HOLDER)), Ok(true));
        ended.join().expect("nothing fails");
        assert_eq!(holder.release_of(Pid(7)), Ok(false));
        waiter.join().expect("nothing fails");
        assert_eq!(word.load(Ordering::Relaxed), 0);
    });
}
