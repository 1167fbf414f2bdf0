//! ASIDs while several CPUs switch at once: every order of their loads and stores that the memory model allows.
//!
//! What runs here is the source of the allocator itself, with the atomics and the lock of the crate `loom`, which
//! repeats each test with every outcome that they can have. Around it is a machine that does what hardware may: a
//! TLB holds entries of whatever its CPU has run since it was emptied, and fills itself under the ASID in TTBR0 up to
//! the very moment that is written.
#![allow(
    dead_code,
    reason = "of the allocator's source, its tests use all of it and these a part"
)]

#[path = "../src/asid.rs"]
mod asid;
#[path = "interleaved/atomic.rs"]
mod atomic;
#[path = "interleaved/machine.rs"]
mod machine;

use machine::{Cpu, Machine};

/// How often a CPU is overtaken before it would wait: two times are enough for every mistake that was planted. The
/// environment variable `LOOM_MAX_PREEMPTIONS` sets another bound; 3 takes some seconds longer.
const PREEMPTIONS: usize = 2;

/// Plays `cpus` at the same time, each of which does its part, in every order. `before` comes first.
fn in_every_order(before: fn(&Machine), cpus: &'static [fn(&mut Cpu)]) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound.get_or_insert(PREEMPTIONS);
    builder.check(move || {
        let machine = Machine::with_cpus(cpus.len());
        before(&machine);
        let threads = cpus.iter().enumerate().map(|(number, part)| {
            let mut cpu = machine.cpu(number);
            loom::thread::spawn(move || part(&mut cpu))
        });
        for thread in threads.collect::<Vec<_>>() {
            thread.join().expect("no check failed");
        }
        machine.check_tlbs();
    });
}

/// The next space without an ASID makes them roll over, and gets the one that space 2 has now.
fn all_asids_are_given(machine: &Machine) {
    for space in 2..machine::ASIDS {
        machine.cpu(0).switch(space);
    }
    machine.cpu(1).switch(1);
    machine.cpu(0).switch(0);
}

/// The same, while CPU 1 has not switched since the last time it happened.
fn all_asids_are_given_again(machine: &Machine) {
    all_asids_are_given(machine);
    // Two are kept.
    for space in machine::ASIDS..2 * machine::ASIDS - 2 {
        machine.cpu(0).switch(space);
    }
}

const FRESH: usize = 2 * machine::ASIDS;

#[test]
fn a_switch_without_the_lock_meets_a_rollover() {
    in_every_order(
        all_asids_are_given,
        &[
            |cpu| {
                cpu.switch(FRESH);
                cpu.switch(FRESH + 1);
            },
            |cpu| {
                cpu.switch(2);
                cpu.switch(1);
            },
        ],
    );
}

#[test]
fn two_cpus_cause_a_rollover() {
    in_every_order(
        all_asids_are_given,
        &[
            |cpu| {
                cpu.switch(FRESH);
                cpu.switch(3);
            },
            |cpu| {
                cpu.switch(FRESH + 1);
                cpu.switch(2);
            },
        ],
    );
}

#[test]
fn an_asid_that_was_kept_is_kept_again() {
    in_every_order(
        all_asids_are_given_again,
        &[
            |cpu| {
                cpu.switch(FRESH);
                cpu.switch(1);
            },
            |cpu| cpu.switch(2),
        ],
    );
}

#[test]
fn a_cpu_that_becomes_idle_meets_a_rollover() {
    in_every_order(
        all_asids_are_given,
        &[
            |cpu| {
                cpu.switch(FRESH);
                cpu.switch(1);
            },
            |cpu| {
                cpu.leave();
                cpu.switch(FRESH + 1);
            },
        ],
    );
}

#[test]
fn a_space_ends_during_a_rollover() {
    in_every_order(
        all_asids_are_given,
        &[
            |cpu| {
                cpu.switch(FRESH);
                cpu.switch(FRESH + 1);
            },
            |cpu| {
                cpu.leave();
                cpu.end(1);
                cpu.switch(2);
            },
        ],
    );
}

#[test]
fn three_cpus_meet_a_rollover() {
    in_every_order(
        all_asids_are_given,
        &[|cpu| cpu.switch(FRESH), |cpu| cpu.switch(2), |cpu| cpu.switch(3)],
    );
}

#[test]
fn what_is_unmapped_while_its_space_gets_an_asid_is_in_no_tlb() {
    in_every_order(
        |machine| machine.cpu(0).switch(0),
        &[|cpu| cpu.unmap(1), |cpu| cpu.switch(1)],
    );
}

#[test]
fn what_is_unmapped_during_a_rollover_is_in_no_tlb() {
    in_every_order(
        all_asids_are_given,
        &[
            |cpu| {
                cpu.unmap(1);
                cpu.switch(FRESH);
            },
            |cpu| {
                cpu.switch(2);
                cpu.switch(1);
            },
        ],
    );
}
