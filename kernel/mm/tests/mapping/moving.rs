//! Moves in steps, and what else happens in between.

use crate::common::{PAGE, Size, World};
use abi::Errno;
use abi::memory::{MemoryRequest, Move, Protection, Unmap};
use mm::{FaultCause, Job, MOST_MOVED_PAGES, STEP_FRAMES, Seconds, SpaceId};

const AT: u64 = 0x20_0000_0000;
const THERE: u64 = 0x30_0000_0000;
const PAGES: u64 = 300;
const WRITE: Protection = Protection::WRITE;

/// Two processes, one of which has moved pages to the other as far as one step does. Of three pages
/// one was never touched.
struct Moving {
    world: World,
    parent: SpaceId,
    child: SpaceId,
    job: Option<Job>,
}

fn begin_move(world: &mut World, to: SpaceId, from: SpaceId, source: u64, destination: u64) -> Option<Job> {
    let request = Move {
        source,
        length: PAGES * PAGE,
        destination,
        protection: WRITE,
    };
    let (answer, job) = world.begin(to, MemoryRequest::Move(request), &[], Some(from));
    answer.expect("movable");
    job
}

/// Maps pages in three pieces, and stores their numbers.
fn fill(world: &mut World, p: SpaceId, address: u64) {
    for (page, pages) in [(0, 100), (100, 1), (101, PAGES - 101)] {
        world
            .map(p, address + page * PAGE, pages * PAGE, WRITE)
            .expect("free");
    }
    for page in (0..PAGES).filter(|page| page % 3 != 0) {
        world.touch(p, address + page * PAGE, 1);
        let frame = lookup(world, p, address + page * PAGE);
        world.mm.mmu_mut().write_frame(frame, 0, &page.to_le_bytes());
    }
    world.check();
}

fn lookup(world: &mut World, p: SpaceId, address: u64) -> addr::Frame {
    let (machine, space) = world.mm.mmu_space_mut(p).expect("alive");
    let found = mm::Mmu::lookup(machine, space, addr::VirtAddr::new(address).page());
    found.expect("present").0
}

fn assert_filled(world: &mut World, p: SpaceId, address: u64) {
    for page in [0, 1, 2, 63, 64, 65, 99, 100, 101, 299] {
        let expected = if page % 3 == 0 { 0 } else { page };
        assert_eq!(world.load(p, address + page * PAGE), Ok(expected), "page {page}");
    }
}

impl Moving {
    fn begin() -> Self {
        let mut world = World::new();
        let (parent, child) = (world.process(), world.process());
        fill(&mut world, parent, AT);
        let job = begin_move(&mut world, child, parent, AT, THERE);
        assert!(job.is_some(), "a step is not enough");
        Self {
            world,
            parent,
            child,
            job,
        }
    }

    fn finish(&mut self) {
        self.world.finish(self.job.take());
    }

    /// Nothing is left of either.
    fn end(mut self) {
        self.world.exit(self.parent);
        self.world.exit(self.child);
        let counts = self.world.mm.frame_counts();
        assert_eq!(
            (counts.free, counts.promised),
            (counts.total - 1, 0),
            "but for one root table"
        );
        self.finish();
    }
}

#[test]
fn a_move_hands_over_a_bounded_number_of_pages_at_a_time() {
    let mut world = World::quick(Size::USUAL);
    let (parent, child) = (world.process(), world.process());
    let at = world.map_anywhere(parent, MOST_MOVED_PAGES * PAGE);
    world.touch(parent, at, MOST_MOVED_PAGES);
    let length = MOST_MOVED_PAGES * PAGE;
    let request = Move {
        source: at,
        length,
        destination: THERE,
        protection: WRITE,
    };
    let (answer, mut job) = world.begin(child, MemoryRequest::Move(request), &[], Some(parent));
    answer.expect("movable");
    let mut arrived = world.usage(child).private;
    assert!(arrived <= STEP_FRAMES as u64);
    while let Some(rest) = job {
        job = world.mm.step(rest, Seconds(1));
        world.check_now();
        let now = world.usage(child).private;
        assert!(now - arrived <= STEP_FRAMES as u64);
        assert_eq!(
            now + world.usage(parent).private,
            MOST_MOVED_PAGES,
            "each page is somewhere"
        );
        arrived = now;
    }
    assert_eq!(arrived, MOST_MOVED_PAGES);
}

#[test]
fn while_pages_move_nothing_is_touched_for_the_first_time_on_either_side() {
    let mut moving = Moving::begin();
    let Moving {
        world, parent, child, ..
    } = &mut moving;
    for page in [0, 66, 99, 297] {
        assert_eq!(world.load(*parent, AT + page * PAGE), Err(FaultCause::Unmapped));
        assert_eq!(world.load(*child, THERE + page * PAGE), Err(FaultCause::Unmapped));
    }
    assert_eq!(
        world.map(*parent, AT, PAGE, WRITE),
        Err(Errno::EINVAL),
        "not yet vacant"
    );
    assert_eq!(
        world.map(*child, THERE, PAGE, WRITE),
        Err(Errno::EINVAL),
        "no longer vacant"
    );
    let request = Move {
        source: THERE,
        length: PAGES * PAGE,
        destination: AT,
        protection: WRITE,
    };
    let third = world.process();
    assert_eq!(
        world.transfer(third, Some(*child), request),
        Err(Errno::EINVAL),
        "not to be moved on"
    );
    moving.finish();
    let Moving { world, child, .. } = &mut moving;
    assert_filled(world, *child, THERE);
    world.transfer(third, Some(*child), request).expect("moved on");
    assert_filled(world, third, AT);
    world.exit(third);
    moving.end();
}

#[test]
fn a_process_that_ends_while_its_pages_move_away_hands_them_over() {
    let mut moving = Moving::begin();
    let Moving {
        world, parent, child, ..
    } = &mut moving;
    world.exit(*parent);
    assert_filled(world, *child, THERE);
    assert_eq!(world.usage(*child).mapped, PAGES);
    moving.finish();
    moving.world.exit(moving.child);
    let counts = moving.world.mm.frame_counts();
    assert_eq!((counts.free, counts.promised), (counts.total - 1, 0));
}

#[test]
fn pages_that_move_to_a_process_that_ends_go_with_it() {
    let mut moving = Moving::begin();
    let Moving {
        world, parent, child, ..
    } = &mut moving;
    let at_start = world.usage(*parent).private;
    world.exit(*child);
    assert_eq!(world.usage(*parent).private, at_start, "what has not moved yet");
    moving.finish();
    let usage = moving.world.usage(moving.parent);
    assert_eq!((usage.mapped, usage.private, usage.mappings), (0, 0, 0));
    moving.end();
}

#[test]
fn pages_whose_destination_is_unmapped_meanwhile_are_given_back() {
    let mut moving = Moving::begin();
    let Moving { world, child, .. } = &mut moving;
    world
        .unmap(*child, THERE - PAGE, (PAGES + 2) * PAGE)
        .expect("all of it");
    world
        .map(*child, THERE, PAGES * PAGE, WRITE)
        .expect("vacant again");
    world.store(*child, THERE + 299 * PAGE, 1).expect("writable");
    moving.finish();
    let Moving {
        world, child, parent, ..
    } = &mut moving;
    assert_eq!(world.load(*child, THERE + 299 * PAGE), Ok(1));
    assert_eq!(world.load(*child, THERE + PAGE), Ok(0));
    assert_eq!(world.usage(*parent).private, 0);
    moving.end();
}

#[test]
fn pages_do_not_move_into_what_is_being_emptied() {
    let mut moving = Moving::begin();
    let Moving {
        world, child, job, ..
    } = &mut moving;
    *job = job.and_then(|rest| world.mm.step(rest, Seconds(1)));
    let arrived = world.usage(*child).private;
    assert!(arrived > STEP_FRAMES as u64);
    let unmap = Unmap {
        address: THERE,
        length: PAGES * PAGE,
    };
    let (answer, mut unmapping) = world.begin(*child, MemoryRequest::Unmap(unmap), &[], None);
    assert!(answer.is_ok() && unmapping.is_some());
    while job.is_some() || unmapping.is_some() {
        *job = job.and_then(|rest| world.mm.step(rest, Seconds(1)));
        world.check();
        unmapping = unmapping.and_then(|rest| world.mm.step(rest, Seconds(1)));
        world.check();
        assert!(world.usage(*child).private < arrived);
    }
    moving.end();
}

#[test]
fn pages_move_both_ways_at_once_and_a_place_may_be_filled_again_as_soon_as_it_is_vacant() {
    let mut moving = Moving::begin();
    let Moving {
        world,
        parent,
        child,
        job,
    } = &mut moving;
    fill(world, *child, AT);
    let mut back = begin_move(world, *parent, *child, AT, THERE);
    assert!(back.is_some());
    while job.is_some() || back.is_some() {
        *job = job.and_then(|rest| world.mm.step(rest, Seconds(1)));
        world.check();
        back = back.and_then(|rest| world.mm.step(rest, Seconds(1)));
        world.check();
    }
    assert_filled(world, *child, THERE);
    assert_filled(world, *parent, THERE);
    let job = begin_move(world, *parent, *child, THERE, AT);
    world.finish(job);
    assert_filled(world, *parent, AT);
    moving.end();
}
