//! What others do while a CPU waits for another one's turn, or for all of them, in the middle of a trap: it finds what is so then.

use super::cpus::{ENDPOINT, INIT, init_on, runs_on, start_child};
use super::threads::create_thread;
use abi::device::Listen;
use abi::layout::AREA_START;
use abi::process::{Close, End, Give, HandleFaults, Kill, SetCpus, Sleep, TakeCaller, Wait};
use abi::system::OpenDevice;
use abi::{Arrival, CpuSet, Errno, Handle, IpcError, Operation, Words6};
use addr::VirtAddr;
use mm::Access;
use play::World;

const ONE: u32 = 1;
const TWO: u32 = 2;
const THREE: u32 = 3;
/// The endpoint, in `init`.
const OF_INIT: Handle = Handle::from_raw(5);
/// For how long somebody waits.
const SOON: u64 = 50;

/// `init` runs on the first of four CPUs, and on each other one a child, with the number of that. It is the second one's turn.
struct Scene {
    world: World,
    children: [Handle; 3],
}

impl Scene {
    fn new() -> Self {
        let (mut world, endpoint) = init_on(4);
        let children = [(); 3].map(|()| start_child(&mut world, endpoint));
        for cpu in [1, 2, 3] {
            world.give_turn(cpu);
        }
        world.turn_to(1);
        assert_eq!(endpoint, OF_INIT);
        let scene = Self { world, children };
        assert_eq!(scene.runners(), [INIT, ONE, TWO, THREE].map(Some));
        scene
    }

    /// The same, and somebody waits at the endpoint, on this CPU.
    fn with_a_receiver(cpu: usize) -> Self {
        let mut scene = Self::new();
        scene.on(cpu, receive_there);
        scene.world.turn_to(1);
        scene
    }

    /// The same, and `init` has received the call of the first child, which waits until soon.
    fn with_a_caller() -> Self {
        let mut scene = Self::new();
        scene.on(1, |world| until_soon(world, Operation::Call, 1));
        scene.on(0, receive_there);
        assert_eq!(scene.on(0, |world| world.back().words), [1; 6]);
        scene
    }

    fn runners(&self) -> [Option<u32>; 4] {
        [0, 1, 2, 3].map(|cpu| runs_on(&self.world, cpu))
    }

    /// What happens on that CPU.
    fn on<T>(&mut self, cpu: usize, act: impl FnOnce(&mut World) -> T) -> T {
        on(&mut self.world, cpu, act)
    }

    /// That thread, which goes on, has received or been answered this, wherever it is.
    fn finds(&mut self, thread: u32, words: Words6) {
        let cpu = look_for(&mut self.world, thread);
        let back = self.on(cpu, World::back);
        assert_eq!((back.outcome, back.words), (None, words));
    }

    /// Nothing has come of that thread's trap but this.
    fn is_told(&mut self, thread: u32, error: IpcError) {
        let cpu = look_for(&mut self.world, thread);
        assert_eq!(self.on(cpu, World::back).outcome, Some(error));
    }

    /// It waits still.
    fn waits(&self, thread: u32) {
        assert!(!self.world.runs_somewhere(thread));
    }
}

fn on<T>(world: &mut World, cpu: usize, act: impl FnOnce(&mut World) -> T) -> T {
    world.turn_to(cpu);
    act(world)
}

/// The CPU that the thread, which goes on, runs on, perhaps when others have had their time slices.
fn look_for(world: &mut World, thread: u32) -> usize {
    for turn in 0..12 {
        let cpu = turn % 4;
        world.turn_to(cpu);
        if world.is_alerted() {
            world.look_up();
        } else if turn >= 8 {
            world.give_turn(cpu);
        }
        if let Some(cpu) = (0..4).find(|&cpu| runs_on(world, cpu) == Some(thread)) {
            return cpu;
        }
    }
    panic!("thread {thread} does not go on");
}

/// The handle of the endpoint that whoever runs has.
fn endpoint_of(world: &World) -> Handle {
    if world.running == Some(INIT) {
        OF_INIT
    } else {
        ENDPOINT
    }
}

fn trap(world: &mut World, operation: Operation, word: u64) {
    let endpoint = endpoint_of(world);
    world.trap(operation as u64, endpoint.raw().into(), 0x900, [word; 6]);
}

fn until_soon(world: &mut World, operation: Operation, word: u64) {
    let soon = world.kernel.platform.now.get() + SOON;
    until(world, soon, operation, word);
}

fn until(world: &mut World, deadline: u64, operation: Operation, word: u64) {
    let endpoint = endpoint_of(world);
    world.registers().x[9] = deadline;
    let operation = operation as u64 | Operation::UNTIL;
    world.trap(operation, endpoint.raw().into(), 0x900, [word; 6]);
}

fn receive_there(world: &mut World) {
    trap(world, Operation::Receive, 0);
}

fn sleep(world: &mut World) {
    let deadline = world.kernel.platform.now.get() + SOON;
    world.send(Handle::SELF, Sleep { deadline }, &[], &[]);
}

fn call(world: &mut World, word: u64) {
    trap(world, Operation::Call, word);
}

fn answer_and_receive(world: &mut World, word: u64) {
    trap(world, Operation::ReplyReceive, word);
}

/// Whoever runs answers with this, by that reply handle or to whose message it has received last.
fn reply(world: &mut World, handle: Handle, word: u64) {
    world.trap(Operation::Reply as u64, handle.raw().into(), 0x901, [word; 6]);
}

fn answer(world: &mut World, word: u64) {
    reply(world, Handle::NONE, word);
}

/// So much time passes that who waits until soon does so no longer, and it goes on on that CPU.
fn gives_up(world: &mut World, cpu: usize) {
    world.kernel.platform.let_pass(SOON);
    world.turn_to(cpu);
    world.look_up();
    assert_eq!(world.back().outcome, Some(IpcError::TimedOut));
}

#[test]
fn who_calls_somebody_whom_another_one_has_called_before_waits_for_its_turn() {
    let mut scene = Scene::with_a_receiver(3);
    scene.world.meanwhile(
        |world| call(world, 1),
        |world| on(world, 2, |world| call(world, 2)),
    );
    scene.finds(THREE, [2; 6]);
    scene.waits(ONE);
    let cpu = look_for(&mut scene.world, THREE);
    scene.on(cpu, |world| answer_and_receive(world, 3));
    scene.finds(TWO, [3; 6]);
    scene.finds(THREE, [1; 6]);
}

#[test]
fn who_calls_somebody_whom_another_one_has_called_before_is_received_by_the_next_one() {
    let mut scene = Scene::with_a_receiver(3);
    scene.on(0, receive_there);
    scene.world.turn_to(1);
    scene.world.meanwhile(
        |world| call(world, 1),
        |world| on(world, 2, |world| call(world, 2)),
    );
    scene.finds(THREE, [2; 6]);
    scene.finds(INIT, [1; 6]);
}

#[test]
fn who_calls_somebody_who_has_given_up_before_waits_for_the_next_one() {
    let mut scene = Scene::new();
    scene.on(3, |world| until_soon(world, Operation::Receive, 0));
    scene.world.turn_to(1);
    scene
        .world
        .meanwhile(|world| call(world, 1), |world| gives_up(world, 3));
    scene.waits(ONE);
    scene.on(2, receive_there);
    scene.finds(TWO, [1; 6]);
}

#[test]
fn who_sends_to_somebody_whom_another_one_has_called_before_waits_until_its_message_is_received() {
    let mut scene = Scene::with_a_receiver(3);
    let send = |world: &mut World| trap(world, Operation::Send, 1);
    scene
        .world
        .meanwhile(send, |world| on(world, 2, |world| call(world, 2)));
    scene.finds(THREE, [2; 6]);
    scene.waits(ONE);
    let cpu = look_for(&mut scene.world, THREE);
    scene.on(cpu, |world| answer_and_receive(world, 3));
    scene.finds(THREE, [1; 6]);
    scene.finds(ONE, [0; 6]);
}

#[test]
fn a_signal_to_somebody_whom_another_one_has_called_before_waits_until_it_receives() {
    let mut scene = Scene::with_a_receiver(3);
    let signal = |world: &mut World| {
        let endpoint = ENDPOINT.raw().into();
        world.trap(Operation::Signal as u64, endpoint, 0b100, [0; 6]);
    };
    scene
        .world
        .meanwhile(signal, |world| on(world, 2, |world| call(world, 2)));
    scene.finds(ONE, [0; 6]);
    scene.finds(THREE, [2; 6]);
    let cpu = look_for(&mut scene.world, THREE);
    scene.on(cpu, |world| answer_and_receive(world, 3));
    scene.finds(THREE, [0b100, 0, 0, 0, 0, 0]);
}

/// The first child waits no longer for `init`, and for something else.
fn goes_its_way(world: &mut World) {
    gives_up(world, 1);
    sleep(world);
}

#[test]
fn an_answer_to_a_caller_that_waits_for_something_else_by_now_goes_nowhere() {
    for operation in [Operation::Reply, Operation::ReplyReceive] {
        let mut scene = Scene::with_a_caller();
        let answers = |world: &mut World| match operation {
            Operation::Reply => answer(world, 3),
            _ => answer_and_receive(world, 3),
        };
        scene.world.meanwhile(answers, goes_its_way);
        if operation == Operation::Reply {
            scene.is_told(INIT, IpcError::PeerGone);
        } else {
            scene.waits(INIT);
        }
        scene.waits(ONE);
        scene.world.kernel.platform.let_pass(SOON);
        let cpu = look_for(&mut scene.world, ONE);
        assert_eq!(scene.on(cpu, World::answer::<Sleep>), Ok(()));
    }
}

#[test]
fn an_answer_to_a_caller_that_waits_for_somebody_else_by_now_goes_nowhere() {
    for operation in [Operation::Reply, Operation::ReplyReceive] {
        let mut scene = Scene::with_a_caller();
        let answers = |world: &mut World| match operation {
            Operation::Reply => answer(world, 3),
            _ => answer_and_receive(world, 3),
        };
        scene.on(3, receive_there);
        scene.world.turn_to(0);
        scene.world.meanwhile(answers, |world| {
            gives_up(world, 1);
            call(world, 2);
        });
        scene.finds(THREE, [2; 6]);
        scene.waits(ONE);
        let cpu = look_for(&mut scene.world, THREE);
        scene.on(cpu, |world| answer(world, 4));
        scene.finds(ONE, [4; 6]);
    }
}

/// Whoever runs takes along whose message it has received last.
fn take_caller(world: &mut World) -> Handle {
    assert_eq!(world.call(Handle::SELF, TakeCaller {}), Ok(()));
    world.handles()[0]
}

#[test]
fn an_answer_to_a_caller_that_was_taken_along_and_waits_for_another_one_by_now_goes_nowhere() {
    // Where it would be woken: elsewhere, or where it is.
    for cpus in [CpuSet::ALL, CpuSet(0b10)] {
        let mut scene = Scene::with_a_caller();
        let child = scene.children[0];
        scene.on(0, |world| world.call(child, SetCpus { cpus }).expect("they run"));
        let handle = scene.on(0, take_caller);
        scene.on(3, receive_there);
        scene.world.turn_to(0);
        let mut later = Handle::NONE;
        scene.world.meanwhile(
            |world| reply(world, handle, 3),
            |world| {
                gives_up(world, 1);
                call(world, 2);
                let cpu = look_for(world, THREE);
                later = on(world, cpu, take_caller);
            },
        );
        scene.is_told(INIT, IpcError::PeerGone);
        scene.waits(ONE);
        let cpu = look_for(&mut scene.world, THREE);
        scene.on(cpu, |world| reply(world, later, 4));
        scene.finds(ONE, [4; 6]);
    }
}

#[test]
fn nobody_is_taken_along_who_waits_for_something_else_by_now() {
    let mut scene = Scene::with_a_caller();
    let take = |world: &mut World| {
        world.send(Handle::SELF, TakeCaller {}, &[], &[]);
    };
    scene.world.turn_to(0);
    scene.world.meanwhile(take, goes_its_way);
    assert_eq!(scene.on(0, World::answer::<TakeCaller>), Err(Errno::ESRCH));
    scene.waits(ONE);
}

/// The first child has called, and waits until soon; nobody has received that.
fn with_a_call_that_waits(operation: Operation) -> Scene {
    let mut scene = Scene::new();
    scene.on(1, |world| until_soon(world, operation, 1));
    scene.waits(ONE);
    scene.world.turn_to(0);
    scene
}

#[test]
fn who_receives_what_another_one_has_received_before_waits_for_the_next() {
    for operation in [Operation::Call, Operation::Send] {
        let mut scene = with_a_call_that_waits(operation);
        scene
            .world
            .meanwhile(receive_there, |world| on(world, 3, receive_there));
        scene.waits(INIT);
        scene.finds(THREE, [1; 6]);
        scene.on(2, |world| call(world, 2));
        scene.finds(INIT, [2; 6]);
    }
}

#[test]
fn who_receives_what_another_one_has_received_before_has_what_waits_behind_it() {
    for operation in [Operation::Call, Operation::Send] {
        let mut scene = with_a_call_that_waits(operation);
        scene.world.meanwhile(receive_there, |world| {
            on(world, 2, |world| call(world, 2));
            on(world, 3, receive_there);
        });
        scene.finds(THREE, [1; 6]);
        scene.finds(INIT, [2; 6]);
        scene.waits(TWO);
    }
}

#[test]
fn who_receives_what_was_given_up_before_waits_for_the_next() {
    for operation in [Operation::Call, Operation::Send] {
        let mut scene = with_a_call_that_waits(operation);
        scene.world.meanwhile(receive_there, goes_its_way);
        scene.waits(INIT);
        scene.waits(ONE);
        scene.on(2, |world| call(world, 2));
        scene.finds(INIT, [2; 6]);
    }
}

#[test]
fn who_answers_until_some_time_and_receives_nothing_before_is_told_and_the_answer_has_arrived() {
    let mut scene = Scene::with_a_caller();
    scene.on(2, |world| call(world, 2));
    scene.world.turn_to(0);
    let soon = scene.world.kernel.platform.now.get() + SOON;
    scene.world.meanwhile_each(
        |world| until(world, soon, Operation::ReplyReceive, 3),
        &mut [&mut |_| (), &mut |world| {
            on(world, 3, receive_there);
            world.kernel.platform.let_pass(SOON);
        }],
    );
    scene.finds(ONE, [3; 6]);
    scene.finds(THREE, [2; 6]);
    scene.is_told(INIT, IpcError::TimedOut);
}

/// `init` kills the first child, and waits for its end.
fn kill(scene: &mut Scene, act: impl FnOnce(&mut World)) {
    let victim = scene.children[0];
    scene.world.turn_to(1);
    scene.world.meanwhile(act, |world| {
        on(world, 0, |world| world.send(victim, Kill {}, &[], &[]));
    });
    let cpu = look_for(&mut scene.world, INIT);
    assert_eq!(scene.on(cpu, World::answer::<Kill>), Ok(()));
    assert_eq!(
        scene.on(cpu, |world| world.call(victim, Wait {})),
        Ok(End::Killed)
    );
}

#[test]
fn nothing_comes_of_what_a_thread_does_that_was_killed_before() {
    let acts: [fn(&mut World); 4] = [
        |world| call(world, 1),
        |world| trap(world, Operation::Send, 1),
        |world| trap(world, Operation::Signal, 1),
        |world| until_soon(world, Operation::Call, 1),
    ];
    for act in acts {
        let mut scene = Scene::with_a_receiver(3);
        kill(&mut scene, act);
        scene.waits(THREE);
        scene.on(2, |world| call(world, 2));
        scene.finds(THREE, [2; 6]);
    }
}

#[test]
fn nothing_is_received_by_a_thread_that_was_killed_before() {
    let mut scene = Scene::new();
    scene.on(2, |world| call(world, 2));
    kill(&mut scene, receive_there);
    scene.waits(TWO);
    scene.on(3, receive_there);
    scene.finds(THREE, [2; 6]);
}

#[test]
fn nobody_is_answered_by_a_thread_that_was_killed_before() {
    for act in [answer, answer_and_receive] {
        let mut scene = Scene::new();
        scene.on(2, |world| call(world, 2));
        scene.on(1, receive_there);
        kill(&mut scene, |world| act(world, 3));
        scene.is_told(TWO, IpcError::PeerGone);
    }
}

fn touch_nothing(world: &mut World) {
    world.touch(VirtAddr::new(AREA_START + 0x5000), Access::Write);
}

/// Somebody on the fourth CPU waits for faults of the first child.
fn with_a_handler() -> Scene {
    let mut scene = Scene::with_a_receiver(3);
    let child = scene.children[0];
    let named = scene.on(0, |world| {
        world.call_with(child, HandleFaults {}, &[], &[OF_INIT])
    });
    assert_eq!(named, Ok(()));
    scene.world.turn_to(1);
    scene
}

#[test]
fn a_fault_is_told_later_whose_handler_another_one_has_called_before() {
    let mut scene = with_a_handler();
    scene
        .world
        .meanwhile(touch_nothing, |world| on(world, 2, |world| call(world, 2)));
    scene.finds(THREE, [2; 6]);
    scene.waits(ONE);
    let cpu = look_for(&mut scene.world, THREE);
    scene.on(cpu, |world| answer_and_receive(world, 3));
    let back = scene.on(cpu, World::back);
    assert_eq!((back.outcome, back.tag.arrival()), (None, Arrival::Fault));
}

#[test]
fn a_fault_of_a_thread_that_was_killed_before_is_not_told() {
    let mut scene = with_a_handler();
    kill(&mut scene, touch_nothing);
    scene.waits(THREE);
    scene.on(2, |world| call(world, 2));
    scene.finds(THREE, [2; 6]);
}

#[test]
fn what_a_device_signals_waits_for_a_driver_that_another_one_has_called_before() {
    let mut scene = Scene::new();
    scene.on(0, |world| {
        let open = OpenDevice { number: 0 };
        world.call(Handle::PARENT, open).expect("there is one");
        let device = world.handles()[0];
        let listens = world.call_with(device, Listen {}, &[], &[OF_INIT]);
        assert_eq!(listens, Ok(()));
        receive_there(world);
    });
    scene.world.turn_to(1);
    let interrupts = |world: &mut World| {
        assert!(world.device_interrupt().is_some());
    };
    scene
        .world
        .meanwhile(interrupts, |world| on(world, 2, |world| call(world, 2)));
    scene.finds(INIT, [2; 6]);
    let cpu = look_for(&mut scene.world, INIT);
    scene.on(cpu, |world| answer_and_receive(world, 3));
    scene.finds(INIT, [1, 0, 0, 0, 0, 0]);
}

/// `init` gives its fourth child, which has not started, a handle at a place where that has one, while a sibling of `init` does
/// something else. The handle of that child.
fn with_one_that_is_given_something(others: impl FnOnce(&mut World, Handle)) -> (World, Handle) {
    let (mut world, endpoint) = init_on(2);
    create_thread(&mut world);
    let (child, _) = world.create("child").expect("room");
    world.give_turn(1);
    assert_eq!([0, 1].map(|cpu| runs_on(&world, cpu)), [INIT, ONE].map(Some));
    world.turn_to(0);
    let place = Handle::SELF.index();
    world.meanwhile(
        |world| {
            world.send(child, Give { place }, &[], &[endpoint]);
        },
        |world| {
            world.turn_to(1);
            others(world, child);
        },
    );
    (world, child)
}

#[test]
fn who_starts_while_it_is_given_something_where_it_has_itself_has_itself_still() {
    let (mut world, child) = with_one_that_is_given_something(|world, child| world.start(child));
    assert_eq!(world.answer::<Give>(), Err(Errno::EBUSY));
    assert_eq!(world.call(child, Kill {}), Ok(()));
}

#[test]
fn who_was_given_something_where_it_has_itself_goes_with_its_last_handle() {
    let (mut world, child) = with_one_that_is_given_something(|_, _| {});
    assert_eq!(world.answer::<Give>(), Ok(()));
    let processes = world.kernel.population().processes;
    assert_eq!(world.call(Handle::SELF, Close { handle: child }), Ok(()));
    for turn in 0..9 {
        world.give_turn(turn % 2);
    }
    assert_eq!(world.kernel.population().processes, processes - 1);
}
