//! `shmget`: section G.

use crate::common::{CREATE, FIND, PAGE, PRIVATE, Size, World, create_with};
use abi::Errno;
use abi::shm::{GetFlags, Mode};
use mm::Limits;

/// Proves: G-01, G-02, G-03
#[test]
fn a_private_key_always_creates_whatever_the_flags() {
    let mut world = World::new();
    let p = world.process();
    let flags = [FIND, FIND, CREATE, CREATE | GetFlags::EXCL];
    let ids: Vec<_> = flags
        .map(|flags| world.get(p, PRIVATE, 10, flags).expect("created"))
        .into();
    for (place, id) in ids.iter().enumerate() {
        assert!(id.raw() >= 0 && !ids[..place].contains(id));
    }
}

/// Proves: G-04, G-15
#[test]
fn a_creation_of_no_bytes_is_refused_even_if_private_segments_exist() {
    let mut world = World::new();
    let p = world.process();
    world.segment(p, 10);
    assert_eq!(world.get(p, PRIVATE, 0, FIND), Err(Errno::EINVAL));
    assert_eq!(world.get(p, 7, 0, CREATE), Err(Errno::EINVAL));
}

/// Proves: G-05
#[test]
fn a_new_key_with_creat_creates_and_the_first_identifier_may_be_0() {
    let mut world = World::new();
    let p = world.process();
    let id = world.get(p, 7, 10, CREATE).expect("created");
    assert!(id.raw() >= 0);
    assert_eq!(
        world.attach(p, id, 0, crate::common::PLAIN).map(|at| at != 0),
        Ok(true)
    );
}

/// Proves: G-06, G-07, G-22
#[test]
fn a_missing_key_without_creat_is_not_found_whatever_size_and_excl_say() {
    let mut world = World::new();
    let p = world.process();
    world.get(p, 8, 10, CREATE).expect("another key");
    assert_eq!(world.get(p, 7, 10, FIND), Err(Errno::ENOENT));
    assert_eq!(world.get(p, 7, 10, GetFlags::EXCL), Err(Errno::ENOENT));
    assert_eq!(world.get(p, 7, 0, FIND), Err(Errno::ENOENT));
}

/// Proves: G-08, G-09, G-10, G-11, G-12
#[test]
fn an_existing_key_answers_its_segment_unless_creat_and_excl_are_both_set() {
    let mut world = World::new();
    let p = world.process();
    let id = world.get(p, 7, 3 * PAGE, CREATE).expect("created");
    assert_eq!(
        world.get(p, 7, 3 * PAGE, CREATE | GetFlags::EXCL),
        Err(Errno::EEXIST)
    );
    for (size, flags) in [
        (3 * PAGE, CREATE),
        (3 * PAGE, GetFlags::EXCL),
        (0, FIND),
        (1, FIND),
        (PAGE, CREATE),
    ] {
        assert_eq!(world.get(p, 7, size, flags), Ok(id), "size {size}, {flags:?}");
    }
    assert_eq!(world.segments(), (1, 3));
    assert_eq!(world.facts(id).shm_segsz, 3 * PAGE);
    let at = world.attach_anywhere(p, id);
    world
        .store(p, at + 2 * PAGE, 1)
        .expect("the whole original size is mapped");
}

/// Proves: G-13, G-14
#[test]
fn a_lookup_may_not_ask_for_one_byte_more_than_there_is() {
    let mut world = World::new();
    let p = world.process();
    let id = world.get(p, 7, 100, CREATE).expect("created");
    assert_eq!(world.get(p, 7, 100, FIND), Ok(id));
    assert_eq!(world.get(p, 7, 101, FIND), Err(Errno::EINVAL));
    assert_eq!(world.get(p, 7, u64::MAX, FIND), Err(Errno::EINVAL));
}

/// Proves: G-16, G-17
#[test]
fn a_segment_beyond_shmmax_is_refused_and_no_size_wraps() {
    let limits = Limits {
        shmmax: 5 * PAGE,
        ..Limits::WIDEST
    };
    let mut world = World::of(Size {
        limits,
        ..Size::USUAL
    });
    let p = world.process();
    for size in [5 * PAGE + 1, u64::MAX, u64::MAX - PAGE + 2, 1 << 63] {
        assert_eq!(
            world.get(p, PRIVATE, size, CREATE),
            Err(Errno::EINVAL),
            "{size:#x}"
        );
    }
    let mut wide = World::new();
    let p = wide.process();
    assert_eq!(
        wide.get(p, PRIVATE, u64::MAX, CREATE | GetFlags::NORESERVE),
        Err(Errno::EINVAL)
    );
    assert_eq!(wide.segments(), (0, 0));
}

/// Proves: G-19
#[test]
fn a_size_counts_in_whole_pages() {
    let mut world = World::new();
    let p = world.process();
    for (size, pages) in [(1, 1), (4095, 1), (4096, 1), (4097, 2)] {
        let before = world.segments().1;
        world.segment(p, size);
        assert_eq!(world.segments().1 - before, pages, "{size} bytes");
    }
}

/// Proves: G-20, G-21
#[test]
fn existing_wins_over_too_large_and_that_over_not_permitted() {
    let mut world = World::new();
    let (owner, stranger) = (world.user(1), world.user(2));
    world.get(owner, 7, 100, create_with(0o600)).expect("created");
    let all = CREATE | GetFlags::EXCL;
    assert_eq!(world.get(stranger, 7, 200, all), Err(Errno::EEXIST));
    assert_eq!(world.get(stranger, 7, 50, all), Err(Errno::EEXIST));
    assert_eq!(world.get(stranger, 7, 200, CREATE), Err(Errno::EINVAL));
    assert_eq!(world.get(stranger, 7, 50, CREATE), Err(Errno::EACCES));
}

/// Proves: G-23, G-24, G-46
#[test]
fn the_mode_is_the_low_nine_bits_and_unknown_flags_are_ignored() {
    let mut world = World::new();
    let p = world.process();
    let unknown = GetFlags::from_bits_retain(1 << 20 | 1 << 29);
    let id = world
        .get(p, 7, 10, create_with(0o640) | GetFlags::EXCL | unknown)
        .expect("created");
    assert_eq!(world.facts(id).shm_perm.mode, 0o640);
    let open = world.get(p, 8, 10, create_with(0o666)).expect("created");
    assert_eq!(world.facts(open).shm_perm.mode, 0o666);
}

/// Proves: G-25, G-26, G-27, G-28, G-29, C-02
#[test]
fn a_fresh_segment_says_who_made_it_when_and_how_large_and_nothing_else() {
    let mut world = World::new();
    let p = world.user(5);
    world.now = 1234;
    let id = world.get(p, 7, 100, CREATE).expect("created");
    let facts = world.facts(id);
    let perm = facts.shm_perm;
    assert_eq!([perm.uid, perm.cuid, perm.gid, perm.cgid], [5; 4]);
    assert_eq!(
        (facts.shm_lpid, facts.shm_nattch, facts.shm_atime, facts.shm_dtime),
        (0, 0, 0, 0)
    );
    assert_eq!(
        (facts.shm_cpid, facts.shm_ctime, facts.shm_segsz),
        (world.pid(p), 1234, 100)
    );
    assert_eq!(perm.key, 7);
}

/// Proves: G-30
#[test]
fn every_byte_of_a_fresh_segment_is_zero_to_the_end_of_its_last_page() {
    let mut world = World::new();
    let p = world.process();
    let id = world.segment(p, PAGE + 100);
    let at = world.attach_anywhere(p, id);
    for offset in (0..2 * PAGE).step_by(8) {
        assert_eq!(world.load(p, at + offset), Ok(0), "offset {offset}");
    }
}

/// Proves: G-31
#[test]
fn fifty_times_a_dirty_segment_makes_room_for_a_clean_one() {
    let mut world = World::of(Size {
        frames: 64,
        ..Size::USUAL
    });
    let p = world.process();
    for round in 0..50 {
        let id = world.segment(p, 20 * PAGE);
        let at = world.attach_anywhere(p, id);
        for word in (0..20 * PAGE).step_by(2048) {
            assert_eq!(world.load(p, at + word), Ok(0), "round {round}");
            world.store(p, at + word, !0).expect("writable");
        }
        world.detach(p, at).expect("attached");
        world.remove(p, id).expect("there");
    }
}

/// Proves: G-32
#[test]
fn negative_keys_are_keys_like_any_other() {
    let mut world = World::new();
    let p = world.process();
    for key in [i32::MIN, -1, i32::MAX] {
        let id = world.get(p, key, 10, CREATE).expect("created");
        assert_eq!(world.get(p, key, 0, FIND), Ok(id));
        assert_eq!(world.get(p, key, 10, CREATE | GetFlags::EXCL), Err(Errno::EEXIST));
    }
}

/// Proves: G-33, G-34, G-36, G-37
#[test]
fn a_lookup_is_refused_what_the_mode_does_not_grant_but_asking_for_nothing_is_free() {
    let mut world = World::new();
    let (root, owner, stranger) = (world.process(), world.user(1), world.user(2));
    let guarded = world.get(root, 7, 10, create_with(0o640)).expect("created");
    assert_eq!(
        world.get(stranger, 7, 0, FIND.with_mode(Mode::from_bits(0o400))),
        Err(Errno::EACCES)
    );
    assert_eq!(world.get(stranger, 7, 0, FIND), Ok(guarded));
    let closed = world.get(owner, 8, 10, create_with(0)).expect("created");
    assert_eq!(
        world.get(owner, 8, 0, FIND.with_mode(Mode::from_bits(0o400))),
        Err(Errno::EACCES)
    );
    assert_eq!(
        world.get(root, 8, 0, FIND.with_mode(Mode::from_bits(0o600))),
        Ok(closed)
    );
}

/// Proves: G-35
#[test]
fn the_three_digits_of_the_mode_asked_for_count_alike() {
    let mut world = World::new();
    let owner = world.user(1);
    let id = world.get(owner, 7, 10, create_with(0o200)).expect("created");
    let mut ask = |mode| world.get(owner, 7, 0, FIND.with_mode(Mode::from_bits(mode)));
    for mode in [0o400, 0o040, 0o004, 0o440, 0o404, 0o044, 0o444] {
        assert_eq!(ask(mode), Err(Errno::EACCES), "{mode:o}");
    }
    for mode in [0o200, 0o020, 0o002, 0o220, 0o222] {
        assert_eq!(ask(mode), Ok(id), "{mode:o}");
    }
}

/// Proves: G-38, G-39, G-43
#[test]
fn a_creation_that_memory_does_not_suffice_for_leaves_no_frame_and_no_key_behind() {
    let mut world = World::of(Size {
        frames: 64,
        ..Size::USUAL
    });
    let p = world.process();
    let before = (world.mm.frame_counts(), world.segments());
    assert_eq!(world.get(p, 7, 64 * PAGE, CREATE), Err(Errno::ENOMEM));
    assert_eq!(world.get(p, 7, 0, FIND), Err(Errno::ENOENT));
    assert_eq!(world.get(p, 7, 0, CREATE), Err(Errno::EINVAL));
    assert_eq!((world.mm.frame_counts(), world.segments()), before);
}

/// Proves: G-45
#[test]
fn noreserve_takes_no_promise_and_a_touch_may_then_find_no_frame() {
    let mut world = World::of(Size {
        frames: 64,
        ..Size::USUAL
    });
    let p = world.process();
    let before = world.unpromised();
    let id = world
        .get(p, PRIVATE, 1 << 30, CREATE | GetFlags::NORESERVE)
        .expect("no frame is needed yet");
    assert_eq!(world.unpromised(), before);
    assert_eq!(
        world.attach(p, id, 0x20_0000_1000, crate::common::PLAIN),
        Err(Errno::ENOMEM),
        "the tables of a paged attachment are promised"
    );
    let linked = world.attach_anywhere(p, id);
    world.detach(p, linked).expect("attached");
    let small = world
        .get(p, PRIVATE, 100 * PAGE, CREATE | GetFlags::NORESERVE)
        .expect("no frame is needed yet");
    let at = world.attach_anywhere(p, small);
    let touched = (0..100)
        .take_while(|page| world.store(p, at + page * PAGE, 1).is_ok())
        .count();
    assert_eq!(
        world.store(p, at + 99 * PAGE, 1),
        Err(mm::FaultCause::OutOfMemory)
    );
    assert_eq!(world.unpromised(), 0);
    assert!(touched > 50, "{touched} of 64 frames");
    world.detach(p, at).expect("attached");
    world.remove(p, small).expect("there");
    assert_eq!(world.unpromised(), before);
}

/// Proves: G-45
#[test]
fn noreserve_takes_a_frame_and_tables_as_pages_are_touched_and_no_more() {
    let mut world = World::new();
    let p = world.process();
    let id = world
        .get(p, PRIVATE, 2000 * PAGE, CREATE | GetFlags::NORESERVE)
        .expect("created");
    let at = world.attach_anywhere(p, id);
    let before = world.unpromised();
    // The first page comes with two tables, one in another 2 MiB with one, others with none.
    for (page, frames) in [(0, 3), (1, 4), (600, 6), (601, 7), (1999, 9)] {
        world.store(p, at + page * PAGE, 1).expect("a frame is left");
        assert_eq!(before - world.unpromised(), frames, "page {page}");
    }
}

/// Proves: G-47, G-48, S-01
#[test]
fn a_key_is_the_same_segment_in_every_process_and_looking_changes_nothing() {
    let mut world = World::new();
    let (one, other) = (world.process(), world.process());
    let id = world.get(one, 7, 10, CREATE).expect("created");
    let before = world.facts(id);
    world.now += 5;
    assert_eq!(world.get(other, 7, 10, CREATE), Ok(id));
    assert_eq!(world.stat(other, id), Ok(before));
    assert_eq!(world.facts(id), before);
    let (mine, theirs) = (world.attach_anywhere(one, id), world.attach_anywhere(other, id));
    world.store(one, mine, 99).expect("writable");
    assert_eq!(world.load(other, theirs), Ok(99));
}

/// Proves: G-05, G-06
#[test]
fn many_keys_are_found_and_forgotten_in_any_order() {
    let mut world = World::new();
    let p = world.process();
    // More keys than the table has buckets, so that several share one.
    let ids: Vec<_> = (1..=60)
        .map(|key| world.get(p, key * 7919, PAGE, CREATE).expect("created"))
        .collect();
    let mut order: Vec<usize> = (0..60).collect();
    order.sort_by_key(|place| place * 37 % 61);
    for (done, &place) in order.iter().enumerate() {
        world.remove(p, ids[place]).expect("there");
        for (rank, &other) in order.iter().enumerate() {
            let expected = if rank > done {
                Ok(ids[other])
            } else {
                Err(Errno::ENOENT)
            };
            assert_eq!(world.get(p, (other as i32 + 1) * 7919, 0, FIND), expected);
        }
    }
}
