//! What is done while CPUs share the kernel: with the CPU's own turn, or with that of one more.

use super::cpus::{CHILD, ENDPOINT, INIT, call, receive, reply_receive, runs_on, side_by_side};
use crate::WAY;
use abi::process::SetCpus;
use abi::{CpuSet, Handle, Operation};
use play::{Way, World};

/// Whether what is done next is served directly, as it is if traps come the shorter way.
fn is_direct(world: &mut World, act: impl FnOnce(&mut World)) -> bool {
    let before = world.direct;
    act(world);
    world.direct > before
}

fn assert_direct(world: &mut World, act: impl FnOnce(&mut World)) {
    assert_eq!(is_direct(world, act), WAY == Way::Shorter);
}

fn signal(world: &mut World) {
    world.trap(Operation::Signal as u64, ENDPOINT.raw().into(), 0b100, [0; 6]);
}

/// `init` waits at an endpoint, and the first CPU sleeps; its child runs on the second one, whose turn it is.
fn with_a_waiting_server() -> (World, Handle) {
    let (mut world, endpoint, _) = side_by_side();
    world.turn_to(0);
    assert_direct(&mut world, |world| receive(world, endpoint));
    assert_eq!(runs_on(&world, 0), None);
    world.turn_to(1);
    (world, endpoint)
}

#[test]
fn a_cpu_goes_to_sleep_beside_others() {
    with_a_waiting_server();
}

#[test]
fn a_call_brings_who_waits_on_another_cpu_here_with_that_ones_turn() {
    let (mut world, endpoint) = with_a_waiting_server();
    assert_direct(&mut world, |world| call(world, ENDPOINT));
    assert_eq!((runs_on(&world, 0), runs_on(&world, 1)), (None, Some(INIT)));
    assert_eq!(world.back().words, [1; 6]);
    assert_direct(&mut world, |world| reply_receive(world, endpoint));
    assert_eq!(runs_on(&world, 1), Some(CHILD));
    assert_eq!(world.back().words, [2; 6]);
}

#[test]
fn an_answer_brings_the_caller_from_another_cpu_with_that_ones_turn() {
    let (mut world, endpoint, _) = side_by_side();
    world.turn_to(0);
    let cpus = CpuSet(0b01);
    world.call(Handle::SELF, SetCpus { cpus }).expect("it runs there");
    receive(&mut world, endpoint);
    world.turn_to(1);
    let is_direct = is_direct(&mut world, |world| call(world, ENDPOINT));
    assert!(!is_direct, "the server may not come");
    assert_eq!(runs_on(&world, 1), None);
    world.turn_to(0);
    world.look_up();
    assert_eq!((runs_on(&world, 0), world.back().words), (Some(INIT), [1; 6]));
    assert_direct(&mut world, |world| reply_receive(world, endpoint));
    assert_eq!(runs_on(&world, 0), Some(CHILD));
    assert_eq!(world.back().words, [2; 6]);
}

#[test]
fn a_signal_wakes_who_waits_on_another_cpu_there() {
    let (mut world, _) = with_a_waiting_server();
    assert_direct(&mut world, signal);
    assert_eq!((runs_on(&world, 0), runs_on(&world, 1)), (None, Some(CHILD)));
    world.turn_to(0);
    assert!(world.is_alerted());
    world.look_up();
    assert_eq!(runs_on(&world, 0), Some(INIT));
    assert_eq!(world.back().words[0], 0b100);
}

#[test]
fn signals_one_after_the_other_alert_a_cpu_once() {
    let (mut world, _) = with_a_waiting_server();
    signal(&mut world);
    assert_direct(&mut world, signal);
    world.turn_to(0);
    world.look_up();
    assert!(!world.is_alerted());
    assert_eq!(world.back().words[0], 0b100, "the second one waits");
}
