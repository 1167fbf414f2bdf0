//! Messages between processes: who runs, what arrives, what happens when one side dies.

use super::world;
use crate::WAY;
use abi::process::{Close, End, Exit, Kill, Wait};
use abi::{Badge, Errno, Handle, IpcError, Label, Operation, Rights, Tag};
use play::{Way, World};

const CALL: u64 = Operation::Call as u64;
const RECEIVE: u64 = Operation::Receive as u64;
const REPLY_RECEIVE: u64 = Operation::ReplyReceive as u64;
const INIT: u32 = 0;
const CHILD: u32 = 1;

fn tag(label: u16, bytes: usize, handles: usize) -> u64 {
    let tag = Tag::new(Label(label))
        .with_bytes(bytes)
        .and_then(|t| t.with_handles(handles));
    tag.expect("small enough").encode()
}

/// `init` has an endpoint; a child, started, holds a handle to call it with badge 7 at place 4.
/// The child runs.
fn server_and_client() -> (World, Handle, Handle) {
    let mut world = world();
    let endpoint = world.create_endpoint();
    let calling = world.derive(endpoint, Rights::CALL | Rights::PASS, Badge(7));
    let (child, memory) = world.create("client").expect("room");
    world
        .call(Handle::SELF, Close { handle: memory })
        .expect("closes");
    world
        .call_with(child, abi::process::Give { place: 4 }, &[], &[calling])
        .expect("gives");
    world
        .call(Handle::SELF, Close { handle: calling })
        .expect("closes");
    world.start(child);
    world.until(CHILD);
    (world, endpoint, child)
}

#[test]
fn a_new_thread_finds_the_words_of_its_start_message() {
    let (mut world, ..) = server_and_client();
    let back = world.back();
    assert_eq!((back.outcome, back.words), (None, [1, 2, 3, 4, 0, 0]));
}

#[test]
fn a_call_meets_a_waiting_receiver_and_the_answer_comes_back_without_the_ready_queue() {
    let (mut world, endpoint, _) = server_and_client();
    world.until(INIT);
    world.trap(RECEIVE, endpoint.raw().into(), 0, [0; 6]);
    assert_eq!(world.running, Some(CHILD));
    world.page().bytes[..5].copy_from_slice(b"hello");
    world.trap(CALL, 4, tag(0x900, 5, 0), [10, 11, 12, 13, 14, 15]);

    assert_eq!(world.running, Some(INIT), "straight to the receiver");
    let back = world.back();
    assert_eq!(
        (back.tag.label(), back.words, back.badge),
        (Label(0x900), [10, 11, 12, 13, 14, 15], 7)
    );
    assert_eq!(&world.page().bytes[..5], b"hello");

    world.page().bytes[..3].copy_from_slice(b"bye");
    world.trap(
        REPLY_RECEIVE,
        endpoint.raw().into(),
        tag(0, 3, 0),
        [20, 21, 22, 23, 24, 25],
    );
    assert_eq!(world.running, Some(CHILD), "straight back");
    let back = world.back();
    assert_eq!(
        (back.outcome, back.words, back.badge),
        (None, [20, 21, 22, 23, 24, 25], 0)
    );
    assert_eq!(&world.page().bytes[..3], b"bye");
}

#[test]
fn a_call_without_a_receiver_waits_until_somebody_receives() {
    let (mut world, endpoint, _) = server_and_client();
    world.trap(CALL, 4, tag(0x900, 0, 0), [1; 6]);
    assert_eq!(world.running, Some(INIT));
    world.trap(RECEIVE, endpoint.raw().into(), 0, [0; 6]);
    assert_eq!(world.running, Some(INIT), "the message was there already");
    assert_eq!(world.back().words, [1; 6]);
}

#[test]
fn handles_travel_with_a_message_and_keep_their_rights() {
    let (mut world, endpoint, _) = server_and_client();
    world.until(INIT);
    world.trap(RECEIVE, endpoint.raw().into(), 0, [0; 6]);
    world.page().handles[0] = Handle::MEMORY.raw();
    world.trap(CALL, 4, tag(0x900, 0, 1), [0; 6]);
    assert_eq!(world.running, Some(INIT));
    let passed = world.handles()[0];
    assert_ne!(passed, Handle::MEMORY);
    let usage = world
        .call(passed, abi::memory::CountUsage {})
        .expect("the child's memory manager");
    assert!(usage.mapped >= 1);
}

#[test]
fn a_bad_handle_in_a_message_stops_it_before_anything_happens() {
    let (mut world, endpoint, _) = server_and_client();
    world.until(INIT);
    world.trap(RECEIVE, endpoint.raw().into(), 0, [0; 6]);
    world.page().handles[..2].copy_from_slice(&[Handle::MEMORY.raw(), 63]);
    world.trap(CALL, 4, tag(0x900, 0, 2), [0; 6]);
    assert_eq!(
        (world.running, world.back().outcome),
        (Some(CHILD), Some(IpcError::BadHandle))
    );
}

#[test]
fn when_the_last_receiver_dies_its_callers_learn_that_no_answer_will_come() {
    let (mut world, endpoint, _) = server_and_client();
    world.trap(CALL, 4, tag(0x900, 0, 0), [1; 6]);
    world.send(Handle::SELF, Close { handle: endpoint }, &[], &[]);
    world.until(CHILD);
    assert_eq!(world.back().outcome, Some(IpcError::PeerGone));
    world.trap(CALL, 4, tag(0x900, 0, 0), [1; 6]);
    assert_eq!(
        (world.running, world.back().outcome),
        (Some(CHILD), Some(IpcError::PeerGone))
    );
}

#[test]
fn a_caller_that_is_killed_while_it_waits_for_an_answer_does_not_hurt_the_server() {
    let (mut world, endpoint, child) = server_and_client();
    world.trap(CALL, 4, tag(0x900, 0, 0), [1; 6]);
    world.trap(RECEIVE, endpoint.raw().into(), 0, [0; 6]);
    world.send(child, Kill {}, &[], &[]);
    world.until(INIT);
    assert_eq!(world.call(child, Wait {}), Ok(End::Killed));
    world.trap(REPLY_RECEIVE, endpoint.raw().into(), 0, [0; 6]);
    assert_eq!(
        world.running, None,
        "the answer goes nowhere, and the server waits for the next message"
    );
}

#[test]
fn receiving_again_without_answering_tells_the_caller() {
    let (mut world, endpoint, _) = server_and_client();
    world.trap(CALL, 4, tag(0x900, 0, 0), [1; 6]);
    world.trap(RECEIVE, endpoint.raw().into(), 0, [0; 6]);
    world.trap(RECEIVE, endpoint.raw().into(), 0, [0; 6]);
    assert_eq!(
        (world.running, world.back().outcome),
        (Some(CHILD), Some(IpcError::PeerGone))
    );
}

#[test]
fn answering_nobody_is_the_servers_mistake() {
    let (mut world, endpoint, _) = server_and_client();
    world.until(INIT);
    world.trap(REPLY_RECEIVE, endpoint.raw().into(), 0, [0; 6]);
    assert_eq!(world.back().outcome, Some(IpcError::NoCaller));
}

#[test]
fn a_handle_without_the_right_to_receive_does_not_receive() {
    let (mut world, ..) = server_and_client();
    world.trap(RECEIVE, 4, 0, [0; 6]);
    assert_eq!(world.back().outcome, Some(IpcError::NotPermitted));
    world.trap(RECEIVE, Handle::CONSOLE.raw().into(), 0, [0; 6]);
    assert_eq!(world.back().outcome, Some(IpcError::BadHandle));
}

#[test]
fn malformed_traps_are_refused_with_the_reason() {
    let mut world = world();
    let cases = [
        (6, 1, 0, IpcError::NoSuchOperation),
        (u64::MAX, 1, 0, IpcError::NoSuchOperation),
        (CALL, 0, 0, IpcError::BadHandle),
        (CALL, 1 << 32 | 1, 0, IpcError::BadHandle),
        (CALL, 40, 0, IpcError::BadHandle),
        (CALL, 1, 513 << 16, IpcError::BadTag),
        (CALL, 1, 1 << 63, IpcError::BadTag),
    ];
    for (operation, handle, tag, error) in cases {
        world.trap(operation, handle, tag, [0; 6]);
        assert_eq!(
            world.back().outcome,
            Some(error),
            "{operation} {handle:#x} {tag:#x}"
        );
    }
}

#[test]
fn labels_of_another_kind_of_object_are_unknown() {
    let mut world = world();
    for handle in [Handle::SELF, Handle::MEMORY, Handle::CONSOLE, Handle::PARENT] {
        world.trap(CALL, handle.raw().into(), tag(0x999, 0, 0), [0; 6]);
        assert_eq!(world.back().tag.label(), Label(Errno::ENOSYS.number()));
    }
}

#[test]
fn an_exit_status_reaches_whoever_waits_and_everything_is_given_back_first() {
    let mut world = world();
    let before = world.free_frames();
    let (child, memory) = world.create("child").expect("room");
    world
        .call(Handle::SELF, Close { handle: memory })
        .expect("closes");
    world.start(child);
    world.send(child, Wait {}, &[], &[]);
    assert_eq!(world.running, Some(CHILD));
    world.send(Handle::SELF, Exit { status: -3 }, &[], &[]);
    assert_eq!(world.running, Some(INIT));
    assert_eq!(world.answer::<Wait>(), Ok(End::Exited(-3)));
    assert_eq!(world.free_frames(), before);
    assert_eq!(
        world.call(child, Wait {}),
        Ok(End::Exited(-3)),
        "it can be asked again"
    );
}

/// How many traps `what` causes that are served in a straight line.
fn served_directly(world: &mut World, what: impl FnOnce(&mut World)) -> usize {
    let before = world.direct;
    what(world);
    world.direct - before
}

#[test]
fn a_yield_looks_at_no_register_but_the_one_that_says_so() {
    let mut world = world();
    world.trap(Operation::Yield as u64, u64::MAX, u64::MAX, [u64::MAX; 6]);
    assert_eq!((world.running, world.back().outcome), (Some(INIT), None));
}

#[test]
fn words_between_threads_that_wait_for_each_other_are_served_directly_if_the_way_is_short() {
    let (mut world, endpoint, _) = server_and_client();
    world.until(INIT);
    world.trap(RECEIVE, endpoint.raw().into(), 0, [0; 6]);
    let direct = usize::from(WAY == Way::Shorter);
    for round in 0..3 {
        let call = |world: &mut World| {
            world.trap(CALL, 4, tag(9, 0, 0), [round; 6]);
        };
        assert_eq!(served_directly(&mut world, call), direct);
        assert_eq!((world.running, world.back().words), (Some(INIT), [round; 6]));
        let answer = |world: &mut World| {
            world.trap(REPLY_RECEIVE, endpoint.raw().into(), 0, [round + 1; 6]);
        };
        assert_eq!(served_directly(&mut world, answer), direct);
        assert_eq!((world.running, world.back().words), (Some(CHILD), [round + 1; 6]));
    }
}

#[test]
fn who_waits_if_somebody_is_next_or_yields_is_served_directly() {
    let (mut world, endpoint, _) = server_and_client();
    world.until(CHILD);
    let direct = usize::from(WAY == Way::Shorter);
    let yields = |world: &mut World| world.yield_now();
    assert_eq!(served_directly(&mut world, yields), direct);
    assert_eq!(world.running, Some(INIT));
    let receives = |world: &mut World| {
        world.trap(RECEIVE, endpoint.raw().into(), 0, [0; 6]);
    };
    assert_eq!(served_directly(&mut world, receives), direct);
    assert_eq!(world.running, Some(CHILD));
    assert_eq!(served_directly(&mut world, yields), direct, "it goes on");
    assert_eq!(world.running, Some(CHILD));
}

#[test]
fn messages_that_queue_or_have_handles_are_served_directly_as_well() {
    let (mut world, endpoint, _) = server_and_client();
    let nobody_waits = |world: &mut World| {
        world.trap(CALL, 4, 0, [1; 6]);
    };
    let once = usize::from(WAY == Way::Shorter);
    assert_eq!(served_directly(&mut world, nobody_waits), once);
    assert_eq!(world.running, Some(INIT));
    world.trap(RECEIVE, endpoint.raw().into(), 0, [0; 6]);
    let answer_with_a_handle = |world: &mut World| {
        world.page().handles[0] = endpoint.raw();
        world.trap(REPLY_RECEIVE, endpoint.raw().into(), tag(0, 0, 1), [2; 6]);
    };
    assert_eq!(served_directly(&mut world, answer_with_a_handle), once);
    assert_eq!((world.running, world.handles().len()), (Some(CHILD), 1));
    let with_a_handle = |world: &mut World| {
        world.page().handles[0] = 4;
        world.trap(CALL, 4, tag(9, 0, 1), [3; 6]);
    };
    assert_eq!(served_directly(&mut world, with_a_handle), once);
    assert_eq!((world.running, world.back().words), (Some(INIT), [3; 6]));
}
