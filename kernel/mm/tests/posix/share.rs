//! What a user may have: the limits for each user, and who counts.

use crate::common::setup::ACCOUNTS;
use crate::common::{CREATE, FIND, PAGE, PRIVATE, Size, World, create_with};
use abi::Errno;
use abi::shm::ShmSetting;
use mm::Limits;

fn world(shmusermni: u32, shmuserall: u64) -> World {
    let limits = Limits {
        shmusermni,
        shmuserall,
        ..Limits::WIDEST
    };
    World::of(Size {
        limits,
        ..Size::USUAL
    })
}

#[test]
fn a_user_has_as_many_segments_as_the_limit_says_and_others_and_user_0_have_theirs() {
    let mut world = world(2, u64::MAX);
    let (p, twin, other, root) = (world.user(1), world.user(1), world.user(2), world.process());
    let id = world.get(p, 7, PAGE, CREATE).expect("one");
    world.segment(twin, PAGE);
    assert_eq!(world.share(1), (2, 2));
    for process in [p, twin] {
        assert_eq!(world.get(process, PRIVATE, PAGE, CREATE), Err(Errno::ENOSPC));
        assert_eq!(
            world.get(process, 7, PAGE, FIND),
            Ok(id),
            "what there is, is found"
        );
        assert_eq!(
            world.get(process, 8, 0, CREATE),
            Err(Errno::EINVAL),
            "the size is first"
        );
    }
    world.segment(other, PAGE);
    for _ in 0..5 {
        world.segment(root, PAGE);
    }
    world.remove(p, id).expect("the owner may");
    world.segment(p, PAGE);
    assert_eq!(
        (world.share(1), world.share(2), world.share(0)),
        ((2, 2), (1, 1), (5, 5))
    );
}

#[test]
fn the_pages_of_a_user_are_bounded_as_a_sum() {
    let mut world = world(u32::MAX, 10);
    let p = world.user(1);
    assert_eq!(world.get(p, PRIVATE, 10 * PAGE + 1, CREATE), Err(Errno::ENOSPC));
    world.segment(p, 4 * PAGE + 1);
    assert_eq!(world.share(1), (1, 5));
    assert_eq!(world.get(p, PRIVATE, 5 * PAGE + 1, CREATE), Err(Errno::ENOSPC));
    let held = world.segment(p, 5 * PAGE);
    assert_eq!(world.get(p, PRIVATE, 1, CREATE), Err(Errno::ENOSPC));
    world.remove(p, held).expect("the owner may");
    assert_eq!(world.share(1), (1, 5));
}

#[test]
fn a_segment_is_its_creators_until_it_is_destroyed_whoever_owns_attaches_or_touches_it() {
    let mut world = world(1, 3);
    let (p, other) = (world.user(1), world.user(2));
    let id = world.get(p, PRIVATE, 3 * PAGE, create_with(0o666)).expect("one");
    let at = world.attach_anywhere(other, id);
    world.fill(other, at, 3, 1);
    let mut given = world.facts(id);
    given.shm_perm.uid = 2;
    world.set(p, id, &given).expect("the owner may");
    world.exit(p);
    assert_eq!((world.share(1), world.share(2)), ((1, 3), (0, 0)));
    let p = world.user(1);
    world.remove(other, id).expect("the new owner may");
    assert_eq!(
        world.get(p, PRIVATE, 1, CREATE),
        Err(Errno::ENOSPC),
        "still attached"
    );
    world.detach(other, at).expect("attached");
    assert_eq!(world.share(1), (0, 0));
    world.segment(p, 3 * PAGE);
}

#[test]
fn a_refused_creation_is_charged_to_nobody() {
    let mut world = World::of(Size {
        frames: 64,
        ..Size::USUAL
    });
    let p = world.user(1);
    assert_eq!(world.get(p, PRIVATE, 100 * PAGE, CREATE), Err(Errno::ENOMEM));
    assert_eq!(world.share(1), (0, 0));
}

#[test]
fn there_are_only_so_many_users_with_segments_and_one_who_has_none_any_more_makes_room() {
    let mut world = World::new();
    let ids: Vec<_> = (0..ACCOUNTS as u32)
        .map(|user| {
            let p = world.user(100 + user);
            let id = world.segment(p, PAGE);
            world.exit(p);
            id
        })
        .collect();
    let (late, known) = (world.user(1), world.user(100));
    assert_eq!(world.get(late, PRIVATE, PAGE, CREATE), Err(Errno::ENOSPC));
    world.segment(known, PAGE);
    world.remove(world.root, ids[3]).expect("user 0 may");
    world.segment(late, PAGE);
    assert_eq!(world.share(1), (1, 1));
}

/// Proves: Q-06
#[test]
fn only_user_0_changes_limits_and_what_exists_stays() {
    let mut world = World::new();
    let (p, root) = (world.user(1), world.process());
    let id = world.segment(p, 3 * PAGE);
    for setting in ShmSetting::ALL {
        let before = world.setting(setting);
        assert_eq!(world.change(p, setting, 0), Err(Errno::EPERM), "{setting:?}");
        assert_eq!(world.setting(setting), before);
    }
    let lower = [
        (ShmSetting::Shmmni, 0),
        (ShmSetting::Shmmax, PAGE),
        (ShmSetting::Shmall, 1),
        (ShmSetting::Shmseg, 1),
        (ShmSetting::Shmusermni, 1),
        (ShmSetting::Shmuserall, 2),
    ];
    for (setting, value) in lower {
        world.change(root, setting, value).expect("user 0 may");
        assert_eq!(world.setting(setting), value, "{setting:?}");
    }
    let at = world.attach_anywhere(p, id);
    world.store(p, at + 2 * PAGE, 1).expect("all of it is there");
    let (_, limits) = world.limits(p);
    let told = [limits.shmmni, limits.shmmax, limits.shmall, limits.shmseg];
    assert_eq!(told, [0, PAGE, 1, 1]);
}

#[test]
fn a_limit_higher_than_can_be_is_as_high_as_can_be_and_a_switch_is_0_or_1() {
    let mut world = World::new();
    let root = world.process();
    for setting in ShmSetting::ALL {
        let widest = world.setting(setting);
        let done = world.change(root, setting, u64::MAX);
        if setting == ShmSetting::ShmRmidForced {
            assert_eq!(done, Err(Errno::EINVAL));
        } else {
            assert_eq!(done, Ok(()));
        }
        assert_eq!(world.setting(setting), widest, "{setting:?}");
    }
}
