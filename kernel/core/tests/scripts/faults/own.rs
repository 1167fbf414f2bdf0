//! Faults of a process that handles its own.

use super::{CHILD, CREATE_THREAD, Scene};
use abi::process::{Close, TakeCaller};
use abi::{Arrival, Handle, Label, Operation};

/// A process that handles its own faults: its thread CHILD has done `first`, its thread 2 has faulted since.
fn own_handler(first: impl FnOnce(&mut Scene)) -> Scene {
    let mut scene = Scene::new();
    scene.world.until(CHILD);
    scene.endpoint = scene.world.create_endpoint();
    assert_eq!(scene.name_handler(Handle::SELF), Ok(()));
    assert_eq!(scene.world.call(Handle::SELF, CREATE_THREAD), Ok((1,)));
    first(&mut scene);
    scene.fault(2);
    scene
}

/// The running thread waits at its endpoint.
fn wait_at(scene: &mut Scene, endpoint: Handle) {
    scene
        .world
        .trap(Operation::Receive as u64, endpoint.raw().into(), 0, [0; 6]);
}

#[test]
fn who_closes_what_a_siblings_fault_waits_for_ends_with_it_at_once() {
    let received = |scene: &mut Scene| wait_at(scene, scene.endpoint);
    let in_the_queue = |_: &mut Scene| {};
    let mut scenes = [
        own_handler(received),
        own_handler(in_the_queue),
        own_handler(received),
    ];
    for scene in &mut scenes[..2] {
        scene.world.until(CHILD);
        let handle = scene.endpoint;
        scene.world.send(Handle::SELF, Close { handle }, &[], &[]);
    }
    assert_eq!(scenes[2].world.call(Handle::SELF, TakeCaller {}), Ok(()));
    let handle = scenes[2].world.handles()[0];
    scenes[2].world.send(Handle::SELF, Close { handle }, &[], &[]);
    for scene in &mut scenes {
        assert_ne!(scene.world.running, Some(CHILD), "it would do something else");
        scene.assert_ended_by_its_fault();
    }
}

#[test]
fn a_thread_that_was_the_last_to_wait_for_its_own_faults_has_none_to_wait_for() {
    let mut scene = Scene::new();
    scene.world.until(CHILD);
    scene.endpoint = scene.world.create_endpoint();
    assert_eq!(scene.name_handler(Handle::SELF), Ok(()));
    let other = scene.world.create_endpoint();
    // Signals wake it at both.
    for endpoint in [scene.endpoint, other] {
        let signal = Operation::Signal as u64;
        scene.world.trap(signal, endpoint.raw().into(), 1, [0; 6]);
        wait_at(&mut scene, endpoint);
        let now = scene.world.kernel.platform.now.get();
        scene.world.registers().x[9] = now;
        let until = Operation::Receive as u64 | Operation::UNTIL;
        scene.world.trap(until, endpoint.raw().into(), 0, [0; 6]);
        scene.world.until(CHILD);
    }
    scene.fault(CHILD);
    scene.assert_ended_by_its_fault();
}

#[test]
fn a_thread_that_has_once_waited_for_faults_has_its_own_handled_by_who_waits_now() {
    let mut scene = own_handler(|scene| {
        wait_at(scene, scene.endpoint);
        scene.world.until(2);
        let endpoint = scene.endpoint.raw().into();
        scene.world.trap(Operation::Signal as u64, endpoint, 1, [0; 6]);
        wait_at(scene, scene.endpoint);
        scene.world.until(CHILD);
        scene.world.trap(Operation::Signal as u64, endpoint, 1, [0; 6]);
        wait_at(scene, scene.endpoint);
    });
    assert_eq!(scene.world.running, Some(CHILD));
    assert_eq!(scene.world.back().tag.arrival(), Arrival::Fault);
    scene.reply_here(Label::DONE);
    scene.assert_untouched(2);
}

#[test]
fn a_thread_handles_the_faults_of_its_siblings() {
    for label in [Label::DONE, Label(1)] {
        for operation in [Operation::ReplyReceive, Operation::Reply] {
            let mut scene = own_handler(|scene| wait_at(scene, scene.endpoint));
            let endpoint = scene.endpoint.raw().into();
            assert_eq!(scene.world.running, Some(CHILD));
            assert_eq!(scene.world.back().tag.arrival(), Arrival::Fault);
            let handle = if operation == Operation::Reply {
                0
            } else {
                endpoint
            };
            scene.world.trap(operation as u64, handle, label.0.into(), [0; 6]);
            if label == Label::DONE {
                scene.assert_untouched(2);
            } else {
                scene.assert_ended_by_its_fault();
            }
        }
    }
}

#[test]
fn a_thread_that_would_have_to_handle_its_own_fault_ends_its_process() {
    let mut scene = Scene::new();
    scene.world.until(CHILD);
    scene.endpoint = scene.world.create_endpoint();
    assert_eq!(scene.name_handler(Handle::SELF), Ok(()));
    let (signal, receive) = (Operation::Signal as u64, Operation::Receive as u64);
    let endpoint = scene.endpoint.raw().into();
    // It has waited there, and somebody else has woken it.
    assert_eq!(scene.world.call(Handle::SELF, CREATE_THREAD), Ok((1,)));
    scene.world.trap(receive, endpoint, 0, [0; 6]);
    scene.world.until(2);
    scene.world.trap(signal, endpoint, 1, [0; 6]);
    scene.fault(CHILD);
    scene.assert_ended_by_its_fault();
}

#[test]
fn a_thread_that_handles_and_ends_leaves_the_fault_of_its_sibling_to_end_them() {
    let mut scene = own_handler(|scene| wait_at(scene, scene.endpoint));
    let exit = abi::process::ExitThread { status: 0 };
    scene.world.send(Handle::SELF, exit, &[], &[]);
    scene.assert_ended_by_its_fault();
}
