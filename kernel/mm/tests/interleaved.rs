//! Spares while their CPUs zero them and others take them: every order of their loads and stores that the memory model
//! allows.
//!
//! What runs here is the source of the spare itself, with the atomics of the crate `loom`, which repeats each test with
//! every outcome that they can have. Around it are frames of one word each, which programs store to without any lock.
#![allow(dead_code, reason = "of the atomics in loom's place, this uses a part")]

#[path = "../../../arch/vmsa/tests/interleaved/atomic.rs"]
mod atomic;
#[path = "../src/frame/spare.rs"]
mod spare;

use addr::Frame;
use loom::sync::atomic::{AtomicU64, Ordering};
use loom::sync::{Arc, Mutex};
use loom::thread;
use spare::Spare;
use std::collections::VecDeque;

/// Two CPUs, with a spare each, and some frames, all dirty.
struct Machine {
    spares: [Spare; 2],
    contents: Vec<AtomicU64>,
    /// Free frames, behind the zone's lock. The one that was given back first is taken first.
    free: Mutex<VecDeque<Frame>>,
}

const DIRT: u64 = 7;

impl Machine {
    fn new(frames: u64) -> Self {
        let machine = Self {
            spares: [Spare::none(), Spare::none()],
            contents: (0..frames).map(|_| AtomicU64::new(DIRT)).collect(),
            free: Mutex::new((2..frames).map(Frame::from_number).collect()),
        };
        for (spare, number) in machine.spares.iter().zip(0..) {
            spare.give(Frame::from_number(number));
        }
        machine
    }

    /// What is in a frame. Nothing but the spare and the lock orders who stores there.
    fn content(&self, frame: Frame) -> &AtomicU64 {
        &self.contents[frame.number() as usize]
    }

    fn zero(&self, frame: Frame) {
        self.content(frame).store(0, Ordering::Relaxed);
    }

    /// A program on this CPU touches a page, finds zeroes in it, and stores something of its own, which stays.
    fn touch(&self, cpu: usize) -> Frame {
        let spare = &self.spares[cpu];
        spare.zero(|frame| self.zero(frame));
        let frame = {
            let mut free = self.free.lock().expect("nobody panicked");
            let dirty = free.pop_front().expect("there are enough");
            spare.exchange(dirty).unwrap_or_else(|| {
                self.zero(dirty);
                dirty
            })
        };
        assert_eq!(
            self.content(frame).load(Ordering::Relaxed),
            0,
            "{frame:?} of CPU {cpu}"
        );
        self.content(frame).store(cpu as u64 + 1, Ordering::Relaxed);
        frame
    }

    /// Its page goes, and nobody else has stored there meanwhile.
    fn give_back(&self, cpu: usize, frame: Frame) {
        assert_eq!(
            self.content(frame).load(Ordering::Relaxed),
            cpu as u64 + 1,
            "{frame:?}"
        );
        self.free.lock().expect("nobody panicked").push_back(frame);
    }

    /// What may be taken of spares is exchanged for others.
    fn gather(&self) {
        let mut free = self.free.lock().expect("nobody panicked");
        let taken: Vec<Frame> = self.spares.iter().filter_map(Spare::take).collect();
        free.extend(&taken);
        let lacking = self.spares.iter().filter(|spare| !spare.is_there());
        for spare in lacking.take(taken.len()) {
            spare.give(free.pop_front().expect("as many were given back"));
        }
    }

    /// Each frame is free or a spare, and there once.
    fn check(&self) {
        let spares: Vec<Frame> = self.spares.iter().filter_map(Spare::take).collect();
        assert_eq!(spares.len(), self.spares.len(), "each CPU has a spare");
        let free = self.free.lock().expect("nobody panicked");
        let mut all: Vec<Frame> = free.iter().copied().chain(spares).collect();
        all.sort();
        assert!(
            all.into_iter()
                .map(Frame::number)
                .eq(0..self.contents.len() as u64)
        );
    }
}

/// How often a CPU is overtaken before it would wait. The environment variable `LOOM_MAX_PREEMPTIONS` sets another bound.
const PREEMPTIONS: usize = 3;

/// Plays both CPUs at the same time, each of which does its part, in every order.
fn in_every_order(frames: u64, cpus: [fn(&Machine); 2]) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound.get_or_insert(PREEMPTIONS);
    builder.check(move || {
        let machine = Arc::new(Machine::new(frames));
        let threads = cpus.map(|part| {
            let machine = Arc::clone(&machine);
            thread::spawn(move || part(&machine))
        });
        for thread in threads {
            thread.join().expect("no check failed");
        }
        machine.check();
    });
}

#[test]
fn two_cpus_touch_at_the_same_time() {
    in_every_order(
        4,
        [
            |machine| {
                let frame = machine.touch(0);
                machine.give_back(0, frame);
            },
            |machine| {
                let frame = machine.touch(1);
                machine.give_back(1, frame);
            },
        ],
    );
}

#[test]
fn spares_are_taken_while_their_cpu_zeroes_and_uses_them() {
    in_every_order(
        5,
        [
            |machine| {
                let first = machine.touch(0);
                let second = machine.touch(0);
                machine.give_back(0, first);
                machine.give_back(0, second);
            },
            Machine::gather,
        ],
    );
}

#[test]
fn a_frame_that_was_a_spare_is_another_cpus_at_once() {
    in_every_order(
        4,
        [
            |machine| {
                let frame = machine.touch(0);
                machine.give_back(0, frame);
            },
            |machine| {
                machine.gather();
                let frame = machine.touch(1);
                machine.give_back(1, frame);
            },
        ],
    );
}
