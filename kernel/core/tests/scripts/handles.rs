//! Handles that are closed and derived, while CPUs share the kernel as far as nothing ends by it.

use super::cpus::{CHILD, ENDPOINT, INIT, call, init_on, receive, runs_on, side_by_side, start_child};
use super::sharing::{assert_direct, is_direct};
use super::threads::create_thread;
use super::{world, world_on};
use abi::memory::RegionCreate;
use abi::process::{Close, CountTicks, Derive, Exit, Give, TakeCaller};
use abi::shm::GetFlags;
use abi::{Badge, Errno, Handle, IpcError, Operation, Rights};
use play::World;

fn close(world: &mut World, handle: Handle) -> Result<(), Errno> {
    world.call(Handle::SELF, Close { handle })
}

fn closes_directly(world: &mut World, handle: Handle) {
    assert_direct(world, |world| assert_eq!(close(world, handle), Ok(())));
}

/// Something ends by it, or may.
fn closes_at_length(world: &mut World, handle: Handle) {
    assert!(!is_direct(world, |world| assert_eq!(
        close(world, handle),
        Ok(())
    )));
}

/// A copy with these rights.
fn derives_directly(world: &mut World, handle: Handle, rights: Rights) -> Handle {
    let mut derived = Handle::NONE;
    assert_direct(world, |world| derived = world.derive(handle, rights, Badge(0)));
    derived
}

#[test]
fn handles_to_an_endpoint_come_and_go_until_the_last_one_that_can_receive() {
    let (mut world, endpoint) = init_on(2);
    let [calls, another] = [Rights::CALL; 2].map(|rights| derives_directly(&mut world, endpoint, rights));
    let receives = derives_directly(&mut world, endpoint, Rights::RECEIVE);
    for handle in [calls, endpoint] {
        closes_directly(&mut world, handle);
    }
    closes_at_length(&mut world, receives);
    call(&mut world, another);
    assert_eq!(world.back().outcome, Some(IpcError::PeerGone));
    closes_at_length(&mut world, another);
}

#[test]
fn handles_to_what_never_ends_come_and_go() {
    let mut world = world();
    for handle in [Handle::MEMORY, Handle::CONSOLE] {
        let copy = derives_directly(&mut world, handle, Rights::CALL);
        closes_directly(&mut world, copy);
    }
}

#[test]
fn handles_to_a_region_come_and_go_until_the_last_one() {
    let (mut world, _) = init_on(2);
    let create = RegionCreate {
        size: 4096,
        flags: GetFlags::empty(),
    };
    world.call(Handle::MEMORY, create).expect("room");
    let region = world.handles()[0];
    let copy = derives_directly(&mut world, region, Rights::PASS);
    closes_directly(&mut world, region);
    let another = derives_directly(&mut world, copy, Rights::PASS);
    closes_directly(&mut world, copy);
    closes_at_length(&mut world, another);
}

#[test]
fn a_handle_to_a_process_is_closed_at_length_when_that_has_ended() {
    let (mut world, _, child) = side_by_side();
    world.turn_to(0);
    let rights = Rights::CALL | Rights::PASS;
    let [copy, another] = [rights; 2].map(|rights| derives_directly(&mut world, child, rights));
    closes_directly(&mut world, child);
    world.turn_to(1);
    world.send(Handle::SELF, Exit { status: 0 }, &[], &[]);
    world.turn_to(0);
    closes_at_length(&mut world, another);
    closes_at_length(&mut world, copy);
}

#[test]
fn a_handle_to_a_process_that_has_not_started_is_closed_at_length() {
    let mut world = world_on(2);
    let (child, memory) = world.create("child").expect("room");
    closes_directly(&mut world, memory);
    let copy = derives_directly(&mut world, child, Rights::CALL | Rights::PASS);
    closes_at_length(&mut world, copy);
    closes_at_length(&mut world, child);
}

#[test]
fn handles_to_a_thread_come_and_go_with_the_turn_of_its_home() {
    let mut world = world_on(2);
    let sibling = create_thread(&mut world);
    world.give_turn(1);
    assert_eq!([0, 1].map(|cpu| runs_on(&world, cpu)), [Some(INIT), Some(1)]);
    world.turn_to(0);
    let copy = derives_directly(&mut world, sibling, Rights::CALL | Rights::PASS);
    closes_directly(&mut world, sibling);
    world.turn_to(1);
    let own = derives_directly(&mut world, copy, Rights::CALL);
    assert_eq!(own, Handle::from_parts(sibling.index(), sibling.generation() + 1));
    closes_directly(&mut world, own);
    closes_directly(&mut world, copy);
}

#[test]
fn what_was_closed_is_refused_both_ways() {
    let (mut world, endpoint) = init_on(2);
    let copy = derives_directly(&mut world, endpoint, Rights::CALL);
    let derive = |handle, rights, badge| Derive {
        handle,
        rights,
        badge,
    };
    let refused = [
        (derive(copy, Rights::CALL, Badge(0)), Errno::EPERM),
        (derive(Handle::NONE, Rights::CALL, Badge(0)), Errno::EBADF),
        (derive(Handle::MEMORY, Rights::CALL, Badge(1)), Errno::EINVAL),
    ];
    for (derive, errno) in refused {
        assert_eq!(world.call(Handle::SELF, derive), Err(errno));
    }
    closes_directly(&mut world, copy);
    assert_eq!(close(&mut world, copy), Err(Errno::EBADF));
}

#[test]
fn a_table_is_full_either_way_and_the_lowest_place_is_free_next() {
    let (mut world, endpoint) = init_on(1);
    let mut handles = Vec::new();
    loop {
        let derive = Derive {
            handle: endpoint,
            rights: Rights::CALL,
            badge: Badge(0),
        };
        match world.call(Handle::SELF, derive) {
            Ok(()) => handles.push(world.handles()[0]),
            Err(errno) => break assert_eq!(errno, Errno::EMFILE),
        }
    }
    let [low, high] = [handles[3], handles[7]];
    for handle in [high, low] {
        closes_directly(&mut world, handle);
    }
    for place in [low, high] {
        let derived = derives_directly(&mut world, endpoint, Rights::CALL);
        assert_eq!(derived, Handle::from_parts(place.index(), place.generation() + 1));
    }
}

/// `init`, on the first CPU, has taken its child along, which waits on the second. The handle to that.
fn with_one_taken_along() -> (World, Handle) {
    let (mut world, endpoint, _) = side_by_side();
    call(&mut world, ENDPOINT);
    world.turn_to(0);
    receive(&mut world, endpoint);
    world.call(Handle::SELF, TakeCaller {}).expect("somebody waits");
    let reply = world.handles()[0];
    (world, reply)
}

#[test]
fn copies_of_a_reply_handle_come_and_go_with_the_turn_of_the_callers_home() {
    let (mut world, reply) = with_one_taken_along();
    let copy = derives_directly(&mut world, reply, Rights::CALL);
    let another = derives_directly(&mut world, reply, Rights::CALL);
    for handle in [reply, copy] {
        closes_directly(&mut world, handle);
    }
    world.trap(Operation::Reply as u64, another.raw().into(), 0x902, [3; 6]);
    assert_eq!(world.back().outcome, None);
    world.give_turn(1);
    assert_eq!((runs_on(&world, 1), world.back().words), (Some(CHILD), [3; 6]));
}

#[test]
fn a_stale_reply_handle_is_closed_and_counts_for_nobody() {
    let (mut world, reply) = with_one_taken_along();
    let copy = derives_directly(&mut world, reply, Rights::CALL | Rights::PASS);
    world.trap(Operation::Reply as u64, reply.raw().into(), 0x902, [3; 6]);
    let stale = derives_directly(&mut world, copy, Rights::CALL);
    for handle in [copy, stale] {
        closes_directly(&mut world, handle);
    }
}

#[test]
fn who_closes_a_handle_where_nobody_receives_any_more_abandons_whom_it_has_received_from_there() {
    let (mut world, endpoint) = init_on(2);
    let calls = derives_directly(&mut world, endpoint, Rights::CALL | Rights::PASS);
    start_child(&mut world, calls);
    world.give_turn(1);
    world.turn_to(0);
    let _sibling = create_thread(&mut world);
    world.turn_to(1);
    call(&mut world, ENDPOINT);
    world.turn_to(0);
    receive(&mut world, endpoint);
    assert_eq!(runs_on(&world, 0), Some(INIT));
    world.give_turn(1);
    // Its sibling closes the handle that can receive.
    assert_eq!(runs_on(&world, 1), Some(2));
    closes_at_length(&mut world, endpoint);
    world.turn_to(0);
    closes_at_length(&mut world, calls);
    world.turn_to(1);
    world.until(CHILD);
    assert_eq!(world.back().outcome, Some(IpcError::PeerGone));
}

/// The running process gives `child` this handle, at this place.
fn give(world: &mut World, child: Handle, place: u32, handle: Handle) -> Result<(), Errno> {
    world.call_with(child, Give { place }, &[], &[handle])
}

#[test]
fn who_has_not_started_is_given_handles_beside_others_where_it_has_none() {
    let (mut world, endpoint) = init_on(2);
    let (child, memory) = world.create("child").expect("room");
    let create = RegionCreate {
        size: 4096,
        flags: GetFlags::empty(),
    };
    world.call(Handle::MEMORY, create).expect("room");
    let region = world.handles()[0];
    for (place, handle) in [endpoint, region, memory, child].into_iter().enumerate() {
        assert_direct(&mut world, |world| {
            assert_eq!(give(world, child, 4 + place as u32, handle), Ok(()));
        });
    }
    let at_length = [
        (4, endpoint, Ok(())),
        (0, endpoint, Err(Errno::EINVAL)),
        (64, endpoint, Err(Errno::EINVAL)),
        (u32::MAX, endpoint, Err(Errno::EINVAL)),
    ];
    for (place, handle, answer) in at_length {
        assert!(!is_direct(&mut world, |world| assert_eq!(
            give(world, child, place, handle),
            answer
        )));
    }
    world.start(child);
    assert!(!is_direct(&mut world, |world| assert_eq!(
        give(world, child, 9, endpoint),
        Err(Errno::EBUSY)
    )));
    world.give_turn(1);
    assert_eq!(runs_on(&world, 1), Some(CHILD));
    closes_directly(&mut world, Handle::from_raw(5));
}

#[test]
fn the_younger_of_those_that_have_not_started_is_not_given_to_the_older() {
    let (mut world, _) = init_on(2);
    let [(older, _), (younger, _)] = ["older", "younger"].map(|name| world.create(name).expect("room"));
    assert_direct(&mut world, |world| {
        assert_eq!(give(world, younger, 4, older), Ok(()))
    });
    assert!(!is_direct(&mut world, |world| assert_eq!(
        give(world, older, 4, younger),
        Err(Errno::EINVAL)
    )));
}

#[test]
fn how_long_somebody_had_a_cpu_who_has_ended_is_told_beside_others() {
    let (mut world, _, child) = side_by_side();
    world.turn_to(0);
    let is_told = |world: &mut World| assert!(world.call(child, CountTicks {}).is_ok());
    assert!(!is_direct(&mut world, is_told), "it runs");
    world.turn_to(1);
    world.send(Handle::SELF, Exit { status: 0 }, &[], &[]);
    world.turn_to(0);
    assert_direct(&mut world, is_told);
}
