//! A region stays while a handle, an attachment or a name keeps it, and not longer.

use crate::common::{CREATE, FIND, PAGE, PLAIN, PRIVATE, Size, World};
use abi::shm::{AttachFlags, SHM_DEST, ShmCommand};
use abi::{Errno, Rights};
use mm::Limits;

#[test]
fn a_segment_without_a_name_is_memory_like_any_other_and_goes_with_its_last_handle() {
    let mut world = World::new();
    let (one, other) = (world.process(), world.process());
    let before = world.mm.frame_counts();
    let held = world.create_held(one, 5 * PAGE).expect("room");
    let passed = world.pass(held);
    let (mine, theirs) = (
        world.attach_held(one, held, PLAIN).expect("room"),
        world
            .attach_held(other, passed, AttachFlags::RDONLY)
            .expect("room"),
    );
    world.store(one, mine + 4 * PAGE, 9).expect("writable");
    assert_eq!(world.load(other, theirs + 4 * PAGE), Ok(9));
    world.detach(one, mine).expect("attached");
    world.detach(other, theirs).expect("attached");
    world.close(one, held);
    let again = world.attach_held(other, passed, PLAIN).expect("room");
    assert_eq!(world.load(other, again + 4 * PAGE), Ok(9), "a handle keeps it");
    world.detach(other, again).expect("attached");
    world.close(other, passed);
    assert_eq!(world.mm.frame_counts(), before);
}

#[test]
fn it_is_told_how_many_handles_each_segment_has() {
    let mut world = World::new();
    let p = world.process();
    let handles = |world: &World| world.mm.handles_to_regions().map(|(_, count)| count).sum::<u32>();
    world.segment(p, PAGE);
    let held = world.create_held(p, PAGE).expect("room");
    let passed = world.pass(held);
    assert_eq!((world.mm.handles_to_regions().count(), handles(&world)), (2, 2));
    world.close(p, held);
    assert_eq!((world.mm.handles_to_regions().count(), handles(&world)), (2, 1));
    world.close(p, passed);
    assert_eq!((world.mm.handles_to_regions().count(), handles(&world)), (1, 0));
}

#[test]
fn an_attachment_keeps_a_segment_whose_handles_are_gone() {
    let mut world = World::new();
    let p = world.process();
    let before = world.mm.frame_counts();
    let held = world.create_held(p, 3 * PAGE).expect("room");
    let at = world.attach_held(p, held, PLAIN).expect("room");
    world.close(p, held);
    world.store(p, at, 1).expect("attached");
    assert_eq!(world.segments(), (0, 3), "no name, three pages");
    world.detach(p, at).expect("attached");
    assert_eq!((world.segments(), world.mm.frame_counts()), ((0, 0), before));
}

#[test]
fn nothing_finds_a_segment_without_a_name_but_its_handles() {
    let mut world = World::new();
    let p = world.process();
    let held = world.create_held(p, PAGE).expect("room");
    assert_eq!(world.totals(p).1.used_ids, 0);
    for command in [ShmCommand::Stat, ShmCommand::StatIndex, ShmCommand::StatAny] {
        let found = world.control(p, 0, command as i32, &[]);
        assert_eq!(found, Err(Errno::EINVAL), "{command:?}");
    }
    let (id, facts) = world.stat_held(p, held).expect("may read");
    assert_eq!(
        (id, facts.shm_segsz, facts.shm_perm.mode),
        (-1, PAGE, 0o600 | SHM_DEST)
    );
    world.close(p, held);
}

#[test]
fn a_published_segment_is_like_one_that_shmget_made_and_outlives_its_handles() {
    let mut world = World::new();
    let (p, other) = (world.process(), world.process());
    let held = world.create_held(p, PAGE).expect("room");
    let at = world.attach_held(p, held, PLAIN).expect("room");
    world.store(p, at, 7).expect("writable");
    let id = world.publish(p, held, 77).expect("no other has the key");
    assert_eq!(
        world.publish(p, held, 78),
        Err(Errno::EEXIST),
        "one name is enough"
    );
    assert_eq!(world.get(other, 77, PAGE, FIND), Ok(id));
    let (told, facts) = world.stat_held(p, held).expect("may read");
    assert_eq!((told, Ok(facts)), (id.raw(), world.stat(p, id)));
    assert_eq!((facts.shm_perm.key, facts.shm_perm.mode), (77, 0o600));
    world.detach(p, at).expect("attached");
    world.close(p, held);
    let theirs = world.attach_anywhere(other, id);
    assert_eq!(world.load(other, theirs), Ok(7));
    world.remove(other, id).expect("user 0 may");
    world.detach(other, theirs).expect("attached");
    assert_eq!(world.segments(), (0, 0));
}

#[test]
fn a_key_that_another_segment_has_is_not_taken_from_it() {
    let mut world = World::new();
    let p = world.process();
    let id = world.get(p, 77, PAGE, CREATE).expect("room");
    let held = world.create_held(p, PAGE).expect("room");
    assert_eq!(world.publish(p, held, 77), Err(Errno::EEXIST));
    assert_eq!(world.get(p, 77, 0, FIND), Ok(id));
    let private = world.publish(p, held, PRIVATE).expect("an identifier is free");
    assert_ne!(private, id);
    world.close(p, held);
}

#[test]
fn a_removed_segment_that_is_held_has_no_name_any_more_and_may_get_one_again() {
    let mut world = World::new();
    let p = world.process();
    let id = world.get(p, 77, PAGE, CREATE).expect("room");
    let held = world.open(p, id, Rights::REGION).expect("the owner may");
    let at = world.attach_anywhere(p, id);
    world.remove(p, id).expect("the owner may");
    assert_eq!(world.get(p, 77, 0, FIND), Err(Errno::ENOENT));
    assert!(world.stat(p, id).is_ok(), "found until the last detach");
    assert_eq!(
        world.publish(p, held, 78),
        Err(Errno::EEXIST),
        "it has its identifier"
    );
    world.detach(p, at).expect("attached");
    assert_eq!(world.stat(p, id), Err(Errno::EINVAL));
    assert_eq!(world.stat_held(p, held).map(|(told, _)| told), Ok(-1));
    world.remove_held(p, held).expect("there is nothing to take away");
    let again = world.publish(p, held, 78).expect("no other has the key");
    assert_eq!(world.get(p, 78, 0, FIND), Ok(again));
    world.remove_held(p, held).expect("the handle may");
    assert_eq!(
        (world.stat(p, again), world.segments()),
        (Err(Errno::EINVAL), (0, 1))
    );
    world.close(p, held);
    assert_eq!(world.segments(), (0, 0));
}

#[test]
fn a_handle_to_a_segment_that_has_a_name_keeps_nothing_when_it_is_closed() {
    let mut world = World::new();
    let p = world.process();
    let id = world.segment(p, PAGE);
    let held = world.open(p, id, Rights::READ).expect("the owner may");
    world.close(p, held);
    assert!(world.stat(p, id).is_ok(), "its name keeps it");
}

#[test]
fn limits_and_totals_count_segments_without_a_name_too() {
    let limits = Limits {
        shmmni: 2,
        shmall: 10,
        shmmax: 9 * PAGE,
        ..Limits::WIDEST
    };
    let mut world = World::of(Size {
        limits,
        ..Size::USUAL
    });
    let p = world.process();
    assert_eq!(world.create_held(p, 0), Err(Errno::EINVAL));
    assert_eq!(world.create_held(p, 10 * PAGE), Err(Errno::EINVAL));
    let held = world.create_held(p, 8 * PAGE).expect("room");
    assert_eq!(world.create_held(p, 3 * PAGE), Err(Errno::ENOSPC));
    let id = world.segment(p, PAGE);
    assert_eq!(world.create_held(p, PAGE), Err(Errno::ENOSPC));
    assert_eq!(world.get(p, PRIVATE, PAGE, CREATE), Err(Errno::ENOSPC));
    assert_eq!(world.segments(), (1, 9));
    world.close(p, held);
    world.remove(p, id).expect("there");
    assert_eq!(world.segments(), (0, 0));
}

#[test]
fn the_highest_index_follows_segments_that_get_and_lose_a_name() {
    let mut world = World::new();
    let p = world.process();
    world.segment(p, PAGE);
    let held = world.create_held(p, PAGE).expect("room");
    assert_eq!(world.totals(p).0, 0);
    world.publish(p, held, PRIVATE).expect("an identifier is free");
    assert_eq!(world.totals(p).0, 1);
    world.remove_held(p, held).expect("the handle may");
    assert_eq!(world.totals(p).0, 0);
    world.publish(p, held, PRIVATE).expect("an identifier is free");
    assert_eq!(world.totals(p).0, 1);
}

#[test]
fn the_end_of_an_attacher_ends_a_large_segment_that_nothing_else_keeps() {
    let mut world = World::new();
    let (p, other) = (world.process(), world.process());
    let before = world.mm.frame_counts();
    let held = world.create_held(p, 700 * PAGE).expect("room");
    let at = world.attach_held(other, held, PLAIN).expect("room");
    world.touch(other, at, 700);
    world.close(p, held);
    assert_eq!(world.segments().1, 700);
    world.exit(other);
    let other = world.process();
    assert_eq!((world.segments(), world.mm.frame_counts()), ((0, 0), before));
    world.exit(other);
}
