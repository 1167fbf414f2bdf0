//! Handles that come with messages, while CPUs share the kernel.

use super::cpus::{CHILD, ENDPOINT, INIT, OTHER, init_on, receive, runs_on, side_by_side, start_child};
use super::sharing::{
    assert_direct, is_direct, signal, with_a_caller, with_a_caller_elsewhere, with_a_waiting_server,
};
use super::threads::create_thread;
use abi::memory::RegionCreate;
use abi::process::{Close, Derive, Priority, SetCpus, TakeCaller};
use abi::shm::GetFlags;
use abi::{Badge, CpuSet, Errno, Handle, IpcError, Label, Operation, Rights, Tag};
use play::World;

const BYTES: &[u8] = b"with bytes";

/// The running thread says something with these handles, and bytes.
fn pass(world: &mut World, operation: u64, to: Handle, handles: &[Handle]) {
    let page = world.page();
    page.bytes[..BYTES.len()].copy_from_slice(BYTES);
    for (place, handle) in page.handles.iter_mut().zip(handles) {
        *place = handle.raw();
    }
    let tag = Tag::new(Label(0)).with_bytes(BYTES.len());
    let tag = tag.and_then(|tag| tag.with_handles(handles.len())).expect("few");
    world.trap(operation, to.raw().into(), tag.encode(), [5; 6]);
}

/// The same while CPUs share the kernel.
fn passes(world: &mut World, operation: Operation, to: Handle, handles: &[Handle]) {
    assert_direct(world, |world| pass(world, operation as u64, to, handles));
}

fn passes_at_length(world: &mut World, operation: Operation, to: Handle, handles: &[Handle]) {
    assert!(!is_direct(world, |world| pass(
        world,
        operation as u64,
        to,
        handles
    )));
}

fn refused(world: &mut World, operation: Operation, to: Handle, handles: &[Handle]) -> Option<IpcError> {
    passes_at_length(world, operation, to, handles);
    world.back().outcome
}

/// The handles that have come to the running thread with a message, its words and bytes.
fn arrived(world: &mut World) -> Vec<Handle> {
    let back = world.back();
    assert_eq!((back.words, back.outcome), ([5; 6], None));
    assert_eq!(&world.page().bytes[..back.tag.bytes()], BYTES);
    world.handles()
}

fn close(world: &mut World, handle: Handle) {
    assert_eq!(world.call(Handle::SELF, Close { handle }), Ok(()));
}

/// The running process has as many handles as it can have.
fn fill(world: &mut World) {
    let derive = Derive {
        handle: Handle::SELF,
        rights: Rights::CALL,
        badge: Badge(0),
    };
    while world.call(Handle::SELF, derive).is_ok() {}
    assert_eq!(world.call(Handle::SELF, derive), Err(Errno::EMFILE));
}

/// The running thread runs on this CPU alone.
fn stay_on(world: &mut World, cpu: u32) {
    let cpus = CpuSet::of(cpu);
    world.call(Handle::SELF, SetCpus { cpus }).expect("it runs there");
}

/// `init` waits at an endpoint on the first CPU, and does not come to the second one, where its child runs: it is that one's turn.
fn with_a_server_that_stays() -> (World, Handle) {
    let (mut world, endpoint, _) = side_by_side();
    world.turn_to(0);
    stay_on(&mut world, 0);
    receive(&mut world, endpoint);
    world.turn_to(1);
    assert_eq!([0, 1].map(|cpu| runs_on(&world, cpu)), [None, Some(CHILD)]);
    (world, endpoint)
}

#[test]
fn handles_come_along_with_a_call_and_its_answer() {
    let (mut world, endpoint) = with_a_waiting_server();
    // The server comes from another CPU first.
    for _ in 0..2 {
        passes(&mut world, Operation::Call, ENDPOINT, &[ENDPOINT]);
        assert_eq!(runs_on(&world, 1), Some(INIT));
        let passed = arrived(&mut world)[..]
            .try_into()
            .map(|[passed]: [Handle; 1]| passed);
        close(&mut world, passed.expect("one has come"));
        passes(
            &mut world,
            Operation::ReplyReceive,
            endpoint,
            &[Handle::SELF, Handle::MEMORY],
        );
        assert_eq!(runs_on(&world, 1), Some(CHILD));
        for passed in arrived(&mut world) {
            close(&mut world, passed);
        }
    }
}

#[test]
fn what_was_passed_names_the_same_with_the_same_rights() {
    let (mut world, endpoint) = with_a_waiting_server();
    let signals = world.derive(ENDPOINT, Rights::SIGNAL | Rights::PASS, Badge(0b100));
    passes(&mut world, Operation::Call, ENDPOINT, &[signals]);
    let passed = arrived(&mut world)[0];
    world.trap(Operation::Call as u64, passed.raw().into(), 0, [0; 6]);
    assert_eq!(world.back().outcome, Some(IpcError::NotPermitted));
    world.trap(Operation::Signal as u64, passed.raw().into(), 0b100, [0; 6]);
    assert_eq!(world.back().outcome, None);
    world.trap(Operation::Reply as u64, 0, 0, [0; 6]);
    receive(&mut world, endpoint);
    assert_eq!(world.back().words[0], 0b100);
}

#[test]
fn as_many_handles_come_as_fit_into_a_message() {
    let (mut world, _) = with_a_waiting_server();
    let sent = [ENDPOINT, Handle::SELF, Handle::MEMORY, ENDPOINT];
    passes(&mut world, Operation::Call, ENDPOINT, &sent);
    let mut places = arrived(&mut world);
    places.dedup();
    assert_eq!(places.len(), 4);
}

#[test]
fn handles_come_with_a_call_and_its_answer_to_who_stays_on_another_cpu() {
    let (mut world, endpoint) = with_a_server_that_stays();
    stay_on(&mut world, 1);
    for _ in 0..2 {
        passes(&mut world, Operation::Call, ENDPOINT, &[ENDPOINT, ENDPOINT]);
        world.turn_to(0);
        world.look_up();
        assert_eq!((runs_on(&world, 0), arrived(&mut world).len()), (Some(INIT), 2));
        passes(&mut world, Operation::ReplyReceive, endpoint, &[endpoint]);
        world.turn_to(1);
        world.look_up();
        assert_eq!((runs_on(&world, 1), arrived(&mut world).len()), (Some(CHILD), 1));
    }
}

#[test]
fn handles_come_with_an_answer_and_with_what_has_waited_meanwhile() {
    let (mut world, endpoint) = init_on(3);
    for _ in [CHILD, OTHER] {
        start_child(&mut world, endpoint);
    }
    for cpu in [1, 2] {
        world.give_turn(cpu);
    }
    for cpu in [1, 2] {
        world.turn_to(cpu);
        passes(&mut world, Operation::Call, ENDPOINT, &[ENDPOINT]);
    }
    world.turn_to(0);
    receive(&mut world, endpoint);
    assert_eq!(arrived(&mut world).len(), 1);
    passes(
        &mut world,
        Operation::ReplyReceive,
        endpoint,
        &[endpoint, endpoint],
    );
    assert_eq!((runs_on(&world, 0), arrived(&mut world).len()), (Some(INIT), 1));
    world.turn_to(1);
    world.look_up();
    assert_eq!((runs_on(&world, 1), arrived(&mut world).len()), (Some(CHILD), 2));
}

#[test]
fn handles_come_to_a_sibling_into_the_same_table() {
    let (mut world, endpoint) = init_on(1);
    create_thread(&mut world);
    receive(&mut world, endpoint);
    assert_eq!(world.running, Some(CHILD));
    passes(&mut world, Operation::Call, endpoint, &[endpoint, endpoint]);
    assert_eq!((world.running, arrived(&mut world).len()), (Some(INIT), 2));
}

#[test]
fn handles_come_with_an_answer_after_which_the_server_goes_on() {
    let (mut world, _) = with_a_caller(Priority::USUAL.0);
    passes(&mut world, Operation::Reply, Handle::NONE, &[Handle::SELF]);
    world.until(CHILD);
    assert_eq!(arrived(&mut world).len(), 1);
    let mut world = with_a_caller_elsewhere();
    passes(&mut world, Operation::Reply, Handle::NONE, &[Handle::SELF]);
    world.turn_to(1);
    world.look_up();
    assert_eq!(arrived(&mut world).len(), 1);
}

#[test]
fn handles_come_with_an_answer_to_who_was_taken_along() {
    let take = |world: &mut World| {
        world.call(Handle::SELF, TakeCaller {}).expect("room");
        world.handles()[0]
    };
    let (mut world, _) = with_a_caller(Priority::USUAL.0);
    let reply = take(&mut world);
    passes(&mut world, Operation::Reply, reply, &[Handle::SELF]);
    world.until(CHILD);
    assert_eq!(arrived(&mut world).len(), 1);
    let mut world = with_a_caller_elsewhere();
    let reply = take(&mut world);
    passes(&mut world, Operation::Reply, reply, &[Handle::SELF]);
    world.turn_to(1);
    world.look_up();
    assert_eq!(arrived(&mut world).len(), 1);
}

#[test]
fn handles_come_with_a_message_that_wants_no_answer() {
    for stays in [true, false] {
        let (mut world, _) = if stays {
            with_a_server_that_stays()
        } else {
            with_a_waiting_server()
        };
        passes(&mut world, Operation::Send, ENDPOINT, &[ENDPOINT]);
        assert_eq!(runs_on(&world, 1), Some(CHILD));
        world.turn_to(0);
        world.look_up();
        assert_eq!((runs_on(&world, 0), arrived(&mut world).len()), (Some(INIT), 1));
    }
}

#[test]
fn handles_come_when_the_message_is_received_that_has_queued_with_them() {
    for operation in [Operation::Call, Operation::Send] {
        let (mut world, endpoint, _) = side_by_side();
        passes(&mut world, operation, ENDPOINT, &[ENDPOINT, Handle::MEMORY]);
        assert_eq!(runs_on(&world, 1), None);
        world.turn_to(0);
        assert_direct(&mut world, |world| receive(world, endpoint));
        assert_eq!((runs_on(&world, 0), arrived(&mut world).len()), (Some(INIT), 2));
    }
}

#[test]
fn a_handle_that_was_closed_before_its_message_was_received_is_not_passed() {
    let (mut world, endpoint, _) = side_by_side();
    let copy = world.derive(ENDPOINT, Rights::CALL | Rights::PASS, Badge(0));
    create_thread(&mut world);
    passes(&mut world, Operation::Call, ENDPOINT, &[ENDPOINT, copy]);
    assert_eq!(runs_on(&world, 1), Some(OTHER), "a sibling");
    close(&mut world, copy);
    world.turn_to(0);
    assert!(!is_direct(&mut world, |world| receive(world, endpoint)));
    assert_eq!(
        runs_on(&world, 0),
        Some(CHILD),
        "nothing has come to who receives"
    );
    assert_eq!(world.back().outcome, Some(IpcError::BadHandle));
}

#[test]
fn handles_that_name_nothing_or_may_not_be_passed_are_refused() {
    let (mut world, endpoint) = with_a_waiting_server();
    let kept = world.derive(ENDPOINT, Rights::CALL, Badge(0));
    let stale = world.derive(ENDPOINT, Rights::CALL | Rights::PASS, Badge(0));
    close(&mut world, stale);
    for (bad, error) in [(kept, IpcError::NotPermitted), (stale, IpcError::BadHandle)] {
        for operation in [Operation::Call, Operation::Send] {
            assert_eq!(
                refused(&mut world, operation, ENDPOINT, &[ENDPOINT, bad]),
                Some(error)
            );
        }
    }
    passes(&mut world, Operation::Call, ENDPOINT, &[ENDPOINT]);
    let _ = arrived(&mut world);
    for operation in [Operation::Reply, Operation::ReplyReceive] {
        let handle = if operation == Operation::Reply {
            Handle::NONE
        } else {
            endpoint
        };
        let nothing = Handle::from_raw(62);
        passes_at_length(&mut world, operation, handle, &[nothing]);
        assert!(world.back().outcome.is_some(), "{operation:?}");
    }
    passes(&mut world, Operation::Reply, Handle::NONE, &[]);
}

#[test]
fn what_there_is_no_room_for_is_not_passed_and_nothing_is_left_of_it() {
    let (mut world, endpoint) = init_on(2);
    let child = start_child(&mut world, endpoint);
    fill(&mut world);
    world.give_turn(1);
    world.turn_to(0);
    close(&mut world, child);
    receive(&mut world, endpoint);
    world.turn_to(1);
    for operation in [Operation::Call, Operation::Send] {
        // One would fit.
        let error = refused(&mut world, operation, ENDPOINT, &[ENDPOINT, ENDPOINT]);
        assert_eq!(error, Some(IpcError::PeerFull));
    }
    passes(&mut world, Operation::Call, ENDPOINT, &[ENDPOINT]);
    assert_eq!((runs_on(&world, 1), arrived(&mut world).len()), (Some(INIT), 1));
}

#[test]
fn who_has_no_room_waits_no_longer_than_it_said() {
    for stays in [true, false] {
        let (mut world, endpoint) = init_on(2);
        start_child(&mut world, endpoint);
        if stays {
            stay_on(&mut world, 0);
        }
        fill(&mut world);
        world.give_turn(1);
        world.turn_to(0);
        world.registers().x[9] = world.kernel.platform.now.get() + 50;
        let until = Operation::Receive as u64 | Operation::UNTIL;
        world.trap(until, endpoint.raw().into(), 0, [0; 6]);
        world.turn_to(1);
        let error = refused(&mut world, Operation::Call, ENDPOINT, &[ENDPOINT]);
        assert_eq!(error, Some(IpcError::PeerFull));
        world.kernel.platform.let_pass(100);
        world.turn_to(0);
        world.look_up();
        assert_eq!(
            (runs_on(&world, 0), world.back().outcome),
            (Some(INIT), Some(IpcError::TimedOut))
        );
    }
}

#[test]
fn a_caller_without_room_for_what_its_answer_brings_waits_for_another_one() {
    let (mut world, endpoint) = with_a_caller(Priority::USUAL.0);
    passes(&mut world, Operation::Reply, Handle::NONE, &[]);
    world.until(CHILD);
    fill(&mut world);
    receive_from(&mut world, endpoint);
    for (operation, handle) in [
        (Operation::Reply, Handle::NONE),
        (Operation::ReplyReceive, endpoint),
    ] {
        let error = refused(&mut world, operation, handle, &[Handle::SELF]);
        assert_eq!(error, Some(IpcError::PeerFull));
    }
    passes(&mut world, Operation::Reply, Handle::NONE, &[]);
    world.until(CHILD);
    assert_eq!(arrived(&mut world), []);
}

/// `init` receives a call of its child, which runs.
fn receive_from(world: &mut World, endpoint: Handle) {
    world.until(INIT);
    receive(world, endpoint);
    world.until(CHILD);
    pass(world, Operation::Call as u64, ENDPOINT, &[]);
    assert_eq!(world.running, Some(INIT));
}

#[test]
fn a_thread_and_a_call_that_are_at_home_here_are_passed() {
    let (mut world, endpoint) = with_a_caller(Priority::USUAL.0);
    let sibling = create_thread(&mut world);
    world.call(Handle::SELF, TakeCaller {}).expect("room");
    let reply = world.handles()[0];
    let worker = start_child(&mut world, endpoint);
    assert_ne!(worker, Handle::NONE);
    receive(&mut world, endpoint);
    let worker = 3;
    world.until(worker);
    pass(&mut world, Operation::Call as u64, ENDPOINT, &[]);
    assert_eq!(world.running, Some(INIT));
    passes(&mut world, Operation::ReplyReceive, endpoint, &[sibling, reply]);
    assert_eq!(world.running, Some(worker));
    let [_, reply] = arrived(&mut world)[..] else {
        panic!("two have come");
    };
    assert_direct(&mut world, |world| {
        pass(world, Operation::Reply as u64, reply, &[])
    });
    world.until(CHILD);
    assert_eq!(arrived(&mut world), []);
}

#[test]
fn a_thread_that_is_at_home_elsewhere_is_passed_at_length() {
    let (mut world, _) = with_a_waiting_server();
    let sibling = create_thread(&mut world);
    world.give_turn(0);
    assert_eq!(runs_on(&world, 0), Some(OTHER));
    world.turn_to(1);
    passes_at_length(&mut world, Operation::Call, ENDPOINT, &[ENDPOINT, sibling]);
    assert_eq!((runs_on(&world, 1), arrived(&mut world).len()), (Some(INIT), 2));
}

#[test]
fn a_region_is_passed_and_stays_for_whoever_has_it_last() {
    let (mut world, endpoint) = with_a_waiting_server();
    let create = RegionCreate {
        size: 4096,
        flags: GetFlags::empty(),
    };
    world.call(Handle::MEMORY, create).expect("room");
    let region = world.handles()[0];
    passes(&mut world, Operation::Call, ENDPOINT, &[ENDPOINT, region]);
    assert_eq!(runs_on(&world, 1), Some(INIT));
    let passed = arrived(&mut world)[1];
    passes(&mut world, Operation::ReplyReceive, endpoint, &[passed]);
    assert_eq!((runs_on(&world, 1), arrived(&mut world).len()), (Some(CHILD), 1));
}

#[test]
fn a_signal_is_no_message_whatever_its_bits_say() {
    let (mut world, _) = with_a_waiting_server();
    let tag = Tag::new(Label(1)).with_handles(4).expect("few").encode();
    world.page().handles = [77; 4];
    assert_direct(&mut world, |world| {
        world.trap(Operation::Signal as u64, ENDPOINT.raw().into(), tag, [0; 6]);
    });
    assert_direct(&mut world, signal);
    world.turn_to(0);
    world.look_up();
    assert_eq!(world.back().words[0], tag);
}
