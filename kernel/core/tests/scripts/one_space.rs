//! Several threads in one address space: what they do to it, and to each other's requests, while one of them has work done on
//! it piece by piece.

use super::threads::{CREATE, INIT, PAGE, child, close, create_thread, exit_thread, state};
use super::{world, write_pages};
use abi::memory::{FOREVER, Map, MapFlags, Move, Protection, Unmap, WaitWord};
use abi::process::{CreateThread, End, Exit, Fork, Kill, Priority, SetPriority};
use abi::thread::Join;
use abi::{Errno, Handle};
use addr::VirtAddr;
use kcore::thread::State;
use mm::Access;
use play::World;

/// The time slice ends after so many pieces of what the kernel does next.
fn interrupt_after(world: &mut World, pieces: usize) {
    let plan = (0..=pieces).map(|piece| piece == pieces);
    *world.kernel.platform.slice_ends.borrow_mut() = plan.collect();
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
    world.touch(address, Access::Write);
    assert_eq!(world.running, Some(INIT), "the other thread's work is done");
    assert!(matches!(state(world, 1), Some(State::Ready)));
    world.until(1);
    world.touch(address, Access::Write);
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
