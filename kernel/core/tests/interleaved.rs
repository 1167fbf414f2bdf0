//! What CPUs show each other, in every order of their loads and stores that the memory model allows.
//!
//! What runs here is the source of the kernel's own words, with the atomics of the crate `loom`, which repeats each test
//! with every outcome that they can have.

#![allow(dead_code, reason = "checks of the kernel use a part that is not used here")]

mod atomic {
    //! Loom's atomics in the form of those of `core`, which can be made in a constant.

    pub use loom::sync::atomic::{Ordering, fence};
    use std::sync::OnceLock;

    pub struct AtomicU32(u32, OnceLock<loom::sync::atomic::AtomicU32>);

    impl AtomicU32 {
        pub const fn new(first: u32) -> Self {
            Self(first, OnceLock::new())
        }

        fn inner(&self) -> &loom::sync::atomic::AtomicU32 {
            self.1.get_or_init(|| loom::sync::atomic::AtomicU32::new(self.0))
        }

        pub fn load(&self, order: Ordering) -> u32 {
            self.inner().load(order)
        }

        pub fn store(&self, value: u32, order: Ordering) {
            self.inner().store(value, order);
        }
    }
}

#[path = "../src/sched/shown.rs"]
mod shown;

use abi::CpuSet;
use abi::process::Priority;
use loom::sync::Arc;
use loom::thread;
use shown::{Shown, before_looking};

const HIGH: Priority = Priority(30);
const MIDDLE: Priority = Priority(20);
const LOW: Priority = Priority(10);

/// On CPU 0 somebody runs who is more important than all others, on CPU 1 somebody else. Each does its part, at the same time,
/// and says whether it has to choose. One of them has to.
fn one_has_to_choose(parts: [fn(&[Shown; 2]) -> bool; 2]) {
    loom::model(move || {
        let shown = Arc::new([Shown::idle(), Shown::idle()]);
        shown[0].show(Some(HIGH), None);
        shown[1].show(Some(HIGH), None);
        let cpus = parts.map(|part| {
            let shown = Arc::clone(&shown);
            thread::spawn(move || part(&shown))
        });
        let choose = cpus.map(|cpu| cpu.join().expect("it does its part"));
        assert!(
            choose.contains(&true),
            "nobody sees that somebody waits in the wrong place"
        );
    });
}

/// Somebody waits for CPU 0 from now on.
fn waits(shown: &[Shown; 2]) -> bool {
    shown[0].show(Some(HIGH), Some(MIDDLE));
    before_looking();
    shown[1].would_take(MIDDLE)
}

#[test]
fn nobody_waits_unseen_for_a_cpu_while_another_one_goes_to_sleep() {
    one_has_to_choose([waits, |shown| {
        shown[1].show(None, None);
        before_looking();
        shown[0].has(None, 1)
    }]);
}

#[test]
fn nobody_waits_unseen_while_another_cpu_goes_on_with_somebody_less_important() {
    one_has_to_choose([waits, |shown| {
        shown[1].show(Some(LOW), None);
        before_looking();
        shown[0].has(Some(LOW), 1)
    }]);
}

#[test]
fn who_begins_to_wait_behind_somebody_confined_is_not_overlooked() {
    one_has_to_choose([
        |shown| {
            // With the first CPU's turn, before.
            shown[0].show(Some(HIGH), Some(MIDDLE));
            shown[0].narrow(CpuSet::of(0));
            waits(shown)
        },
        |shown| {
            shown[1].show(None, None);
            before_looking();
            shown[0].has(None, 1)
        },
    ]);
}

#[test]
#[should_panic(expected = "nobody sees")]
fn without_a_barrier_somebody_could() {
    one_has_to_choose([
        |shown| {
            shown[0].show(Some(HIGH), Some(MIDDLE));
            shown[1].would_take(MIDDLE)
        },
        |shown| {
            shown[1].show(None, None);
            shown[0].has(None, 1)
        },
    ]);
}
