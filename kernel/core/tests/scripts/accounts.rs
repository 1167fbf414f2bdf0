//! Each process is charged for the time that it has a CPU, and for no other.

use super::{world, world_on};
use abi::process::{CountTicks, Exit, Give, Pid, Sleep, Wait};
use abi::system::CountTicks as CountTicksOf;
use abi::{Errno, Handle, Operation};
use kcore::Next;
use play::World;

const INIT: u32 = 0;
const CHILD: u32 = 1;
const SYSTEM: Handle = Handle::PARENT;

fn with_child() -> (World, Handle) {
    let mut world = world();
    let (child, _) = world.create("child").expect("room");
    world.start(child);
    (world, child)
}

/// The running thread works for so long.
fn compute(world: &mut World, ticks: u64) {
    world.kernel.platform.let_pass(ticks);
}

fn ticks(world: &mut World, process: Handle) -> u64 {
    world.call(process, CountTicks {}).expect("counts").0
}

#[test]
fn who_runs_is_charged_and_who_waits_is_not() {
    let (mut world, child) = with_child();
    compute(&mut world, 5);
    world.until(CHILD);
    compute(&mut world, 7);
    assert_eq!(ticks(&mut world, Handle::SELF), 7);
    world.until(INIT);
    compute(&mut world, 1);
    assert_eq!(
        (ticks(&mut world, Handle::SELF), ticks(&mut world, child)),
        (6, 7)
    );
    let (pid, of) = (Pid(2), |pid| CountTicksOf { pid });
    assert_eq!(world.call(SYSTEM, of(pid)), Ok((7,)));
    assert_eq!(world.call(SYSTEM, of(Pid(99))), Err(Errno::ESRCH));
}

#[test]
fn nobody_is_charged_for_a_cpu_that_is_idle() {
    let mut world = world();
    let deadline = world.kernel.platform.now.get() + 100;
    assert_eq!(world.send(Handle::SELF, Sleep { deadline }, &[], &[]), Next::Idle);
    compute(&mut world, 100);
    world.look_up();
    assert_eq!((world.running, ticks(&mut world, Handle::SELF)), (Some(INIT), 0));
}

#[test]
fn a_server_is_charged_for_what_it_does_for_others() {
    let mut world = world();
    let endpoint = world.create_endpoint();
    let (server, _) = world.create("server").expect("room");
    let place = Give { place: 5 };
    world.call_with(server, place, &[], &[endpoint]).expect("gives");
    world.start(server);
    world.until(CHILD);
    world.trap(Operation::Receive as u64, 5, 0, [0; 6]);
    compute(&mut world, 3);
    world.trap(Operation::Call as u64, endpoint.raw().into(), 0x900, [0; 6]);
    assert_eq!(world.running, Some(CHILD));
    compute(&mut world, 11);
    world.trap(Operation::ReplyReceive as u64, 5, 0, [0; 6]);
    assert_eq!(world.running, Some(INIT));
    assert_eq!(
        (ticks(&mut world, Handle::SELF), ticks(&mut world, server)),
        (3, 11)
    );
}

#[test]
fn what_a_process_has_used_is_known_after_its_end() {
    let (mut world, child) = with_child();
    world.until(CHILD);
    compute(&mut world, 9);
    world.send(Handle::SELF, Exit { status: 0 }, &[], &[]);
    world.until(INIT);
    world.call(child, Wait {}).expect("has ended");
    assert_eq!(ticks(&mut world, child), 9);
}

#[test]
fn a_process_that_becomes_another_program_keeps_its_account() {
    let mut world = world();
    compute(&mut world, 4);
    let (next, _) = world.create("next").expect("room");
    let request = abi::process::Become {
        entry: 0x60_0000,
        stack: 0,
        word0: 0,
        word1: 0,
        word2: 0,
        word3: 0,
    };
    world.send(Handle::SELF, request, &[], &[next]);
    assert_eq!(world.running, Some(CHILD), "its thread is another one");
    compute(&mut world, 2);
    assert_eq!(ticks(&mut world, Handle::SELF), 6);
}

#[test]
fn two_cpus_charge_two_processes_at_a_time() {
    let mut world = world_on(2);
    let (child, _) = world.create("child").expect("room");
    world.start(child);
    world.give_turn(1);
    compute(&mut world, 10);
    world.turn_to(0);
    assert_eq!(
        (ticks(&mut world, Handle::SELF), ticks(&mut world, child)),
        (10, 10)
    );
}
