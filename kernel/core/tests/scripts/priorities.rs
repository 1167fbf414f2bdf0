//! Of the threads that could run, the most important do; and whoever waits for another is not kept waiting by
//! anybody less important.

use super::wakes::shares;
use super::{world, world_on};
use abi::console::Read;
use abi::process::{Kill, Priority, PriorityFacts, ReadPriority, SetCpus, SetCredential, SetPriority, Sleep};
use abi::thread::SetThreadPriority;
use abi::{CpuSet, Errno, Handle, Operation};
use play::{SLICE, World};

pub(super) const INIT: u32 = 0;
/// The endpoint, in a child.
const SERVICE: Handle = Handle::PARENT;
/// Another one.
pub(super) const FRONT_SERVICE: Handle = Handle::from_raw(5);
pub(super) const LOW: u8 = 10;
pub(super) const MIDDLE: u8 = 20;
pub(super) const HIGH: u8 = 30;

/// Processes that are told what to do. `init` goes on when all others wait.
pub(super) struct Scene {
    pub(super) world: World,
    pub(super) endpoint: Handle,
    /// What the next child has besides, at [`FRONT_SERVICE`].
    pub(super) front_service: Option<Handle>,
    pub(super) children: Vec<Handle>,
}

impl Scene {
    pub(super) fn on(cpus: usize) -> Self {
        let mut world = world_on(cpus);
        let endpoint = world.create_endpoint();
        Self {
            world,
            endpoint,
            front_service: None,
            children: Vec::new(),
        }
    }

    pub(super) fn new() -> Self {
        Self::on(1)
    }

    /// A child with this priority, started. Its thread's number.
    pub(super) fn child(&mut self, priority: u8) -> u32 {
        self.child_on(priority, CpuSet::ALL)
    }

    /// The same, on these CPUs alone.
    pub(super) fn child_on(&mut self, priority: u8, cpus: CpuSet) -> u32 {
        let (child, _) = self.world.create("child").expect("room");
        let besides = self
            .front_service
            .take()
            .map(|handle| (FRONT_SERVICE.index(), handle));
        let both = [(SERVICE.index(), self.endpoint), (3, Handle::CONSOLE)];
        for (place, handle) in both.into_iter().chain(besides) {
            let place = abi::process::Give { place };
            self.world.call_with(child, place, &[], &[handle]).expect("gives");
        }
        self.set_priority(child, priority);
        self.world
            .call(child, SetCpus { cpus })
            .expect("one of them runs");
        self.children.push(child);
        self.world.start(child);
        self.children.len() as u32
    }

    pub(super) fn set_priority(&mut self, process: Handle, priority: u8) {
        let (priority, highest) = (Priority(priority), Priority::MOST);
        self.world
            .call(process, SetPriority { priority, highest })
            .expect("init may");
    }

    /// `init` steps back; who goes on?
    pub(super) fn init_is_least(&mut self) -> u32 {
        let (priority, highest) = (Priority(1), Priority::MOST);
        self.world
            .send(Handle::SELF, SetPriority { priority, highest }, &[], &[]);
        self.running()
    }

    pub(super) fn running(&self) -> u32 {
        self.world.running.expect("somebody runs")
    }

    /// The running thread sleeps for so long; who goes on?
    pub(super) fn sleep(&mut self, ticks: u64) -> u32 {
        let deadline = self.world.kernel.platform.now.get() + ticks;
        self.world.send(Handle::SELF, Sleep { deadline }, &[], &[]);
        self.running()
    }

    pub(super) fn pass(&mut self, ticks: u64) -> u32 {
        self.world.kernel.platform.let_pass(ticks);
        self.world.look_up();
        self.running()
    }

    /// The running thread, on a CPU that nobody else runs on then; it is the first CPU's turn.
    pub(super) fn operate_alone(&mut self, operation: Operation) {
        self.world
            .trap(operation as u64, SERVICE.raw().into(), 0x900, [1; 6]);
        assert_eq!(self.world.running, None);
        self.world.turn_to(0);
    }

    pub(super) fn receive(&mut self) -> u32 {
        self.operate(Operation::Receive, SERVICE)
    }

    pub(super) fn signal(&mut self) -> u32 {
        self.operate(Operation::Signal, SERVICE)
    }

    pub(super) fn call(&mut self) -> u32 {
        self.operate(Operation::Call, SERVICE)
    }

    pub(super) fn reply_receive(&mut self) -> u32 {
        self.operate(Operation::ReplyReceive, SERVICE)
    }

    pub(super) fn operate(&mut self, operation: Operation, at: Handle) -> u32 {
        self.world.trap(operation as u64, at.raw().into(), 0x900, [1; 6]);
        self.running()
    }

    pub(super) fn priority_of(&self, thread: u32) -> u8 {
        let mut threads = self.world.kernel.threads();
        let (_, thread) = threads.find(|(id, _)| id.index() == thread).expect("it is there");
        thread.priority.0
    }
}

#[test]
fn the_most_important_runs_and_equals_take_turns() {
    let mut scene = Scene::new();
    let [low, high, other_high] = [LOW, HIGH, HIGH].map(|priority| scene.child(priority));
    assert_eq!(scene.init_is_least(), high);
    for _ in 0..3 {
        assert_eq!(scene.pass(SLICE), other_high);
        assert_eq!(scene.pass(SLICE), high);
    }
    scene.world.yield_now();
    assert_eq!(scene.running(), other_high);
    assert_eq!(scene.sleep(u64::from(u32::MAX)), high);
    assert_eq!(scene.pass(SLICE), high, "nobody is its equal");
    assert_eq!(scene.sleep(u64::from(u32::MAX)), low);
    assert_eq!(scene.sleep(u64::from(u32::MAX)), INIT);
}

#[test]
fn who_had_to_make_way_goes_on_with_the_rest_of_the_time_slice() {
    let mut scene = Scene::new();
    let [high, low, other_low] = [HIGH, LOW, LOW].map(|priority| scene.child(priority));
    assert_eq!(scene.init_is_least(), high);
    assert_eq!(scene.sleep(SLICE + SLICE / 2), low);
    assert_eq!(scene.pass(SLICE), other_low);
    assert_eq!(scene.pass(SLICE / 2), high);
    assert_eq!(
        scene.sleep(u64::from(u32::MAX)),
        other_low,
        "not behind its equal"
    );
    assert_eq!(scene.pass(SLICE - SLICE / 2 - 1), other_low);
    assert_eq!(scene.pass(1), low, "no longer than if nobody had come");
    assert_eq!(scene.pass(SLICE - 1), low);
    assert_eq!(scene.pass(1), other_low, "the next slice is a whole one");
    assert_eq!(scene.pass(SLICE - 1), other_low);
}

#[test]
fn who_had_to_make_way_as_the_time_slice_ended_waits_behind_equals() {
    let mut scene = Scene::new();
    let [high, low, other_low] = [HIGH, LOW, LOW].map(|priority| scene.child(priority));
    assert_eq!(scene.init_is_least(), high);
    assert_eq!(scene.sleep(SLICE), low);
    scene.world.kernel.platform.let_pass(SLICE);
    assert_eq!(scene.pass(0), high);
    assert_eq!(scene.sleep(u64::from(u32::MAX)), other_low);
}

#[test]
fn who_signals_somebody_more_important_keeps_the_rest_of_the_time_slice() {
    let mut scene = Scene::new();
    let [high, low, other_low] = [HIGH, LOW, LOW].map(|priority| scene.child(priority));
    assert_eq!(scene.init_is_least(), high);
    assert_eq!(scene.receive(), low);
    assert_eq!(scene.pass(SLICE / 2), low);
    assert_eq!(scene.signal(), high);
    assert_eq!(scene.receive(), low, "not behind its equal");
    assert_eq!(scene.pass(SLICE - SLICE / 2 - 1), low);
    assert_eq!(
        scene.pass(1),
        other_low,
        "no longer than if nobody had been woken"
    );
    scene.world.kernel.platform.let_pass(SLICE);
    assert_eq!(scene.signal(), high);
    assert_eq!(scene.receive(), low, "nothing was left of it");
}

#[test]
fn who_wakes_takes_the_place_of_somebody_less_important_at_once() {
    let mut scene = Scene::new();
    let [low, high] = [LOW, HIGH].map(|priority| scene.child(priority));
    assert_eq!(scene.init_is_least(), high);
    assert_eq!(scene.sleep(3), low);
    assert_eq!(scene.pass(2), low);
    assert_eq!(scene.pass(1), high);
    assert_eq!(
        scene.sleep(100),
        low,
        "who had to step back goes on before its equals"
    );
}

#[test]
fn input_for_somebody_less_important_waits() {
    let mut scene = Scene::new();
    let [low, high] = [LOW, HIGH].map(|priority| scene.child(priority));
    assert_eq!(scene.init_is_least(), high);
    assert_eq!(scene.sleep(1), low);
    scene.world.send(Handle::CONSOLE, Read { most: 1 }, &[], &[]);
    assert_eq!(scene.pass(1), high);
    scene.world.kernel.platform.typed.push_back(b'x');
    scene.world.console_interrupt();
    assert_eq!(scene.running(), high);
    assert_eq!(scene.sleep(1), low);
}

#[test]
fn a_priority_that_changes_counts_from_now_on() {
    let mut scene = Scene::new();
    let [one, other] = [LOW, LOW].map(|priority| scene.child(priority));
    let (one_handle, other_handle) = (scene.children[0], scene.children[1]);
    scene.set_priority(other_handle, MIDDLE);
    assert_eq!(scene.init_is_least(), other);
    scene.sleep(1000);
    assert_eq!(scene.running(), one);
    scene.sleep(1000);
    assert_eq!(scene.running(), INIT);
    scene.set_priority(one_handle, HIGH);
    assert_eq!(scene.pass(1000), one);
}

#[test]
fn nobody_but_user_0_gets_above_what_they_were_allowed() {
    let mut world = world();
    let (child, _) = world.create("child").expect("room");
    let set = |priority, highest| SetPriority {
        priority: Priority(priority),
        highest: Priority(highest),
    };
    assert_eq!(world.call(Handle::SELF, set(50, 49)), Err(Errno::EPERM));
    world.call(Handle::SELF, set(50, 60)).expect("less than before");
    world.call(Handle::SELF, set(50, 70)).expect("user 0");
    world
        .call(Handle::SELF, SetCredential { uid: 7, gid: 7 })
        .expect("user 0");
    assert_eq!(world.call(Handle::SELF, set(71, 71)), Err(Errno::EPERM));
    assert_eq!(world.call(child, set(10, 71)), Err(Errno::EPERM));
    assert_eq!(world.call(child, set(70, 70)), Ok(()));
    let (grandchild, _) = world.create("another").expect("room");
    let facts = PriorityFacts {
        priority: Priority(50),
        highest: Priority(70),
    };
    assert_eq!(world.call(grandchild, ReadPriority {}), Ok(facts));
    assert_eq!(world.call(Handle::SELF, set(20, 40)), Ok(()));
    assert_eq!(
        world.call(Handle::SELF, set(20, 41)),
        Err(Errno::EPERM),
        "what is given up is gone"
    );
}

#[test]
fn callers_are_served_by_importance_and_equals_in_turn() {
    let mut scene = Scene::new();
    let server = scene.child(HIGH);
    let [low, middle, other_middle] = [LOW, MIDDLE, MIDDLE].map(|priority| scene.child(priority));
    assert_eq!(scene.init_is_least(), server);
    assert_eq!(scene.sleep(100), middle);
    assert_eq!(scene.call(), other_middle);
    assert_eq!(scene.call(), low);
    assert_eq!(scene.call(), INIT);
    assert_eq!(scene.pass(100), server);
    scene.receive();
    for client in [middle, other_middle, low] {
        let mut threads = scene.world.kernel.threads();
        let (_, thread) = threads.find(|(id, _)| id.index() == server).expect("it is there");
        assert_eq!(thread.caller.map(|caller| caller.index()), Some(client));
        drop(threads);
        if client != low {
            assert_eq!(scene.reply_receive(), server);
        }
    }
}

/// A low server that works for a low client, and a client of high and a busy thread of middle priority that sleep.
fn with_low_server() -> (Scene, [u32; 4]) {
    let mut scene = Scene::new();
    let [server, low, middle, high] = [LOW, LOW, MIDDLE, HIGH].map(|priority| scene.child(priority));
    assert_eq!(scene.init_is_least(), high);
    assert_eq!(scene.sleep(10), middle);
    assert_eq!(scene.sleep(11), server);
    assert_eq!(scene.receive(), low);
    assert_eq!(scene.call(), server);
    (scene, [server, low, middle, high])
}

#[test]
fn who_waits_for_a_busy_server_does_not_wait_for_anybody_in_between() {
    let (mut scene, [server, low, middle, high]) = with_low_server();
    assert_eq!(scene.pass(10), high);
    assert_eq!(scene.call(), server, "it has the high client's priority");
    assert_eq!(scene.pass(1), server, "the middle one is ready, and waits");
    assert_eq!(scene.reply_receive(), server, "the high client's message is next");
    assert_eq!(scene.reply_receive(), high);
    assert_eq!(scene.priority_of(server), LOW, "what was lent is given back");
    assert_eq!(scene.sleep(100), middle);
    assert_eq!(scene.sleep(100), low);
}

#[test]
fn who_is_being_served_does_not_wait_for_anybody_in_between() {
    let mut scene = Scene::new();
    let [server, middle, high] = [LOW, MIDDLE, HIGH].map(|priority| scene.child(priority));
    assert_eq!(scene.init_is_least(), high);
    assert_eq!(scene.sleep(10), middle);
    assert_eq!(scene.sleep(20), server);
    assert_eq!(scene.receive(), INIT);
    assert_eq!(scene.pass(10), high);
    assert_eq!(scene.call(), server);
    assert_eq!((scene.pass(10), scene.priority_of(server)), (server, HIGH));
    assert_eq!(scene.reply_receive(), high);
    assert_eq!(scene.priority_of(server), LOW);
}

#[test]
fn what_is_lent_is_passed_on_to_whom_the_borrower_waits_for() {
    let mut scene = Scene::new();
    let server = scene.child(LOW);
    // The front is a client of the server's, and itself the server of all others.
    let front_endpoint = scene.world.create_endpoint();
    scene.front_service = Some(front_endpoint);
    let front = scene.child(LOW);
    scene.endpoint = front_endpoint;
    let [low, middle, high] = [LOW, MIDDLE, HIGH].map(|priority| scene.child(priority));
    assert_eq!(scene.init_is_least(), high);
    assert_eq!(scene.sleep(10), middle);
    assert_eq!(scene.sleep(11), server);
    assert_eq!(scene.receive(), front);
    assert_eq!(scene.operate(Operation::Receive, FRONT_SERVICE), low);
    assert_eq!(scene.call(), front);
    assert_eq!(scene.call(), server);
    assert_eq!(scene.pass(10), high);
    shares(&mut scene, |scene| assert_eq!(scene.call(), server));
    assert_eq!(
        (scene.priority_of(front), scene.priority_of(server)),
        (HIGH, HIGH)
    );
    assert_eq!(scene.pass(1), server, "the middle one is ready, and waits");
    assert_eq!(scene.reply_receive(), front);
    assert_eq!(scene.priority_of(server), LOW);
    assert_eq!(scene.operate(Operation::ReplyReceive, FRONT_SERVICE), front);
    assert_eq!(scene.operate(Operation::ReplyReceive, FRONT_SERVICE), high);
    assert_eq!(scene.priority_of(front), LOW);
}

#[test]
fn who_receives_in_place_of_a_busy_server_is_lent_what_that_was_lent() {
    let (mut scene, [server, _, other_server, high]) = with_low_server();
    assert_eq!(scene.pass(10), high);
    assert_eq!(scene.call(), server);
    assert_eq!(scene.priority_of(server), HIGH);
    assert_eq!(scene.pass(1), server);
    assert_eq!(scene.sleep(100), other_server);
    assert_eq!(scene.receive(), other_server, "the high client's message");
    assert_eq!(
        (scene.priority_of(server), scene.priority_of(other_server)),
        (LOW, HIGH)
    );
}

#[test]
fn who_is_answered_and_was_lent_something_as_a_server_goes_on_once() {
    let mut scene = Scene::new();
    let [server, other_server, low, high] = [LOW, LOW, LOW, HIGH].map(|priority| scene.child(priority));
    assert_eq!(scene.init_is_least(), high);
    assert_eq!(scene.sleep(10), server);
    assert_eq!(scene.receive(), other_server);
    assert_eq!(scene.sleep(5), low);
    assert_eq!(scene.call(), server);
    // It becomes a client of its own service, and the other one takes its message.
    assert_eq!(scene.call(), INIT);
    assert_eq!(scene.pass(5), other_server);
    assert_eq!(scene.receive(), other_server);
    assert_eq!(scene.pass(5), high);
    assert_eq!(scene.call(), other_server);
    assert_eq!(
        (scene.priority_of(server), scene.priority_of(other_server)),
        (HIGH, HIGH)
    );
    assert_eq!(scene.reply_receive(), other_server, "the high client's message");
    assert_eq!(
        (scene.priority_of(server), scene.priority_of(other_server)),
        (LOW, HIGH)
    );
    assert_eq!(scene.reply_receive(), high);
    assert_eq!(scene.sleep(100), server, "it has its answer");
    assert_eq!(scene.sleep(100), INIT);
}

#[test]
fn what_is_lent_goes_to_the_server_that_waited_last_whichever_way_it_was_served() {
    let mut scene = Scene::new();
    let [server, other_server, low, other_low, high] =
        [LOW, LOW, LOW, LOW, HIGH].map(|priority| scene.child(priority));
    assert_eq!(scene.init_is_least(), high);
    assert_eq!(scene.sleep(10), server);
    assert_eq!(scene.receive(), other_server);
    assert_eq!(scene.receive(), low);
    assert_eq!(scene.call(), server);
    assert_eq!(scene.reply_receive(), low);
    assert_eq!(scene.call(), other_server);
    assert_eq!(scene.sleep(100), other_low);
    assert_eq!(scene.call(), server);
    assert_eq!(scene.pass(10), high);
    assert_eq!(scene.call(), server);
    assert_eq!(
        (scene.priority_of(server), scene.priority_of(other_server)),
        (HIGH, LOW)
    );
}

#[test]
fn an_end_stays_as_urgent_as_who_waits_for_it() {
    let mut scene = Scene::new();
    let victim = scene.child(LOW);
    let (handle, priority, highest) = (scene.children[0], Priority(LOW), Priority::MOST);
    assert_eq!(scene.init_is_least(), victim);
    let next = scene.sleep(1000);
    assert_eq!(next, INIT);
    let process = {
        let mut processes = scene.world.kernel.processes();
        let is_victim =
            |thread: Option<kcore::thread::ThreadId>| thread.is_some_and(|id| id.index() == victim);
        let found = processes.find(|(_, process)| is_victim(process.threads.first()));
        found.expect("there").0
    };
    scene
        .world
        .kernel()
        .end_process(process, abi::process::End::Killed);
    assert_eq!(
        scene.world.call(handle, SetPriority { priority, highest }),
        Err(Errno::ESRCH)
    );
}

#[test]
fn a_client_that_is_killed_takes_back_what_it_lent() {
    let (mut scene, [server, _, middle, high]) = with_low_server();
    assert_eq!(scene.pass(10), high);
    assert_eq!(scene.call(), server);
    assert_eq!(scene.priority_of(server), HIGH);
    let mut processes = scene.world.kernel.processes();
    let thread_is = |thread: Option<kcore::thread::ThreadId>| thread.is_some_and(|id| id.index() == high);
    let (victim, _) = processes
        .find(|(_, process)| thread_is(process.threads.first()))
        .expect("there");
    drop(processes);
    scene
        .world
        .kernel()
        .end_process(victim, abi::process::End::Killed);
    scene.world.run();
    assert_eq!(scene.priority_of(server), LOW);
    assert_eq!(scene.pass(1), middle);
}

#[test]
fn the_end_of_a_process_is_as_urgent_as_who_waits_for_it() {
    let mut scene = Scene::new();
    let [victim, middle] = [LOW, MIDDLE].map(|priority| scene.child(priority));
    let handle = scene.children[0];
    scene.set_priority(Handle::SELF, HIGH);
    scene.world.send(handle, Kill {}, &[], &[]);
    assert_eq!(scene.running(), INIT, "{victim} is gone before {middle} runs");
    assert_eq!(scene.world.answer::<Kill>(), Ok(()));
}

#[test]
fn who_wakes_goes_where_somebody_less_important_runs() {
    let mut scene = Scene::on(2);
    scene.set_priority(Handle::SELF, 200);
    let [high, low] = [HIGH, LOW].map(|priority| {
        let child = scene.child(priority);
        scene.world.give_turn(1);
        scene.world.turn_to(0);
        child
    });
    assert_eq!(scene.world.kernel.platform.cpus[1].running, Some(high));
    scene.world.turn_to(1);
    assert_eq!(scene.sleep(10), low);
    scene.world.turn_to(0);
    let middle = scene.child(MIDDLE);
    assert_eq!(scene.world.kernel.platform.cpus[0].running, Some(INIT));
    scene.world.turn_to(1);
    assert!(scene.world.is_alerted());
    scene.world.look_up();
    assert_eq!(scene.running(), middle);
    assert_eq!(scene.pass(10), high);
}

#[test]
fn a_cpu_takes_somebody_more_important_from_another_before_its_own() {
    let mut scene = Scene::on(2);
    scene.set_priority(Handle::SELF, 200);
    let first = scene.child(HIGH);
    scene.world.give_turn(1);
    scene.world.turn_to(0);
    let low = scene.child(LOW);
    let other = scene.child(HIGH);
    scene.world.turn_to(0);
    scene.sleep(5);
    let runs = |scene: &Scene, cpu: usize| scene.world.kernel.platform.cpus[cpu].running;
    scene.world.give_turn(1);
    let mut both = [runs(&scene, 0), runs(&scene, 1)];
    both.sort_unstable();
    assert_eq!(both, [Some(first), Some(other)], "and not {low}");
}

#[test]
fn who_is_answered_does_not_go_on_before_somebody_more_important_on_another_cpu() {
    let mut scene = Scene::on(2);
    scene.set_priority(Handle::SELF, 200);
    let server = scene.child(HIGH);
    scene.world.give_turn(1);
    scene.operate_alone(Operation::Receive);
    let client = scene.child(LOW);
    scene.world.give_turn(1);
    assert_eq!(scene.call(), server);
    scene.world.turn_to(0);
    let middle = scene.child(MIDDLE);
    scene.world.turn_to(1);
    assert_eq!(scene.running(), server, "{client} waits for it");
    assert_eq!(scene.reply_receive(), middle);
}

#[test]
fn a_thread_begins_as_important_as_its_maker_and_stays_below_what_its_process_may_ask_for() {
    let mut world = world();
    let own = SetPriority {
        priority: Priority(50),
        highest: Priority(60),
    };
    world.call(Handle::SELF, own).expect("less than before");
    let create = abi::process::CreateThread {
        entry: 0x60_0000,
        stack: 0,
        word: 0,
        pointer: 0,
    };
    world.call(Handle::SELF, create).expect("room");
    let thread = world.handles()[0];
    let priorities = |world: &World| -> Vec<u8> {
        let mut all: Vec<u8> = world
            .kernel
            .threads()
            .map(|(_, thread)| thread.priority.0)
            .collect();
        all.sort_unstable();
        all
    };
    assert_eq!(priorities(&world), [50, 50]);
    let set = |priority| SetThreadPriority {
        priority: Priority(priority),
    };
    assert_eq!(world.call(thread, set(61)), Err(Errno::EPERM));
    assert_eq!(world.call(thread, set(49)), Ok(()));
    assert_eq!(priorities(&world), [49, 50]);
    world.send(thread, set(60), &[], &[]);
    assert_eq!(world.running, Some(1), "it goes first from now on");
}

#[test]
fn who_waits_elsewhere_than_where_it_was_lent_something_gives_it_back() {
    let mut scene = Scene::new();
    let other_endpoint = scene.world.create_endpoint();
    scene.front_service = Some(other_endpoint);
    let server = scene.child(LOW);
    let high = scene.child(HIGH);
    assert_eq!(scene.init_is_least(), high);
    assert_eq!(scene.sleep(10), server);
    assert_eq!(scene.receive(), INIT);
    scene
        .world
        .trap(Operation::Signal as u64, scene.endpoint.raw().into(), 1, [0; 6]);
    assert_eq!(scene.running(), server, "it serves there, and waits no longer");
    assert_eq!(scene.pass(10), high);
    assert_eq!(scene.call(), server);
    assert_eq!(scene.priority_of(server), HIGH);
    assert_eq!(scene.operate(Operation::Receive, FRONT_SERVICE), INIT);
    assert_eq!(scene.priority_of(server), LOW);
}
