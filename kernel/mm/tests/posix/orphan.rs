//! `shm_rmid_forced`: segments that nobody will miss go by themselves.

use crate::common::{CREATE, FIND, PAGE, PLAIN, PRIVATE, Size, World};
use abi::Errno;
use abi::layout::USER_END;
use abi::shm::ShmSetting;
use mm::{Limits, Orphans};

const FORCED: Size = Size {
    limits: Limits {
        orphans: Orphans::Go,
        ..Limits::WIDEST
    },
    ..Size::USUAL
};

/// Proves: N-03
#[test]
fn a_segment_goes_when_it_is_detached_for_the_last_time() {
    let mut world = World::of(FORCED);
    let (p, other) = (world.process(), world.process());
    let before = world.mm.frame_counts();
    let id = world.get(p, 7, 3 * PAGE, CREATE).expect("room");
    let (mine, theirs) = (world.attach_anywhere(p, id), world.attach_anywhere(other, id));
    world.fill(p, mine, 3, 1);
    world.detach(p, mine).expect("attached");
    assert_eq!(world.get(p, 7, 0, FIND), Ok(id));
    world.detach(other, theirs).expect("attached");
    assert_eq!(world.get(p, 7, 0, FIND), Err(Errno::ENOENT));
    assert_eq!((world.segments(), world.mm.frame_counts()), ((0, 0), before));
}

/// Proves: N-03
#[test]
fn a_segment_that_was_never_attached_goes_with_its_creator_and_others_stay() {
    let mut world = World::of(FORCED);
    let (p, other) = (world.process(), world.process());
    let theirs = world.segment(other, PAGE);
    let attached = world.segment(p, PAGE);
    let at = world.attach_anywhere(other, attached);
    for _ in 0..5 {
        world.segment(p, PAGE);
    }
    world.exit(p);
    assert_eq!(world.segments(), (2, 2));
    assert!(world.stat(other, theirs).is_ok() && world.stat(other, attached).is_ok());
    world.detach(other, at).expect("attached");
    assert_eq!(world.stat(other, attached), Err(Errno::EINVAL));
}

#[test]
fn a_refused_attach_leaves_a_segment_that_nobody_has_attached_yet() {
    let mut world = World::of(FORCED);
    let (p, other) = (world.process(), world.process());
    let id = world.segment(p, PAGE);
    for attacher in [other, p] {
        assert_eq!(world.attach(attacher, id, 1, PLAIN), Err(Errno::EINVAL));
        assert_eq!(world.attach(attacher, id, USER_END, PLAIN), Err(Errno::EINVAL));
        let unrelated = world.map_anywhere(attacher, PAGE);
        world.unmap(attacher, unrelated, PAGE).expect("mapped");
    }
    assert!(world.stat(p, id).is_ok());
    world.exit(p);
    assert_eq!(world.stat(other, id), Err(Errno::EINVAL));
}

#[test]
fn the_end_of_the_last_attacher_takes_a_segment_along() {
    let mut world = World::of(FORCED);
    let (p, other) = (world.process(), world.process());
    let id = world.segment(p, PAGE);
    world.attach_anywhere(other, id);
    world.exit(other);
    assert_eq!(world.stat(p, id), Err(Errno::EINVAL));
}

#[test]
fn the_switch_set_later_takes_those_whose_creator_has_ended_and_no_others() {
    let mut world = World::new();
    let (p, other, root) = (world.process(), world.process(), world.process());
    let living = world.segment(other, PAGE);
    let used = world.segment(p, PAGE);
    world.attach_anywhere(other, used);
    for _ in 0..5 {
        world.segment(p, PAGE);
    }
    world.exit(p);
    assert_eq!(world.segments(), (7, 7), "POSIX keeps them");
    world
        .change(root, ShmSetting::ShmRmidForced, 1)
        .expect("user 0 may");
    assert_eq!(world.segments(), (2, 2));
    assert!(world.stat(other, living).is_ok() && world.stat(other, used).is_ok());
    world
        .change(root, ShmSetting::ShmRmidForced, 0)
        .expect("user 0 may");
    world.exit(other);
    assert_eq!(world.segments(), (2, 2), "POSIX again");
}

#[test]
fn the_very_first_segment_may_be_an_orphan() {
    let mut world = World::of(FORCED);
    let p = world.process();
    world.segment(p, PAGE);
    world.exit(p);
    assert_eq!(world.segments(), (0, 0));
}

#[test]
fn orphans_are_found_in_a_large_table_too_in_pieces() {
    let mut world = World::quick(Size {
        regions: 1000,
        ..FORCED
    });
    let (p, other) = (world.process(), world.process());
    for place in 0..1000 {
        let creator = if place % 300 == 299 { p } else { other };
        world.get(creator, PRIVATE, 1, CREATE).expect("room");
    }
    let mut job = Some(world.mm.destroy_space(p, mm::Seconds(1)));
    let mut steps = 0;
    while let Some(rest) = job {
        job = world.mm.step(rest, mm::Seconds(1));
        steps += 1;
    }
    assert_eq!(world.segments(), (997, 997));
    assert!(steps > 1, "one piece was the whole table");
    world.check_now();
}

#[test]
fn a_handle_keeps_a_segment_from_being_an_orphan() {
    let mut world = World::of(FORCED);
    let (p, other) = (world.process(), world.process());
    let id = world.segment(p, PAGE);
    let request = abi::memory::RegionOpen {
        id,
        rights: abi::Rights::READ,
    };
    let request = abi::memory::MemoryRequest::RegionOpen(request);
    let (answer, held, _) = world.begin_with(other, request, &[], None);
    assert!(answer.is_ok());
    world.exit(p);
    assert!(world.stat(other, id).is_ok());
    world.mm.release_region(held.expect("a handle").0, other);
    let job = world.mm.sweep(other, mm::Seconds(1));
    world.finish(job);
    assert_eq!(world.stat(other, id), Err(Errno::EINVAL));
}

#[test]
fn a_creator_that_is_forking_is_still_there() {
    let mut world = World::of(FORCED);
    let (p, other) = (world.process(), world.process());
    let at = world.map_anywhere(p, 300 * PAGE);
    world.fill(p, at, 300, 1);
    let id = world.segment(p, PAGE);
    world.segment(other, PAGE);
    let (child, job) = world.begin_fork(p).expect("room");
    world.exit(other);
    assert_eq!(world.segments(), (1, 1));
    let mut job = Some(job);
    while let Some(rest) = job {
        job = world.mm.step(rest, mm::Seconds(world.now));
    }
    assert!(world.attach(child, id, 0, abi::shm::AttachFlags::empty()).is_ok());
}
