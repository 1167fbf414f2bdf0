//! Limits: section Q.

use crate::common::{CREATE, FIND, PAGE, PRIVATE, Size, World};
use abi::Errno;
use abi::shm::GetFlags;
use mm::Limits;

fn world(limits: Limits) -> World {
    World::of(Size {
        limits,
        ..Size::USUAL
    })
}

/// Proves, M-11
#[test]
fn at_shmmni_nothing_is_created_but_everything_is_found_and_room_comes_back() {
    let mut world = world(Limits {
        shmmni: 4,
        ..Limits::WIDEST
    });
    let p = world.process();
    let ids = [1, 2, 3, 4].map(|key| world.get(p, key, PAGE, CREATE).expect("room"));
    assert_eq!(world.get(p, 5, PAGE, CREATE), Err(Errno::ENOSPC));
    assert_eq!(world.get(p, PRIVATE, PAGE, CREATE), Err(Errno::ENOSPC));
    assert_eq!(
        world.get(p, 5, 0, CREATE),
        Err(Errno::EINVAL),
        "the size comes first"
    );
    assert_eq!(world.get(p, 4, PAGE, FIND), Ok(ids[3]));
    assert_eq!(world.get(p, 4, PAGE, CREATE), Ok(ids[3]));
    assert_eq!(world.get(p, 4, PAGE, CREATE | GetFlags::EXCL), Err(Errno::EEXIST));
    for id in ids {
        world.remove(p, id).expect("there");
    }
    for key in 11..15 {
        world.get(p, key, PAGE, CREATE).expect("room again");
    }
    assert_eq!(world.get(p, 15, PAGE, CREATE), Err(Errno::ENOSPC));
}

/// Proves: Q-01
#[test]
fn there_are_never_more_segments_than_slots() {
    let mut world = World::of(Size {
        regions: 3,
        ..Size::USUAL
    });
    let p = world.process();
    assert_eq!(world.limits(p).1.shmmni, 3);
    for _ in 0..3 {
        world.segment(p, PAGE);
    }
    assert_eq!(world.get(p, PRIVATE, PAGE, CREATE), Err(Errno::ENOSPC));
}

/// Proves: Q-03
#[test]
fn a_removed_segment_takes_its_place_until_its_last_detach() {
    let mut world = world(Limits {
        shmmni: 2,
        ..Limits::WIDEST
    });
    let p = world.process();
    let id = world.segment(p, PAGE);
    world.segment(p, PAGE);
    let at = world.attach_anywhere(p, id);
    world.remove(p, id).expect("there");
    assert_eq!(world.get(p, PRIVATE, PAGE, CREATE), Err(Errno::ENOSPC));
    world.detach(p, at).expect("attached");
    world.segment(p, PAGE);
}

/// Proves: Q-04, M-07, M-08
#[test]
fn shmall_counts_whole_pages_of_all_segments_until_they_are_destroyed() {
    let mut world = world(Limits {
        shmall: 10,
        ..Limits::WIDEST
    });
    let p = world.process();
    world.segment(p, 1);
    world.segment(p, 1);
    assert_eq!(world.segments(), (2, 2));
    assert_eq!(world.get(p, PRIVATE, 8 * PAGE + 1, CREATE), Err(Errno::ENOSPC));
    let id = world.segment(p, 8 * PAGE);
    assert_eq!(world.get(p, PRIVATE, 1, CREATE), Err(Errno::ENOSPC));
    let at = world.attach_anywhere(p, id);
    world.remove(p, id).expect("there");
    assert_eq!(world.segments(), (3, 10));
    assert_eq!(world.get(p, PRIVATE, 1, CREATE), Err(Errno::ENOSPC));
    world.detach(p, at).expect("attached");
    assert_eq!(world.segments(), (2, 2));
    world.segment(p, 8 * PAGE);
}

/// Proves
#[test]
fn lower_limits_touch_nothing_that_exists() {
    let mut world = world(Limits {
        shmmax: 4 * PAGE,
        ..Limits::WIDEST
    });
    let p = world.process();
    let id = world.get(p, 7, 4 * PAGE, CREATE).expect("exactly shmmax");
    assert_eq!(world.get(p, 8, 4 * PAGE + 1, CREATE), Err(Errno::EINVAL));
    let at = world.attach_anywhere(p, id);
    let low = Limits {
        shmmax: PAGE,
        shmmni: 0,
        shmall: 1,
        shmseg: 0,
        mappings: 0,
        ..Limits::WIDEST
    };
    world.mm.set_limits(low);
    assert_eq!(world.get(p, 7, 4 * PAGE, FIND), Ok(id));
    world.store(p, at + 3 * PAGE, 1).expect("attached before");
    assert_eq!(world.attach(p, id, 0, crate::common::PLAIN), Err(Errno::EMFILE));
    world.detach(p, at).expect("attached");
    world.remove(p, id).expect("there");
}
