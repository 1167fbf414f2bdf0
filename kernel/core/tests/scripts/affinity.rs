//! Threads that may run on some CPUs alone.

use super::world_on;
use abi::process::{CpuFacts, CreateThread, Fork, Kill, ReadCpus, SetCpus, Sleep, Wait};
use abi::thread::{ReadThreadCpus, SetThreadCpus};
use abi::{CpuSet, Errno, Handle, Operation};
use kcore::Next;
use play::{Way, World};

const INIT: u32 = 0;
const CHILD: u32 = 1;
const FIRST: CpuSet = CpuSet(0b01);
const SECOND: CpuSet = CpuSet(0b10);

/// `init` runs on the first of so many CPUs; the others sleep.
fn init_on(cpus: usize) -> World {
    world_on(cpus)
}

fn runs_on(world: &World, cpu: usize) -> Option<u32> {
    world.kernel.platform.cpus[cpu].running
}

fn start_child(world: &mut World, cpus: CpuSet) -> Handle {
    let (child, _) = world.create("child").expect("room");
    world.call(child, SetCpus { cpus }).expect("one of them runs");
    world.start(child);
    child
}

fn facts(cpus: CpuSet, cpu: u32) -> Result<CpuFacts, Errno> {
    Ok(CpuFacts { cpus, cpu })
}

#[test]
fn whoever_may_run_elsewhere_alone_goes_there_before_the_answer() {
    for way in [Way::Shorter, Way::Long] {
        let mut world = init_on(2);
        world.way = way;
        world.send(Handle::SELF, SetCpus { cpus: SECOND }, &[], &[]);
        assert_eq!(runs_on(&world, 0), None);
        assert_eq!(world.give_turn(1), Some(Next::Run(INIT)));
        assert_eq!(world.answer::<SetCpus>(), Ok(()));
        assert_eq!(world.call(Handle::SELF, ReadCpus {}), facts(SECOND, 1));
    }
}

#[test]
fn a_set_of_cpus_none_of_which_runs_is_refused_and_nothing_changes() {
    let mut world = init_on(2);
    let all = facts(CpuSet(0b11), 0);
    for cpus in [CpuSet(0), CpuSet(0b100), CpuSet(1 << 63)] {
        assert_eq!(world.call(Handle::SELF, SetCpus { cpus }), Err(Errno::EINVAL));
        assert_eq!(world.call(Handle::SELF, ReadCpus {}), all);
    }
    assert_eq!(world.call(Handle::SELF, SetCpus { cpus: CpuSet::ALL }), Ok(()));
    assert_eq!(world.call(Handle::SELF, ReadCpus {}), all);
}

#[test]
fn a_cpu_that_sleeps_does_not_take_who_may_not_run_there() {
    let mut world = init_on(2);
    world
        .call(Handle::SELF, SetCpus { cpus: FIRST })
        .expect("it runs");
    start_child(&mut world, FIRST);
    assert_eq!(runs_on(&world, 0), Some(INIT));
    assert_eq!(world.give_turn(1), None, "it is not even woken");
    for turn in [CHILD, INIT, CHILD] {
        world.turn_to(0);
        world.yield_now();
        world.run();
        assert_eq!(runs_on(&world, 0), Some(turn));
        assert_eq!(world.give_turn(1), None);
    }
    world.turn_to(0);
    world.end_slice();
    assert_eq!(runs_on(&world, 0), Some(INIT));
}

#[test]
fn who_yields_to_one_who_may_run_nowhere_else_goes_on_on_a_cpu_that_sleeps() {
    for way in [Way::Shorter, Way::Long] {
        let mut world = init_on(2);
        let own = |cpus| SetCpus { cpus };
        world.call(Handle::SELF, own(FIRST)).expect("it runs");
        start_child(&mut world, FIRST);
        assert_eq!(world.give_turn(1), None, "the child may not come");
        world.turn_to(0);
        world.way = way;
        world.yield_now();
        world.yield_now();
        world.call(Handle::SELF, own(CpuSet::ALL)).expect("they run");
        world.yield_now();
        assert_eq!(runs_on(&world, 0), Some(CHILD));
        assert_eq!(world.give_turn(1), Some(Next::Run(INIT)));
    }
}

#[test]
fn a_cpu_takes_who_may_run_there_from_behind_those_who_may_not() {
    let mut world = init_on(2);
    let busy = start_child(&mut world, SECOND);
    assert_eq!(world.give_turn(1), Some(Next::Run(CHILD)));
    world.turn_to(0);
    start_child(&mut world, FIRST);
    start_child(&mut world, CpuSet::ALL);
    world.send(busy, Kill {}, &[], &[]);
    world.give_turn(1);
    assert_eq!(runs_on(&world, 1), Some(3));
}

#[test]
fn a_thread_is_sent_away_from_where_it_runs_or_waits() {
    let mut world = init_on(3);
    let child = start_child(&mut world, CpuSet::ALL);
    assert_eq!(world.give_turn(1), Some(Next::Run(CHILD)));
    world.turn_to(0);
    let third = CpuSet::of(2);
    assert_eq!(world.call(child, SetCpus { cpus: third }), Ok(()));
    world.give_turn(1);
    assert_eq!(runs_on(&world, 1), None);
    assert_eq!(world.give_turn(2), Some(Next::Run(CHILD)));
    // Now one that waits, behind `init`.
    world.turn_to(0);
    let other = start_child(&mut world, FIRST);
    assert_eq!(world.call(other, SetCpus { cpus: SECOND }), Ok(()));
    assert_eq!(world.give_turn(1), Some(Next::Run(2)));
}

#[test]
fn who_wakes_on_a_cpu_where_it_may_not_run_any_more_goes_on_elsewhere() {
    let mut world = init_on(2);
    let child = start_child(&mut world, SECOND);
    assert_eq!(world.give_turn(1), Some(Next::Run(CHILD)));
    let deadline = world.kernel.platform.now.get() + 5;
    world.send(Handle::SELF, Sleep { deadline }, &[], &[]);
    world.turn_to(0);
    assert_eq!(world.call(child, SetCpus { cpus: FIRST }), Ok(()));
    world.kernel.platform.let_pass(5);
    world.give_turn(1);
    assert_eq!(runs_on(&world, 1), None);
    world.turn_to(0);
    world.send(child, Wait {}, &[], &[]);
    assert_eq!(runs_on(&world, 0), Some(CHILD));
}

#[test]
fn a_message_does_not_fetch_a_receiver_to_where_it_may_not_run() {
    let mut world = init_on(2);
    let endpoint = world.create_endpoint();
    let (server, _) = world.create("server").expect("room");
    let place = abi::process::Give { place: 4 };
    world.call_with(server, place, &[], &[endpoint]).expect("gives");
    world.call(server, SetCpus { cpus: SECOND }).expect("it runs");
    world.start(server);
    assert_eq!(world.give_turn(1), Some(Next::Run(CHILD)));
    world.trap(
        Operation::Receive as u64,
        u64::from(Handle::PARENT.raw()),
        0,
        [0; 6],
    );
    assert_eq!(runs_on(&world, 1), None);
    world.turn_to(0);
    world.trap(Operation::Call as u64, endpoint.raw().into(), 0x900, [1; 6]);
    assert_eq!(runs_on(&world, 0), None);
    assert_eq!(world.give_turn(1), Some(Next::Run(CHILD)));
}

#[test]
fn who_is_sent_away_while_it_waits_at_home_is_called_and_answers_elsewhere() {
    let mut world = init_on(2);
    let endpoint = world.create_endpoint();
    let (server, _) = world.create("server").expect("room");
    let place = abi::process::Give { place: 4 };
    world.call_with(server, place, &[], &[endpoint]).expect("gives");
    world.call(server, SetCpus { cpus: FIRST }).expect("it runs");
    world.start(server);
    world.until(CHILD);
    let parent = u64::from(Handle::PARENT.raw());
    world.trap(Operation::Receive as u64, parent, 0, [0; 6]);
    world.until(INIT);
    assert_eq!(world.call(server, SetCpus { cpus: SECOND }), Ok(()));
    world.trap(Operation::Call as u64, endpoint.raw().into(), 0x900, [1; 6]);
    assert_eq!(runs_on(&world, 0), None);
    assert_eq!(world.give_turn(1), Some(Next::Run(CHILD)));
}

#[test]
fn copies_children_and_threads_begin_where_their_maker_may_run() {
    let mut world = init_on(2);
    world
        .call(Handle::SELF, SetCpus { cpus: FIRST })
        .expect("it runs");
    world.create("child").expect("room");
    world.send(Handle::SELF, Fork {}, &[], &[]);
    let create = CreateThread {
        entry: 0x60_0000,
        stack: 0,
        word: 0,
        pointer: 0,
    };
    world.until(INIT);
    world.send(Handle::SELF, create, &[], &[]);
    let confined = world.kernel.threads().filter(|(_, thread)| thread.cpus == FIRST);
    assert_eq!(confined.count(), 4);
    assert_eq!(world.give_turn(1), None);
}

#[test]
fn one_thread_is_confined_by_its_handle_and_the_others_are_not() {
    let mut world = init_on(2);
    let create = CreateThread {
        entry: 0x60_0000,
        stack: 0,
        word: 0,
        pointer: 0,
    };
    world.send(Handle::SELF, create, &[], &[]);
    world.turn_to(0);
    let thread = world.handles()[0];
    assert_eq!(world.call(thread, SetThreadCpus { cpus: SECOND }), Ok(()));
    assert_eq!(
        world.call(thread, SetThreadCpus { cpus: CpuSet(0) }),
        Err(Errno::EINVAL)
    );
    assert_eq!(world.call(thread, ReadThreadCpus {}), facts(SECOND, 1));
    assert_eq!(world.call(Handle::SELF, ReadCpus {}), facts(CpuSet(0b11), 0));
}

#[test]
fn an_end_comes_wherever_its_threads_are() {
    let mut world = init_on(2);
    let child = start_child(&mut world, SECOND);
    assert_eq!(world.give_turn(1), Some(Next::Run(CHILD)));
    world.turn_to(0);
    world.call(child, SetCpus { cpus: FIRST }).expect("it runs");
    world.send(child, Kill {}, &[], &[]);
    for turn in 0..20 {
        world.give_turn(turn % 2);
    }
    assert_eq!(world.kernel.population().threads, 1);
    assert!(world.runs_somewhere(INIT));
}
