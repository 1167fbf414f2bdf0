//! Stacks: mappings that grow when a program touches what is below them.

use crate::common::{PAGE, PLAIN, Size, World};
use abi::Errno;
use abi::layout::{STACK_GUARD, STACK_TOP, USER_START};
use abi::memory::{Map, MapFlags, MemoryRequest, Protection, Unmap};
use addr::VirtAddr;
use mm::{FaultCause, Job, SpaceId};

/// Where the stack of these tests ends.
const TOP: u64 = 0x30_0000_0000;
/// Pages it has at first, and pages it may grow by.
const FIRST: u64 = 4;
const MORE: u64 = 100;
const LOW: u64 = TOP - FIRST * PAGE;
const FLOOR: u64 = LOW - MORE * PAGE;
const UNMAPPED: Result<(), FaultCause> = Err(FaultCause::Unmapped);

fn with_stack(world: &mut World) -> SpaceId {
    let p = world.process();
    let at = world.map_stack(p, LOW, FIRST * PAGE, MORE * PAGE);
    assert_eq!(at, Ok(LOW));
    p
}

#[test]
fn a_touch_below_makes_it_reach_down_to_there_and_no_farther() {
    let mut world = World::new();
    let p = with_stack(&mut world);
    assert_eq!(world.usage(p).mapped, FIRST);
    for reached in [1, 2, 40, MORE] {
        assert_eq!(world.store(p, LOW - reached * PAGE + 8, reached), Ok(()));
        assert_eq!(world.usage(p).mapped, FIRST + reached);
    }
    assert_eq!(world.store(p, FLOOR - 8, 1), UNMAPPED);
    assert_eq!(world.store(p, FLOOR - STACK_GUARD - 8, 1), UNMAPPED);
    // A load grows it as well; what lies between reads as zeroes.
    assert_eq!(
        (world.load(p, FLOOR), world.load(p, LOW - 20 * PAGE)),
        (Ok(0), Ok(0))
    );
    assert_eq!(world.load(p, LOW - 40 * PAGE + 8), Ok(40));
    assert_eq!(world.usage(p).mappings, 1);
}

#[test]
fn a_jump_below_a_stack_is_refused_and_does_not_make_it_grow() {
    let mut world = World::new();
    let p = with_stack(&mut world);
    assert_eq!(world.jump(p, LOW - PAGE), Err(FaultCause::NotPermitted));
    assert_eq!(world.usage(p).mapped, FIRST);
}

/// Begins to unmap from `from` to `end`, where more is mapped than one step looks at.
fn begin_unmap(world: &mut World, p: SpaceId, from: u64, end: u64) -> Option<Job> {
    let request = MemoryRequest::Unmap(Unmap {
        address: from,
        length: end - from,
    });
    let (answer, job) = world.begin(p, request, &[], None);
    assert!(answer.is_ok() && job.is_some());
    job
}

/// Mappings from `at` on that cannot be one.
fn map_many(world: &mut World, p: SpaceId, at: u64) -> u64 {
    let end = at + 200 * PAGE;
    for (address, number) in (at..end).step_by(PAGE as usize).zip(0..) {
        let protection = [Protection::READ, Protection::WRITE][number % 2];
        world.map(p, address, PAGE, protection).expect("free");
    }
    end
}

#[test]
fn it_grows_while_something_else_is_being_unmapped() {
    let mut world = World::new();
    let p = with_stack(&mut world);
    let end = map_many(&mut world, p, TOP);
    let job = begin_unmap(&mut world, p, TOP, end);
    assert_eq!(world.store(p, LOW - 8, 1), Ok(()));
    world.finish(job);
    assert_eq!(world.usage(p).mapped, FIRST + 1);
}

#[test]
fn it_grows_no_more_once_it_is_to_be_unmapped_and_that_is_no_matter_of_time() {
    let mut world = World::new();
    let p = with_stack(&mut world);
    let below = FLOOR - STACK_GUARD - 1000 * PAGE;
    map_many(&mut world, p, below);
    let job = begin_unmap(&mut world, p, below, TOP);
    assert_eq!(world.store(p, LOW - 8, 1), UNMAPPED);
    assert!(!world.comes_later(p, VirtAddr::new(LOW - 8)));
    world.finish(job);
    assert_eq!(world.usage(p).mapped, 0);
}

#[test]
fn it_does_not_grow_while_its_process_is_copied_but_will_then() {
    let mut world = World::new();
    let p = with_stack(&mut world);
    world.fill(p, LOW, FIRST, 1);
    let below = |page: u64| VirtAddr::new(LOW - page * PAGE);
    let (child, job) = world.begin_fork(p).expect("room");
    assert_eq!(world.store(p, LOW - 8, 1), UNMAPPED);
    assert!(world.comes_later(p, below(1)));
    assert!(!world.comes_later(p, below(MORE + 1)), "it never grows that far");
    world.finish(Some(job));
    assert!(!world.comes_later(p, below(1)));
    assert_eq!(
        (world.store(p, LOW - 8, 1), world.store(child, LOW - 8, 2)),
        (Ok(()), Ok(()))
    );
}

#[test]
fn nothing_is_placed_where_it_may_grow_nor_in_the_gap_below() {
    let mut world = World::new();
    let p = with_stack(&mut world);
    let id = world.segment(p, PAGE);
    for address in [LOW - PAGE, FLOOR, FLOOR - PAGE, FLOOR - STACK_GUARD] {
        let flags = abi::shm::AttachFlags::REMAP;
        for answer in [
            world.map(p, address, PAGE, Protection::READ),
            world.map_with(p, address, PAGE, MapFlags::REPLACE),
            world.map_with(p, address - 5 * PAGE, 6 * PAGE, MapFlags::REPLACE),
            world.attach(p, id, address, PLAIN),
            world.attach(p, id, address, flags),
        ] {
            assert_eq!(answer, Err(Errno::EINVAL), "{address:#x}");
        }
        let elsewhere = world.map_with(p, address, PAGE, MapFlags::HINT).expect("room");
        assert!(!(FLOOR - STACK_GUARD..TOP).contains(&elsewhere));
    }
    let below = FLOOR - STACK_GUARD - PAGE;
    assert_eq!(world.map(p, below, PAGE, Protection::READ), Ok(below));
    let replaced = world.map_with(p, below, PAGE, MapFlags::REPLACE);
    assert_eq!(replaced, Ok(below), "right below the gap is no part of it");
    assert_eq!(world.store(p, FLOOR, 1), Ok(()));
}

#[test]
fn the_kernel_finds_a_place_for_all_of_it() {
    let mut world = World::new();
    let p = world.process();
    let low = world.map_anywhere(p, PAGE);
    let at = world.map_stack(p, 0, PAGE, 3 * PAGE).expect("room");
    assert_eq!(at, low + PAGE + STACK_GUARD + 3 * PAGE);
    world.store(p, at - 3 * PAGE, 1).expect("it grows");
    assert_eq!(world.store(p, at - 4 * PAGE, 1), UNMAPPED);
}

#[test]
fn a_stack_that_would_begin_too_low_or_is_too_large_is_refused() {
    let mut world = World::new();
    let p = world.process();
    let lowest = USER_START + STACK_GUARD + PAGE;
    assert_eq!(world.map_stack(p, lowest - PAGE, PAGE, PAGE), Err(Errno::EINVAL));
    for growth in [u64::MAX, u64::MAX - STACK_GUARD, STACK_TOP] {
        assert_eq!(
            world.map_stack(p, STACK_TOP - PAGE, PAGE, growth),
            Err(Errno::EINVAL)
        );
    }
    assert_eq!(world.map_stack(p, lowest, PAGE, PAGE), Ok(lowest));
}

#[test]
fn what_cannot_be_promised_is_a_fault_and_the_stack_stays_as_it_was() {
    let mut world = World::of(Size {
        frames: 200,
        regions: 210,
        ..Size::USUAL
    });
    let p = with_stack(&mut world);
    world.fill(p, LOW, FIRST, 1);
    let root = world.root;
    while world.unpromised() > 3 {
        world.segment(root, PAGE);
    }
    let before = (world.usage(p), world.mm.frame_counts());
    assert_eq!(world.store(p, LOW - 4 * PAGE, 1), Err(FaultCause::OutOfMemory));
    assert_eq!((world.usage(p), world.mm.frame_counts()), before);
    assert_eq!(world.store(p, LOW - 3 * PAGE, 1), Ok(()));
    assert_eq!(world.load(p, LOW + PAGE), Ok(2));
}

#[test]
fn it_grows_within_the_quota_only() {
    let mut world = World::new();
    let p = with_stack(&mut world);
    // Three tables lead to it.
    world.lower_quota(p, FIRST + 3 + 2, u32::MAX);
    assert_eq!(world.store(p, LOW - 3 * PAGE, 1), Err(FaultCause::OutOfMemory));
    assert_eq!(world.store(p, LOW - 2 * PAGE, 1), Ok(()));
}

#[test]
fn the_lowest_part_grows_when_a_stack_is_cut_and_the_rest_does_not() {
    let mut world = World::new();
    let p = with_stack(&mut world);
    world.fill(p, LOW, FIRST, 1);
    world.unmap(p, LOW + PAGE, PAGE).expect("mapped");
    assert_eq!(world.store(p, LOW - PAGE, 1), Ok(()));
    assert_eq!(world.store(p, LOW + PAGE, 1), UNMAPPED);
    assert_eq!(world.load(p, LOW + 2 * PAGE), Ok(3));
    world.unmap(p, FLOOR, TOP - PAGE - FLOOR).expect("mapped");
    assert_eq!(world.store(p, LOW - PAGE, 1), UNMAPPED);
    assert_eq!(world.load(p, TOP - PAGE), Ok(4));
    assert_eq!(world.usage(p).mapped, 1);
    assert_eq!(
        world.map(p, LOW - PAGE, PAGE, Protection::READ),
        Ok(LOW - PAGE),
        "nothing grows there any more"
    );
}

#[test]
fn unmapping_where_it_may_grow_changes_nothing() {
    let mut world = World::new();
    let p = with_stack(&mut world);
    world
        .unmap(p, FLOOR - STACK_GUARD, LOW - FLOOR)
        .expect("no mapping is there");
    assert_eq!(world.usage(p).mapped, FIRST);
    assert_eq!(world.store(p, FLOOR, 1), Ok(()));
}

#[test]
fn a_guard_page_at_its_lower_end_ends_its_growth() {
    let mut world = World::new();
    let p = with_stack(&mut world);
    world.protect(p, LOW, PAGE, Protection::empty()).expect("mapped");
    assert_eq!(world.store(p, LOW, 1), Err(FaultCause::NotPermitted));
    assert_eq!(world.store(p, LOW - PAGE, 1), Err(FaultCause::NotPermitted));
    world
        .protect(p, LOW, FIRST * PAGE, Protection::WRITE)
        .expect("mapped");
    assert_eq!(world.store(p, LOW - PAGE, 1), Ok(()));
    assert_eq!(world.usage(p).mappings, 1);
    assert_eq!(
        world.protect(p, LOW - 5 * PAGE, 6 * PAGE, Protection::READ),
        Err(Errno::ENOMEM),
        "what it has not grown to is not mapped"
    );
}

#[test]
fn a_stack_can_be_replaced_with_all_that_is_below_it() {
    let mut world = World::new();
    let p = with_stack(&mut world);
    world.fill(p, LOW, FIRST, 1);
    let at = world.map_with(p, FLOOR, TOP - FLOOR - PAGE, MapFlags::REPLACE);
    assert_eq!(at, Ok(FLOOR));
    assert_eq!((world.load(p, LOW), world.load(p, TOP - PAGE)), (Ok(0), Ok(4)));
    assert_eq!(world.store(p, FLOOR - PAGE, 1), UNMAPPED);
}

#[test]
fn two_stacks_replace_each_other() {
    let mut world = World::new();
    let p = with_stack(&mut world);
    world.fill(p, LOW, FIRST, 1);
    let request = Map {
        flags: MapFlags::REPLACE,
        growth: MORE * PAGE,
        ..Map::new(LOW, FIRST * PAGE, Protection::WRITE)
    };
    world.ask(p, MemoryRequest::Map(request)).expect("replaced");
    assert_eq!((world.load(p, LOW), world.store(p, FLOOR, 1)), (Ok(0), Ok(())));
    assert_eq!(world.usage(p).mappings, 1);
}

#[test]
fn one_that_is_mapped_right_below_other_memory_still_grows_and_counts_its_own_pages() {
    let mut world = World::new();
    let p = world.process();
    assert_eq!(world.map(p, TOP, PAGE, Protection::WRITE), Ok(TOP));
    assert_eq!(world.map_stack(p, LOW, FIRST * PAGE, MORE * PAGE), Ok(LOW));
    assert_eq!(world.usage(p).mapped, FIRST + 1);
    assert_eq!(world.store(p, LOW - PAGE, 7), Ok(()));
    assert_eq!(world.usage(p).mapped, FIRST + 2);
    world.check();
}
