//! What is done while CPUs share the kernel: with the CPU's own turn, or with that of one more.

use super::cpus::{CHILD, ENDPOINT, INIT, call, receive, reply_receive, runs_on, side_by_side, start_child};
use super::world_on;
use crate::WAY;
use abi::process::{Priority, SetCpus, SetPriority};
use abi::{CpuSet, Handle, IpcError, Label, Operation, Tag};
use play::{Way, World};

/// Whether what is done next is served directly, as it is if traps come the shorter way.
pub(super) fn is_direct(world: &mut World, act: impl FnOnce(&mut World)) -> bool {
    let before = world.direct;
    act(world);
    world.direct > before
}

pub(super) fn assert_direct(world: &mut World, act: impl FnOnce(&mut World)) {
    assert_eq!(is_direct(world, act), WAY == Way::Shorter);
}

pub(super) fn signal(world: &mut World) {
    world.trap(Operation::Signal as u64, ENDPOINT.raw().into(), 0b100, [0; 6]);
}

/// `init` waits at an endpoint, and the first CPU sleeps; its child runs on the second one, whose turn it is.
pub(super) fn with_a_waiting_server() -> (World, Handle) {
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
    assert_direct(&mut world, |world| call(world, ENDPOINT));
    assert_eq!(runs_on(&world, 1), None, "the server may not come");
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

pub(super) fn reply_with(world: &mut World, handle: Handle, tag: u64) {
    world.trap(Operation::Reply as u64, handle.raw().into(), tag, [3; 6]);
}

fn reply(world: &mut World) {
    reply_with(world, Handle::NONE, 0x902);
}

/// `init` and its child on one CPU. The child has called, and `init` has received that.
pub(super) fn with_a_caller(priority: u8) -> (World, Handle) {
    let mut world = world_on(1);
    let endpoint = world.create_endpoint();
    let child = start_child(&mut world, endpoint);
    receive(&mut world, endpoint);
    world.until(CHILD);
    call(&mut world, ENDPOINT);
    let (priority, highest) = (Priority(priority), Priority::MOST);
    let set = SetPriority { priority, highest };
    world.call(child, set).expect("init may");
    assert_eq!(world.running, Some(INIT));
    (world, endpoint)
}

#[test]
fn who_answers_goes_on_and_its_caller_waits_for_the_cpu() {
    let (mut world, _) = with_a_caller(Priority::USUAL.0);
    assert_direct(&mut world, reply);
    assert_eq!((world.running, world.back().outcome), (Some(INIT), None));
    world.until(CHILD);
    assert_eq!((world.back().words, world.back().outcome), ([3; 6], None));
    world.until(INIT);
    assert!(!is_direct(&mut world, reply), "nobody is to be answered any more");
    assert_eq!(world.back().outcome, Some(IpcError::NoCaller));
}

#[test]
fn what_was_lent_is_given_back_with_the_answer() {
    let (mut world, _) = with_a_caller(200);
    assert_direct(&mut world, reply);
    assert_eq!((world.running, world.back().words), (Some(CHILD), [3; 6]));
    call(&mut world, ENDPOINT);
    assert_eq!((world.running, world.back().outcome), (Some(INIT), None));
}

/// The running thread sends these bytes, or answers with them.
fn trap_with_bytes(world: &mut World, operation: Operation, handle: Handle, bytes: &[u8]) {
    world.page().bytes[..bytes.len()].copy_from_slice(bytes);
    let tag = Tag::new(Label(0x903)).with_bytes(bytes.len()).expect("few");
    world.trap(operation as u64, handle.raw().into(), tag.encode(), [4; 6]);
}

/// The bytes of the message that the running thread has.
fn bytes(world: &mut World) -> Vec<u8> {
    let back = world.back();
    assert_eq!((back.words, back.outcome), ([4; 6], None));
    world.page().bytes[..back.tag.bytes()].to_vec()
}

#[test]
fn bytes_come_along_with_a_call_and_its_answer() {
    let (mut world, endpoint) = with_a_waiting_server();
    // The server comes from another CPU first.
    for question in [&b"who is there"[..], b"and now"] {
        assert_direct(&mut world, |world| {
            trap_with_bytes(world, Operation::Call, ENDPOINT, question);
        });
        assert_eq!(
            (runs_on(&world, 1), &bytes(&mut world)[..]),
            (Some(INIT), question)
        );
        assert_direct(&mut world, |world| {
            trap_with_bytes(world, Operation::ReplyReceive, endpoint, b"it is me");
        });
        assert_eq!(
            (runs_on(&world, 1), &bytes(&mut world)[..]),
            (Some(CHILD), &b"it is me"[..])
        );
    }
}

#[test]
fn bytes_come_along_when_who_answers_goes_on() {
    let answer = |world: &mut World| trap_with_bytes(world, Operation::Reply, Handle::NONE, b"later");
    let (mut world, _) = with_a_caller(Priority::USUAL.0);
    assert_direct(&mut world, answer);
    world.until(CHILD);
    assert_eq!(bytes(&mut world), b"later");
    let mut world = with_a_caller_elsewhere();
    assert_direct(&mut world, answer);
    world.turn_to(1);
    world.look_up();
    assert_eq!(bytes(&mut world), b"later");
}

#[test]
fn who_waits_for_its_answer_until_some_time_has_it_and_waits_no_longer() {
    let (mut world, endpoint) = with_a_caller(Priority::USUAL.0);
    reply(&mut world);
    receive(&mut world, endpoint);
    world.until(CHILD);
    world.registers().x[9] = world.kernel.platform.now.get() + 50;
    let call_until = Operation::Call as u64 | Operation::UNTIL;
    assert_direct(&mut world, |world| {
        world.trap(call_until, ENDPOINT.raw().into(), 0x900, [1; 6]);
    });
    world.until(INIT);
    assert_direct(&mut world, reply);
    world.until(CHILD);
    assert_eq!((world.back().words, world.back().outcome), ([3; 6], None));
    world.kernel.platform.let_pass(100);
    world.look_up();
    world.until(CHILD);
    assert_eq!(world.back().outcome, None, "it waits no longer");
}

/// `init` has received the call of its child, which waits on the second CPU. It is the first one's turn.
pub(super) fn with_a_caller_elsewhere() -> World {
    let (mut world, endpoint, _) = side_by_side();
    call(&mut world, ENDPOINT);
    assert_eq!(runs_on(&world, 1), None);
    world.turn_to(0);
    receive(&mut world, endpoint);
    assert_eq!((runs_on(&world, 0), world.back().words), (Some(INIT), [1; 6]));
    world
}

#[test]
fn an_answer_wakes_its_caller_on_another_cpu_with_that_ones_turn() {
    let mut world = with_a_caller_elsewhere();
    assert_direct(&mut world, reply);
    assert_eq!((runs_on(&world, 0), world.back().outcome), (Some(INIT), None));
    world.turn_to(1);
    assert!(world.is_alerted());
    world.look_up();
    assert_eq!(runs_on(&world, 1), Some(CHILD));
    assert_eq!(world.back().words, [3; 6]);
}
