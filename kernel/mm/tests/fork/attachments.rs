//! Attachments of a parent and its child: always the same memory.

use crate::common::{PAGE, PLAIN, World};
use abi::shm::AttachFlags;
use addr::VirtAddr;
use mm::{FaultCause, Mmu};

/// Pages of a segment that is linked.
const LARGE: u64 = 600;
/// Where a slot starts.
const SLOT: u64 = 0x20_0000_0000;

/// Proves: F-01, F-02, M-06
#[test]
fn a_child_writes_into_the_very_frames_its_parent_has_attached() {
    let mut world = World::new();
    let parent = world.process();
    let (small, large) = (
        world.segment(parent, 20 * PAGE),
        world.segment(parent, LARGE * PAGE),
    );
    let places = [
        world.attach_anywhere(parent, small),
        world.attach_anywhere(parent, small),
        world.attach(parent, large, SLOT, PLAIN).expect("free"),
        world.attach(parent, large, 3 * SLOT + PAGE, PLAIN).expect("free"),
    ];
    world.fill(parent, places[0], 20, 1);
    world.fill(parent, places[2], 20, 100);
    let present = world.totals(parent).1.shm_rss;
    let child = world.fork(parent).expect("room");
    assert_eq!(
        (world.facts(small).shm_nattch, world.facts(large).shm_nattch),
        (4, 4)
    );
    for (place, value) in places.into_iter().zip([1, 1, 100, 100]) {
        assert_eq!(world.load(child, place), Ok(value));
    }
    for page in 0..20 {
        world
            .store(child, places[1] + page * PAGE, 500 + page)
            .expect("writable");
        world
            .store(child, places[2] + page * PAGE, 600 + page)
            .expect("writable");
    }
    assert_eq!(world.load(parent, places[0] + 19 * PAGE), Ok(519));
    assert_eq!(world.load(parent, places[3] + 19 * PAGE), Ok(619));
    world.store(parent, places[0], 7).expect("writable");
    assert_eq!(world.load(child, places[1]), Ok(7));
    assert_eq!(world.totals(parent).1.shm_rss, present, "no frame was copied");
}

/// Proves: F-02
#[test]
fn a_page_that_nobody_has_touched_before_the_fork_is_the_same_for_both_too() {
    let mut world = World::new();
    let parent = world.process();
    for (pages, at) in [(3, 2 * SLOT), (LARGE, SLOT)] {
        let id = world.segment(parent, pages * PAGE);
        world.attach(parent, id, at, PLAIN).expect("free");
    }
    let child = world.fork(parent).expect("room");
    for at in [SLOT, 2 * SLOT] {
        world.store(child, at + PAGE, at).expect("writable");
        assert_eq!(world.load(parent, at + PAGE), Ok(at));
    }
}

/// Proves: F-08
#[test]
fn a_child_may_do_with_a_segment_what_its_attachment_allows() {
    let mut world = World::new();
    let parent = world.process();
    for pages in [3, LARGE] {
        let id = world.segment(parent, pages * PAGE);
        let at = world.attach(parent, id, 0, AttachFlags::RDONLY).expect("room");
        assert_eq!(world.load(parent, at), Ok(0));
        let child = world.fork(parent).expect("room");
        assert_eq!(world.load(child, at), Ok(0));
        assert_eq!(world.store(child, at, 1), Err(FaultCause::NotPermitted));
        world.exit(child);
    }
}

/// Proves: D-21
#[test]
fn a_child_that_detaches_leaves_its_parents_attachment_alone() {
    let mut world = World::new();
    let parent = world.process();
    for pages in [3, LARGE] {
        let id = world.segment(parent, pages * PAGE);
        let at = world.attach_anywhere(parent, id);
        world.store(parent, at, 5).expect("writable");
        let child = world.fork(parent).expect("room");
        world.detach(child, at).expect("attached");
        assert_eq!(world.load(child, at), Err(FaultCause::Unmapped));
        assert_eq!((world.facts(id).shm_nattch, world.load(parent, at)), (1, Ok(5)));
        world.store(parent, at, 6).expect("writable");
        world.exit(child);
    }
}

/// Proves: C-53
#[test]
fn a_removed_segment_lives_as_long_as_parent_or_child_has_it() {
    let mut world = World::new();
    let parent = world.process();
    let id = world.segment(parent, LARGE * PAGE);
    let at = world.attach(parent, id, SLOT, PLAIN).expect("free");
    world.store(parent, at, 5).expect("writable");
    let child = world.fork(parent).expect("room");
    world.remove(parent, id).expect("there");
    world.exit(child);
    assert_eq!((world.load(parent, at), world.segments().0), (Ok(5), 1));
    let child = world.fork(parent).expect("room");
    world.detach(parent, at).expect("attached");
    assert_eq!((world.load(child, at), world.segments().0), (Ok(5), 1));
    world.exit(child);
    assert_eq!(world.segments(), (0, 0));
}

/// Proves: F-10
#[test]
fn a_fork_does_not_change_when_a_segment_was_changed() {
    let mut world = World::new();
    let parent = world.process();
    let id = world.segment(parent, PAGE);
    world.attach_anywhere(parent, id);
    let before = world.facts(id).shm_ctime;
    world.now += 100;
    world.fork(parent).expect("room");
    assert_eq!(world.facts(id).shm_ctime, before);
}

#[test]
fn what_is_left_of_a_cut_attachment_is_one_attachment_of_the_child() {
    let mut world = World::new();
    let parent = world.process();
    let id = world.segment(parent, 3 * 512 * PAGE);
    world.attach(parent, id, SLOT, PLAIN).expect("free");
    for cut in [0, 100, 700, 1100] {
        world.unmap(parent, SLOT + cut * PAGE, 3 * PAGE).expect("mapped");
    }
    let child = world.fork(parent).expect("room");
    assert_eq!(world.facts(id).shm_nattch, 2);
    world.store(child, SLOT + 1200 * PAGE, 9).expect("writable");
    assert_eq!(world.load(parent, SLOT + 1200 * PAGE), Ok(9));
    assert_eq!(world.load(child, SLOT + 101 * PAGE), Err(FaultCause::Unmapped));
    world
        .detach(child, SLOT)
        .expect("attached, though its first page is gone");
    assert_eq!((world.facts(id).shm_nattch, world.usage(child).mapped), (1, 0));
}

#[test]
fn nothing_of_a_segment_is_looked_at_by_a_fork() {
    let mut world = World::new();
    let parent = world.process();
    let id = world.segment(parent, LARGE * PAGE);
    let at = world.attach_anywhere(parent, id);
    world.touch(parent, at, LARGE);
    let child = world.fork(parent).expect("room");
    let (machine, space) = world.mm.mmu_space_mut(child).expect("alive");
    assert_eq!(machine.lookup(space, VirtAddr::new(at).page()), None);
    assert_eq!(world.usage(child).tables, 1);
}
