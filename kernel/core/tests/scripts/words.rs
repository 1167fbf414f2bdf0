//! Threads that wait for a word of memory, and those that wake them.

use super::{world, world_on};
use abi::memory::{
    FOREVER, MOST_WOKEN, Map, Protection, RegionAttach, RegionCreate, ShmDetach, WaitWord, WakeAndWait,
    WakeWord,
};
use abi::process::{Close, End, Exit, Fork, Give, Kill, Wait};
use abi::shm::{AttachFlags, GetFlags, Mode};
use abi::{Errno, Handle};
use kcore::Next;
use play::{TICKS, World};

const INIT: u32 = 0;
const CHILD: u32 = 1;
const OTHER: u32 = 2;
const PAGE: u64 = 4096;
/// Where `init` has the region attached, and where its children have.
const HERE: u64 = 0x20_0000_0000;
const THERE: u64 = 0x30_0000_0000;
/// Where a child finds the region.
const GIVEN: Handle = Handle::PARENT;

fn wait_for(address: u64, expected: u32) -> WaitWord {
    WaitWord {
        address,
        expected,
        deadline: FOREVER,
    }
}

fn wait(world: &mut World, address: u64, expected: u32) -> Next {
    world.send(Handle::MEMORY, wait_for(address, expected), &[], &[])
}

fn wake(world: &mut World, address: u64, count: u32) -> Result<u32, Errno> {
    let answer = world.call(Handle::MEMORY, WakeWord { address, count });
    answer.map(|(woken,)| woken)
}

fn wake_and_wait(world: &mut World, woken: u64, address: u64, expected: u32) -> Next {
    let both = both(woken, address, expected);
    world.send(Handle::MEMORY, both, &[], &[])
}

fn both(woken: u64, address: u64, expected: u32) -> WakeAndWait {
    WakeAndWait {
        woken,
        address,
        expected,
        deadline: FOREVER,
    }
}

fn attach(world: &mut World, region: Handle, address: u64) {
    let flags = AttachFlags::empty();
    let request = RegionAttach { address, flags };
    world
        .call_with(Handle::MEMORY, request, &[], &[region])
        .expect("room");
}

fn create_region(world: &mut World) -> Handle {
    let flags = GetFlags::empty().with_mode(Mode::from_bits(0o600));
    let create = RegionCreate {
        size: 2 * PAGE,
        flags,
    };
    world.call(Handle::MEMORY, create).expect("room");
    world.handles()[0]
}

fn fork(world: &mut World) -> Handle {
    world.call(Handle::SELF, Fork {}).expect("room");
    world.handles()[0]
}

fn leave(world: &mut World) {
    world.send(Handle::SELF, Exit { status: 0 }, &[], &[]);
}

/// `init` with a region, and so many children that have it at another address. `init` runs.
fn family(mut world: World, children: u32) -> (World, Handle, Vec<Handle>) {
    let region = create_region(&mut world);
    attach(&mut world, region, HERE);
    let mut handles = Vec::new();
    for child in 0..children {
        let (handle, memory) = world.create("child").expect("room");
        let place = GIVEN.index();
        world
            .call_with(handle, Give { place }, &[], &[region])
            .expect("it has not started");
        world
            .call(Handle::SELF, Close { handle: memory })
            .expect("its own");
        world.start(handle);
        if world.cpus() == 1 {
            world.until(CHILD + child);
            attach(&mut world, GIVEN, THERE);
            world.until(INIT);
        }
        handles.push(handle);
    }
    (world, region, handles)
}

#[test]
fn who_waits_for_a_word_of_a_segment_is_woken_by_another_process_that_has_it_elsewhere() {
    let (mut world, ..) = family(world(), 1);
    world.until(CHILD);
    wait(&mut world, THERE + 8, 0);
    assert_eq!(world.running, Some(INIT), "the child waits");
    world.yield_now();
    assert_eq!(world.running, Some(INIT), "still");
    world.store_word(HERE + 8, 1);
    assert_eq!(wake(&mut world, HERE + 4, 9), Ok(0), "another word");
    assert_eq!(wake(&mut world, HERE + 8 + PAGE, 9), Ok(0), "of another page");
    assert_eq!(wake(&mut world, HERE + 8, 9), Ok(1));
    assert_eq!(wake(&mut world, HERE + 8, 9), Ok(0), "nobody waits any more");
    world.until(CHILD);
    assert_eq!(world.answer::<WaitWord>(), Ok(()));
}

#[test]
fn a_word_that_is_not_what_was_expected_keeps_nobody_waiting() {
    let (mut world, ..) = family(world(), 0);
    let word = |expected| wait_for(HERE, expected);
    assert_eq!(world.call(Handle::MEMORY, word(1)), Err(Errno::EAGAIN));
    world.store_word(HERE, 1);
    assert_eq!(world.call(Handle::MEMORY, word(0)), Err(Errno::EAGAIN));
    let wrong = [
        (HERE + 2, Errno::EINVAL),
        (0x100, Errno::EFAULT),
        (abi::layout::USER_END, Errno::EFAULT),
    ];
    for (address, error) in wrong {
        assert_eq!(world.call(Handle::MEMORY, wait_for(address, 0)), Err(error));
        assert_eq!(wake(&mut world, address, 1), Err(error));
    }
    assert_eq!(world.running, Some(INIT));
}

#[test]
fn as_many_are_woken_as_was_said_in_the_order_in_which_they_came() {
    let (mut world, ..) = family(world(), 3);
    for child in [2, 1, 3] {
        world.until(child);
        wait(&mut world, THERE, 0);
    }
    assert_eq!(world.running, Some(INIT));
    assert_eq!(wake(&mut world, HERE, 0), Ok(0));
    assert_eq!(wake(&mut world, HERE, 2), Ok(2));
    world.yield_now();
    assert_eq!(world.running, Some(2), "it came first");
    leave(&mut world);
    assert_eq!(world.running, Some(1));
    leave(&mut world);
    assert_eq!(world.running, Some(INIT), "the third still waits");
    assert_eq!(wake(&mut world, HERE, u32::MAX), Ok(1));
    world.until(3);
}

#[test]
fn one_call_wakes_a_bounded_number_and_says_how_many() {
    const { assert!(MOST_WOKEN > 30, "there are more than there are threads here") };
    let (mut world, ..) = family(world(), 30);
    for child in 1..=30 {
        world.until(child);
        wait(&mut world, THERE, 0);
    }
    assert_eq!(wake(&mut world, HERE, u32::MAX), Ok(30));
}

#[test]
fn a_private_word_of_a_process_is_not_that_of_its_copy() {
    let mut world = world();
    let map = Map::new(0, PAGE, Protection::READ | Protection::WRITE);
    let (address,) = world.call(Handle::MEMORY, map).expect("room");
    world.store_word(address, 7);
    fork(&mut world);
    world.until(CHILD);
    wait(&mut world, address, 7);
    assert_eq!(world.running, Some(INIT));
    assert_eq!(wake(&mut world, address, 1), Ok(0));
    fork(&mut world);
    world.until(OTHER);
    assert_eq!(wake(&mut world, address, 1), Ok(0), "a copy of the same parent");
}

#[test]
fn whoever_holds_the_memory_manager_of_a_child_waits_for_its_words_and_wakes_there() {
    let mut world = world();
    let (child, memory) = world.create("child").expect("room");
    let map = Map::new(0, PAGE, Protection::READ | Protection::WRITE);
    let (address,) = world.call(memory, map).expect("room");
    world.start(child);
    world.send(memory, wait_for(address, 0), &[], &[]);
    assert_eq!(world.running, Some(CHILD));
    assert_eq!(wake(&mut world, address, 1), Ok(1));
    wait(&mut world, address, 0);
    assert_eq!((world.running, world.answer::<WaitWord>()), (Some(INIT), Ok(())));
    let woken = world.call(memory, WakeWord { address, count: 1 });
    assert_eq!(woken, Ok((1,)));
}

#[test]
fn who_is_killed_while_waiting_for_a_word_is_not_there_to_be_woken() {
    let (mut world, _, children) = family(world(), 2);
    for child in [CHILD, OTHER] {
        world.until(child);
        wait(&mut world, THERE, 0);
    }
    world.send(children[0], Kill {}, &[], &[]);
    assert_eq!((world.running, world.answer::<Kill>()), (Some(INIT), Ok(())));
    assert_eq!(wake(&mut world, HERE, 1), Ok(1));
    world.until(OTHER);
    assert_eq!(world.answer::<WaitWord>(), Ok(()));
    leave(&mut world);
    assert_eq!(world.call(children[1], Wait {}), Ok(End::Exited(0)));
    assert_eq!(wake(&mut world, HERE, 1), Ok(0));
}

#[test]
fn who_waits_for_a_word_whose_memory_goes_is_woken_through_what_others_have_of_it() {
    let (mut world, region, _) = family(world(), 0);
    let (child, memory) = world.create("child").expect("room");
    let request = RegionAttach {
        address: THERE,
        flags: AttachFlags::empty(),
    };
    world.call_with(memory, request, &[], &[region]).expect("room");
    world.start(child);
    world.until(CHILD);
    wait(&mut world, THERE, 0);
    assert_eq!(world.call(memory, ShmDetach { address: THERE }), Ok(()));
    assert_eq!(wake(&mut world, HERE, 1), Ok(1));
    world.until(CHILD);
    assert_eq!(world.answer::<WaitWord>(), Ok(()), "it goes on");
}

#[test]
fn who_waits_for_a_word_of_a_region_that_is_gone_is_not_woken_by_its_successor() {
    let mut world = world();
    let (child, memory) = world.create("child").expect("room");
    let region = create_region(&mut world);
    let request = RegionAttach {
        address: THERE,
        flags: AttachFlags::empty(),
    };
    world.call_with(memory, request, &[], &[region]).expect("room");
    world.start(child);
    world.until(CHILD);
    wait(&mut world, THERE, 0);
    assert_eq!(world.call(memory, ShmDetach { address: THERE }), Ok(()));
    world
        .call(Handle::SELF, Close { handle: region })
        .expect("its own");
    let successor = create_region(&mut world);
    attach(&mut world, successor, HERE);
    assert_eq!(wake(&mut world, HERE, 1), Ok(0));
    world.send(child, Kill {}, &[], &[]);
    assert_eq!((world.running, world.answer::<Kill>()), (Some(INIT), Ok(())));
}

#[test]
fn who_is_woken_on_another_cpu_runs_there() {
    let (mut world, ..) = family(world_on(2), 1);
    assert_eq!(world.give_turn(1), Some(Next::Run(CHILD)));
    attach(&mut world, GIVEN, THERE);
    assert_eq!(wait(&mut world, THERE, 0), Next::Idle);
    world.turn_to(0);
    world.store_word(HERE, 1);
    assert_eq!(wake(&mut world, HERE, 1), Ok(1));
    assert_eq!(world.give_turn(1), Some(Next::Run(CHILD)));
    assert_eq!(world.answer::<WaitWord>(), Ok(()));
}

/// The running program waits for a word that is 0, for so many ticks at most.
fn wait_at_most(world: &mut World, address: u64, ticks: u64) -> Next {
    let deadline = TICKS + ticks;
    let wait = WaitWord {
        deadline,
        ..wait_for(address, 0)
    };
    world.send(Handle::MEMORY, wait, &[], &[])
}

#[test]
fn who_is_not_woken_until_the_deadline_goes_on_and_is_not_there_to_be_woken() {
    let (mut world, ..) = family(world(), 0);
    assert_eq!(wait_at_most(&mut world, HERE, 5), Next::Idle);
    world.kernel.platform.let_pass(4);
    assert_eq!(world.look_up(), Next::Idle, "not yet");
    world.kernel.platform.let_pass(1);
    assert_eq!(world.look_up(), Next::Run(INIT));
    assert_eq!(world.answer::<WaitWord>(), Err(Errno::ETIMEDOUT));
    assert_eq!(wake(&mut world, HERE, 1), Ok(0));
}

#[test]
fn who_is_woken_before_the_deadline_does_not_hear_of_it() {
    let (mut world, ..) = family(world(), 1);
    world.until(CHILD);
    wait_at_most(&mut world, THERE, 5);
    assert_eq!(wake(&mut world, HERE, 1), Ok(1));
    world.until(CHILD);
    assert_eq!(world.answer::<WaitWord>(), Ok(()));
    wait(&mut world, THERE, 0);
    world.kernel.platform.let_pass(9);
    world.look_up();
    assert_eq!(
        world.running,
        Some(INIT),
        "the child waits without a deadline now"
    );
}

#[test]
fn a_deadline_that_has_passed_keeps_nobody_waiting_and_the_word_comes_first() {
    let (mut world, ..) = family(world(), 0);
    let past = |expected| WaitWord {
        deadline: TICKS,
        ..wait_for(HERE, expected)
    };
    assert_eq!(world.call(Handle::MEMORY, past(0)), Err(Errno::ETIMEDOUT));
    assert_eq!(world.call(Handle::MEMORY, past(1)), Err(Errno::EAGAIN));
}

#[test]
fn who_is_killed_while_waiting_with_a_deadline_leaves_both_queues() {
    let (mut world, _, children) = family(world(), 1);
    world.until(CHILD);
    wait_at_most(&mut world, THERE, 5);
    world.send(children[0], Kill {}, &[], &[]);
    assert_eq!((world.running, world.answer::<Kill>()), (Some(INIT), Ok(())));
    world.kernel.platform.let_pass(9);
    world.look_up();
    assert_eq!(wake(&mut world, HERE, 1), Ok(0));
}

#[test]
fn who_wakes_and_waits_lets_the_one_that_is_woken_go_on_before_others() {
    let (mut world, ..) = family(world(), 3);
    for child in [CHILD, OTHER] {
        world.until(child);
        wait(&mut world, THERE, 0);
    }
    world.until(INIT);
    assert_eq!(wake_and_wait(&mut world, HERE, HERE + 4, 0), Next::Run(CHILD));
    assert_eq!(world.answer::<WaitWord>(), Ok(()));
    assert_eq!(
        wake(&mut world, THERE + 4, 9),
        Ok(1),
        "it waits for the other word"
    );
    assert_eq!(wake(&mut world, THERE, 9), Ok(1), "one was woken");
}

#[test]
fn two_pass_a_turn_to_and_fro_with_one_word() {
    let (mut world, ..) = family(world(), 1);
    world.until(CHILD);
    wait(&mut world, THERE, 0);
    for turn in 1..5 {
        world.store_word(HERE, turn);
        assert_eq!(wake_and_wait(&mut world, HERE, HERE, turn), Next::Run(CHILD));
        assert_eq!(wake_and_wait(&mut world, THERE, THERE, turn), Next::Run(INIT));
        assert_eq!(world.answer::<WakeAndWait>(), Ok(()));
    }
}

#[test]
fn who_wakes_and_finds_the_word_changed_goes_on_and_so_does_the_one_that_is_woken() {
    let (mut world, ..) = family(world(), 1);
    world.until(CHILD);
    wait(&mut world, THERE, 0);
    assert_eq!(
        world.call(Handle::MEMORY, both(HERE, HERE + 4, 1)),
        Err(Errno::EAGAIN)
    );
    world.until(CHILD);
    wait(&mut world, THERE, 0);
    let late = WakeAndWait {
        deadline: TICKS,
        ..both(HERE, HERE + 4, 0)
    };
    assert_eq!(world.call(Handle::MEMORY, late), Err(Errno::ETIMEDOUT));
    world.until(CHILD);
    assert_eq!(world.answer::<WaitWord>(), Ok(()));
}

#[test]
fn who_wakes_and_waits_where_there_is_no_word_wakes_nobody() {
    let (mut world, ..) = family(world(), 1);
    world.until(CHILD);
    wait(&mut world, THERE, 0);
    for (woken, address, error) in [
        (HERE, HERE + 2, Errno::EINVAL),
        (HERE, 0x100, Errno::EFAULT),
        (HERE + 1, HERE, Errno::EINVAL),
        (0x100, HERE, Errno::EFAULT),
    ] {
        assert_eq!(world.call(Handle::MEMORY, both(woken, address, 0)), Err(error));
    }
    assert_eq!(wake(&mut world, HERE, 9), Ok(1));
}

#[test]
fn who_wakes_and_waits_until_a_deadline_goes_on_then() {
    let (mut world, ..) = family(world(), 0);
    let both = WakeAndWait {
        deadline: TICKS + 5,
        ..both(HERE, HERE, 0)
    };
    let goes_on = world.send(Handle::MEMORY, both, &[], &[]);
    assert_eq!(goes_on, Next::Idle, "it does not wake itself");
    world.kernel.platform.let_pass(5);
    assert_eq!(world.look_up(), Next::Run(INIT));
    assert_eq!(world.answer::<WakeAndWait>(), Err(Errno::ETIMEDOUT));
    assert_eq!(wake(&mut world, HERE, 9), Ok(0));
}

#[test]
fn who_is_woken_by_one_that_waits_goes_on_on_the_cpu_of_that_one() {
    let (mut world, ..) = family(world_on(2), 1);
    assert_eq!(world.give_turn(1), Some(Next::Run(CHILD)));
    attach(&mut world, GIVEN, THERE);
    assert_eq!(wait(&mut world, THERE, 0), Next::Idle);
    world.turn_to(0);
    assert_eq!(wake_and_wait(&mut world, HERE, HERE, 0), Next::Run(CHILD));
    assert_eq!(world.answer::<WaitWord>(), Ok(()));
}
