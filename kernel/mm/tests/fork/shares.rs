//! What is done with a page that is shared since a fork, besides writing to it.

use crate::common::{PAGE, World};
use abi::memory::{Move, Protection};
use mm::{FaultCause, SpaceId};

const PLACE: u64 = 0x30_0000_0000;

/// A process, its child, and three pages with the values 1 to 3 that they share.
fn family(world: &mut World) -> (SpaceId, SpaceId) {
    let parent = world.process();
    world
        .map(parent, PLACE, 3 * PAGE, Protection::WRITE)
        .expect("free");
    world.fill(parent, PLACE, 3, 1);
    let child = world.fork(parent).expect("room");
    (parent, child)
}

fn to_here(protection: Protection) -> Move {
    Move {
        source: PLACE,
        length: 3 * PAGE,
        destination: PLACE,
        protection,
    }
}

#[test]
fn unmapping_gives_back_only_what_nobody_else_has() {
    let mut world = World::new();
    let (parent, child) = family(&mut world);
    let before = world.mm.frame_counts();
    world.unmap(child, PLACE, PAGE).expect("mapped");
    let after = world.mm.frame_counts();
    assert_eq!((after.free, after.promised), (before.free, before.promised - 1));
    world.unmap(parent, PLACE, PAGE).expect("mapped");
    assert_eq!(world.mm.frame_counts().free, before.free + 1);
    assert_eq!(world.load(child, PLACE + PAGE), Ok(2));
}

#[test]
fn a_share_moves_as_it_is() {
    let mut world = World::new();
    let (parent, child) = family(&mut world);
    let other = world.process();
    let free = world.mm.frame_counts().free;
    world
        .transfer(other, Some(child), to_here(Protection::WRITE))
        .expect("moved");
    assert_eq!(world.load(child, PLACE), Err(FaultCause::Unmapped));
    // But for the tables, which are the other's now.
    assert_eq!(world.mm.frame_counts().free, free);
    world.store(other, PLACE, 70).expect("copied");
    world.store(parent, PLACE + PAGE, 80).expect("copied");
    let words =
        |world: &mut World, p| [0, 1, 2].map(|page| world.load(p, PLACE + page * PAGE).expect("mapped"));
    assert_eq!(words(&mut world, parent), [1, 80, 3]);
    assert_eq!(words(&mut world, other), [70, 2, 3]);
}

#[test]
fn a_share_that_becomes_executable_stays_what_it_was() {
    let mut world = World::new();
    let (parent, child) = family(&mut world);
    let other = world.process();
    world
        .transfer(other, Some(child), to_here(Protection::EXEC))
        .expect("moved");
    assert_eq!(world.jump(other, PLACE), Ok(()));
    world.store(parent, PLACE, 80).expect("copied");
    assert_eq!(world.load(other, PLACE), Ok(1));
    assert_eq!(world.store(other, PLACE, 1), Err(FaultCause::NotPermitted));
}

#[test]
fn a_parent_can_move_what_it_shares_into_its_child() {
    let mut world = World::new();
    let (parent, child) = family(&mut world);
    let request = Move {
        destination: PLACE + 16 * PAGE,
        ..to_here(Protection::WRITE)
    };
    world.transfer(child, Some(parent), request).expect("moved");
    world
        .store(child, PLACE, 50)
        .expect("copied, though only it has the frame");
    world.store(child, PLACE + 17 * PAGE, 60).expect("copied");
    assert_eq!(world.load(child, PLACE + 16 * PAGE), Ok(1));
    assert_eq!(world.load(child, PLACE + PAGE), Ok(2));
    world.exit(parent);
}

#[test]
fn a_write_by_another_thread_while_its_process_is_copied_is_its_alone() {
    let mut world = World::new();
    let parent = world.process();
    let at = world.map_anywhere(parent, 200 * PAGE);
    world.touch(parent, at, 150);
    let (child, job) = world.begin_fork(parent).expect("room");
    let job = world.mm.step(job, mm::Seconds(1));
    for page in [0, 100, 150, 199] {
        world.store(parent, at + page * PAGE, 9).expect("writable");
    }
    let early = world.load(child, at + 140 * PAGE);
    assert_eq!(early, Err(FaultCause::Unmapped), "it is not born yet");
    world.finish(job);
    world.store(parent, at + 100 * PAGE, 10).expect("writable");
    assert_eq!(world.load(child, at), Ok(0));
    assert_eq!(world.load(child, at + 100 * PAGE), Ok(9));
}
