//! Handles are passed to somebody who has no room for them: nothing is passed, and whoever is to
//! blame is told.

use super::world;
use abi::process::{Close, Create, CreateEndpoint, Derive, Give};
use abi::{Badge, Errno, Handle, IpcError, Operation, Rights, Tag};
use play::World;

const INIT: u32 = 0;
const CHILD: u32 = 1;
const ENDPOINT: Handle = Handle::PARENT;

/// `init` and a child of it that runs have an endpoint in common; its handle at `init`.
fn pair() -> (World, Handle) {
    let mut world = world();
    let endpoint = world.create_endpoint();
    let (child, _) = world.create("child").expect("room");
    world
        .call_with(
            child,
            Give {
                place: ENDPOINT.index(),
            },
            &[],
            &[endpoint],
        )
        .expect("gives");
    world.start(child);
    world.until(CHILD);
    (world, endpoint)
}

/// The running program makes handles until no more fit; the last one.
fn fill(world: &mut World) -> Handle {
    let derive = Derive {
        handle: Handle::SELF,
        rights: Rights::CALL,
        badge: Badge(0),
    };
    let mut last = Handle::NONE;
    while world.call(Handle::SELF, derive).is_ok() {
        last = world.handles()[0];
    }
    assert_eq!(world.call(Handle::SELF, derive), Err(Errno::EMFILE));
    last
}

/// The running program sends a message, or answer, with its own handle.
fn pass(world: &mut World, operation: Operation, endpoint: Handle) {
    world.page().handles[0] = Handle::SELF.raw();
    let tag = Tag::new(abi::Label(0)).with_handles(1).expect("one").encode();
    world.trap(operation as u64, endpoint.raw().into(), tag, [7; 6]);
}

fn receive(world: &mut World, endpoint: Handle) {
    world.trap(Operation::Receive as u64, endpoint.raw().into(), 0, [0; 6]);
}

#[test]
fn a_receiver_that_waits_goes_on_waiting_and_the_caller_is_told() {
    let (mut world, endpoint) = pair();
    world.until(INIT);
    fill(&mut world);
    receive(&mut world, endpoint);
    pass(&mut world, Operation::Call, ENDPOINT);
    assert_eq!(
        (world.running, world.back().outcome),
        (Some(CHILD), Some(IpcError::PeerFull))
    );
    world.trap(Operation::Call as u64, ENDPOINT.raw().into(), 0, [8; 6]);
    assert_eq!(
        (world.running, world.back().words),
        (Some(INIT), [8; 6]),
        "a call without handles arrives"
    );
}

#[test]
fn a_queued_caller_is_told_when_it_is_its_turn_and_the_next_one_is_received() {
    let (mut world, endpoint) = pair();
    world.until(INIT);
    let (other, _) = world.create("other").expect("room");
    world
        .call_with(
            other,
            Give {
                place: ENDPOINT.index(),
            },
            &[],
            &[endpoint],
        )
        .expect("gives");
    world.start(other);
    world.until(CHILD);
    pass(&mut world, Operation::Call, ENDPOINT);
    world.until(2);
    world.trap(Operation::Call as u64, ENDPOINT.raw().into(), 0, [8; 6]);
    assert_eq!(world.running, Some(INIT));
    fill(&mut world);
    receive(&mut world, endpoint);
    assert_eq!(
        (world.running, world.back().words),
        (Some(INIT), [8; 6]),
        "the second call"
    );
    world.until(CHILD);
    assert_eq!(world.back().outcome, Some(IpcError::PeerFull));
}

#[test]
fn an_answer_that_does_not_fit_leaves_the_caller_waiting_for_another() {
    let (mut world, endpoint) = pair();
    let last = fill(&mut world);
    world.trap(Operation::Call as u64, ENDPOINT.raw().into(), 0, [8; 6]);
    receive(&mut world, endpoint);
    pass(&mut world, Operation::ReplyReceive, endpoint);
    assert_eq!(
        (world.running, world.back().outcome),
        (Some(INIT), Some(IpcError::PeerFull))
    );
    world.trap(Operation::ReplyReceive as u64, endpoint.raw().into(), 0, [9; 6]);
    assert_eq!(
        (world.running, world.back().words),
        (Some(CHILD), [9; 6]),
        "an answer without handles arrives"
    );
    world.call(Handle::SELF, Close { handle: last }).expect("closes");
}

#[test]
fn a_program_without_room_makes_nothing_new() {
    let (mut world, _) = pair();
    let before = world.kernel.population();
    let last = fill(&mut world);
    let frames = world.free_frames();
    assert_eq!(world.call(Handle::SELF, CreateEndpoint {}), Err(Errno::EMFILE));
    assert_eq!(
        world.call_with(Handle::SELF, Create {}, b"child", &[]),
        Err(Errno::EMFILE)
    );
    world.call(Handle::SELF, Close { handle: last }).expect("closes");
    assert_eq!(
        world.call_with(Handle::SELF, Create {}, b"child", &[]),
        Err(Errno::EMFILE),
        "room for one of two"
    );
    assert_eq!((world.kernel.population(), world.free_frames()), (before, frames));
}
