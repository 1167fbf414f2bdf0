//! Whose turn it is when a server has used up the time slice of its client.

use super::priorities::{HIGH, LOW, MIDDLE, Scene};
use play::SLICE;

#[test]
fn a_client_whose_server_is_more_important_lets_its_equals_have_their_turn() {
    let mut scene = Scene::new();
    let [server, client, equal] = [HIGH, LOW, LOW].map(|priority| scene.child(priority));
    assert_eq!(scene.init_is_least(), server);
    assert_eq!(scene.receive(), client);
    assert_eq!(scene.call(), server);
    assert_eq!(scene.pass(SLICE), server, "nobody waits who is as important");
    assert_eq!(scene.reply_receive(), equal, "the client's time slice is over");
    assert_eq!(scene.pass(SLICE), client);
    assert_eq!(scene.call(), server);
    assert_eq!(scene.reply_receive(), client, "in the middle of its time slice");
}

#[test]
fn who_wakes_when_a_server_has_used_up_a_time_slice_waits_for_a_turn() {
    let mut scene = Scene::new();
    let [server, equal, client, low] = [HIGH, MIDDLE, MIDDLE, LOW].map(|priority| scene.child(priority));
    assert_eq!(scene.init_is_least(), server);
    assert_eq!(scene.receive(), equal);
    assert_eq!(scene.sleep(SLICE + 1), client);
    assert_eq!(scene.call(), server);
    assert_eq!(scene.pass(SLICE), server, "{low} waits");
    assert_eq!(scene.pass(1), server, "the equal wakes");
    assert_eq!(scene.reply_receive(), client, "that one has just come");
}
