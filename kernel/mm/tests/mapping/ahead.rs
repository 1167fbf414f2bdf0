//! Frames that are zeroed while nobody runs.

use crate::common::{PAGE, PRIVATE, Size, World};
use abi::shm::{GetFlags, Mode};
use mm::Ahead;

/// As [`World::idle`] until all is done.
fn idle_long(world: &mut World) {
    let is_done = (0..1000).any(|_| world.mm.zero_ahead() == Ahead::Done);
    assert!(is_done, "it comes to an end");
    world.check_now();
}

#[test]
fn a_first_touch_finds_a_frame_zeroed_and_none_that_came_back_dirty() {
    let mut world = World::new();
    let p = world.process();
    let dirty = world.map_anywhere(p, 500 * PAGE);
    world.thorough = false;
    world.fill(p, dirty, 500, 7);
    world.unmap(p, dirty, 500 * PAGE).expect("mapped");
    idle_long(&mut world);
    let ready = world.mm.zeroed_ahead().count();
    assert!(ready > 500, "{ready} are");
    let at = world.map_anywhere(p, 1000 * PAGE);
    for page in 0..100 {
        assert_eq!(world.load(p, at + page * PAGE), Ok(0));
        world.store(p, at + page * PAGE, 9).expect("writable");
    }
    assert_eq!(world.mm.zeroed_ahead().count(), ready - 100);
    world.unmap(p, at, 1000 * PAGE).expect("mapped");
    assert_eq!(
        world.mm.zeroed_ahead().count(),
        ready - 100,
        "what comes back is dirty"
    );
    world.idle();
    world.check_now();
    let again = world.map_anywhere(p, 2000 * PAGE);
    for page in 0..2000 {
        assert_eq!(world.load(p, again + page * PAGE), Ok(0));
    }
    world.check_now();
}

#[test]
fn zeroed_frames_are_as_free_as_others() {
    let mut world = World::new();
    let before = world.mm.frame_counts();
    idle_long(&mut world);
    assert_eq!(world.mm.frame_counts(), before);
    let p = world.process();
    world.thorough = false;
    let all = world.unpromised() - 16;
    let at = world.map_anywhere(p, all * PAGE);
    world.touch(p, at, all);
    world.check_now();
    world.exit(p);
    assert_eq!(world.mm.frame_counts(), before);
}

#[test]
fn each_step_is_bounded_and_the_last_one_leaves_nothing_to_do() {
    let mut world = World::new();
    let mut before = 0;
    while world.idle() == Ahead::More {
        let ready = world.mm.zeroed_ahead().count();
        assert!(ready > before && ready <= before + 16, "{before}, then {ready}");
        before = ready;
    }
    assert_eq!(world.idle(), Ahead::Done);
    assert!(world.mm.zeroed_ahead().count() < before + 16);
}

#[test]
fn blocks_are_promised_and_come_even_if_all_of_them_were_zeroed_as_frames() {
    let mut world = World::of(Size {
        frames: 1024 + 512,
        ..Size::USUAL
    });
    let p = world.process();
    idle_long(&mut world);
    assert!(world.mm.zeroed_ahead().count() > 1024);
    let flags = GetFlags::CREAT | GetFlags::HUGETLB;
    let flags = flags.with_mode(Mode::from_bits(0o600));
    let id = world.get(p, PRIVATE, 1024 * PAGE, flags).expect("two blocks");
    world.check();
    idle_long(&mut world);
    let at = world.attach_anywhere(p, id);
    for page in [0, 512] {
        assert_eq!(world.load(p, at + page * PAGE), Ok(0));
    }
}
