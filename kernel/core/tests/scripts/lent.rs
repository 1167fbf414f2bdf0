//! What is lent and given back while CPUs share the kernel.

use super::across_cpus::{FIRST, SECOND, child_with, runs_on, scene_on, serve_alerts};
use super::priorities::{FRONT_SERVICE, HIGH, INIT, LOW, MIDDLE, Scene};
use super::wakes::{call_until, shares};
use abi::process::Exit;
use abi::{CpuSet, Handle, Operation};

fn priorities<const COUNT: usize>(scene: &Scene, threads: [u32; COUNT]) -> [u8; COUNT] {
    threads.map(|thread| scene.priority_of(thread))
}

fn runners(scene: &Scene) -> [Option<u32>; 2] {
    [0, 1].map(|cpu| runs_on(scene, cpu))
}

/// A server that waits, and clients that run when they have slept; `init` runs. All on one CPU.
fn with_a_server<const CLIENTS: usize>(clients: [u8; CLIENTS]) -> (Scene, u32, [u32; CLIENTS]) {
    let mut scene = Scene::new();
    let clients = clients.map(|priority| scene.child(priority));
    let server = scene.child(LOW);
    assert_eq!(scene.init_is_least(), clients[0]);
    for at in 1..=CLIENTS {
        let next = clients.get(at).copied().unwrap_or(server);
        assert_eq!(scene.sleep(10 * at as u64), next);
    }
    assert_eq!(scene.receive(), INIT);
    (scene, server, clients)
}

#[test]
fn a_call_lends_its_priority_and_the_server_gives_it_back_as_it_waits_again() {
    let (mut scene, server, [high]) = with_a_server([HIGH]);
    assert_eq!(scene.pass(10), high);
    shares(&mut scene, |scene| assert_eq!(scene.call(), server));
    assert_eq!(scene.priority_of(server), HIGH);
    shares(&mut scene, |scene| assert_eq!(scene.reply_receive(), high));
    assert_eq!(priorities(&scene, [server, high]), [LOW, HIGH]);
}

fn reply(scene: &mut Scene) {
    scene.world.trap(Operation::Reply as u64, 0, 0x901, [2; 6]);
}

#[test]
fn an_answer_gives_back_what_was_lent_and_its_caller_goes_first() {
    let (mut scene, server, [high]) = with_a_server([HIGH]);
    assert_eq!(scene.pass(10), high);
    assert_eq!(scene.call(), server);
    shares(&mut scene, reply);
    assert_eq!((scene.running(), scene.priority_of(server)), (high, LOW));
    assert_eq!(scene.sleep(10), server);
    shares(&mut scene, |scene| assert_eq!(scene.receive(), INIT));
}

#[test]
fn an_answer_does_not_give_back_what_those_lend_who_wait_still() {
    let (mut scene, server, [high, middle]) = with_a_server([HIGH, MIDDLE]);
    assert_eq!(scene.pass(10), high);
    assert_eq!(scene.call(), server);
    assert_eq!(scene.pass(10), server, "the middle one is ready, and waits");
    shares(&mut scene, reply);
    assert_eq!((scene.running(), scene.priority_of(server)), (high, LOW));
    assert_eq!(scene.sleep(100), middle);
    shares(&mut scene, |scene| assert_eq!(scene.call(), server));
    assert_eq!(scene.priority_of(server), MIDDLE, "it queues");
    shares(&mut scene, |scene| assert_eq!(scene.receive(), server));
    assert_eq!(scene.priority_of(server), MIDDLE);
    shares(&mut scene, reply);
    assert_eq!((scene.running(), scene.priority_of(server)), (middle, LOW));
}

#[test]
fn who_queues_lends_to_the_server_that_works_for_another_one() {
    let (mut scene, server, [high, middle]) = with_a_server([HIGH, MIDDLE]);
    assert_eq!(scene.pass(100), high);
    assert_eq!(scene.sleep(10), middle);
    assert_eq!(scene.call(), server);
    assert_eq!((scene.priority_of(server), scene.pass(10)), (MIDDLE, high));
    shares(&mut scene, |scene| assert_eq!(scene.call(), server));
    assert_eq!(scene.priority_of(server), HIGH);
    shares(&mut scene, reply);
    assert_eq!(
        (scene.running(), scene.priority_of(server)),
        (server, HIGH),
        "one waits still"
    );
    shares(&mut scene, |scene| assert_eq!(scene.receive(), server));
    shares(&mut scene, |scene| assert_eq!(scene.reply_receive(), high));
    assert_eq!(priorities(&scene, [server, middle]), [LOW, MIDDLE]);
}

#[test]
fn what_is_lent_to_a_server_that_queues_itself_is_passed_on_with_the_whole_kernel() {
    let (mut scene, server, [high, middle]) = with_a_server([HIGH, MIDDLE]);
    assert_eq!(scene.pass(100), high);
    assert_eq!(scene.sleep(10), middle);
    assert_eq!(scene.call(), server);
    // It becomes a client of its own service.
    assert_eq!(scene.call(), INIT);
    assert_eq!(scene.pass(10), high);
    let before = scene.world.direct;
    assert_eq!(scene.call(), INIT);
    assert_eq!(scene.world.direct, before);
    assert_eq!(scene.priority_of(server), HIGH);
}

#[test]
fn what_is_lent_is_passed_on_where_both_who_wait_for_each_other_are_at_home_on_another_cpu() {
    let mut scene = scene_on(2);
    let front_endpoint = scene.world.create_endpoint();
    let server = child_with(&mut scene, LOW, SECOND);
    scene.front_service = Some(front_endpoint);
    let front = child_with(&mut scene, LOW, SECOND);
    scene.endpoint = front_endpoint;
    let caller = child_with(&mut scene, LOW, SECOND);
    scene.world.turn_to(1);
    assert_eq!(scene.receive(), front);
    assert_eq!(scene.operate(Operation::Receive, FRONT_SERVICE), caller);
    assert_eq!(scene.call(), front);
    assert_eq!(scene.call(), server);
    let middle = child_of_init(&mut scene, MIDDLE);
    assert_eq!(runs_on(&scene, 1), Some(middle));
    let client = child_with(&mut scene, HIGH, FIRST);
    assert_eq!(scene.init_is_least(), client);
    shares(&mut scene, |scene| {
        scene
            .world
            .trap(Operation::Call as u64, Handle::PARENT.raw().into(), 0x900, [1; 6]);
    });
    assert_eq!(priorities(&scene, [front, server, caller]), [HIGH, HIGH, LOW]);
    serve_alerts(&mut scene);
    assert_eq!(runs_on(&scene, 1), Some(server));
}

/// `init` starts one that runs on the second CPU, which looks around.
fn child_of_init(scene: &mut Scene, priority: u8) -> u32 {
    scene.world.turn_to(0);
    let child = child_with(scene, priority, SECOND);
    serve_alerts(scene);
    scene.world.turn_to(0);
    child
}

/// A server that is less important than what runs on its CPU, the second one, where it waits for its turn as it has received
/// something; a more important client runs on the first one.
fn with_a_server_elsewhere(cpus: CpuSet) -> (Scene, [u32; 3]) {
    let mut scene = scene_on(2);
    let server = child_with(&mut scene, LOW, SECOND);
    let caller = child_with(&mut scene, LOW, SECOND);
    scene.world.turn_to(1);
    assert_eq!(scene.receive(), caller);
    assert_eq!(scene.call(), server);
    scene.world.turn_to(0);
    let middle = child_with(&mut scene, MIDDLE, SECOND);
    let client = child_with(&mut scene, HIGH, FIRST);
    super::across_cpus::confine(&mut scene, server, cpus);
    let (priority, highest) = (abi::process::Priority(1), abi::process::Priority::MOST);
    let request = abi::process::SetPriority { priority, highest };
    scene.world.send(Handle::SELF, request, &[], &[]);
    serve_alerts(&mut scene);
    assert_eq!(runners(&scene), [client, middle].map(Some));
    (scene, [server, middle, client])
}

#[test]
fn who_queues_lends_to_a_server_that_waits_for_another_cpu_which_goes_on_with_it() {
    let (mut scene, [server, middle, _]) = with_a_server_elsewhere(SECOND);
    shares(&mut scene, |scene| {
        scene
            .world
            .trap(Operation::Call as u64, Handle::PARENT.raw().into(), 0x900, [1; 6]);
    });
    assert_eq!(scene.priority_of(server), HIGH);
    serve_alerts(&mut scene);
    assert_eq!(runners(&scene), [INIT, server].map(Some));
    scene.world.turn_to(1);
    shares(&mut scene, |scene| assert_eq!(scene.reply_receive(), server));
    assert_eq!(scene.world.back().words, [1; 6]);
    scene.world.send(Handle::SELF, Exit { status: 0 }, &[], &[]);
    assert_eq!(runs_on(&scene, 1), Some(middle));
}

#[test]
fn a_server_that_waits_for_another_cpu_may_go_on_here_in_place_of_who_queues() {
    let (mut scene, [server, middle, _]) = with_a_server_elsewhere(CpuSet::ALL);
    shares(&mut scene, |scene| {
        scene
            .world
            .trap(Operation::Call as u64, Handle::PARENT.raw().into(), 0x900, [1; 6]);
    });
    serve_alerts(&mut scene);
    assert_eq!(runners(&scene), [server, middle].map(Some));
}

#[test]
fn a_call_lends_its_priority_to_a_server_that_goes_on_on_another_cpu() {
    let mut scene = scene_on(2);
    let server = child_with(&mut scene, LOW, SECOND);
    scene.world.turn_to(1);
    scene.operate_alone(Operation::Receive);
    let client = child_with(&mut scene, HIGH, FIRST);
    assert_eq!(scene.init_is_least(), client);
    shares(&mut scene, |scene| assert_eq!(scene.call(), INIT));
    assert_eq!(scene.priority_of(server), HIGH);
    serve_alerts(&mut scene);
    assert_eq!(runners(&scene), [INIT, server].map(Some));
}

#[test]
fn who_gives_its_call_up_takes_back_what_it_has_lent() {
    let (mut scene, server, [high]) = with_a_server([HIGH]);
    assert_eq!(scene.pass(10), high);
    assert_eq!(call_until(&mut scene), server);
    assert_eq!(scene.priority_of(server), HIGH);
    assert_eq!((scene.pass(100), scene.priority_of(server)), (high, LOW));
}

#[test]
fn who_gives_its_place_in_the_queue_up_takes_back_what_it_has_lent() {
    let (mut scene, server, [high, middle]) = with_a_server([HIGH, MIDDLE]);
    assert_eq!(scene.pass(100), high);
    assert_eq!(scene.sleep(10), middle);
    assert_eq!(scene.call(), server);
    assert_eq!(scene.pass(10), high);
    assert_eq!(call_until(&mut scene), server);
    assert_eq!(scene.priority_of(server), HIGH);
    assert_eq!((scene.pass(100), scene.priority_of(server)), (high, MIDDLE));
}
