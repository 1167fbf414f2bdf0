//! What a request does to many mappings comes in bounded pieces, and all of it, or nothing.

use crate::common::{CREATE, PAGE, PLAIN, PRIVATE, Size, World};
use abi::Errno;
use abi::memory::{Map, MapFlags, MemoryRequest, Move, Protect, Protection, ShmDetach, Unmap};
use addr::{Perms, VirtAddr};
use mm::{FaultCause, Job, STEP_FRAMES, Seconds, SpaceId};

const PLACE: u64 = 0x20_0000_0000;
const READ: Protection = Protection::READ;
const WRITE: Protection = Protection::WRITE;
/// More than three steps deal with.
const MANY: u64 = 230;

fn world() -> World {
    World::of(Size {
        vmas: 900,
        ..Size::USUAL
    })
}

/// Maps one page after the other, each with other permissions than the one below.
fn map_many(world: &mut World, p: SpaceId, at: u64) {
    for page in 0..MANY {
        let protection = if page % 2 == 0 { WRITE } else { READ };
        world.map(p, at + page * PAGE, PAGE, protection).expect("free");
    }
}

/// Sends a request of which something is left to do.
fn begin(world: &mut World, p: SpaceId, request: MemoryRequest) -> Job {
    let (answer, job) = world.begin(p, request, &[], None);
    answer.expect("possible");
    job.expect("not all of it is done")
}

/// The permissions of the pages from `at` on that can be used.
fn permissions(world: &World, p: SpaceId, at: u64) -> Vec<Option<Perms>> {
    let of = |page| world.mm.describe(p, VirtAddr::new(at + page * PAGE));
    (0..MANY).map(|page| of(page).map(|facts| facts.perms)).collect()
}

/// Does a job; no step of it changes more pages than a step handles. Between the steps nothing can be asked, until
/// all mappings have been dealt with.
fn finish_in_pieces(world: &mut World, p: SpaceId, at: u64, job: Job) {
    let (mut rest, mut refused) = (Some(job), 0);
    while let Some(job) = rest {
        let before = permissions(world, p, at);
        rest = world.mm.step(job, Seconds(1));
        world.check();
        let after = permissions(world, p, at);
        let changed = before
            .iter()
            .zip(&after)
            .filter(|(before, after)| before != after);
        assert!(changed.count() <= STEP_FRAMES);
        let elsewhere = Map::new(0, PAGE, READ);
        let (answer, job) = world.begin(p, MemoryRequest::Map(elsewhere), &[], None);
        match answer {
            Ok(_) => world.finish(job),
            Err(errno) => {
                assert_eq!(errno, Errno::EAGAIN);
                refused += 1;
            }
        }
    }
    assert!(refused > 0, "some are left after the first step");
}

fn unmap_all(pages: u64) -> MemoryRequest {
    MemoryRequest::Unmap(Unmap {
        address: PLACE,
        length: pages * PAGE,
    })
}

#[test]
fn many_mappings_are_unmapped_in_pieces() {
    let mut world = world();
    let p = world.process();
    let before = (world.mm.frame_counts(), world.usage(p));
    map_many(&mut world, p, PLACE);
    let job = begin(&mut world, p, unmap_all(MANY));
    finish_in_pieces(&mut world, p, PLACE, job);
    assert_eq!(permissions(&world, p, PLACE), [None; MANY as usize]);
    world.exit(p);
    assert!(world.mm.frame_counts().free > before.0.free, "its root is free");
}

#[test]
fn many_mappings_are_protected_in_pieces_and_become_one() {
    let mut world = world();
    let p = world.process();
    map_many(&mut world, p, PLACE);
    for page in (0..MANY).step_by(2) {
        world.store(p, PLACE + page * PAGE, page).expect("writable");
    }
    // One page at each end stays as it is.
    let job = begin(
        &mut world,
        p,
        MemoryRequest::Protect(Protect {
            address: PLACE + PAGE,
            length: (MANY - 2) * PAGE,
            protection: READ,
        }),
    );
    finish_in_pieces(&mut world, p, PLACE, job);
    let facts = world.mm.describe(p, VirtAddr::new(PLACE + PAGE)).expect("mapped");
    assert_eq!((facts.range.count().get(), facts.perms), (MANY - 1, Perms::READ));
    assert_eq!(world.store(p, PLACE, 7), Ok(()));
    assert_eq!(world.store(p, PLACE + 2 * PAGE, 7), Err(FaultCause::NotPermitted));
    assert_eq!(world.load(p, PLACE + 2 * PAGE), Ok(2));
}

#[test]
fn protected_mappings_become_one_with_what_is_above_them_too() {
    let mut world = world();
    let p = world.process();
    map_many(&mut world, p, PLACE);
    world.map(p, PLACE + MANY * PAGE, PAGE, WRITE).expect("free");
    world.protect(p, PLACE, MANY * PAGE, WRITE).expect("mapped");
    let facts = world.mm.describe(p, VirtAddr::new(PLACE)).expect("mapped");
    assert_eq!(
        (facts.range.count().get(), world.usage(p).mappings),
        (MANY + 1, 1)
    );
}

#[test]
fn what_is_left_of_an_attachment_is_detached_in_pieces_and_nothing_else() {
    let mut world = world();
    let (p, other) = (world.process(), world.process());
    let id = world.segment(p, 2 * MANY * PAGE);
    world.attach(p, id, PLACE, PLAIN).expect("free");
    for page in 0..MANY {
        let at = PLACE + (2 * page + 1) * PAGE;
        world.unmap(p, at, PAGE).expect("attached");
        world.map(p, at, PAGE, WRITE).expect("free");
        world.store(p, at, page).expect("writable");
    }
    let detach = MemoryRequest::ShmDetach(ShmDetach { address: PLACE });
    let mut rest = Some(begin(&mut world, p, detach));
    assert_eq!(world.begin(p, detach, &[], None).0, Err(Errno::EAGAIN));
    while let Some(job) = rest {
        assert_eq!(world.facts(id).shm_nattch, 1);
        assert_eq!(world.detach(other, PLACE), Err(Errno::EINVAL));
        rest = world.mm.step(job, Seconds(1));
        world.check();
    }
    assert_eq!(world.facts(id).shm_nattch, 0);
    assert_eq!(world.detach(p, PLACE), Err(Errno::EINVAL));
    for page in 0..MANY {
        assert_eq!(world.load(p, PLACE + (2 * page + 1) * PAGE), Ok(page));
        let gone = world.load(p, PLACE + 2 * page * PAGE);
        assert_eq!(gone, Err(FaultCause::Unmapped));
    }
}

#[test]
fn many_mappings_are_replaced_by_one() {
    let mut world = world();
    let p = world.process();
    map_many(&mut world, p, PLACE);
    let request = Map {
        flags: MapFlags::REPLACE,
        ..Map::new(PLACE, MANY * PAGE, WRITE)
    };
    let job = begin(&mut world, p, MemoryRequest::Map(request));
    world.finish(Some(job));
    assert_eq!(
        permissions(&world, p, PLACE),
        [Some(Perms::READ_WRITE); MANY as usize]
    );
    assert_eq!(world.usage(p).mappings, 1);
}

#[test]
fn a_process_can_end_while_its_mappings_are_being_changed() {
    let mut world = world();
    let before = world.mm.frame_counts();
    for length in [MANY, MANY - 70] {
        let p = world.process();
        map_many(&mut world, p, PLACE);
        world.store(p, PLACE, 1).expect("writable");
        let job = begin(&mut world, p, unmap_all(length));
        let end = world.mm.destroy_space(p, Seconds(1));
        world.check();
        assert_eq!(permissions(&world, p, PLACE), [None; MANY as usize]);
        let rest = world.mm.step(job, Seconds(1));
        world.check();
        world.finish(Some(end));
        world.finish(rest);
        assert_eq!(world.mm.frame_counts(), before);
    }
}

#[test]
fn a_stack_that_is_about_to_go_does_not_grow() {
    let mut world = world();
    let p = world.process();
    let stack = PLACE + (MANY + 100) * PAGE;
    map_many(&mut world, p, PLACE);
    world.map_stack(p, stack, PAGE, 10 * PAGE).expect("free");
    let before = world.unpromised();
    let job = begin(&mut world, p, unmap_all(MANY + 101));
    assert_eq!(world.store(p, stack, 1), Ok(()), "it is still there");
    let below = world.store(p, stack - PAGE, 1);
    assert_eq!(below, Err(FaultCause::Unmapped));
    world.finish(Some(job));
    assert_eq!(world.store(p, stack, 1), Err(FaultCause::Unmapped));
    assert!(world.unpromised() > before);
}

#[test]
fn pages_that_arrive_beside_a_range_that_is_being_unmapped_stay() {
    let mut world = world();
    let (p, source) = (world.process(), world.process());
    let at = world.map(source, PLACE, 100 * PAGE, WRITE).expect("free");
    world.fill(source, at, 100, 5);
    map_many(&mut world, p, PLACE);
    // Above the last one, which has the same permissions.
    let request = Move {
        source: at,
        length: 100 * PAGE,
        destination: PLACE + MANY * PAGE,
        protection: READ,
    };
    let (answer, moves) = world.begin(p, MemoryRequest::Move(request), &[], Some(source));
    assert!(answer.is_ok() && moves.is_some());
    let unmaps = begin(&mut world, p, unmap_all(MANY));
    world.finish(moves);
    world.finish(Some(unmaps));
    assert_eq!(permissions(&world, p, PLACE), [None; MANY as usize]);
    assert_eq!(world.load(p, PLACE + MANY * PAGE), Ok(5));
}

#[test]
fn pages_that_arrive_while_an_attachment_is_detached_become_one_with_those_in_its_holes() {
    let mut world = world();
    let (p, source) = (world.process(), world.process());
    let at = world.map(source, PLACE, 100 * PAGE, WRITE).expect("free");
    world.fill(source, at, 100, 5);
    let id = world.segment(p, 2 * MANY * PAGE);
    world.attach(p, id, PLACE, PLAIN).expect("free");
    for page in 0..MANY {
        let at = PLACE + (2 * page + 1) * PAGE;
        world.unmap(p, at, PAGE).expect("attached");
    }
    let end = PLACE + 2 * MANY * PAGE;
    world.map(p, end - PAGE, PAGE, WRITE).expect("free");
    let request = Move {
        source: at,
        length: 100 * PAGE,
        destination: end,
        protection: WRITE,
    };
    let (answer, moves) = world.begin(p, MemoryRequest::Move(request), &[], Some(source));
    assert!(answer.is_ok() && moves.is_some());
    let detach = begin(
        &mut world,
        p,
        MemoryRequest::ShmDetach(ShmDetach { address: PLACE }),
    );
    world.finish(moves);
    world.finish(Some(detach));
    let facts = world.mm.describe(p, VirtAddr::new(end)).expect("mapped");
    assert_eq!(facts.range.count().get(), 101);
}

#[test]
fn a_segment_that_was_removed_goes_with_the_last_of_many_pieces() {
    let mut world = world();
    let p = world.process();
    let before = world.mm.frame_counts();
    let id = world.get(p, PRIVATE, 2 * MANY * PAGE, CREATE).expect("room");
    world.attach(p, id, PLACE, PLAIN).expect("free");
    for page in 0..MANY {
        world
            .unmap(p, PLACE + (2 * page + 1) * PAGE, PAGE)
            .expect("there");
    }
    world.remove(p, id).expect("there");
    let job = begin(&mut world, p, unmap_all(2 * MANY));
    assert_eq!(world.facts(id).shm_nattch, 1, "pieces are left");
    world.finish(Some(job));
    assert_eq!((world.mm.frame_counts(), world.segments()), (before, (0, 0)));
}
