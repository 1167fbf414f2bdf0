//! What hostile programs try, and do not get.

use super::world;
use abi::memory::{CountUsage, Map, MapCopy, Move, Protection, Unmap};
use abi::process::{Close, Give, Kill, Wait};
use abi::{Badge, Errno, Handle, IpcError, Rights};
use addr::VirtAddr;
use mm::Access;
use play::{SLICE, World};

const INIT: u32 = 0;
const CHILD: u32 = 1;
const OTHER: u32 = 2;
const PAGE: u64 = 4096;

const WRITABLE: Protection = Protection::READ.union(Protection::WRITE);

/// The running program maps `pages` pages and writes to each.
fn map_and_touch(world: &mut World, pages: u64) -> u64 {
    let map = Map::new(0, pages * PAGE, WRITABLE);
    let (base,) = world.call(Handle::MEMORY, map).expect("room");
    touch(world, base, pages);
    base
}

fn touch(world: &mut World, base: u64, pages: u64) {
    let program = world.running;
    for page in 0..pages {
        world
            .kernel()
            .memory_fault(VirtAddr::new(base + page * PAGE), Access::Write);
        world.run();
        assert_eq!(world.running, program, "a touch of one's own memory is served");
    }
}

/// `init` has a child that runs, and its handle and memory manager.
fn with_child() -> (World, Handle, Handle) {
    let mut world = world();
    let (child, memory) = world.create("child").expect("room");
    world.start(child);
    (world, child, memory)
}

#[test]
fn children_that_hold_each_other_and_never_started_do_not_stay() {
    let mut world = world();
    let before = world.free_frames();
    let (one, one_memory) = world.create("one").expect("room");
    let (other, other_memory) = world.create("other").expect("room");
    let there = world.call_with(one, Give { place: 9 }, &[], &[other]);
    let back = world.call_with(other, Give { place: 9 }, &[], &[one]);
    for handle in [one, one_memory, other, other_memory] {
        world.call(Handle::SELF, Close { handle }).expect("closes");
    }
    for _ in 0..4 {
        world.yield_now();
    }
    assert_eq!(world.free_frames(), before);
    assert_eq!(
        (there, back),
        (Err(Errno::EINVAL), Ok(())),
        "the one that is younger may hold the other"
    );
}

#[test]
fn a_child_that_holds_itself_and_never_started_does_not_stay() {
    let mut world = world();
    let before = world.free_frames();
    let (child, memory) = world.create("child").expect("room");
    world
        .call_with(child, Give { place: 9 }, &[], &[child])
        .expect("gives");
    for handle in [child, memory] {
        world.call(Handle::SELF, Close { handle }).expect("closes");
    }
    world.yield_now();
    assert_eq!(world.free_frames(), before);
}

#[test]
fn a_child_may_hold_one_that_is_younger_and_has_started() {
    let mut world = world();
    let (older, _) = world.create("older").expect("room");
    let (younger, _) = world.create("younger").expect("room");
    world.start(younger);
    assert_eq!(world.call_with(older, Give { place: 9 }, &[], &[younger]), Ok(()));
}

#[test]
fn long_work_for_one_program_stops_for_the_others_at_the_end_of_each_time_slice() {
    let (mut world, ..) = with_child();
    world.until(CHILD);
    let base = map_and_touch(&mut world, 640);
    world.kernel.platform.slice_ends.borrow_mut().extend([true; 4]);
    for turn in 0..4 {
        if turn == 0 {
            world.send(
                Handle::MEMORY,
                Unmap {
                    address: base,
                    length: 640 * PAGE,
                },
                &[],
                &[],
            );
        } else {
            world.end_slice();
        }
        assert_eq!(world.running, Some(INIT), "turn {turn}");
    }
    world.end_slice();
    assert_eq!(world.running, Some(CHILD));
    assert_eq!(world.answer::<Unmap>(), Ok(()));
}

#[test]
fn whoever_gets_the_cpu_from_the_queue_gets_a_whole_time_slice() {
    let (mut world, child, _) = with_child();
    let (other, _) = world.create("other").expect("room");
    world.start(other);
    let part_passes = |world: &mut World| {
        world.kernel.platform.let_pass(SLICE - 1);
        world.look_up();
        world.running
    };
    assert_eq!(part_passes(&mut world), Some(INIT));
    world.yield_now();
    assert_eq!(part_passes(&mut world), Some(CHILD));
    world.end_slice();
    assert_eq!(part_passes(&mut world), Some(OTHER));
    world.end_slice();
    assert_eq!(part_passes(&mut world), Some(INIT));
    world.send(child, Wait {}, &[], &[]);
    assert_eq!(part_passes(&mut world), Some(CHILD));
}

#[test]
fn a_memory_manager_that_may_not_be_called_may_not_be_read_or_emptied_either() {
    let (mut world, _, memory) = with_child();
    world.until(CHILD);
    let source = map_and_touch(&mut world, 1);
    world.until(INIT);
    let limited = world.derive(memory, Rights::PASS, Badge(0));
    let mut take = Move {
        source,
        length: PAGE,
        destination: 0x100_0000,
        protection: Protection::READ,
    };
    assert_eq!(
        world.call_with(Handle::MEMORY, take, &[], &[limited]),
        Err(Errno::EBADF)
    );
    let mut copy = MapCopy {
        source,
        bytes: PAGE,
        destination: 0x200_0000,
        length: PAGE,
        protection: Protection::READ,
    };
    assert_eq!(
        world.call_with(Handle::MEMORY, copy, &[], &[limited]),
        Err(Errno::EBADF)
    );
    copy.destination += PAGE;
    assert_eq!(world.call_with(Handle::MEMORY, copy, &[], &[memory]), Ok(()));
    take.destination += PAGE;
    assert_eq!(world.call_with(Handle::MEMORY, take, &[], &[memory]), Ok(()));
}

#[test]
fn the_memory_manager_of_a_process_that_is_taken_apart_answers_nobody() {
    let (mut world, child, memory) = with_child();
    let (killer, _) = world.create("killer").expect("room");
    world
        .call_with(killer, Give { place: 5 }, &[], &[child])
        .expect("gives");
    world.until(CHILD);
    map_and_touch(&mut world, 640);
    world.until(INIT);
    world.start(killer);
    world.until(2);
    world.send(Handle::from_raw(5), Kill {}, &[], &[]);
    assert_eq!(world.running, Some(INIT));
    assert!(world.call(memory, CountUsage {}).is_ok(), "its end has not begun");
    world
        .kernel
        .platform
        .slice_ends
        .borrow_mut()
        .extend([false, true]);
    world.yield_now();
    assert_eq!(world.running, Some(INIT), "its memory is not all back yet");
    world.send(memory, CountUsage {}, &[], &[]);
    assert_eq!(
        (world.running, world.back().outcome),
        (Some(INIT), Some(IpcError::PeerGone))
    );
    world.until(2);
    assert_eq!(world.answer::<Kill>(), Ok(()));
}
