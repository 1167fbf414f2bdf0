//! Messages that wait until they are received, and who receives them, while CPUs share the kernel.

use super::cpus::{
    CHILD, ENDPOINT, INIT, OTHER, call, init_on, receive, reply_receive, runs_on, start_child,
};
use super::sharing::assert_direct;
use abi::process::{Priority, SetCpus, SetPriority};
use abi::{Arrival, CpuSet, Handle, IpcError, Operation, Tag};
use play::World;

/// `init` runs on the first of three CPUs, each other of which runs one of its children. It is the second one's turn.
struct Scene {
    world: World,
    endpoint: Handle,
    children: [Handle; 2],
}

impl Scene {
    fn new() -> Self {
        let (mut world, endpoint) = init_on(3);
        let children = [(); 2].map(|()| start_child(&mut world, endpoint));
        for cpu in [1, 2] {
            world.give_turn(cpu);
        }
        assert_eq!([1, 2].map(|cpu| runs_on(&world, cpu)), [Some(CHILD), Some(OTHER)]);
        world.turn_to(1);
        Self {
            world,
            endpoint,
            children,
        }
    }

    fn receives(&mut self, cpu: usize) {
        self.world.turn_to(cpu);
        let endpoint = self.endpoint;
        assert_direct(&mut self.world, |world| receive(world, endpoint));
    }

    fn answers_and_receives(&mut self, cpu: usize) {
        self.world.turn_to(cpu);
        let endpoint = self.endpoint;
        assert_direct(&mut self.world, |world| reply_receive(world, endpoint));
    }

    fn calls(&mut self, cpu: usize) {
        self.world.turn_to(cpu);
        assert_direct(&mut self.world, |world| call(world, ENDPOINT));
        assert_eq!(runs_on(&self.world, cpu), None, "it waits");
    }

    fn sends(&mut self, cpu: usize) {
        self.world.turn_to(cpu);
        let send =
            |world: &mut World| world.trap(Operation::Send as u64, ENDPOINT.raw().into(), 0x903, [4; 6]);
        assert_direct(&mut self.world, |world| {
            send(world);
        });
    }

    /// What whoever runs on that CPU, which has been woken or not, finds.
    fn finds(&mut self, cpu: usize) -> ([u64; 6], Arrival) {
        self.world.turn_to(cpu);
        if self.world.is_alerted() {
            self.world.look_up();
        }
        let back = self.world.back();
        assert_eq!(back.outcome, None);
        (back.words, back.tag.arrival())
    }

    fn set_priority(&mut self, child: usize, priority: u8) {
        let (priority, highest) = (Priority(priority), Priority::MOST);
        self.world
            .call(self.children[child], SetPriority { priority, highest })
            .expect("init may");
    }
}

#[test]
fn a_call_queues_beside_others_and_is_received_from_another_cpu() {
    let mut scene = Scene::new();
    scene.calls(1);
    scene.receives(0);
    assert_eq!(scene.finds(0), ([1; 6], Arrival::Call));
    assert_eq!(runs_on(&scene.world, 0), Some(INIT));
    scene.answers_and_receives(0);
    assert_eq!(
        runs_on(&scene.world, 0),
        Some(CHILD),
        "it was brought here with its answer"
    );
    assert_eq!(scene.finds(0), ([2; 6], Arrival::Call));
}

#[test]
fn who_answers_receives_from_one_cpu_when_it_has_woken_its_caller_on_another() {
    let mut scene = Scene::new();
    scene.calls(1);
    scene.calls(2);
    scene.receives(0);
    scene.answers_and_receives(0);
    assert_eq!(runs_on(&scene.world, 0), Some(INIT));
    assert_eq!(scene.finds(0), ([1; 6], Arrival::Call), "the other one's call");
    assert_eq!(scene.finds(1), ([2; 6], Arrival::Call), "its answer");
    assert_eq!(runs_on(&scene.world, 1), Some(CHILD));
    scene.answers_and_receives(0);
    assert_eq!(
        scene.finds(0),
        ([2; 6], Arrival::Call),
        "who was answered last goes on here"
    );
    assert_eq!(runs_on(&scene.world, 0), Some(OTHER));
}

#[test]
fn those_who_queue_from_several_cpus_are_received_as_they_came() {
    let mut scene = Scene::new();
    scene.calls(2);
    scene.calls(1);
    scene.receives(0);
    scene.answers_and_receives(0);
    assert_eq!(scene.finds(2), ([2; 6], Arrival::Call));
    assert_eq!(runs_on(&scene.world, 1), None, "it is served now");
}

#[test]
fn a_message_that_wants_no_answer_lets_its_sender_go_on_when_it_is_received() {
    let mut scene = Scene::new();
    scene.sends(1);
    assert_eq!(runs_on(&scene.world, 1), None);
    scene.receives(0);
    assert_eq!(scene.finds(0), ([4; 6], Arrival::Message));
    scene.finds(1);
    assert_eq!(runs_on(&scene.world, 1), Some(CHILD));
}

#[test]
fn a_sender_that_may_not_run_any_more_where_it_waits_goes_on_elsewhere_when_its_message_is_received() {
    let mut scene = Scene::new();
    scene.sends(1);
    scene.world.turn_to(0);
    let cpus = CpuSet(0b100);
    let request = SetCpus { cpus };
    scene.world.call(scene.children[0], request).expect("it runs");
    receive(&mut scene.world, scene.endpoint);
    assert_eq!(scene.finds(0), ([4; 6], Arrival::Message));
    let goes_on = (0..3).any(|_| {
        scene.world.give_turn(2);
        runs_on(&scene.world, 2) == Some(CHILD)
    });
    assert!(goes_on, "it takes turns with who runs there");
    assert_eq!(scene.world.back().outcome, None);
}

#[test]
fn a_message_that_wants_no_answer_wakes_who_waits_for_it_on_another_cpu() {
    let mut scene = Scene::new();
    scene.receives(0);
    scene.sends(1);
    assert_eq!(runs_on(&scene.world, 1), Some(CHILD));
    assert_eq!(scene.finds(0), ([4; 6], Arrival::Message));
    assert_eq!(runs_on(&scene.world, 0), Some(INIT));
}

#[test]
fn signals_and_messages_that_wait_are_received_alternately() {
    let mut scene = Scene::new();
    scene.calls(1);
    let signal = |world: &mut World| {
        world.trap(Operation::Signal as u64, ENDPOINT.raw().into(), 0b10, [0; 6]);
    };
    scene.world.turn_to(2);
    signal(&mut scene.world);
    scene.receives(0);
    assert_eq!(scene.finds(0), ([0b10, 0, 0, 0, 0, 0], Arrival::Signals));
    scene.world.turn_to(2);
    signal(&mut scene.world);
    scene.receives(0);
    assert_eq!(scene.finds(0), ([1; 6], Arrival::Call));
    scene.answers_and_receives(0);
    assert_eq!(scene.finds(0), ([0b10, 0, 0, 0, 0, 0], Arrival::Signals));
}

#[test]
fn who_is_more_important_than_the_server_that_runs_elsewhere_lends_it_that_as_it_queues() {
    let mut scene = Scene::new();
    scene.receives(0);
    scene.world.turn_to(1);
    call(&mut scene.world, ENDPOINT);
    assert_eq!(scene.finds(1), ([1; 6], Arrival::Call));
    assert_eq!(
        runs_on(&scene.world, 1),
        Some(INIT),
        "who waited last is whom others wait for"
    );
    scene.set_priority(1, 200);
    scene.world.turn_to(2);
    assert_direct(&mut scene.world, |world| call(world, ENDPOINT));
    let mut threads = scene.world.kernel.threads();
    let init = threads.find(|(id, _)| id.index() == INIT).expect("it lives").1;
    assert_eq!(init.priority, Priority(200));
}

#[test]
fn a_call_that_queues_has_its_bytes_when_it_is_received() {
    let mut scene = Scene::new();
    scene.world.page().bytes[..5].copy_from_slice(b"bytes");
    let tag = Tag::new(abi::Label(0x900)).with_bytes(5).expect("few").encode();
    assert_direct(&mut scene.world, |world| {
        world.trap(Operation::Call as u64, ENDPOINT.raw().into(), tag, [1; 6]);
    });
    scene.receives(0);
    scene.finds(0);
    assert_eq!(scene.world.back().tag.bytes(), 5);
    assert_eq!(&scene.world.page().bytes[..5], b"bytes");
}

#[test]
fn who_answers_until_some_time_receives_what_waits_and_waits_until_then_if_nothing_does() {
    let mut scene = Scene::new();
    scene.calls(1);
    scene.calls(2);
    scene.receives(0);
    let until = |scene: &mut Scene| {
        scene.world.turn_to(0);
        let (now, endpoint) = (scene.world.kernel.platform.now.get(), scene.endpoint);
        scene.world.registers().x[9] = now + 50;
        let operation = Operation::ReplyReceive as u64 | Operation::UNTIL;
        assert_direct(&mut scene.world, |world| {
            world.trap(operation, endpoint.raw().into(), 0x901, [2; 6]);
        });
    };
    until(&mut scene);
    assert_eq!(scene.finds(0), ([1; 6], Arrival::Call), "the other one's call");
    assert_eq!(scene.finds(1), ([2; 6], Arrival::Call), "its answer");
    until(&mut scene);
    assert_eq!(runs_on(&scene.world, 0), Some(OTHER));
    scene.world.kernel.platform.let_pass(100);
    scene.world.look_up();
    assert_eq!(runs_on(&scene.world, 0), Some(OTHER));
    scene.world.give_turn(2);
    assert_eq!(runs_on(&scene.world, 2), Some(INIT), "nobody else is there");
    assert_eq!(scene.world.back().outcome, Some(IpcError::TimedOut));
}

#[test]
fn a_call_to_who_waits_until_some_time_on_another_cpu_brings_it_here_and_that_time_does_not_come() {
    let mut scene = Scene::new();
    scene.world.turn_to(0);
    let deadline = scene.world.kernel.platform.now.get() + 50;
    scene.world.registers().x[9] = deadline;
    let (operation, endpoint) = (Operation::Receive as u64 | Operation::UNTIL, scene.endpoint);
    assert_direct(&mut scene.world, |world| {
        world.trap(operation, endpoint.raw().into(), 0, [0; 6]);
    });
    assert_eq!(runs_on(&scene.world, 0), None);
    scene.world.turn_to(1);
    assert_direct(&mut scene.world, |world| call(world, ENDPOINT));
    assert_eq!(scene.finds(1), ([1; 6], Arrival::Call));
    scene.world.kernel.platform.let_pass(100);
    for cpu in [0, 1] {
        scene.world.turn_to(cpu);
        scene.world.look_up();
    }
    assert_eq!(
        (runs_on(&scene.world, 0), runs_on(&scene.world, 1)),
        (None, Some(INIT))
    );
    assert_eq!(scene.world.back().outcome, None);
}

#[test]
fn who_may_not_come_is_called_and_answered_where_it_is() {
    let mut scene = Scene::new();
    for cpu in [0, 1] {
        scene.world.turn_to(cpu);
        let cpus = CpuSet::of(cpu as u32);
        scene
            .world
            .call(Handle::SELF, SetCpus { cpus })
            .expect("it runs there");
    }
    scene.receives(0);
    for _ in 0..2 {
        scene.calls(1);
        assert_eq!(scene.finds(0), ([1; 6], Arrival::Call));
        assert_eq!(runs_on(&scene.world, 0), Some(INIT));
        scene.answers_and_receives(0);
        assert_eq!(runs_on(&scene.world, 0), None, "it waits for the next call");
        assert_eq!(scene.finds(1), ([2; 6], Arrival::Call));
        assert_eq!(runs_on(&scene.world, 1), Some(CHILD));
    }
}

#[test]
fn who_goes_on_when_a_server_has_answered_elsewhere_has_all_registers() {
    let mut scene = Scene::new();
    for (cpu, home) in [(0, 0), (1, 1), (2, 0)] {
        scene.world.turn_to(cpu);
        let cpus = CpuSet::of(home);
        scene.world.send(Handle::SELF, SetCpus { cpus }, &[], &[]);
    }
    scene.receives(0);
    scene.world.give_turn(0);
    assert_eq!(runs_on(&scene.world, 0), Some(OTHER));
    scene.world.registers().x[9] = 77;
    scene.calls(1);
    scene.world.turn_to(0);
    scene.world.look_up();
    scene.world.end_slice();
    assert_eq!(
        runs_on(&scene.world, 0),
        Some(INIT),
        "the other one's time slice has ended"
    );
    scene.answers_and_receives(0);
    assert_eq!(runs_on(&scene.world, 0), Some(OTHER));
    assert_eq!(scene.world.registers().x[9], 77);
}
