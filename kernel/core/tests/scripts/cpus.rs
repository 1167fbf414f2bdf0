//! Several CPUs: who runs where, and what of a thread is in which of them, whatever the others do meanwhile.

use super::sharing::assert_direct;
use super::world_on;
use abi::console::Read;
use abi::memory::{Map, Protection, Unmap};
use abi::process::{End, Pid};
use abi::process::{Exit, Fork, Give, Kill, Wait};
use abi::{Handle, Operation};
use addr::VirtAddr;
use kcore::Next;
use mm::Access;
use play::{Way, World};

pub(super) const INIT: u32 = 0;
pub(super) const CHILD: u32 = 1;
pub(super) const OTHER: u32 = 2;
const THIRD: u32 = 3;
pub(super) const ENDPOINT: Handle = Handle::PARENT;
const PAGE: u64 = 4096;

/// `init` runs on the first CPU, and holds an endpoint; all others sleep.
pub(super) fn init_on(cpus: usize) -> (World, Handle) {
    let mut world = world_on(cpus);
    let endpoint = world.create_endpoint();
    (world, endpoint)
}

/// Starts a child that has an endpoint of its parent's.
pub(super) fn start_child(world: &mut World, endpoint: Handle) -> Handle {
    let (child, memory) = world.create("child").expect("room");
    let place = Give {
        place: ENDPOINT.index(),
    };
    world.call_with(child, place, &[], &[endpoint]).expect("gives");
    world
        .call(Handle::SELF, abi::process::Close { handle: memory })
        .expect("closes");
    world.start(child);
    child
}

/// Two CPUs, `init` on the first and its child on the second. It is the second one's turn.
pub(super) fn side_by_side() -> (World, Handle, Handle) {
    let (mut world, endpoint) = init_on(2);
    let child = start_child(&mut world, endpoint);
    assert_eq!(world.give_turn(1), Some(Next::Run(CHILD)));
    (world, endpoint, child)
}

pub(super) fn receive(world: &mut World, endpoint: Handle) {
    world.trap(Operation::Receive as u64, endpoint.raw().into(), 0, [0; 6]);
}

pub(super) fn call(world: &mut World, endpoint: Handle) {
    world.trap(Operation::Call as u64, endpoint.raw().into(), 0x900, [1; 6]);
}

pub(super) fn reply_receive(world: &mut World, endpoint: Handle) {
    world.trap(
        Operation::ReplyReceive as u64,
        endpoint.raw().into(),
        0x901,
        [2; 6],
    );
}

/// Each CPU gets turns until `done`.
fn until(world: &mut World, mut done: impl FnMut(&World) -> bool) {
    for turn in 0..100 {
        if done(world) {
            return;
        }
        world.give_turn(turn % world.cpus());
    }
    panic!("it never happens");
}

pub(super) fn runs_on(world: &World, cpu: usize) -> Option<u32> {
    world.kernel.platform.cpus[cpu].running
}

#[test]
fn a_new_thread_starts_on_a_cpu_that_sleeps() {
    let (world, ..) = side_by_side();
    assert_eq!(
        (runs_on(&world, 0), runs_on(&world, 1)),
        (Some(INIT), Some(CHILD))
    );
}

#[test]
fn the_address_space_of_a_new_process_is_activated_beside_others() {
    let (mut world, endpoint) = init_on(2);
    start_child(&mut world, endpoint);
    assert_eq!(world.entered_anew, 0);
    world.give_turn(1);
    assert_eq!(runs_on(&world, 1), Some(CHILD));
    assert_eq!(world.entered_anew, usize::from(crate::WAY == Way::Shorter));
}

#[test]
fn a_new_thread_waits_for_the_cpu_that_the_fewest_want() {
    let (mut world, endpoint, _) = side_by_side();
    world.turn_to(0);
    start_child(&mut world, endpoint);
    start_child(&mut world, endpoint);
    world.yield_now();
    assert_eq!(runs_on(&world, 0), Some(OTHER));
    world.turn_to(1);
    world.yield_now();
    assert_eq!(runs_on(&world, 1), Some(THIRD));
}

#[test]
fn a_cpu_that_runs_out_of_threads_takes_one_that_waits_elsewhere() {
    let (mut world, endpoint, _) = side_by_side();
    world.turn_to(0);
    start_child(&mut world, endpoint);
    assert_eq!(runs_on(&world, 0), Some(INIT));
    world.turn_to(1);
    receive(&mut world, Handle::SELF);
    exit(&mut world, 0);
    assert_eq!(runs_on(&world, 1), Some(OTHER));
}

#[test]
fn a_thread_that_waits_where_another_runs_is_offered_to_a_cpu_that_sleeps() {
    let (mut world, endpoint) = init_on(1 + 2);
    start_child(&mut world, endpoint);
    start_child(&mut world, endpoint);
    start_child(&mut world, endpoint);
    assert_eq!(world.give_turn(1), Some(Next::Run(CHILD)));
    assert_eq!(world.give_turn(2), Some(Next::Run(OTHER)));
    // The third child waits for the first CPU. The second loses its own: it takes that.
    world.turn_to(1);
    exit(&mut world, 0);
    assert_eq!(runs_on(&world, 1), Some(THIRD));
}

#[test]
fn who_makes_way_for_the_kernels_work_for_somebody_else_goes_on_on_a_cpu_that_runs_out_of_threads() {
    let (mut world, endpoint, _) = side_by_side();
    world.turn_to(0);
    start_child(&mut world, endpoint);
    let base = map_and_touch(&mut world, 200);
    world.interleaved = true;
    unmap(&mut world, base, 200);
    world.end_slice();
    assert_eq!(runs_on(&world, 0), Some(OTHER), "`init` waits with its work");
    world.end_slice();
    assert!(world.kernel.platform.cpus[0].works, "now the other waits");
    world.turn_to(1);
    exit_wholly(&mut world);
    assert_eq!(runs_on(&world, 1), Some(OTHER));
}

#[test]
fn who_becomes_ready_where_another_runs_goes_to_a_cpu_that_sleeps() {
    let (mut world, endpoint, _) = side_by_side();
    world.turn_to(0);
    start_child(&mut world, endpoint);
    world.send(Handle::CONSOLE, Read { most: 100 }, &[], &[]);
    assert_eq!(runs_on(&world, 0), Some(OTHER));
    world.turn_to(1);
    call(&mut world, ENDPOINT);
    assert_eq!(runs_on(&world, 1), None);
    world.turn_to(0);
    world.kernel.platform.typed.extend(b"x\r");
    world.console_interrupt();
    assert_eq!(runs_on(&world, 0), Some(OTHER));
    assert_eq!(world.give_turn(1), Some(Next::Run(INIT)));
}

#[test]
fn a_message_fetches_the_receiver_to_the_cpu_of_the_caller() {
    let (mut world, endpoint, _) = side_by_side();
    world.turn_to(0);
    receive(&mut world, endpoint);
    assert_eq!(
        runs_on(&world, 0),
        None,
        "the first CPU sleeps, and has nothing of `init`"
    );
    world.turn_to(1);
    call(&mut world, ENDPOINT);
    assert_eq!((runs_on(&world, 0), runs_on(&world, 1)), (None, Some(INIT)));
    assert_eq!(world.back().words, [1; 6]);
    reply_receive(&mut world, endpoint);
    assert_eq!(runs_on(&world, 1), Some(CHILD));
    assert_eq!(world.back().words, [2; 6]);
}

#[test]
fn a_receiver_that_has_just_answered_is_fetched_as_well() {
    let (mut world, endpoint, _) = side_by_side();
    world.turn_to(0);
    start_child(&mut world, endpoint);
    world.turn_to(1);
    call(&mut world, ENDPOINT);
    assert_eq!(runs_on(&world, 1), Some(OTHER));
    world.turn_to(0);
    receive(&mut world, endpoint);
    reply_receive(&mut world, endpoint);
    assert_eq!(runs_on(&world, 0), Some(CHILD));
    world.turn_to(1);
    call(&mut world, ENDPOINT);
    assert_eq!(runs_on(&world, 1), Some(INIT));
    assert_eq!(world.back().words, [1; 6]);
}

#[test]
fn a_caller_goes_on_where_it_is_answered() {
    let (mut world, endpoint, _) = side_by_side();
    call(&mut world, ENDPOINT);
    assert_eq!(runs_on(&world, 1), None);
    world.turn_to(0);
    receive(&mut world, endpoint);
    assert_eq!(world.back().words, [1; 6]);
    reply_receive(&mut world, endpoint);
    assert_eq!((runs_on(&world, 0), runs_on(&world, 1)), (Some(CHILD), None));
    assert_eq!(world.back().words, [2; 6]);
}

#[test]
fn who_waits_behind_somebody_of_another_cpu_and_who_leaves_its_front_share_the_kernel() {
    let (mut world, endpoint) = init_on(3);
    // Two wait at the endpoint, each at home on a CPU of its own; the third is where the first of them is.
    start_child(&mut world, endpoint);
    world.give_turn(1);
    start_child_on(&mut world, endpoint, 0);
    world.give_turn(2);
    receive_on(&mut world, 1);
    receive_on(&mut world, 2);
    start_child_on(&mut world, endpoint, 0);
    until(&mut world, |world| runs_on(world, 1) == Some(THIRD));
    world.turn_to(1);
    assert_direct(&mut world, |world| call(world, ENDPOINT));
    assert_eq!((runs_on(&world, 1), world.back().words), (Some(CHILD), [1; 6]));
    assert_direct(&mut world, |world| reply_receive(world, ENDPOINT));
    assert_eq!((runs_on(&world, 1), world.back().words), (Some(THIRD), [2; 6]));
}

/// The program on `cpu` waits at the endpoint that it was given.
fn receive_on(world: &mut World, cpu: usize) {
    world.turn_to(cpu);
    receive(world, ENDPOINT);
}

/// Starts a child by `init`, which runs on `cpu`.
fn start_child_on(world: &mut World, endpoint: Handle, cpu: usize) {
    world.turn_to(cpu);
    start_child(world, endpoint);
}

#[test]
fn a_thread_that_is_killed_while_it_runs_elsewhere_is_taken_off_there_first() {
    let (mut world, _, child) = side_by_side();
    world.turn_to(0);
    world.send(child, Kill {}, &[], &[]);
    assert_eq!(
        runs_on(&world, 0),
        None,
        "its end is waited for, and only its own CPU can bring it"
    );
    assert!(world.kernel.processes().count() == 2 && world.memory().mmu().space_count() == 2);
    world.turn_to(1);
    assert!(world.is_alerted());
    until(&mut world, |world| world.runs_somewhere(INIT));
    assert_eq!(world.memory().mmu().space_count(), 1);
    let cpu = usize::from(runs_on(&world, 1) == Some(INIT));
    world.turn_to(cpu);
    assert_eq!(world.answer::<Kill>(), Ok(()));
    assert_eq!(world.call(child, Wait {}), Ok(End::Killed));
}

#[test]
fn a_trap_of_a_program_that_was_ended_on_its_way_to_the_kernel_is_dropped() {
    for way in [Way::Shorter, Way::Long] {
        let (mut world, _, child) = side_by_side();
        world.turn_to(0);
        world.send(child, Kill {}, &[], &[]);
        world.turn_to(1);
        world.way = way;
        call(&mut world, ENDPOINT);
        until(&mut world, |world| world.runs_somewhere(INIT));
        assert_eq!(world.kernel.population().threads, 1);
    }
}

#[test]
fn a_program_that_was_ended_elsewhere_may_touch_until_its_cpu_is_interrupted_and_all_comes_back() {
    let (mut world, _, child) = side_by_side();
    let map = Map::new(0, 3 * PAGE, Protection::READ | Protection::WRITE);
    world.turn_to(1);
    let (base,) = world.call(Handle::MEMORY, map).expect("room");
    world.turn_to(0);
    let before = world.free_frames();
    world.send(child, Kill {}, &[], &[]);
    world.turn_to(1);
    let running = world.running.expect("it has not noticed");
    for page in 0..3 {
        let next = world.touch(VirtAddr::new(base + page * PAGE), Access::Write);
        assert_eq!(next, Next::Run(running), "the memory manager alone serves it");
    }
    until(&mut world, |world| world.runs_somewhere(INIT));
    assert_eq!(world.memory().mmu().space_count(), 1);
    assert!(world.free_frames() > before, "its pages and what it had");
}

#[test]
fn what_a_cpu_has_of_a_dying_thread_is_forgotten_there_before_another_finishes_its_end() {
    let (mut world, endpoint, _) = side_by_side();
    world.turn_to(0);
    start_child(&mut world, endpoint);
    let third = start_child(&mut world, endpoint);
    world.turn_to(1);
    map_and_touch(&mut world, 200);
    world.interleaved = true;
    exit(&mut world, 7);
    world.turn_to(0);
    world.send(third, Kill {}, &[], &[]);
    assert_eq!(
        runs_on(&world, 0),
        Some(OTHER),
        "`init` waits for the third's end"
    );
    world.turn_to(1);
    world.end_slice();
    assert!(
        world.kernel.platform.cpus[1].works,
        "the third ends there too, and has its turn"
    );
    world.turn_to(0);
    world.interleaved = false;
    exit(&mut world, 0);
    assert_eq!(
        world.kernel.population().threads,
        2,
        "the first CPU has finished two ends"
    );
    until(&mut world, |world| world.runs_somewhere(INIT));
}

#[test]
fn others_run_between_two_pieces_of_long_work() {
    let (mut world, ..) = side_by_side();
    let base = map_and_touch(&mut world, 300);
    world.interleaved = true;
    unmap(&mut world, base, 300);
    let mut pieces = 0;
    while runs_on(&world, 1).is_none() {
        world.turn_to(0);
        world
            .call(Handle::SELF, abi::process::Identify {})
            .expect("is served");
        world.turn_to(1);
        world.run();
        pieces += 1;
    }
    assert!(pieces > 2, "{pieces} pieces of at most 64 frames");
    assert_eq!(world.answer::<Unmap>(), Ok(()));
}

#[test]
fn work_of_one_piece_is_done_before_its_trap_ends() {
    let (mut world, ..) = side_by_side();
    let base = map_and_touch(&mut world, 8);
    world.interleaved = true;
    unmap(&mut world, base, 8);
    assert_eq!(runs_on(&world, 1), Some(CHILD));
    assert_eq!(world.answer::<Unmap>(), Ok(()));
}

fn unmap(world: &mut World, address: u64, pages: u64) {
    let length = pages * PAGE;
    world.send(Handle::MEMORY, Unmap { address, length }, &[], &[]);
}

fn exit(world: &mut World, status: i32) {
    world.send(Handle::SELF, Exit { status }, &[], &[]);
}

/// Exits without giving others a turn before all is done.
fn exit_wholly(world: &mut World) {
    let interleaved = std::mem::replace(&mut world.interleaved, false);
    exit(world, 0);
    world.interleaved = interleaved;
}

fn map_and_touch(world: &mut World, pages: u64) -> u64 {
    let map = Map::new(0, pages * PAGE, Protection::READ | Protection::WRITE);
    let mapped = world.call(Handle::MEMORY, map).expect("room");
    for page in 0..pages {
        let address = VirtAddr::new(mapped.0 + page * PAGE);
        world.kernel().memory_fault(address, Access::Write);
    }
    world.run();
    mapped.0
}

#[test]
fn a_process_that_another_ends_in_the_middle_of_long_work_for_it_finishes_that_first() {
    let (mut world, _, child) = side_by_side();
    let base = map_and_touch(&mut world, 200);
    world.interleaved = true;
    unmap(&mut world, base, 200);
    world.turn_to(0);
    world.send(child, Kill {}, &[], &[]);
    world.interleaved = false;
    until(&mut world, |world| world.runs_somewhere(INIT));
    assert_eq!(world.kernel.population().threads, 1);
}

#[test]
fn an_exit_wakes_who_waits_on_another_cpu() {
    let (mut world, _, child) = side_by_side();
    world.turn_to(0);
    world.send(child, Wait {}, &[], &[]);
    assert_eq!(runs_on(&world, 0), None);
    world.turn_to(1);
    exit(&mut world, 7);
    until(&mut world, |world| world.runs_somewhere(INIT));
    let cpu = usize::from(runs_on(&world, 1) == Some(INIT));
    world.turn_to(cpu);
    assert_eq!(world.answer::<Wait>(), Ok(End::Exited(7)));
}

#[test]
fn a_process_is_copied_while_others_run_and_its_child_starts_elsewhere() {
    let (mut world, ..) = side_by_side();
    world.turn_to(1);
    map_and_touch(&mut world, 100);
    world.interleaved = true;
    world.send(Handle::SELF, Fork {}, &[], &[]);
    let mut meanwhile = 0;
    while runs_on(&world, 1).is_none() {
        world.turn_to(0);
        world.end_slice();
        assert!(runs_on(&world, 0).is_some());
        meanwhile += 1;
        world.turn_to(1);
        world.run();
    }
    assert!(meanwhile > 0);
    world.interleaved = false;
    assert!(world.answer::<Fork>().is_ok_and(|(pid,)| pid != Pid(0)));
    until(&mut world, |world| world.runs_somewhere(OTHER));
}
