//! Threads wait until a time, and cost nothing meanwhile.

use super::{world, world_on};
use abi::Handle;
use abi::process::{Close, End, Kill, Sleep, Wait};
use kcore::Next;
use play::{SLICE, TICKS, World};

const INIT: u32 = 0;
const CHILD: u32 = 1;

fn sleep(world: &mut World, deadline: u64) -> Next {
    world.send(Handle::SELF, Sleep { deadline }, &[], &[])
}

/// The counter is at `time`; the CPU whose turn it is takes the interrupts that wait.
fn at(world: &mut World, time: u64) -> Option<u32> {
    world.kernel.platform.now.set(time);
    world.look_up();
    world.running
}

fn with_child() -> (World, Handle) {
    let mut world = world();
    let (child, _) = world.create("child").expect("room");
    world.start(child);
    (world, child)
}

#[test]
fn a_sleeper_goes_on_when_the_time_has_come_and_not_a_tick_earlier() {
    let mut world = world();
    assert_eq!(sleep(&mut world, TICKS + 500), Next::Idle);
    assert_eq!(at(&mut world, TICKS + 499), None);
    assert!(world.sleeps(0), "the timer does not come early");
    assert_eq!(at(&mut world, TICKS + 500), Some(INIT));
    assert_eq!(world.answer::<Sleep>(), Ok(()));
}

#[test]
fn a_time_that_has_passed_is_not_waited_for() {
    let mut world = world();
    for deadline in [0, TICKS - 1, TICKS] {
        assert_eq!(world.call(Handle::SELF, Sleep { deadline }), Ok(()));
    }
}

#[test]
fn others_run_while_one_sleeps_and_their_slices_are_what_they_were() {
    let (mut world, _) = with_child();
    let (other, _) = world.create("other").expect("room");
    world.start(other);
    sleep(&mut world, TICKS + 3 * SLICE);
    assert_eq!(world.running, Some(CHILD));
    assert_eq!(at(&mut world, TICKS + SLICE - 1), Some(CHILD));
    assert_eq!(at(&mut world, TICKS + SLICE), Some(2));
    assert_eq!(at(&mut world, TICKS + 2 * SLICE), Some(CHILD));
    assert_eq!(
        at(&mut world, TICKS + 3 * SLICE),
        Some(2),
        "who slept waits behind the other"
    );
    assert_eq!(at(&mut world, TICKS + 4 * SLICE), Some(INIT));
}

#[test]
fn who_runs_alone_is_not_interrupted() {
    let (mut world, child) = with_child();
    world.send(child, Wait {}, &[], &[]);
    assert_eq!(world.running, Some(CHILD));
    assert_eq!(
        at(&mut world, TICKS + 10 * SLICE),
        Some(CHILD),
        "once in vain, perhaps"
    );
    assert_eq!(world.kernel.platform.cpus[0].timer, None);
}

#[test]
fn a_slice_begins_when_somebody_else_wants_the_cpu() {
    let mut world = world();
    world.kernel.platform.let_pass(100 * SLICE);
    let (child, _) = world.create("child").expect("room");
    world.start(child);
    world.kernel.platform.let_pass(SLICE - 1);
    world.look_up();
    assert_eq!(world.running, Some(INIT));
    world.kernel.platform.let_pass(1);
    world.look_up();
    assert_eq!(world.running, Some(CHILD));
}

#[test]
fn a_cpu_on_which_one_runs_alone_learns_that_another_waits_for_it() {
    let mut world = world_on(2);
    for name in [
        "runs on the second CPU",
        "waits for the second",
        "waits for the first",
    ] {
        let (child, _) = world.create(name).expect("room");
        world.start(child);
        world.give_turn(1);
        world.turn_to(0);
    }
    world.give_turn(1);
    for cpu in 0..2 {
        assert!(
            world.kernel.platform.cpus[cpu].timer.is_some(),
            "CPU {cpu} has a slice"
        );
    }
}

#[test]
fn a_sleeper_that_is_killed_is_gone_at_once() {
    let (mut world, child) = with_child();
    world.until(CHILD);
    sleep(&mut world, u64::MAX);
    assert_eq!(world.running, Some(INIT));
    world.send(child, Kill {}, &[], &[]);
    world.until(INIT);
    assert_eq!(world.answer::<Kill>(), Ok(()));
    assert_eq!(world.call(child, Wait {}), Ok(End::Killed));
}

#[test]
fn many_that_sleep_until_the_same_time_are_woken_a_few_at_a_time() {
    let mut world = world();
    for _ in 0..35 {
        let (child, memory) = world.create("sleeper").expect("room");
        world.start(child);
        world
            .call(Handle::SELF, Close { handle: memory })
            .expect("closes");
    }
    let awake = |world: &World| {
        let is_ready = |state| matches!(state, kcore::thread::State::Ready);
        world
            .kernel
            .threads()
            .filter(|(_, thread)| is_ready(thread.state))
            .count()
    };
    while awake(&world) > 0 {
        sleep(&mut world, TICKS + 100);
    }
    world.kernel.platform.now.set(TICKS + 100);
    let mut before = 0;
    while awake(&world) < 36 {
        world.look_up();
        let after = awake(&world);
        assert!(after > before && after <= before + 16, "{before}, then {after}");
        before = after;
    }
}

#[test]
fn a_cpu_that_has_nothing_to_do_wakes_its_sleepers() {
    let mut world = world_on(2);
    let (child, _) = world.create("child").expect("room");
    world.start(child);
    world.give_turn(1);
    sleep(&mut world, TICKS + 100);
    assert!(world.sleeps(1));
    world.kernel.platform.now.set(TICKS + 100);
    world.give_turn(1);
    assert_eq!(world.running, Some(CHILD));
    assert_eq!(world.answer::<Sleep>(), Ok(()));
}
