//! Callers that are taken along and answered later, while CPUs share the kernel.

use super::cpus::{CHILD, ENDPOINT, INIT, runs_on};
use super::priorities::{HIGH, LOW, Scene};
use super::sharing::{assert_direct, is_direct, reply_with, with_a_caller, with_a_caller_elsewhere};
use super::wakes::shares;
use abi::process::{Close, Derive, Priority, TakeCaller};
use abi::{Badge, Errno, Handle, IpcError, Operation, Rights};
use play::World;

/// The running thread takes its caller along.
fn take(world: &mut World) -> Handle {
    assert_direct(world, |world| {
        assert_eq!(world.call(Handle::SELF, TakeCaller {}), Ok(()))
    });
    world.handles()[0]
}

fn answers(world: &mut World, reply: Handle) {
    assert_direct(world, |world| reply_with(world, reply, 0x902));
}

#[test]
fn who_answers_somebody_taken_along_goes_on_and_the_handle_is_closed() {
    let (mut world, _) = with_a_caller(Priority::USUAL.0);
    let reply = take(&mut world);
    answers(&mut world, reply);
    assert_eq!((world.running, world.back().outcome), (Some(INIT), None));
    assert!(!is_direct(&mut world, |world| reply_with(world, reply, 0x902)));
    assert_eq!(world.back().outcome, Some(IpcError::BadHandle));
    world.until(CHILD);
    assert_eq!(world.back().words, [3; 6]);
}

#[test]
fn a_caller_on_another_cpu_is_taken_along_and_answered_there() {
    let mut world = with_a_caller_elsewhere();
    let reply = take(&mut world);
    answers(&mut world, reply);
    assert_eq!((runs_on(&world, 0), world.back().outcome), (Some(INIT), None));
    world.turn_to(1);
    assert!(world.is_alerted());
    world.look_up();
    assert_eq!((runs_on(&world, 1), world.back().words), (Some(CHILD), [3; 6]));
}

#[test]
fn a_server_gives_back_what_a_caller_has_lent_that_it_takes_along_and_answers_at_once_when_it_answers() {
    let mut scene = Scene::new();
    let high = scene.child(HIGH);
    let server = scene.child(LOW);
    assert_eq!(scene.init_is_least(), high);
    assert_eq!(scene.sleep(10), server);
    assert_eq!(scene.receive(), INIT);
    assert_eq!(scene.pass(10), high);
    assert_eq!(scene.call(), server);
    assert_eq!(scene.priority_of(server), HIGH);
    let mut reply = Handle::NONE;
    shares(&mut scene, |scene| reply = take(&mut scene.world));
    assert_eq!((scene.running(), scene.priority_of(server)), (server, LOW));
    shares(&mut scene, |scene| reply_with(&mut scene.world, reply, 0x902));
    assert_eq!((scene.running(), scene.world.back().words), (high, [3; 6]));
}

/// `init` has taken a caller along that waits 50 ticks for its answer. The handle to that.
fn with_one_taken_along_for_50_ticks() -> (World, Handle) {
    let (mut world, endpoint) = with_a_caller(Priority::USUAL.0);
    let reply = take(&mut world);
    answers(&mut world, reply);
    world.trap(Operation::Receive as u64, endpoint.raw().into(), 0, [0; 6]);
    world.until(CHILD);
    world.registers().x[9] = world.kernel.platform.now.get() + 50;
    let call = Operation::Call as u64 | Operation::UNTIL;
    world.trap(call, ENDPOINT.raw().into(), 0x900, [1; 6]);
    world.until(INIT);
    let reply = take(&mut world);
    (world, reply)
}

#[test]
fn who_was_taken_along_and_gives_up_is_not_answered() {
    let (mut world, reply) = with_one_taken_along_for_50_ticks();
    world.kernel.platform.let_pass(100);
    world.look_up();
    world.until(INIT);
    assert!(!is_direct(&mut world, |world| reply_with(world, reply, 0x902)));
    assert_eq!(world.back().outcome, Some(IpcError::PeerGone));
    assert_direct(&mut world, |world| {
        assert_eq!(world.call(Handle::SELF, Close { handle: reply }), Ok(()));
    });
}

#[test]
fn who_was_taken_along_until_some_time_has_its_answer_before() {
    let (mut world, reply) = with_one_taken_along_for_50_ticks();
    answers(&mut world, reply);
    world.kernel.platform.let_pass(100);
    world.look_up();
    world.until(CHILD);
    assert_eq!((world.back().words, world.back().outcome), ([3; 6], None));
}

#[test]
fn nobody_is_taken_along_into_a_full_table() {
    let (mut world, endpoint) = with_a_caller(Priority::USUAL.0);
    let derive = Derive {
        handle: endpoint,
        rights: Rights::CALL,
        badge: Badge(0),
    };
    while world.call(Handle::SELF, derive) == Ok(()) {}
    assert_eq!(world.call(Handle::SELF, TakeCaller {}), Err(Errno::EMFILE));
    assert_direct(&mut world, |world| reply_with(world, Handle::NONE, 0x902));
    world.until(CHILD);
    assert_eq!(world.back().words, [3; 6]);
}
