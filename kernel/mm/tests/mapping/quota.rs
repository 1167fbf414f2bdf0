//! Quotas: what an address space may hold.

use crate::common::{CREATE, PAGE, PLAIN, World};
use abi::Errno;
use abi::memory::{Map, MapFlags, MemoryRequest, Move, Protection};

const READ: Protection = Protection::READ;
const WRITE: Protection = Protection::WRITE;

#[test]
fn pages_of_all_kinds_count_and_what_is_more_than_the_quota_is_enomem() {
    let mut world = World::new();
    let (p, other) = (world.process(), world.process());
    let id = world.get(p, 7, 6 * PAGE, CREATE).expect("created");
    let theirs = world.map_anywhere(other, 3 * PAGE);
    // Three tables lead to them.
    world.lower_quota(p, 3 + 10, u32::MAX);
    let at = world.map_anywhere(p, 5 * PAGE);
    assert_eq!(world.attach(p, id, 0, PLAIN), Err(Errno::ENOMEM));
    assert_eq!(world.map(p, 0, 6 * PAGE, WRITE), Err(Errno::ENOMEM));
    // What is replaced counts until it is gone.
    assert_eq!(
        world.map_with(p, at, 6 * PAGE, MapFlags::REPLACE),
        Err(Errno::ENOMEM)
    );
    world.map_anywhere(p, 4 * PAGE);
    let request = Move {
        source: theirs,
        length: 3 * PAGE,
        destination: 0x60_0000,
        protection: WRITE,
    };
    assert_eq!(world.transfer(p, Some(other), request), Err(Errno::ENOMEM));
    assert_eq!(world.usage(p).mapped, 9);
    world.unmap(p, at, 5 * PAGE).expect("mapped");
    assert!(world.attach(p, id, 0, PLAIN).is_ok());
    assert_eq!(world.usage(p).mapped, 10);
}

#[test]
fn pages_that_are_far_from_each_other_count_with_the_tables_that_lead_to_them() {
    let mut world = World::new();
    let p = world.process();
    let before = world.mm.frame_counts().free;
    world.lower_quota(p, 30, u32::MAX);
    let far_away = |number: u64| (number + 1) << 39;
    let mapped = (0..).take_while(|&number| world.map(p, far_away(number), PAGE, WRITE).is_ok());
    assert_eq!(mapped.count(), 7, "a page and three tables each");
    for number in 0..7 {
        world.store(p, far_away(number), 1).expect("mapped");
    }
    assert_eq!(before - world.mm.frame_counts().free, 4 * 7);
    // What needs no more than one page is still to be had beside one of them.
    assert!(world.map(p, far_away(3) + PAGE, PAGE, WRITE).is_ok());
}

#[test]
fn what_replaces_a_page_may_be_as_much_as_the_quota_has_left() {
    for (missing, expected) in [(0, Ok(1 << 30)), (1, Err(Errno::ENOMEM))] {
        let mut world = World::new();
        let p = world.process();
        world.map(p, 1 << 30, PAGE, WRITE).expect("free");
        // A page and its tables are there still; five and theirs come.
        world.lower_quota(p, (1 + 3) + (5 + 3) - missing, u32::MAX);
        let answer = world.map_with(p, 1 << 30, 5 * PAGE, MapFlags::REPLACE);
        assert_eq!(answer, expected);
    }
}

#[test]
fn what_is_arriving_takes_up_one_of_the_mappings_that_there_may_be() {
    for (mappings, expected) in [(4, true), (3, false)] {
        let mut world = World::new();
        let p = world.process();
        let at = world.map(p, 1 << 30, 200 * PAGE, WRITE).expect("free");
        world.touch(p, at, 200);
        let request = Map {
            flags: MapFlags::REPLACE,
            ..Map::new(at, 200 * PAGE, READ)
        };
        let (answer, job) = world.begin(p, MemoryRequest::Map(request), &[], None);
        assert!(answer.is_ok() && job.is_some(), "the old pages go in steps");
        world.map(p, 2 << 30, PAGE, READ).expect("free");
        world.lower_quota(p, u64::MAX, mappings);
        // That which goes, that which comes, that which is there, and one more.
        assert_eq!(world.map(p, 3 << 30, PAGE, READ).is_ok(), expected, "{mappings}");
        world.finish(job);
    }
}

#[test]
fn tables_of_what_is_arriving_count_before_it_is_there() {
    const PAGES: u64 = 200;
    let mut world = World::new();
    let p = world.process();
    let at = world.map(p, 1 << 30, PAGES * PAGE, WRITE).expect("free");
    world.fill(p, at, PAGES, 1);
    let request = Map {
        flags: MapFlags::REPLACE,
        ..Map::new(at, PAGES * PAGE, WRITE)
    };
    let (answer, job) = world.begin(p, MemoryRequest::Map(request), &[], None);
    assert!(answer.is_ok() && job.is_some(), "the old pages go in steps");
    // What is new; three tables lead to it, and as many still to what is old.
    world.lower_quota(p, PAGES + 3 + 3, u32::MAX);
    assert_eq!(world.map(p, at + PAGES * PAGE, PAGE, WRITE), Err(Errno::ENOMEM));
    world.finish(job);
    for page in 0..3 {
        let more = world.map(p, at + (PAGES + page) * PAGE, PAGE, WRITE);
        assert!(more.is_ok(), "the old tables have gone");
    }
    let one_too_many = world.map(p, at + (PAGES + 3) * PAGE, PAGE, WRITE);
    assert_eq!(one_too_many, Err(Errno::ENOMEM));
}

#[test]
fn the_table_of_a_slot_that_is_cut_is_refused_to_a_protect_but_not_to_an_unmap() {
    const PAGES: u64 = 600;
    let mut world = World::new();
    let p = world.process();
    let id = world.segment(p, PAGES * PAGE);
    let at = world.attach_anywhere(p, id);
    // Two tables lead to what is linked.
    world.lower_quota(p, PAGES + 2, u32::MAX);
    assert_eq!(world.protect(p, at + PAGE, PAGE, READ), Err(Errno::ENOMEM));
    assert_eq!(
        world.protect(p, at, 512 * PAGE, READ),
        Ok(()),
        "no table is needed"
    );
    assert_eq!(world.unmap(p, at + PAGE, PAGE), Ok(()));
    world.lower_quota(p, 1, u32::MAX);
    assert_eq!(
        world.protect(p, at, 512 * PAGE, READ),
        Err(Errno::ENOMEM),
        "a hole"
    );
    assert_eq!(world.protect(p, at, PAGE, READ | WRITE), Ok(()), "nothing more");
}

#[test]
fn mappings_are_limited_too() {
    let mut world = World::new();
    let p = world.process();
    world.lower_quota(p, u64::MAX, 2);
    let at = world.map(p, 0, 3 * PAGE, WRITE).expect("room");
    assert_eq!(world.protect(p, at + PAGE, PAGE, READ), Err(Errno::ENOMEM));
    world.map(p, 0, PAGE, READ).expect("room");
    assert_eq!(world.map(p, 0, PAGE, Protection::EXEC), Err(Errno::EMFILE));
    assert_eq!(world.unmap(p, at + PAGE, PAGE), Err(Errno::ENOMEM));
    assert_eq!(world.usage(p).mappings_quota, 2);
}

#[test]
fn who_has_more_mappings_than_the_quota_may_still_make_one_longer() {
    let mut world = World::new();
    let p = world.process();
    let at = world.map_anywhere(p, PAGE);
    world.map(p, at + 5 * PAGE, PAGE, WRITE).expect("free");
    world.lower_quota(p, u64::MAX, 1);
    let more = at + PAGE;
    assert_eq!(world.map(p, more, PAGE, READ | WRITE), Ok(more));
    assert_eq!(world.map(p, at + 3 * PAGE, PAGE, WRITE), Err(Errno::EMFILE));
    assert_eq!(world.usage(p).mappings, 2);
    assert_eq!(world.unmap(p, at + 5 * PAGE, PAGE), Ok(()), "one less");
}

#[test]
fn a_quota_is_never_raised_and_what_there_is_stays() {
    let mut world = World::new();
    let p = world.process();
    let at = world.map_anywhere(p, 5 * PAGE);
    world.lower_quota(p, 3, 7);
    world.lower_quota(p, 100, 100);
    let usage = world.usage(p);
    assert_eq!((usage.pages_quota, usage.mappings_quota), (3, 7));
    world.fill(p, at, 5, 1);
    assert_eq!(world.map(p, 0, PAGE, WRITE), Err(Errno::ENOMEM));
}

#[test]
fn a_child_may_hold_no_more_than_its_parent() {
    let mut world = World::new();
    let (p, child) = (world.process(), world.process());
    world.lower_quota(p, 3, 7);
    world.lower_quota(child, 5, 2);
    world.mm.inherit_quota(child, p);
    let usage = world.usage(child);
    assert_eq!((usage.pages_quota, usage.mappings_quota), (3, 2));
}
