//! Answers: by whom, in which order, and to messages that want none.

use super::server::{SERVER, Scene, TO_SERVER, message};
use abi::process::{Close, Fork, Kill, TakeCaller};
use abi::{Arrival, Errno, Handle, IpcError, Operation, Tag};

impl Scene {
    /// The server receives and takes the caller along.
    fn take(&mut self) -> Handle {
        self.receive();
        self.world.until(SERVER);
        assert_eq!(self.world.call(Handle::SELF, TakeCaller {}), Ok(()));
        self.world.handles()[0]
    }

    fn reply(&mut self, thread: u32, handle: Handle, word: u64) -> Option<IpcError> {
        self.trap_with_word(thread, Operation::Reply, handle, (0, word));
        assert_eq!(self.world.running, Some(thread), "who answers goes on");
        self.world.back().outcome
    }

    /// The word that a client was answered.
    fn answer(&mut self, client: u32) -> u64 {
        let back = self.back(client);
        assert_eq!((back.outcome, back.badge), (None, 0));
        back.words[0]
    }
}

#[test]
fn callers_that_were_taken_along_are_answered_in_any_order() {
    let mut scene = Scene::new(3);
    let replies = [1, 2, 3].map(|client| {
        scene.call(client, 0);
        scene.take()
    });
    for client in [2, 3, 1] {
        let word = 10 * client as u64;
        assert_eq!(scene.reply(SERVER, replies[client - 1], word), None);
        assert_eq!(scene.answer(client as u32), word);
    }
}

#[test]
fn a_reply_handle_answers_once_and_is_closed_then() {
    let mut scene = Scene::new(1);
    scene.call(1, 0);
    let reply = scene.take();
    assert_eq!(scene.reply(SERVER, reply, 1), None);
    scene.call(1, 0);
    assert_eq!(scene.reply(SERVER, reply, 2), Some(IpcError::BadHandle));
}

#[test]
fn a_copy_of_a_reply_handle_never_answers_the_next_call() {
    let mut scene = Scene::new(1);
    scene.call(1, 0);
    let reply = scene.take();
    let copy = scene.world.derive(reply, abi::Rights::CALL, abi::Badge(0));
    assert_eq!(scene.reply(SERVER, reply, 1), None);
    assert_eq!(scene.answer(1), 1);
    scene.call(1, 0);
    let next = scene.take();
    assert_eq!(scene.reply(SERVER, copy, 2), Some(IpcError::PeerGone));
    scene.close(SERVER, copy);
    assert_eq!(scene.reply(SERVER, next, 3), None);
    assert_eq!(scene.answer(1), 3);
}

#[test]
fn whoever_is_passed_a_reply_handle_can_answer() {
    let mut scene = Scene::new(2);
    scene.call(1, 0);
    let reply = scene.take();
    scene.call(2, 0);
    scene.receive();
    scene.world.until(SERVER);
    scene.world.page().handles[0] = reply.raw();
    let tag = Tag::new(abi::Label(0)).with_handles(1).expect("fits").encode();
    scene.trap(SERVER, Operation::Reply, Handle::NONE, tag);
    scene.close(SERVER, reply);
    scene.world.until(2);
    let passed = scene.world.handles()[0];
    assert_eq!(scene.reply(2, passed, 77), None);
    assert_eq!(scene.answer(1), 77);
}

#[test]
fn a_caller_learns_that_all_its_reply_handles_are_gone() {
    let mut scene = Scene::new(1);
    scene.call(1, 0);
    let reply = scene.take();
    scene.close(SERVER, reply);
    assert_eq!(scene.outcome(1), Some(IpcError::PeerGone));
}

#[test]
fn a_server_that_ends_takes_its_reply_handles_along() {
    // The first client serves the second one, through an endpoint that it makes itself.
    let mut scene = Scene::new(2);
    scene.world.until(1);
    let own = scene.world.create_endpoint();
    scene.world.page().handles[0] = own.raw();
    let tag = Tag::new(abi::Label(1)).with_handles(1).expect("fits").encode();
    scene.trap(1, Operation::Send, TO_SERVER, tag);
    scene.receive();
    scene.world.until(SERVER);
    let to_first = scene.world.handles()[0];
    let client = scene.clients[0];
    scene.trap(SERVER, Operation::Call, to_first, message());
    scene.trap(1, Operation::Receive, own, 0);
    scene.world.until(1);
    assert_eq!(scene.world.call(Handle::SELF, TakeCaller {}), Ok(()));
    scene
        .world
        .send(Handle::SELF, abi::process::Exit { status: 0 }, &[], &[]);
    assert_eq!(scene.outcome(SERVER), Some(IpcError::PeerGone));
    scene.world.send(client, Kill {}, &[], &[]);
}

#[test]
fn an_answer_to_a_caller_that_was_killed_goes_nowhere_and_the_server_is_told() {
    let mut scene = Scene::new(2);
    scene.call(1, 0);
    let reply = scene.take();
    scene.call(2, 0);
    scene.receive();
    for client in [0, 1] {
        scene.world.until(SERVER);
        let client = scene.clients[client];
        scene.world.send(client, Kill {}, &[], &[]);
        scene.world.until(SERVER);
    }
    assert_eq!(scene.reply(SERVER, reply, 0), Some(IpcError::PeerGone));
    assert_eq!(scene.reply(SERVER, Handle::NONE, 0), Some(IpcError::PeerGone));
    scene.close(SERVER, reply);
}

#[test]
fn without_a_caller_there_is_nobody_to_answer_or_to_take_along() {
    let mut scene = Scene::new(0);
    assert_eq!(scene.reply(SERVER, Handle::NONE, 0), Some(IpcError::NoCaller));
    assert_eq!(scene.reply(SERVER, Handle::SELF, 0), Some(IpcError::NoCaller));
    assert_eq!(scene.world.call(Handle::SELF, TakeCaller {}), Err(Errno::ESRCH));
}

#[test]
fn who_has_taken_a_caller_along_owes_it_nothing_by_receiving_again() {
    let mut scene = Scene::new(2);
    scene.call(1, 0);
    let reply = scene.take();
    scene.receive();
    assert_eq!(scene.world.running, Some(2), "the first client waits on");
    scene.call(2, 0);
    assert_eq!(scene.reply(SERVER, reply, 5), None);
    assert_eq!(scene.answer(1), 5);
}

#[test]
fn an_answer_that_the_caller_has_no_room_for_leaves_everything_as_it_was() {
    let mut scene = Scene::new(1);
    scene.world.until(1);
    let derive = abi::process::Derive {
        handle: Handle::SELF,
        rights: abi::Rights::CALL,
        badge: abi::Badge(0),
    };
    while scene.world.call(Handle::SELF, derive).is_ok() {}
    scene.call(1, 0);
    let reply = scene.take();
    scene.world.page().handles[0] = Handle::MEMORY.raw();
    let tag = Tag::new(abi::Label(0)).with_handles(1).expect("fits").encode();
    scene.trap(SERVER, Operation::Reply, reply, tag);
    assert_eq!(scene.world.back().outcome, Some(IpcError::PeerFull));
    assert_eq!(scene.reply(SERVER, reply, 6), None);
    assert_eq!(scene.answer(1), 6);
}

#[test]
fn a_child_inherits_no_reply_handles() {
    let mut scene = Scene::new(1);
    scene.call(1, 0);
    let reply = scene.take();
    scene.world.send(Handle::SELF, Fork {}, &[], &[]);
    scene.world.until(2);
    assert_eq!(scene.reply(2, reply, 0), Some(IpcError::BadHandle));
    scene.close(SERVER, reply);
    assert_eq!(scene.outcome(1), Some(IpcError::PeerGone));
}

#[test]
fn who_closes_the_endpoint_that_a_call_came_through_will_not_answer_it() {
    let mut scene = Scene::new(1);
    scene.call(1, 0);
    scene.receive();
    let endpoint = scene.endpoint;
    scene.close(SERVER, endpoint);
    assert_eq!(scene.outcome(1), Some(IpcError::PeerGone));
}

#[test]
fn who_closes_another_endpoint_can_still_answer() {
    let mut scene = Scene::new(1);
    scene.world.until(SERVER);
    let other = scene.world.create_endpoint();
    scene.call(1, 0);
    scene.receive();
    scene.close(SERVER, other);
    assert_eq!(scene.reply(SERVER, Handle::NONE, 8), None);
    assert_eq!(scene.answer(1), 8);
}

#[test]
fn a_sent_message_is_received_as_one_that_wants_no_answer() {
    let mut scene = Scene::new(1);
    scene.receive();
    scene.trap_with_word(1, Operation::Send, TO_SERVER, (message(), 5));
    assert_eq!(scene.world.running, Some(1), "its sender goes on");
    let sent = scene.world.back();
    assert_eq!((sent.outcome, sent.tag.encode(), sent.words), (None, 0, [0; 6]));
    let back = scene.back(SERVER);
    assert_eq!((back.outcome, back.tag.arrival()), (None, Arrival::Message));
    assert_eq!(
        (back.tag.label().0, back.words[0], back.badge),
        (0x900, 5, 1 << 1)
    );
    assert_eq!(scene.reply(SERVER, Handle::NONE, 0), Some(IpcError::NoCaller));
}

#[test]
fn a_sender_waits_until_its_message_is_received_and_no_longer() {
    let mut scene = Scene::new(1);
    scene.trap_with_word(1, Operation::Send, TO_SERVER, (message(), 5));
    assert_eq!(scene.world.running, Some(SERVER));
    scene.receive();
    let back = scene.back(SERVER);
    assert_eq!((back.tag.arrival(), back.words[0]), (Arrival::Message, 5));
    assert_eq!(scene.answer(1), 0);
}

#[test]
fn a_sender_whose_message_nobody_will_receive_is_told() {
    let mut scene = Scene::new(1);
    scene.trap(1, Operation::Send, TO_SERVER, message());
    scene.world.until(SERVER);
    let handle = scene.endpoint;
    assert_eq!(scene.world.call(Handle::SELF, Close { handle }), Ok(()));
    assert_eq!(scene.outcome(1), Some(IpcError::PeerGone));
    scene.trap(1, Operation::Send, TO_SERVER, message());
    assert_eq!(scene.outcome(1), Some(IpcError::PeerGone));
    scene.trap(1, Operation::Send, Handle::SELF, message());
    assert_eq!(scene.outcome(1), Some(IpcError::NotPermitted));
}
