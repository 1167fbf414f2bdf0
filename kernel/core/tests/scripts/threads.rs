//! Processes of several threads: how these begin and end, alone and with their process, and what they do to
//! each other's requests.

use super::{world, world_on, write_pages};
use abi::layout::{MOST_THREADS, message_page};
use abi::memory::{FOREVER, Map, MapFlags, Move, Protection, Unmap, WaitWord};
use abi::process::{
    Become, Close, CreateEndpoint, CreateThread, Derive, End, Exit, ExitThread, Fork, Give, Kill, Pid,
    Priority, SetPriority, Wait,
};
use abi::system::{NextProcess, ProcessState};
use abi::thread::{IdentifyThread, Join, JoinAndClose, ThreadFacts};
use abi::{Badge, Errno, Handle, IpcError, Operation, Request, Rights, Tag};
use addr::VirtAddr;
use kcore::Next;
use kcore::thread::State;
use mm::Access;
use play::World;

const INIT: u32 = 0;
const PAGE: u64 = 4096;
const CREATE: CreateThread = CreateThread {
    entry: 0x40_1000,
    stack: 0x9000,
    word: 5,
    pointer: 0x1234,
};

/// The running thread makes another one; answers its handle.
fn create_thread(world: &mut World) -> Handle {
    world.call(Handle::SELF, CREATE).expect("room");
    world.handles()[0]
}

fn exit_thread(world: &mut World, status: i32) -> Next {
    world.send(Handle::SELF, ExitThread { status }, &[], &[])
}

fn close(world: &mut World, handle: Handle) {
    world.call(Handle::SELF, Close { handle }).expect("closes");
}

/// The CPU on which that thread runs has its turn.
fn turn_to_thread(world: &mut World, thread: u32) {
    let mut cpus = world.kernel.platform.cpus.iter();
    let cpu = cpus.position(|cpu| cpu.running == Some(thread));
    world.turn_to(cpu.expect("it runs"));
}

/// A child of `init` that runs on the same CPU, and `init`'s handle of it. Its thread is number 1.
fn child(world: &mut World) -> Handle {
    let (child, memory) = world.create("child").expect("room");
    close(world, memory);
    world.start(child);
    world.until(1);
    child
}

/// The state of the thread with this index.
fn state(world: &World, index: u32) -> Option<State> {
    let mut threads = world.kernel.threads();
    threads
        .find(|(id, _)| id.index() == index)
        .map(|(_, thread)| thread.state)
}

/// The time slice ends after so many pieces of what the kernel does next.
fn interrupt_after(world: &mut World, pieces: usize) {
    let plan = (0..=pieces).map(|piece| piece == pieces);
    *world.kernel.platform.slice_ends.borrow_mut() = plan.collect();
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
    let derive = Derive {
        handle: thread,
        rights: Rights::CALL,
        badge: Badge(0),
    };
    world.call(Handle::SELF, derive).expect("fewer rights");
    let another = world.handles()[0];
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
fn what_is_asked_of_memory_while_another_thread_forks_is_done_when_it_has_forked() {
    for pieces in 0..3 {
        let mut world = world();
        let address = write_pages(&mut world, 200);
        create_thread(&mut world);
        interrupt_after(&mut world, pieces);
        world.send(Handle::SELF, Fork {}, &[], &[]);
        assert_eq!(world.running, Some(1), "after {pieces} pieces");
        let unmap = Unmap {
            address,
            length: 200 * PAGE,
        };
        world.send(Handle::MEMORY, unmap, &[], &[]);
        world.until(INIT);
        assert_eq!(world.answer::<Fork>().map(|_| ()), Ok(()));
        world.until(1);
        assert_eq!(world.answer::<Unmap>(), Ok(()));
        // The child has what there was when the fork began.
        world.until(2);
        world.kernel.memory_fault(VirtAddr::new(address), Access::Read);
        assert_eq!(world.kernel.population().processes, 2);
    }
}

/// The running program maps so many pages, each with other permissions than the one below.
fn map_many(world: &mut World, address: u64, pages: u64) {
    for page in 0..pages {
        let protection = [Protection::READ, Protection::WRITE][(page % 2) as usize];
        let map = Map::new(address + page * PAGE, PAGE, protection);
        world.call(Handle::MEMORY, map).expect("room");
    }
}

#[test]
fn a_child_is_given_pages_when_another_thread_has_unmapped_many_mappings() {
    const MANY: u64 = 300;
    let mut world = world();
    let source = write_pages(&mut world, 2);
    let many = source + 0x1000_0000;
    map_many(&mut world, many, MANY);
    let (_, memory) = world.create("child").expect("room");
    create_thread(&mut world);
    interrupt_after(&mut world, 0);
    let unmap = Unmap {
        address: many,
        length: MANY * PAGE,
    };
    world.send(Handle::MEMORY, unmap, &[], &[]);
    assert_eq!(world.running, Some(2), "mappings are left");
    let give = Move {
        source,
        length: 2 * PAGE,
        destination: source,
        protection: Protection::READ,
    };
    world.send(memory, give, &[], &[Handle::MEMORY]);
    assert_eq!(world.running, Some(INIT), "the other thread waits");
    assert_eq!(world.answer::<Unmap>(), Ok(()));
    world.until(2);
    assert_eq!(world.answer::<Move>(), Ok(()));
}

#[test]
fn threads_begin_and_end_and_fork_while_another_one_forks() {
    let mut world = world();
    write_pages(&mut world, 200);
    let first = create_thread(&mut world);
    create_thread(&mut world);
    create_thread(&mut world);
    interrupt_after(&mut world, 0);
    world.send(Handle::SELF, Fork {}, &[], &[]);
    assert_eq!(world.running, Some(1));
    exit_thread(&mut world, 7);
    assert_eq!(world.running, Some(2));
    create_thread(&mut world); // has what the first has left
    world.send(Handle::SELF, CREATE, &[], &[]);
    assert_eq!(world.running, Some(3));
    world.send(Handle::SELF, Fork {}, &[], &[]);
    world.until(INIT);
    assert_eq!(world.answer::<Fork>().map(|_| ()), Ok(()));
    world.until(2);
    assert_eq!(world.answer::<CreateThread>().map(|_| ()), Ok(()));
    world.until(3);
    assert_eq!(world.answer::<Fork>().map(|_| ()), Ok(()));
    assert_eq!(world.call(first, Join {}), Ok(End::Exited(7)));
}

#[test]
fn a_child_whose_only_handle_is_closed_while_it_is_copied_ends_and_the_fork_does_too() {
    let mut world = world();
    write_pages(&mut world, 200);
    let thread = create_thread(&mut world);
    interrupt_after(&mut world, 0);
    world.send(Handle::SELF, Fork {}, &[], &[]);
    assert_eq!(world.running, Some(1));
    let child = Handle::from_parts(thread.index() + 1, 0);
    close(&mut world, child);
    // The child, which is as important as its parent was, is gone before the copy is done.
    let (priority, highest) = (Priority(10), Priority::MOST);
    world.send(Handle::SELF, SetPriority { priority, highest }, &[], &[]);
    world.until(INIT);
    assert_eq!(world.answer::<Fork>().map(|_| ()), Ok(()));
    assert_eq!(world.kernel.population().processes, 1);
}

#[test]
fn a_process_that_ends_while_a_thread_is_deferred_leaves_nothing_behind() {
    let mut world = world();
    let before = world.free_frames();
    let child = child(&mut world);
    write_pages(&mut world, 200);
    create_thread(&mut world);
    interrupt_after(&mut world, 0);
    world.send(Handle::SELF, Fork {}, &[], &[]);
    world.until(2);
    interrupt_after(&mut world, 0);
    world.send(Handle::SELF, CREATE, &[], &[]);
    assert!(matches!(state(&world, 2), Some(State::Deferred(_))));
    world.until(INIT);
    world.send(child, Kill {}, &[], &[]);
    world.until(3);
    world.send(Handle::SELF, Exit { status: 0 }, &[], &[]);
    world.until(INIT);
    assert_eq!(world.answer::<Kill>(), Ok(()));
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

#[test]
fn a_stack_grows_when_another_thread_has_forked_and_not_before() {
    let mut world = world();
    write_pages(&mut world, 200);
    let stack = Map {
        growth: 16 * PAGE,
        ..Map::new(0, PAGE, Protection::READ | Protection::WRITE)
    };
    let (lowest,) = world.call(Handle::MEMORY, stack).expect("room");
    create_thread(&mut world);
    interrupt_after(&mut world, 0);
    world.send(Handle::SELF, Fork {}, &[], &[]);
    assert_eq!(world.running, Some(1));
    touch_later(&mut world, lowest - 3 * PAGE);
}

#[test]
fn what_takes_the_place_of_something_is_there_for_all_threads_when_that_has_gone() {
    let mut world = world();
    let address = write_pages(&mut world, 200);
    create_thread(&mut world);
    interrupt_after(&mut world, 0);
    let replace = Map {
        flags: MapFlags::REPLACE,
        ..Map::new(address, 200 * PAGE, Protection::WRITE)
    };
    world.send(Handle::MEMORY, replace, &[], &[]);
    assert_eq!(world.running, Some(1));
    touch_later(&mut world, address + 100 * PAGE);
}

#[test]
fn who_would_wait_for_a_word_that_has_changed_is_told_at_once_whatever_others_do() {
    let mut world = world();
    let address = write_pages(&mut world, 200);
    create_thread(&mut world);
    interrupt_after(&mut world, 0);
    world.send(Handle::SELF, Fork {}, &[], &[]);
    let wait = WaitWord {
        address,
        expected: 7,
        deadline: FOREVER,
    };
    assert_eq!(world.running, Some(1));
    assert_eq!(world.call(Handle::MEMORY, wait), Err(Errno::EAGAIN));
}

/// Thread 1, which runs, touches what comes to be there while it waits.
fn touch_later(world: &mut World, address: u64) {
    let address = VirtAddr::new(address);
    world.kernel().memory_fault(address, Access::Write);
    world.run();
    assert_eq!(world.running, Some(INIT), "the other thread's work is done");
    assert!(matches!(state(world, 1), Some(State::Ready)));
    world.until(1);
    world.kernel().memory_fault(address, Access::Write);
    world.run();
    assert_eq!(world.running, Some(1), "it is there");
}

#[test]
fn of_two_threads_that_detach_one_address_one_does() {
    use abi::memory::{ShmAttach, ShmControl, ShmDetach, ShmGet, ShmIdArgument};
    use abi::shm::{AttachFlags, GetFlags, ShmCommand, ShmKey};
    for pieces in 0..2 {
        let mut world = world();
        let get = ShmGet {
            key: ShmKey(0),
            size: 200 * PAGE,
            flags: GetFlags::from_bits_retain(0o600),
        };
        let (id,) = world.call(Handle::MEMORY, get).expect("room");
        let flags = AttachFlags::empty();
        let attach = ShmAttach {
            id,
            address: 0,
            flags,
        };
        let (address,) = world.call(Handle::MEMORY, attach).expect("room");
        world.call(Handle::MEMORY, attach).expect("room");
        for page in 0..200 {
            let address = VirtAddr::new(address + page * PAGE);
            world.kernel.memory_fault(address, Access::Write);
        }
        create_thread(&mut world);
        interrupt_after(&mut world, pieces);
        world.send(Handle::MEMORY, ShmDetach { address }, &[], &[]);
        world.until(1);
        assert_eq!(
            world.call(Handle::MEMORY, ShmDetach { address }),
            Err(Errno::EINVAL)
        );
        world.until(INIT);
        assert_eq!(world.answer::<ShmDetach>(), Ok(()));
        let stat = ShmControl {
            id: ShmIdArgument(id.raw()),
            command: ShmCommand::Stat as i32,
        };
        world.call(Handle::MEMORY, stat).expect("tells");
        let attached = world.page().bytes[88..96].try_into().expect("a word");
        assert_eq!(u64::from_le_bytes(attached), 1, "once less");
    }
}
