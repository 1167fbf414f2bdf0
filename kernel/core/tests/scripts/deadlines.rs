//! Waiting for others, but not for ever.

use super::server::{SERVER, Scene, TO_SERVER, message};
use abi::console::Read;
use abi::process::{Exit, Kill, TakeCaller, Wait};
use abi::{Arrival, Handle, IpcError, Label, Operation, Request, Words};
use play::TICKS;

const UNTIL: u64 = Operation::UNTIL;

impl Scene {
    /// A trap with a deadline.
    fn trap_until(&mut self, thread: u32, deadline: u64, operation: Operation, handle: Handle, tag: u64) {
        self.world.until(thread);
        self.world.registers().x[9] = deadline;
        let operation = operation as u64 | UNTIL;
        self.world.trap(operation, handle.raw().into(), tag, [0; 6]);
    }

    fn receive_until(&mut self, deadline: u64) {
        let endpoint = self.endpoint;
        self.trap_until(SERVER, deadline, Operation::Receive, endpoint, 0);
    }

    fn call_until(&mut self, client: u32, deadline: u64) {
        self.trap_until(client, deadline, Operation::Call, TO_SERVER, message());
    }

    /// The counter is at `time`; the CPU takes the interrupts that wait.
    fn pass(&mut self, time: u64) {
        self.world.kernel.platform.now.set(time);
        self.world.look_up();
    }

    fn times_out(&mut self, thread: u32) {
        assert_eq!(self.outcome(thread), Some(IpcError::TimedOut));
    }
}

#[test]
fn to_receive_until_a_time_that_has_passed_is_to_look_whether_something_is_there() {
    let mut scene = Scene::new(1);
    for deadline in [0, TICKS] {
        scene.receive_until(deadline);
        assert_eq!(scene.world.running, Some(SERVER), "it does not wait");
        assert_eq!(scene.world.back().outcome, Some(IpcError::TimedOut));
    }
    scene.trap(1, Operation::Signal, TO_SERVER, 0);
    scene.receive_until(0);
    assert_eq!(scene.back(SERVER).tag.arrival(), Arrival::Signals);
    scene.call(1, 5);
    scene.receive_until(0);
    assert_eq!((scene.outcome(SERVER), scene.world.back().words[0]), (None, 5));
}

#[test]
fn who_receives_waits_until_the_deadline_and_not_a_tick_longer() {
    let mut scene = Scene::new(0);
    scene.receive_until(TICKS + 100);
    scene.pass(TICKS + 99);
    assert_eq!(scene.world.running, None);
    scene.pass(TICKS + 100);
    assert_eq!(scene.world.running, Some(SERVER));
    scene.times_out(SERVER);
}

#[test]
fn what_comes_before_the_deadline_is_received_and_the_deadline_is_forgotten() {
    let mut scene = Scene::new(1);
    scene.receive_until(TICKS + 100);
    scene.call(1, 5);
    assert_eq!((scene.outcome(SERVER), scene.world.back().words[0]), (None, 5));
    scene.receive_until(TICKS + 200);
    scene.trap(1, Operation::Signal, TO_SERVER, 0);
    assert_eq!(scene.outcome(SERVER), None);
    scene.world.registers().x[0] = 77;
    scene.pass(TICKS + 300);
    scene.world.until(SERVER);
}

#[test]
fn a_call_that_nobody_received_in_time_is_not_received_any_more() {
    let mut scene = Scene::new(1);
    scene.call_until(1, TICKS + 100);
    scene.pass(TICKS + 100);
    scene.times_out(1);
    scene.receive_until(0);
    scene.times_out(SERVER);
}

#[test]
fn a_late_answer_goes_nowhere_and_the_server_is_told_if_it_asks() {
    let mut scene = Scene::new(1);
    scene.call_until(1, TICKS + 100);
    scene.receive();
    scene.pass(TICKS + 100);
    scene.times_out(1);
    scene.trap(SERVER, Operation::Reply, Handle::NONE, 0);
    assert_eq!(scene.world.back().outcome, Some(IpcError::PeerGone));
    // The next call of the same caller is another one.
    scene.call(1, 5);
    let endpoint = scene.endpoint;
    scene.trap(SERVER, Operation::ReplyReceive, endpoint, Label(9).0.into());
    assert_eq!(scene.back(SERVER).words[0], 5);
    scene.trap(SERVER, Operation::Reply, Handle::NONE, Label(3).0.into());
    assert_eq!(scene.back(1).tag.label(), Label(3));
}

#[test]
fn the_reply_handle_of_a_call_that_timed_out_is_stale() {
    let mut scene = Scene::new(1);
    scene.call_until(1, TICKS + 100);
    scene.receive();
    scene.world.until(SERVER);
    assert_eq!(scene.world.call(Handle::SELF, TakeCaller {}), Ok(()));
    let reply = scene.world.handles()[0];
    scene.pass(TICKS + 100);
    scene.times_out(1);
    scene.trap(SERVER, Operation::Reply, reply, 0);
    assert_eq!(scene.world.back().outcome, Some(IpcError::PeerGone));
    scene.close(SERVER, reply);
}

#[test]
fn an_answer_in_time_lets_the_deadline_be_forgotten() {
    let mut scene = Scene::new(1);
    let endpoint = scene.endpoint;
    for operation in [Operation::Reply, Operation::ReplyReceive] {
        scene.call_until(1, TICKS + 100);
        scene.receive();
        let handle = if operation == Operation::Reply {
            Handle::NONE
        } else {
            endpoint
        };
        scene.trap(SERVER, operation, handle, 0);
        assert_eq!(scene.outcome(1), None);
    }
    scene.world.kernel.platform.now.set(TICKS + 200);
    scene.world.registers().x[0] = 77;
    scene.world.look_up();
    assert_eq!(scene.world.registers().x[0], 77, "nothing is answered again");
}

#[test]
fn a_message_without_answer_is_waited_with_no_longer_than_said() {
    let mut scene = Scene::new(1);
    scene.trap_until(1, TICKS + 100, Operation::Send, TO_SERVER, message());
    scene.pass(TICKS + 100);
    scene.times_out(1);
}

#[test]
fn an_answer_is_given_although_the_receive_after_it_times_out() {
    let mut scene = Scene::new(1);
    scene.call(1, 0);
    scene.receive();
    let endpoint = scene.endpoint;
    scene.trap_until(SERVER, 0, Operation::ReplyReceive, endpoint, Label(4).0.into());
    assert_eq!(scene.back(1).tag.label(), Label(4));
    scene.times_out(SERVER);
}

#[test]
fn the_kernels_objects_are_waited_for_no_longer_either() {
    let mut scene = Scene::new(1);
    let client = scene.clients[0];
    scene.trap_until(SERVER, TICKS + 10, Operation::Call, client, Wait::LABEL.0.into());
    scene.pass(TICKS + 10);
    scene.times_out(SERVER);
    let read = Read { most: 1 }.into_words();
    scene.world.registers().x[9] = TICKS + 20;
    let (operation, console) = (Operation::Call as u64 | UNTIL, Handle::CONSOLE.raw().into());
    scene.world.trap(operation, console, Read::LABEL.0.into(), read);
    scene.pass(TICKS + 20);
    scene.times_out(SERVER);
    // What was waited for comes all the same.
    scene.world.until(1);
    scene.world.send(Handle::SELF, Exit { status: 3 }, &[], &[]);
    scene.world.until(SERVER);
    assert!(scene.world.call(client, Wait {}).is_ok());
}

#[test]
fn what_never_waits_needs_no_deadline() {
    let mut scene = Scene::new(1);
    scene.trap_until(1, 0, Operation::Signal, TO_SERVER, 0);
    assert_eq!(scene.world.back().outcome, None);
    let client = scene.clients[0];
    let identify = abi::process::Identify::LABEL.0.into();
    scene.trap_until(SERVER, 0, Operation::Call, client, identify);
    assert_eq!(scene.world.back().outcome, None);
}

#[test]
fn who_waits_until_a_time_can_be_killed_before() {
    let mut scene = Scene::new(1);
    scene.call_until(1, TICKS + 100);
    scene.world.until(SERVER);
    let client = scene.clients[0];
    scene.world.send(client, Kill {}, &[], &[]);
    scene.world.until(SERVER);
    assert_eq!(scene.world.answer::<Kill>(), Ok(()));
    scene.pass(TICKS + 100);
}
