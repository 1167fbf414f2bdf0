//! Rings, locks and what is built on words in every order of their loads and stores that the memory model allows.
//!
//! What runs here is their own source, with the atomics of the crate `loom`, which repeats each test with every
//! outcome that they can have, and fails if all threads wait. In the kernel's place is a list of who waits for
//! which word, looked at and changed under a lock.
#![allow(dead_code, reason = "the sources have more than is used here")]

#[path = "interleaved/atomic.rs"]
mod atomic;
#[path = "../src/sync/condvar.rs"]
mod condvar;
#[path = "../src/sync/lock.rs"]
mod lock;
#[path = "../src/sync/once.rs"]
mod once;
#[path = "../src/ring.rs"]
mod ring;
#[path = "interleaved/sync.rs"]
mod sync;
mod time {
    //! Nothing here takes any.

    /// Any moment.
    #[derive(Clone, Copy)]
    pub struct Instant;
}

use abi::process::Pid;
use atomic::{AtomicU32, AtomicU64, Ordering};
use condvar::Condvar;
use lock::Lock;
use loom::sync::Arc;
use loom::thread;
use once::Once;
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

/// A store of things: lock, condition variable, how many there are.
fn store() -> Arc<[AtomicU32; 3]> {
    Arc::new([0; 3].map(AtomicU32::new))
}

fn take_one(store: &[AtomicU32; 3], own: u32) {
    let Ok(held) = Lock::new(&store[0], Pid(own)).lock();
    let Ok(held) = Condvar::new(&store[1]).wait_while(held, || store[2].load(Ordering::Relaxed) == 0);
    store[2].fetch_sub(1, Ordering::Relaxed);
    drop(held);
}

/// Puts things into the store, and notifies of that under the lock or after it.
fn put(
    store: &[AtomicU32; 3],
    count: u32,
    notify: fn(&Condvar<'_>) -> Result<(), Error>,
    under_the_lock: bool,
) {
    let Ok(held) = Lock::new(&store[0], Pid(1)).lock();
    store[2].fetch_add(count, Ordering::Relaxed);
    let held = under_the_lock.then_some(held);
    let Ok(()) = notify(&Condvar::new(&store[1]));
    drop(held);
}

#[test]
fn who_waits_for_a_condition_learns_of_it_whether_the_lock_is_held_or_not() {
    for under_the_lock in [true, false] {
        in_every_order(move || {
            let store = store();
            let of_taker = Arc::clone(&store);
            let taker = thread::spawn(move || take_one(&of_taker, 2));
            put(&store, 1, |filled| filled.notify_one(), under_the_lock);
            taker.join().expect("nothing fails");
            assert_eq!(store[2].load(Ordering::Relaxed), 0);
        });
    }
}

#[test]
fn all_who_wait_for_a_condition_learn_of_it() {
    in_every_order(|| {
        let store = store();
        let takers = [2, 3].map(|own| {
            let store = Arc::clone(&store);
            thread::spawn(move || take_one(&store, own))
        });
        put(&store, 2, |filled| filled.notify_all(), false);
        for taker in takers {
            taker.join().expect("nothing fails");
        }
        assert_eq!(store[2].load(Ordering::Relaxed), 0);
    });
}

#[test]
fn what_is_done_once_is_done_by_one_and_all_see_it() {
    in_every_order(|| {
        let words = Arc::new([0; 2].map(AtomicU32::new));
        let come = |words: &[AtomicU32; 2]| {
            let count = || words[1].store(words[1].load(Ordering::Relaxed) + 1, Ordering::Relaxed);
            let Ok(()) = Once::new(&words[0]).call_once(count);
            assert_eq!(words[1].load(Ordering::Relaxed), 1);
        };
        let others = [(); 2].map(|()| {
            let words = Arc::clone(&words);
            thread::spawn(move || come(&words))
        });
        come(&words);
        for other in others {
            other.join().expect("nothing fails");
        }
    });
}
