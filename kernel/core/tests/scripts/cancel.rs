//! Whoever controls a thread cancels what it waits for.

use super::{world, write_pages};
use abi::console::Read;
use abi::memory::{FOREVER, WaitWord};
use abi::process::{Close, CreateThread, ExitThread, Sleep, TakeCaller, Wait};
use abi::thread::{Cancel, Join};
use abi::{Badge, Errno, Handle, IpcError, Operation, Rights};
use kcore::thread::State;
use play::{TICKS, World};

const INIT: u32 = 0;
const WAITER: u32 = 1;
const CREATE: CreateThread = CreateThread {
    entry: 0x40_1000,
    stack: 0x9000,
    word: 0,
    pointer: 0,
};

/// The running thread makes another one; answers its handle.
fn create_thread(world: &mut World) -> Handle {
    world.call(Handle::SELF, CREATE).expect("room");
    world.handles()[0]
}

fn operate(world: &mut World, operation: Operation, handle: Handle) {
    world.trap(operation as u64, handle.raw().into(), 0, [0; 6]);
}

/// Thread [`WAITER`] does `wait`, which lets it wait until thread [`INIT`] has cancelled that.
fn cancel_what_waits(wait: impl Fn(&mut World)) -> World {
    let mut world = world();
    let waiter = create_thread(&mut world);
    world.until(WAITER);
    wait(&mut world);
    world.until(INIT);
    assert_eq!(world.call(waiter, Cancel {}), Ok((1,)));
    assert_eq!(world.call(waiter, Cancel {}), Ok((0,)), "it waits no longer");
    world.until(WAITER);
    assert_eq!(world.back().outcome, Some(IpcError::Cancelled));
    world
}

#[test]
fn whatever_a_thread_waits_for_can_be_cancelled() {
    let waits: [fn(&mut World); 7] = [
        |world| {
            let endpoint = world.create_endpoint();
            operate(world, Operation::Receive, endpoint);
        },
        |world| {
            let endpoint = world.create_endpoint();
            operate(world, Operation::Call, endpoint);
        },
        |world| {
            let endpoint = world.create_endpoint();
            operate(world, Operation::Send, endpoint);
        },
        |world| {
            let (child, _) = world.create("child").expect("room");
            world.send(child, Wait {}, &[], &[]);
        },
        |world| {
            world.send(Handle::CONSOLE, Read { most: 1 }, &[], &[]);
        },
        |world| {
            world.send(Handle::SELF, Sleep { deadline: u64::MAX }, &[], &[]);
        },
        |world| {
            let wait = WaitWord {
                address: write_pages(world, 1),
                expected: 0,
                deadline: FOREVER,
            };
            world.send(Handle::MEMORY, wait, &[], &[]);
        },
    ];
    for wait in waits {
        cancel_what_waits(wait);
    }
}

#[test]
fn a_deadline_does_not_come_after_what_waited_for_it_was_cancelled() {
    let deadline = TICKS + 100;
    let mut world = cancel_what_waits(|world| {
        world.send(Handle::SELF, Sleep { deadline }, &[], &[]);
    });
    world.registers().x[0] = 77;
    world.kernel.platform.now.set(deadline);
    world.look_up();
    world.until(WAITER);
    assert_eq!(world.registers().x[0], 77);
}

#[test]
fn who_works_for_a_caller_that_was_cancelled_is_told_when_it_answers() {
    for takes_along in [false, true] {
        let mut world = world();
        let endpoint = world.create_endpoint();
        let waiter = create_thread(&mut world);
        world.until(WAITER);
        operate(&mut world, Operation::Call, endpoint);
        operate(&mut world, Operation::Receive, endpoint);
        let mut reply = Handle::NONE;
        if takes_along {
            assert_eq!(world.call(Handle::SELF, TakeCaller {}), Ok(()));
            reply = world.handles()[0];
        }
        assert_eq!(world.call(waiter, Cancel {}), Ok((1,)));
        operate(&mut world, Operation::Reply, reply);
        assert_eq!(world.back().outcome, Some(IpcError::PeerGone));
        world.until(WAITER);
        assert_eq!(world.back().outcome, Some(IpcError::Cancelled));
    }
}

#[test]
fn what_waits_for_nothing_goes_on_as_if_nobody_had_asked() {
    let mut world = world();
    let waiter = create_thread(&mut world);
    assert_eq!(world.call(waiter, Cancel {}), Ok((0,)));
    world.until(WAITER);
    assert_eq!(
        world.call(waiter, Cancel {}),
        Ok((0,)),
        "nor does the one that asks"
    );
    assert_eq!(world.back().words[0], 0);
}

#[test]
fn to_join_a_thread_takes_no_right_to_control_it_and_to_cancel_does() {
    let mut world = world();
    let waiter = create_thread(&mut world);
    let weaker = world.derive(waiter, Rights::CALL, Badge(0));
    assert_eq!(world.call(weaker, Cancel {}), Err(Errno::EPERM));
    world.send(weaker, Join {}, &[], &[]);
    assert_eq!(world.running, Some(WAITER));
}

#[test]
fn what_has_ended_cannot_be_cancelled() {
    let mut world = world();
    let waiter = create_thread(&mut world);
    world.until(WAITER);
    world.send(Handle::SELF, ExitThread { status: 0 }, &[], &[]);
    world.until(INIT);
    assert_eq!(world.call(waiter, Cancel {}), Err(Errno::ESRCH));
    assert_eq!(world.call(Handle::SELF, Close { handle: waiter }), Ok(()));
}

#[test]
fn a_server_is_as_important_as_itself_again_when_its_caller_was_cancelled() {
    let mut world = world();
    let endpoint = world.create_endpoint();
    let waiter = create_thread(&mut world);
    let priority = abi::process::Priority(100);
    let set = abi::process::SetPriority {
        priority,
        highest: abi::process::Priority(200),
    };
    assert_eq!(world.call(Handle::SELF, set), Ok(()));
    let raise = abi::thread::SetThreadPriority {
        priority: abi::process::Priority(150),
    };
    world.send(waiter, raise, &[], &[]);
    assert_eq!(world.running, Some(WAITER));
    operate(&mut world, Operation::Call, endpoint);
    operate(&mut world, Operation::Receive, endpoint);
    let priority_of_server = |world: &World| {
        let mut threads = world.kernel.threads();
        let server = threads.find(|(id, _)| id.index() == INIT);
        server.map(|(_, thread)| (thread.priority.0, matches!(thread.state, State::Ready)))
    };
    assert_eq!(priority_of_server(&world), Some((150, true)));
    world.send(waiter, Cancel {}, &[], &[]);
    assert_eq!(priority_of_server(&world), Some((100, true)));
    assert_eq!(world.running, Some(WAITER));
}
