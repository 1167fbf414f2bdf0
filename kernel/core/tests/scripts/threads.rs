//! Processes of several threads: how these begin and end, alone and with their process.

use super::{world, world_on};
use abi::layout::{MOST_THREADS, message_page};
use abi::memory::{Map, Protection};
use abi::process::{
    Become, Close, CreateEndpoint, CreateThread, End, Exit, ExitThread, Fork, Give, Kill, Pid, Wait,
};
use abi::system::{NextProcess, ProcessState};
use abi::thread::{IdentifyThread, Join, JoinAndClose, ThreadFacts};
use abi::{Badge, Errno, Handle, IpcError, Operation, Request, Rights, Tag};
use kcore::Next;
use kcore::thread::State;
use play::World;

pub(super) const INIT: u32 = 0;
pub(super) const PAGE: u64 = 4096;
pub(super) const CREATE: CreateThread = CreateThread {
    entry: 0x40_1000,
    stack: 0x9000,
    word: 5,
    pointer: 0x1234,
};

/// The running thread makes another one; answers its handle.
pub(super) fn create_thread(world: &mut World) -> Handle {
    world.call(Handle::SELF, CREATE).expect("room");
    world.handles()[0]
}

pub(super) fn exit_thread(world: &mut World, status: i32) -> Next {
    world.send(Handle::SELF, ExitThread { status }, &[], &[])
}

pub(super) fn close(world: &mut World, handle: Handle) {
    world.call(Handle::SELF, Close { handle }).expect("closes");
}

/// The CPU on which that thread runs has its turn.
fn turn_to_thread(world: &mut World, thread: u32) {
    let mut cpus = world.kernel.platform.cpus.iter();
    let cpu = cpus.position(|cpu| cpu.running == Some(thread));
    world.turn_to(cpu.expect("it runs"));
}

/// A child of `init` that runs on the same CPU, and `init`'s handle of it. Its thread is number 1.
pub(super) fn child(world: &mut World) -> Handle {
    let (child, memory) = world.create("child").expect("room");
    close(world, memory);
    world.start(child);
    world.until(1);
    child
}

/// The state of the thread with this index.
pub(super) fn state(world: &World, index: u32) -> Option<State> {
    let mut threads = world.kernel.threads();
    threads
        .find(|(id, _)| id.index() == index)
        .map(|(_, thread)| thread.state)
}

#[test]
fn a_thread_begins_with_its_word_its_pointer_and_a_message_page_of_its_own() {
    let mut world = world();
    let (number,) = world.call(Handle::SELF, CREATE).expect("room");
    let thread = world.handles()[0];
    let facts = world.call(thread, IdentifyThread {});
    assert_eq!(
        (number, facts),
        (
            1,
            Ok(ThreadFacts {
                pid: Pid(1),
                number: 1
            })
        )
    );
    let first_page = world.page().handles;
    world.until(1);
    let registers = *world.registers();
    assert_eq!(
        (registers.pc, registers.sp, registers.tpidr),
        (0x40_1000, 0x9000, 0x1234)
    );
    assert_eq!((registers.x[0], registers.x[1], registers.x[2]), (0, 0, 5));
    assert!(registers.x[3..].iter().all(|&x| x == 0));
    assert_eq!(registers.tpidrro, message_page(1));
    world.page().handles[0] = 77;
    world.until(INIT);
    assert_eq!(world.page().handles, first_page);
}

#[test]
fn who_joins_a_thread_is_told_its_status_and_its_message_page_is_there_for_the_next() {
    let mut world = world();
    let before = world.free_frames();
    let thread = create_thread(&mut world);
    assert_eq!(before - world.free_frames(), 1, "its message page");
    world.send(thread, Join {}, &[], &[]);
    assert_eq!(world.running, Some(1));
    exit_thread(&mut world, 9);
    assert_eq!(world.running, Some(INIT));
    assert_eq!(world.answer::<Join>(), Ok(End::Exited(9)));
    assert_eq!(world.call(thread, Join {}), Ok(End::Exited(9)), "once more");
    assert_eq!(world.kernel.population().threads, 2, "it is remembered");
    close(&mut world, thread);
    assert_eq!(world.kernel.population().threads, 1);
    create_thread(&mut world);
    assert_eq!(before - world.free_frames(), 1, "the same page");
}

#[test]
fn who_joins_a_thread_and_closes_its_handle_leaves_nothing_of_it() {
    let mut world = world();
    let ends = |world: &mut World, thread| {
        world.send(thread, JoinAndClose { handle: thread }, &[], &[]);
        exit_thread(world, 9);
        assert_eq!(world.running, Some(INIT));
        assert_eq!(world.answer::<JoinAndClose>(), Ok(End::Exited(9)));
    };
    let thread = create_thread(&mut world);
    let another = world.derive(thread, Rights::CALL, Badge(0));
    ends(&mut world, thread);
    assert!(
        matches!(state(&world, 1), Some(State::Ended(_))),
        "another handle names it"
    );
    assert_eq!(
        world.call(Handle::SELF, Close { handle: thread }),
        Err(Errno::EBADF)
    );
    assert_eq!(
        world.call(another, JoinAndClose { handle: another }),
        Ok(End::Exited(9))
    );
    assert_eq!(world.kernel.population().threads, 1);
    let thread = create_thread(&mut world);
    ends(&mut world, thread);
    assert_eq!(world.kernel.population().threads, 1);
}

#[test]
fn what_is_closed_after_a_join_names_the_thread_and_stays_when_the_wait_ends_otherwise() {
    let mut world = world();
    let thread = create_thread(&mut world);
    let other = create_thread(&mut world);
    for handle in [other, Handle::SELF, Handle::NONE] {
        assert_eq!(world.call(thread, JoinAndClose { handle }), Err(Errno::EBADF));
    }
    let call = Operation::Call as u64 | Operation::UNTIL;
    let (word, tag) = (thread.raw().into(), Tag::new(JoinAndClose::LABEL).encode());
    world.registers().x[9] = 0; // the deadline
    world.trap(call, word, tag, [word, 0, 0, 0, 0, 0]);
    assert_eq!(world.registers().x[0], IpcError::TimedOut as u64);
    world.send(thread, JoinAndClose { handle: thread }, &[], &[]);
    // A sibling closes it, and its place names something else when the thread ends.
    world.until(2);
    close(&mut world, thread);
    let endpoint = world.create_endpoint();
    assert_eq!(endpoint.index(), thread.index());
    world.until(1);
    exit_thread(&mut world, 3);
    assert_eq!(world.running, Some(INIT));
    assert_eq!(world.answer::<JoinAndClose>(), Ok(End::Exited(3)));
    close(&mut world, endpoint);
    assert_eq!(world.kernel.population().threads, 2);
}

#[test]
fn who_joins_a_thread_goes_on_in_its_place_before_equals_that_wait_for_the_cpu() {
    let mut world = world();
    let first = create_thread(&mut world);
    create_thread(&mut world);
    world.send(first, Join {}, &[], &[]);
    assert_eq!(world.running, Some(1));
    exit_thread(&mut world, 9);
    assert_eq!(world.running, Some(INIT));
}

#[test]
fn a_thread_that_nobody_names_is_forgotten_when_it_ends() {
    let mut world = world();
    let thread = create_thread(&mut world);
    close(&mut world, thread);
    world.until(1);
    exit_thread(&mut world, 0);
    assert_eq!(
        (world.running, world.kernel.population().threads),
        (Some(INIT), 1)
    );
}

#[test]
fn a_thread_cannot_join_itself() {
    let mut world = world();
    let thread = create_thread(&mut world);
    world.until(1);
    assert_eq!(world.call(thread, Join {}), Err(Errno::EINVAL));
}

#[test]
fn the_last_thread_takes_its_process_along_with_its_status() {
    let mut world = world();
    let before = world.free_frames();
    let child = child(&mut world);
    create_thread(&mut world);
    exit_thread(&mut world, 3);
    world.until(2);
    exit_thread(&mut world, 4);
    world.until(INIT);
    assert_eq!(world.call(child, Wait {}), Ok(End::Exited(4)));
    assert_eq!(world.free_frames(), before);
    close(&mut world, child);
    assert_eq!(world.kernel.population().processes, 1);
    assert_eq!(world.kernel.population().threads, 1);
}

#[test]
fn two_last_threads_that_end_at_once_take_their_process_along() {
    for pieces in 0..3 {
        let mut world = world_on(2);
        let before = world.free_frames();
        let (child, memory) = world.create("child").expect("room");
        close(&mut world, memory);
        world.start(child);
        assert_eq!(world.give_turn(1), Some(Next::Run(1)));
        create_thread(&mut world);
        world.turn_to(0);
        world.send(child, Wait {}, &[], &[]);
        assert_eq!(world.running, Some(2));
        // The first one has said that it ends, and has not left, when the second one says so.
        world.interleaved = true;
        exit_thread(&mut world, 1);
        for _ in 0..pieces {
            world.run();
        }
        world.turn_to(1);
        exit_thread(&mut world, 2);
        world.interleaved = false;
        for turn in 0..20 {
            world.give_turn(turn % 2);
        }
        let cpu = usize::from(world.kernel.platform.cpus[1].running == Some(INIT));
        world.turn_to(cpu);
        assert!(matches!(world.answer::<Wait>(), Ok(End::Exited(1 | 2))));
        assert_eq!(world.free_frames(), before);
    }
}

#[test]
fn an_exit_ends_threads_on_other_cpus_before_anybody_learns_of_it() {
    let mut world = world_on(3);
    let before = world.free_frames();
    let (child, memory) = world.create("child").expect("room");
    close(&mut world, memory);
    world.start(child);
    assert_eq!(world.give_turn(1), Some(Next::Run(1)));
    create_thread(&mut world);
    assert_eq!(world.give_turn(2), Some(Next::Run(2)));
    world.turn_to(0);
    world.send(child, Wait {}, &[], &[]);
    world.turn_to(1);
    world.send(Handle::SELF, Exit { status: 6 }, &[], &[]);
    // The other thread has not heard of it yet: nothing of what both have is taken from it.
    assert!(state(&world, 1).is_none());
    assert!(matches!(state(&world, INIT), Some(State::WaitingEnd(..))));
    assert!(world.free_frames() < before);
    world.give_turn(2);
    for turn in 0..9 {
        world.give_turn(turn % 3);
    }
    turn_to_thread(&mut world, INIT);
    assert_eq!(world.answer::<Wait>(), Ok(End::Exited(6)));
    assert_eq!(world.free_frames(), before);
}

#[test]
fn a_killed_process_takes_its_threads_along_whatever_they_wait_for() {
    let mut world = world();
    let before = world.free_frames();
    let child = child(&mut world);
    let other = create_thread(&mut world);
    create_thread(&mut world);
    world.send(other, Join {}, &[], &[]);
    world.until(2);
    let endpoint = world.create_endpoint();
    world.trap(Operation::Receive as u64, endpoint.raw().into(), 0, [0; 6]);
    world.until(INIT);
    world.send(child, Kill {}, &[], &[]);
    world.until(INIT);
    assert_eq!(world.answer::<Kill>(), Ok(()));
    assert_eq!(world.free_frames(), before);
    close(&mut world, child);
    assert_eq!(world.kernel.population().threads, 1);
    assert_eq!(world.kernel.population().endpoints, 0);
}

#[test]
fn who_was_passed_a_handle_of_a_thread_joins_it_from_another_process() {
    let mut world = world();
    let endpoint = world.create_endpoint();
    let (child, _) = world.create("child").expect("room");
    let place = Give { place: 4 };
    world.call_with(child, place, &[], &[endpoint]).expect("gives");
    world.start(child);
    world.trap(Operation::Receive as u64, endpoint.raw().into(), 0, [0; 6]);
    assert_eq!(world.running, Some(1));
    let thread = create_thread(&mut world);
    world.send(Handle::PARENT, Close { handle: thread }, &[], &[thread]);
    world.until(INIT);
    let passed = world.handles()[0];
    world.send(passed, Join {}, &[], &[]);
    world.until(2);
    world.send(Handle::SELF, Exit { status: 8 }, &[], &[]);
    world.until(INIT);
    assert_eq!(
        world.answer::<Join>(),
        Ok(End::Exited(8)),
        "it ended as its process did"
    );
    // A handle of a thread keeps what is left of its process.
    world.send(child, Wait {}, &[], &[]);
    world.until(INIT);
    close(&mut world, child);
    assert_eq!(world.kernel.population().processes, 2);
    close(&mut world, passed);
    assert_eq!(world.kernel.population().processes, 1);
}

#[test]
fn a_process_of_which_one_thread_could_run_is_ready_and_one_of_which_none_could_waits() {
    let mut world = world();
    let child = child(&mut world);
    let thread = create_thread(&mut world);
    world.send(thread, Join {}, &[], &[]);
    world.until(INIT);
    let seen = |world: &mut World| {
        world
            .call(Handle::PARENT, NextProcess { after: Pid(1) })
            .map(|facts| facts.state)
    };
    assert_eq!(seen(&mut world), Ok(ProcessState::Ready));
    world.until(2);
    let endpoint = world.create_endpoint();
    world.trap(Operation::Receive as u64, endpoint.raw().into(), 0, [0; 6]);
    assert_eq!(seen(&mut world), Ok(ProcessState::Waiting));
    world.send(child, Kill {}, &[], &[]);
    world.until(INIT);
    assert_eq!(seen(&mut world), Ok(ProcessState::Ended));
}

#[test]
fn a_copy_has_the_thread_that_forked_and_no_other_one() {
    let mut world = world();
    let thread = create_thread(&mut world);
    world.until(1);
    world.call(Handle::SELF, Fork {}).expect("room");
    world.until(2);
    assert_eq!(world.registers().tpidrro, message_page(1));
    assert_eq!(world.registers().tpidr, 0x1234);
    world.send(thread, Join {}, &[], &[]);
    assert_eq!(
        world.back().outcome,
        Some(IpcError::BadHandle),
        "its siblings stay behind"
    );
    let (number,) = world.call(Handle::SELF, CREATE).expect("room");
    assert_eq!(number, 0, "the number that is free there");
    world.until(3);
    exit_thread(&mut world, 0);
    world.until(2);
    exit_thread(&mut world, 0);
    world.until(INIT);
    assert_eq!(world.kernel.population().threads, 2);
}

#[test]
fn an_exec_ends_all_other_threads_before_the_new_program_begins() {
    let mut world = world_on(2);
    let before = world.free_frames();
    let (child, memory) = world.create("child").expect("room");
    close(&mut world, memory);
    world.start(child);
    assert_eq!(world.give_turn(1), Some(Next::Run(1)));
    create_thread(&mut world);
    world.turn_to(0);
    world.send(child, Wait {}, &[], &[]);
    assert_eq!(world.running, Some(2));
    world.turn_to(1);
    let (prepared, memory) = world.create("new").expect("room");
    close(&mut world, memory);
    let request = Become {
        entry: 0x60_0000,
        stack: 0x1000,
        word0: 0,
        word1: 0,
        word2: 0,
        word3: 0,
    };
    world.send(Handle::SELF, request, &[], &[prepared]);
    assert!(state(&world, 1).is_none(), "the caller has left");
    assert!(world.runs_somewhere(2) && !world.runs_somewhere(3));
    world.give_turn(0);
    for turn in 0..8 {
        world.give_turn(turn % 2);
    }
    assert!(state(&world, 2).is_none());
    assert!(world.runs_somewhere(3));
    turn_to_thread(&mut world, 3);
    world.send(Handle::SELF, Exit { status: 2 }, &[], &[]);
    turn_to_thread(&mut world, INIT);
    assert_eq!(world.answer::<Wait>(), Ok(End::Exited(2)));
    assert_eq!(world.free_frames(), before);
}

#[test]
fn a_process_has_so_many_threads_and_no_more_and_a_refusal_leaves_nothing_behind() {
    let mut world = world();
    let mut made = 1;
    let before = loop {
        let before = (world.free_frames(), world.kernel.population());
        match world.call(Handle::SELF, CREATE) {
            Ok(_) => made += 1,
            Err(refused) => {
                assert_eq!(refused, Errno::ENFILE, "the pretend machine has few");
                break before;
            }
        }
    };
    assert!(made > 8 && made < MOST_THREADS);
    assert_eq!((world.free_frames(), world.kernel.population()), before);
    // Every process that there is room for still gets its first thread.
    let mut children = Vec::new();
    while let Ok((child, memory)) = world.create("child") {
        close(&mut world, memory);
        children.push(child);
    }
    assert!(children.len() > 30);
}

#[test]
fn a_thread_without_a_handle_or_a_frame_left_for_it_is_not_made() {
    let mut world = world();
    while world.call(Handle::SELF, CreateEndpoint {}).is_ok() {}
    let derive = abi::process::Derive {
        handle: Handle::SELF,
        rights: abi::Rights::CALL,
        badge: abi::Badge(0),
    };
    while world.call(Handle::SELF, derive).is_ok() {}
    let before = (world.free_frames(), world.kernel.population());
    assert_eq!(world.call(Handle::SELF, CREATE), Err(Errno::EMFILE));
    close(&mut world, Handle::PARENT);
    let all = Map::new(0, before.0 * PAGE, Protection::WRITE);
    let mut length = all.length;
    while world.call(Handle::MEMORY, Map { length, ..all }).is_err() {
        length -= PAGE;
    }
    while world
        .call(Handle::MEMORY, Map::new(0, PAGE, Protection::WRITE))
        .is_ok()
    {}
    assert_eq!(world.call(Handle::SELF, CREATE), Err(Errno::ENOMEM));
    assert_eq!(world.kernel.population(), before.1);
}

#[test]
fn a_thread_that_receives_is_told_when_another_one_closes_what_it_receives_from() {
    let mut world = world();
    create_thread(&mut world);
    let endpoint = world.create_endpoint();
    world.trap(Operation::Receive as u64, endpoint.raw().into(), 0, [0; 6]);
    assert_eq!(world.running, Some(1));
    close(&mut world, endpoint);
    world.until(INIT);
    assert_eq!(world.back().outcome, Some(IpcError::BadHandle));
    assert_eq!(world.kernel.population().endpoints, 0);
}
