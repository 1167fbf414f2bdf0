//! Who is woken goes on where it does soonest, though no CPU takes more than two turns at a time.

use super::across_cpus::{FIRST, SECOND, THIRD, child_with, confine, runs_on, scene_on, serve_alerts, sleep};
use super::priorities::{HIGH, INIT, LOW, MIDDLE, Scene};
use crate::WAY;
use abi::process::{Kill, Priority, SetCpus, SetPriority, Sleep};
use abi::{CpuSet, Handle, IpcError, Operation};
use play::{SLICE, Way};

/// Nobody takes the whole kernel for it, but the long way.
pub(super) fn shares(scene: &mut Scene, act: impl FnOnce(&mut Scene)) {
    let before = (scene.world.direct, scene.world.sought);
    act(scene);
    let after = (scene.world.direct, scene.world.sought);
    assert_eq!(after > before, WAY == Way::Shorter);
}

fn signal(scene: &mut Scene) {
    let endpoint = scene.endpoint.raw().into();
    scene.world.trap(Operation::Signal as u64, endpoint, 1, [0; 6]);
}

/// `init` runs on the first CPU. A child of this priority, which may run anywhere, waits for a message at home on the second one,
/// where somebody more important runs. The two.
fn with_one_who_waits_where_another_runs(scene: &mut Scene, priority: u8, others: u8) -> [u32; 2] {
    let waits = child_with(scene, priority, SECOND);
    scene.world.turn_to(1);
    scene.operate_alone(Operation::Receive);
    let runs = child_with(scene, others, SECOND);
    confine(scene, waits, CpuSet::ALL);
    assert_eq!((runs_on(scene, 0), runs_on(scene, 1)), (Some(INIT), Some(runs)));
    [waits, runs]
}

#[test]
fn who_waits_on_a_busy_cpu_is_woken_by_another_one_and_goes_on_on_a_third_that_sleeps() {
    let mut scene = scene_on(3);
    let [waits, runs] = with_one_who_waits_where_another_runs(&mut scene, MIDDLE, HIGH);
    shares(&mut scene, signal);
    serve_alerts(&mut scene);
    let runners = [0, 1, 2].map(|cpu| runs_on(&scene, cpu));
    assert_eq!(runners, [INIT, runs, waits].map(Some));
}

#[test]
fn who_waits_on_a_busy_cpu_goes_on_where_it_is_woken_if_somebody_less_important_runs_there() {
    let mut scene = scene_on(2);
    let [waits, runs] = with_one_who_waits_where_another_runs(&mut scene, MIDDLE, HIGH);
    let (priority, highest) = (Priority(LOW), Priority::MOST);
    scene
        .world
        .call(Handle::SELF, SetPriority { priority, highest })
        .expect("init may");
    shares(&mut scene, signal);
    serve_alerts(&mut scene);
    assert_eq!([0, 1].map(|cpu| runs_on(&scene, cpu)), [waits, runs].map(Some));
}

#[test]
fn who_may_run_on_the_busy_cpu_alone_that_it_waits_on_is_woken_there() {
    let mut scene = scene_on(3);
    let [waits, runs] = with_one_who_waits_where_another_runs(&mut scene, MIDDLE, HIGH);
    confine(&mut scene, waits, SECOND);
    shares(&mut scene, signal);
    serve_alerts(&mut scene);
    assert_eq!(
        [0, 1, 2].map(|cpu| runs_on(&scene, cpu)),
        [Some(INIT), Some(runs), None]
    );
    scene.world.turn_to(1);
    sleep(&mut scene);
    assert_eq!(runs_on(&scene, 1), Some(waits));
}

/// Two children on the first CPU: one has called, and the other one, which is as important, has received that. `init` sleeps.
fn with_a_caller(scene: &mut Scene) -> [u32; 2] {
    let server = child_with(scene, MIDDLE, FIRST);
    let caller = child_with(scene, MIDDLE, FIRST);
    assert_eq!(scene.init_is_least(), server);
    assert_eq!(scene.receive(), caller);
    assert_eq!(scene.call(), server);
    [server, caller]
}

#[test]
fn who_is_answered_goes_on_on_a_cpu_that_sleeps_as_the_server_goes_on_here() {
    let mut scene = scene_on(2);
    let [server, caller] = with_a_caller(&mut scene);
    confine_from_elsewhere(&mut scene, caller);
    shares(&mut scene, |scene| {
        scene.world.trap(Operation::Reply as u64, 0, 0x901, [2; 6]);
    });
    assert_eq!(runs_on(&scene, 0), Some(server));
    serve_alerts(&mut scene);
    assert_eq!(runs_on(&scene, 1), Some(caller));
    scene.world.turn_to(1);
    assert_eq!(scene.world.back().words, [2; 6]);
}

/// `init`, which has gone to the second CPU, lets `child` run anywhere, and sleeps.
fn confine_from_elsewhere(scene: &mut Scene, child: u32) {
    serve_alerts(scene);
    scene.world.turn_to(1);
    assert_eq!(runs_on(scene, 1), Some(INIT));
    confine(scene, child, CpuSet::ALL);
    scene.world.turn_to(1);
    sleep(scene);
    assert!(scene.world.sleeps(1));
    scene.world.turn_to(0);
}

#[test]
fn who_wakes_as_a_time_comes_goes_on_on_a_cpu_that_sleeps() {
    let mut scene = scene_on(2);
    let sleeps = child_with(&mut scene, MIDDLE, FIRST);
    assert_eq!(scene.init_is_least(), sleeps);
    let deadline = scene.world.kernel.platform.now.get() + 100;
    scene.world.send(Handle::SELF, Sleep { deadline }, &[], &[]);
    scene.world.turn_to(0);
    serve_alerts(&mut scene);
    assert_eq!([0, 1].map(|cpu| runs_on(&scene, cpu)), [Some(INIT), None]);
    confine(&mut scene, sleeps, CpuSet::ALL);
    scene.set_priority(Handle::SELF, HIGH);
    scene.world.kernel.platform.let_pass(100);
    shares(&mut scene, |scene| {
        scene.world.look_up();
    });
    serve_alerts(&mut scene);
    assert_eq!([0, 1].map(|cpu| runs_on(&scene, cpu)), [INIT, sleeps].map(Some));
}

#[test]
fn who_is_woken_until_a_time_for_a_cpu_that_sleeps_is_not_told_of_that_time() {
    let mut scene = scene_on(2);
    let waits = child_with(&mut scene, HIGH, FIRST);
    assert_eq!(scene.init_is_least(), waits);
    let deadline = scene.world.kernel.platform.now.get() + 100;
    scene.world.registers().x[9] = deadline;
    let (receive, endpoint) = (Operation::Receive as u64 | Operation::UNTIL, Handle::PARENT.raw());
    scene.world.trap(receive, endpoint.into(), 0, [0; 6]);
    scene.world.turn_to(0);
    serve_alerts(&mut scene);
    confine(&mut scene, waits, CpuSet::ALL);
    shares(&mut scene, signal);
    serve_alerts(&mut scene);
    assert_eq!([0, 1].map(|cpu| runs_on(&scene, cpu)), [INIT, waits].map(Some));
    scene.world.kernel.platform.let_pass(100);
    scene.world.look_up();
    scene.world.give_turn(1);
    assert_eq!(runs_on(&scene, 1), Some(waits));
    scene.world.turn_to(1);
    assert_eq!(scene.world.back().outcome, None);
}

#[test]
fn who_was_to_go_to_a_cpu_that_sleeps_goes_on_here_if_somebody_else_was_first() {
    let mut scene = scene_on(2);
    let server = child_with(&mut scene, HIGH, FIRST);
    let client = child_with(&mut scene, MIDDLE, FIRST);
    let other = child_with(&mut scene, HIGH + 1, SECOND);
    scene.world.turn_to(1);
    let deadline = scene.world.kernel.platform.now.get() + 100;
    scene.world.send(Handle::SELF, Sleep { deadline }, &[], &[]);
    scene.world.turn_to(0);
    assert_eq!(scene.init_is_least(), server);
    assert_eq!(scene.receive(), client);
    confine_from_elsewhere(&mut scene, server);
    scene.world.between = true;
    scene
        .world
        .trap(Operation::Signal as u64, Handle::PARENT.raw().into(), 1, [0; 6]);
    scene.world.between = false;
    scene.world.kernel.platform.let_pass(100);
    scene.world.give_turn(1);
    assert_eq!(runs_on(&scene, 1), Some(other));
    scene.world.turn_to(0);
    scene.world.look_up();
    assert_eq!([0, 1].map(|cpu| runs_on(&scene, cpu)), [server, other].map(Some));
}

#[test]
fn equals_are_woken_for_as_many_cpus_as_sleep() {
    let mut scene = scene_on(3);
    let children = [MIDDLE; 2].map(|priority| child_with(&mut scene, priority, SECOND));
    scene.world.turn_to(1);
    for _ in children {
        scene
            .world
            .trap(Operation::Receive as u64, Handle::PARENT.raw().into(), 0, [0; 6]);
        scene.world.turn_to(1);
    }
    assert!(scene.world.sleeps(1));
    scene.world.turn_to(0);
    for child in children {
        confine(&mut scene, child, CpuSet::ALL);
    }
    for _ in children {
        shares(&mut scene, signal);
    }
    serve_alerts(&mut scene);
    let [one, other] = children;
    assert_eq!(
        [0, 1, 2].map(|cpu| runs_on(&scene, cpu)),
        [INIT, one, other].map(Some)
    );
}

#[test]
fn who_waits_behind_others_until_a_time_leaves_them_when_it_comes() {
    let mut scene = Scene::new();
    let [first, behind] = [MIDDLE; 2].map(|priority| scene.child(priority));
    assert_eq!(scene.init_is_least(), first);
    assert_eq!(scene.receive(), behind);
    scene.world.registers().x[9] = scene.world.kernel.platform.now.get() + 100;
    let (receive, endpoint) = (Operation::Receive as u64 | Operation::UNTIL, Handle::PARENT.raw());
    shares(&mut scene, |scene| {
        scene.world.trap(receive, endpoint.into(), 0, [0; 6]);
    });
    assert_eq!(scene.running(), INIT);
    scene.world.kernel.platform.let_pass(100);
    shares(&mut scene, |scene| {
        scene.world.look_up();
    });
    assert_eq!(scene.running(), behind);
    assert_eq!(scene.world.back().outcome, Some(IpcError::TimedOut));
    assert_eq!(scene.receive(), INIT);
    signal(&mut scene);
    assert_eq!(scene.running(), first);
    signal_from(&mut scene, first);
    assert_eq!(scene.sleep(100), behind, "it waits at the end of the queue");
}

/// The running thread, which is this one, signals at the endpoint that it was given.
fn signal_from(scene: &mut Scene, thread: u32) {
    assert_eq!(scene.signal(), thread);
}

/// The running thread calls, until 100 ticks later; who goes on?
pub(super) fn call_until(scene: &mut Scene) -> u32 {
    scene.world.registers().x[9] = scene.world.kernel.platform.now.get() + 100;
    let (call, endpoint) = (Operation::Call as u64 | Operation::UNTIL, Handle::PARENT.raw());
    scene.world.trap(call, endpoint.into(), 0x900, [1; 6]);
    scene.running()
}

#[test]
fn a_call_that_nobody_has_received_or_answered_ends_when_its_time_comes() {
    for is_received in [false, true] {
        let mut scene = Scene::new();
        let [server, client] = [MIDDLE; 2].map(|priority| scene.child(priority));
        assert_eq!(scene.init_is_least(), server);
        if is_received {
            assert_eq!(scene.receive(), client);
            assert_eq!(call_until(&mut scene), server);
            assert_eq!(scene.sleep(1000), INIT);
        } else {
            assert_eq!(scene.sleep(1000), client);
            assert_eq!(call_until(&mut scene), INIT);
        }
        scene.world.kernel.platform.let_pass(100);
        shares(&mut scene, |scene| {
            scene.world.look_up();
        });
        assert_eq!(scene.running(), client);
        assert_eq!(scene.world.back().outcome, Some(IpcError::TimedOut));
        assert_eq!(scene.sleep(2000), INIT);
        assert_eq!(scene.pass(1000), server);
        assert_eq!(scene.receive(), INIT, "nothing has come, or the caller is gone");
    }
}

#[test]
fn a_caller_that_has_given_up_and_waits_for_a_cpu_stays_there_as_its_server_answers() {
    let mut scene = scene_on(3);
    let caller = child_with(&mut scene, MIDDLE, SECOND);
    let now = |scene: &Scene| scene.world.kernel.platform.now.get();
    scene.world.turn_to(1);
    scene.world.registers().x[9] = now(&scene) + 50;
    let call = Operation::Call as u64 | Operation::UNTIL;
    scene.world.trap(call, Handle::PARENT.raw().into(), 0x900, [1; 6]);
    scene.world.turn_to(0);
    let endpoint = scene.endpoint.raw().into();
    scene.world.trap(Operation::Receive as u64, endpoint, 0, [0; 6]);
    scene.world.kernel.platform.let_pass(50);
    scene.world.turn_to(1);
    scene.world.look_up();
    assert_eq!(scene.world.back().outcome, Some(IpcError::TimedOut));
    let deadline = now(&scene) + 50;
    scene.world.send(Handle::SELF, Sleep { deadline }, &[], &[]);
    scene.world.turn_to(0);
    let runs = child_with(&mut scene, HIGH, SECOND);
    confine(&mut scene, caller, CpuSet::ALL);
    scene.world.kernel.platform.let_pass(50);
    scene.world.turn_to(1);
    // It waits here, and this CPU is about to give it to the third one.
    scene.world.between = true;
    scene.world.look_up();
    scene.world.between = false;
    scene.world.turn_to(0);
    scene.world.trap(Operation::Reply as u64, 0, 0x901, [2; 6]);
    assert_eq!(scene.world.back().outcome, Some(IpcError::PeerGone));
    scene.world.give_turn(1);
    serve_alerts(&mut scene);
    let runners = [0, 1, 2].map(|cpu| runs_on(&scene, cpu));
    assert_eq!(runners, [INIT, runs, caller].map(Some));
}

#[test]
fn who_waits_below_others_that_may_not_leave_takes_turns_with_equals_elsewhere() {
    let mut scene = scene_on(2);
    let there = child_with(&mut scene, LOW, SECOND);
    assert_eq!(runs_on(&scene, 1), Some(there));
    child_with(&mut scene, MIDDLE, FIRST);
    let low = child_with(&mut scene, LOW, FIRST);
    confine(&mut scene, low, CpuSet::ALL);
    for _ in 0..3 {
        scene.world.kernel.platform.let_pass(SLICE);
        scene.world.look_up();
    }
    let mut threads = scene.world.kernel.threads();
    let (_, thread) = threads.find(|(id, _)| id.index() == low).expect("it lives");
    assert_eq!(thread.home.index(), 1);
}

#[test]
fn who_waits_until_a_time_does_so_still_when_whoever_was_about_to_wake_it_elsewhere_was_killed() {
    let mut scene = scene_on(3);
    let receiver = child_with(&mut scene, MIDDLE, SECOND);
    scene.world.turn_to(1);
    scene.world.registers().x[9] = scene.world.kernel.platform.now.get() + 100;
    let (receive, endpoint) = (Operation::Receive as u64 | Operation::UNTIL, Handle::PARENT.raw());
    scene.world.trap(receive, endpoint.into(), 0, [0; 6]);
    scene.world.turn_to(0);
    confine(&mut scene, receiver, CpuSet::ALL);
    child_with(&mut scene, HIGH, SECOND);
    let sender = child_with(&mut scene, LOW, THIRD);
    let sends = scene.children[sender as usize - 1];
    scene.world.turn_to(2);
    // It would wake the receiver on its CPU, but may not wait there behind that.
    scene.world.meanwhile_each(
        |world| {
            world.trap(Operation::Signal as u64, endpoint.into(), 1, [0; 6]);
        },
        &mut [
            &mut |world| {
                world.turn_to(0);
                world.call(sends, SetCpus { cpus: SECOND }).expect("it runs");
            },
            &mut |world| {
                world.turn_to(0);
                world.send(sends, Kill {}, &[], &[]);
            },
        ],
    );
    serve_alerts(&mut scene);
    scene.world.kernel.platform.let_pass(100);
    serve_alerts(&mut scene);
    let cpu = (0..3).find(|&cpu| runs_on(&scene, cpu) == Some(receiver));
    scene.world.turn_to(cpu.expect("it waits no longer"));
    assert_eq!(scene.world.back().outcome, Some(IpcError::TimedOut));
}

#[test]
fn who_is_answered_goes_where_nobody_runs_although_the_server_takes_the_whole_kernel_to_receive() {
    let mut scene = scene_on(5);
    let endpoint = Handle::PARENT.raw().into();
    let answered = child_with(&mut scene, MIDDLE, SECOND);
    scene.world.turn_to(1);
    scene.world.trap(Operation::Call as u64, endpoint, 0x900, [1; 6]);
    scene.world.turn_to(0);
    let received = scene.endpoint.raw().into();
    scene.world.trap(Operation::Receive as u64, received, 0, [0; 6]);
    confine(&mut scene, answered, CpuSet::ALL);
    let stays = child_with(&mut scene, HIGH, SECOND);
    child_with(&mut scene, MIDDLE, THIRD);
    scene.world.turn_to(2);
    scene.world.registers().x[9] = scene.world.kernel.platform.now.get() + 5;
    let until = Operation::Call as u64 | Operation::UNTIL;
    scene.world.trap(until, endpoint, 0x900, [2; 6]);
    scene.world.turn_to(0);
    child_with(&mut scene, MIDDLE, CpuSet(0b1_0000));
    scene.world.turn_to(4);
    scene.world.trap(Operation::Call as u64, endpoint, 0x900, [3; 6]);
    scene.world.turn_to(0);
    // Whose message it is about to receive gives up, and the next one's is on yet another CPU.
    scene.world.meanwhile_each(
        |world| {
            world.trap(Operation::ReplyReceive as u64, received, 0x901, [4; 6]);
        },
        &mut [&mut |_| (), &mut |_| (), &mut |world| {
            // Before a time slice ends.
            world.kernel.platform.let_pass(5);
            world.turn_to(2);
            world.look_up();
        }],
    );
    assert_eq!(scene.world.back().words, [3; 6]);
    serve_alerts(&mut scene);
    assert_eq!([0, 1].map(|cpu| runs_on(&scene, cpu)), [INIT, stays].map(Some));
    assert!(scene.world.runs_somewhere(answered));
}
