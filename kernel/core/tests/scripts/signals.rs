//! Signals: bits that wait for whoever receives, and never keep anybody waiting.

use super::server::{SERVER, Scene, TO_SERVER, message};
use abi::process::{Close, Derive};
use abi::{Arrival, Badge, Handle, IpcError, Operation, Rights};

impl Scene {
    fn signal(&mut self, client: u32) {
        self.trap(client, Operation::Signal, TO_SERVER, 0);
        assert_eq!(self.world.running, Some(client), "who signals goes on");
        assert_eq!(self.world.back().outcome, None);
    }

    /// The bits that the server has received.
    fn signals(&mut self) -> u64 {
        let back = self.back(SERVER);
        assert_eq!((back.outcome, back.badge), (None, 0));
        assert_eq!(back.tag.arrival(), Arrival::Signals);
        assert_eq!(back.words[1..], [0; 5]);
        back.words[0]
    }
}

#[test]
fn signals_wait_until_somebody_receives_and_come_all_at_once() {
    let mut scene = Scene::new(2);
    for client in [1, 2, 1] {
        scene.signal(client);
    }
    scene.receive();
    assert_eq!(scene.signals(), 1 << 1 | 1 << 2);
    scene.receive();
    assert_ne!(scene.world.running, Some(SERVER), "they come once");
}

#[test]
fn a_signal_wakes_who_waits_to_receive() {
    let mut scene = Scene::new(1);
    scene.receive();
    assert_eq!(scene.world.running, Some(1));
    scene.signal(1);
    assert_eq!(scene.signals(), 1 << 1);
}

#[test]
fn the_badge_of_a_handle_says_which_bits_it_signals_and_without_one_the_program_does() {
    let mut scene = Scene::new(1);
    let endpoint = scene.endpoint;
    scene.trap(1, Operation::Signal, TO_SERVER, 0xff);
    scene.receive();
    assert_eq!(scene.signals(), 1 << 1, "a badge cannot be left out");
    scene.trap(SERVER, Operation::Signal, endpoint, 0xf0);
    scene.receive();
    assert_eq!(scene.signals(), 0xf0, "one may signal oneself");
}

#[test]
fn no_bits_wake_nobody() {
    let mut scene = Scene::new(1);
    let derive = Derive {
        handle: scene.endpoint,
        rights: Rights::SIGNAL,
        badge: Badge(0),
    };
    scene.world.until(SERVER);
    scene.world.call(Handle::SELF, derive).expect("derives");
    scene.trap(SERVER, Operation::Signal, scene.endpoint, 0);
    assert_eq!(scene.world.back().outcome, None);
    scene.receive();
    assert_eq!(scene.world.running, Some(1));
}

#[test]
fn one_receiver_gets_messages_and_signals_in_turn_and_knows_which() {
    let mut scene = Scene::new(3);
    scene.call(1, 11);
    scene.call(2, 22);
    scene.signal(3);
    let mut seen = Vec::new();
    for _ in 0..4 {
        scene.receive();
        let back = scene.back(SERVER);
        seen.push((back.tag.arrival(), back.words[0]));
        // Who signals again and again does not keep the messages waiting.
        scene.signal(3);
    }
    let (signals, calls) = ((Arrival::Signals, 1 << 3), |word| (Arrival::Call, word));
    assert_eq!(seen, [signals, calls(11), signals, calls(22)]);
}

#[test]
fn signals_come_when_no_message_waits_even_if_they_came_last() {
    let mut scene = Scene::new(1);
    for _ in 0..3 {
        scene.signal(1);
        scene.receive();
        assert_eq!(scene.signals(), 1 << 1);
    }
}

#[test]
fn to_signal_is_a_right_of_its_own() {
    let mut scene = Scene::new(1);
    scene.world.until(SERVER);
    for rights in [Rights::CALL, Rights::RECEIVE] {
        let handle = scene.world.derive(scene.endpoint, rights, Badge(0));
        scene.trap(SERVER, Operation::Signal, handle, 1);
        assert_eq!(scene.world.back().outcome, Some(IpcError::NotPermitted));
    }
    let (signal, badge) = (Rights::SIGNAL, Badge(2));
    let handle = scene.world.derive(scene.endpoint, signal, badge);
    scene.trap(SERVER, Operation::Call, handle, message());
    assert_eq!(scene.world.back().outcome, Some(IpcError::NotPermitted));
    scene.trap(SERVER, Operation::Signal, Handle::SELF, 1);
    assert_eq!(scene.world.back().outcome, Some(IpcError::NotPermitted));
    scene.trap(SERVER, Operation::Signal, handle, 0);
    assert_eq!(scene.world.back().outcome, None);
}

#[test]
fn where_nobody_can_receive_nobody_can_be_signalled() {
    let mut scene = Scene::new(1);
    scene.world.until(SERVER);
    let handle = scene.endpoint;
    assert_eq!(scene.world.call(Handle::SELF, Close { handle }), Ok(()));
    scene.trap(1, Operation::Signal, TO_SERVER, 0);
    assert_eq!(
        (scene.world.running, scene.outcome(1)),
        (Some(1), Some(IpcError::PeerGone))
    );
}
