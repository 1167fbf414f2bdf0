//! What several requests for one address space do to each other while their jobs are under way.

use crate::common::{PAGE, PLAIN, Size, World};
use abi::Errno;
use abi::memory::{MemoryRequest, Move, Protection, ShmAttach, ShmDetach, Unmap};
use abi::shm::{AttachFlags, ShmId};
use addr::VirtAddr;
use mm::{Access, FaultCause, Job, Limits, Seconds, SpaceId};

const AT: u64 = 0x20_0000_0000;
const WRITE: Protection = Protection::WRITE;

fn begin_unmap(world: &mut World, p: SpaceId, address: u64, pages: u64) -> Option<Job> {
    let length = pages * PAGE;
    let (answer, job) = world.begin(p, MemoryRequest::Unmap(Unmap { address, length }), &[], None);
    answer.expect("a range");
    job
}

fn begin_remap(world: &mut World, p: SpaceId, id: ShmId, address: u64) -> Option<Job> {
    let flags = AttachFlags::REMAP;
    let request = MemoryRequest::ShmAttach(ShmAttach { id, address, flags });
    let (answer, job) = world.begin(p, request, &[], None);
    answer.expect("a place");
    job
}

fn begin_detach(world: &mut World, p: SpaceId, address: u64) -> (Result<(), Errno>, Option<Job>) {
    let (answer, job) = world.begin(p, MemoryRequest::ShmDetach(ShmDetach { address }), &[], None);
    (answer.map(|_| ()), job)
}

/// Maps and touches pages.
fn fill(world: &mut World, p: SpaceId, address: u64, pages: u64) {
    world.map(p, address, pages * PAGE, WRITE).expect("free");
    world.touch(p, address, pages);
}

#[test]
fn an_unmap_leaves_whole_what_was_mapped_across_its_end_meanwhile() {
    let mut world = World::new();
    let p = world.process();
    fill(&mut world, p, AT + 10 * PAGE, 300);
    let job = begin_unmap(&mut world, p, AT, 400);
    assert!(job.is_some());
    for (page, pages) in [(395, 10), (-5, 10)] {
        let address = AT.strict_add_signed(page * PAGE as i64);
        fill(&mut world, p, address, pages);
        world.store(p, address, 7).expect("writable");
    }
    world.finish(job);
    for page in 395..405 {
        assert!(world.load(p, AT + page * PAGE).is_ok(), "page {page}");
    }
    assert_eq!(world.load(p, AT - 5 * PAGE), Ok(7));
    assert_eq!(world.load(p, AT + 10 * PAGE), Err(FaultCause::Unmapped));
    assert_eq!(world.usage(p).mapped, 20);
}

#[test]
fn an_unmap_takes_all_that_was_there_whatever_is_mapped_beside_it_meanwhile() {
    let mut world = World::new();
    let p = world.process();
    // The last mapping has more pages than one step takes out, and goes on behind the range.
    for page in 0..6 {
        let protection = if page % 2 == 0 { Protection::READ } else { WRITE };
        world.map(p, AT + page * PAGE, PAGE, protection).expect("free");
    }
    world.map(p, AT + 6 * PAGE, 100 * PAGE, WRITE).expect("free");
    world.touch(p, AT + 6 * PAGE, 100);
    let job = begin_unmap(&mut world, p, AT, 96);
    assert!(job.is_some());
    assert_eq!(world.usage(p).mapped, 10, "nothing in the range counts any more");
    let answer = world.protect(p, AT + 105 * PAGE, PAGE, Protection::READ);
    assert_eq!(answer, Ok(()));
    world
        .map(p, AT - 5 * PAGE, 5 * PAGE, Protection::READ)
        .expect("free");
    world.finish(job);
    for page in 0..96 {
        assert_eq!(
            world.load(p, AT + page * PAGE),
            Err(FaultCause::Unmapped),
            "{page}"
        );
    }
    assert_eq!(world.usage(p).mapped, 15);
}

#[test]
fn an_unmap_of_a_part_of_it_does_not_take_an_attachment_that_arrives_meanwhile() {
    let mut world = World::new();
    let p = world.process();
    let id = world.segment(p, 300 * PAGE);
    fill(&mut world, p, AT, 300);
    let remap = begin_remap(&mut world, p, id, AT);
    let unmap = begin_unmap(&mut world, p, AT + 200 * PAGE, 10);
    assert!(remap.is_some() && unmap.is_some());
    world.finish(unmap);
    world.finish(remap);
    assert_eq!(world.facts(id).shm_nattch, 1);
    assert_eq!(
        (world.load(p, AT), world.load(p, AT + 299 * PAGE)),
        (Ok(0), Ok(0))
    );
}

#[test]
fn what_waits_for_its_place_is_not_there_yet_but_will_be() {
    let mut world = World::new();
    let p = world.process();
    let id = world.segment(p, 300 * PAGE);
    fill(&mut world, p, AT, 300);
    let at = |page: u64| VirtAddr::new(AT + page * PAGE);
    assert!(!world.comes_later(p, at(0)));
    let job = begin_remap(&mut world, p, id, AT);
    assert!(job.is_some());
    assert_eq!(
        world.mm.fault(p, at(299), Access::Read),
        Err(FaultCause::Unmapped)
    );
    assert!(world.comes_later(p, at(0)) && world.comes_later(p, at(299)));
    assert!(!world.comes_later(p, at(300)));
    world.finish(job);
    assert!(!world.comes_later(p, at(0)));
    assert_eq!(world.load(p, AT + 299 * PAGE), Ok(0));
}

#[test]
fn of_two_who_detach_the_pieces_of_one_attachment_one_is_refused() {
    let mut world = World::new();
    let p = world.process();
    let id = world.segment(p, 301 * PAGE);
    world.attach(p, id, AT, PLAIN).expect("free");
    world.touch(p, AT, 140);
    world.touch(p, AT + 160 * PAGE, 140);
    world.unmap(p, AT + 150 * PAGE, PAGE).expect("the middle");
    let (first, job) = begin_detach(&mut world, p, AT);
    assert!(first.is_ok() && job.is_some());
    assert_eq!(begin_detach(&mut world, p, AT).0, Err(Errno::EINVAL));
    assert_eq!(world.facts(id).shm_nattch, 1, "not yet");
    for page in [149, 151, 300] {
        assert_eq!(
            world.load(p, AT + page * PAGE),
            Err(FaultCause::Unmapped),
            "page {page}"
        );
        assert_eq!(world.mm.describe(p, VirtAddr::new(AT + page * PAGE)), None);
    }
    world.finish(job);
    assert_eq!(world.facts(id).shm_nattch, 0);
}

#[test]
fn mappings_that_are_being_emptied_count_against_the_limit_until_they_are_gone() {
    let limits = Limits {
        mappings: 2,
        ..Limits::WIDEST
    };
    let mut world = World::of(Size {
        limits,
        ..Size::USUAL
    });
    let p = world.process();
    fill(&mut world, p, AT, 300);
    world.map_anywhere(p, PAGE);
    let job = begin_unmap(&mut world, p, AT, 300);
    assert!(job.is_some());
    assert_eq!(
        world.map(p, 0, PAGE, abi::memory::Protection::READ),
        Err(Errno::EMFILE)
    );
    world.finish(job);
    world.map_anywhere(p, PAGE);
}

/// Begins to move the 300 pages at [`AT`] of `parent` to the same place of `child`.
fn begin_move(world: &mut World, parent: SpaceId, child: SpaceId) -> Option<Job> {
    let request = Move {
        source: AT,
        length: 300 * PAGE,
        destination: AT,
        protection: WRITE,
    };
    let (answer, job) = world.begin(child, MemoryRequest::Move(request), &[], Some(parent));
    assert!(answer.is_ok() && job.is_some());
    job
}

#[test]
fn an_attachment_does_not_replace_a_part_of_what_is_moving_in() {
    let mut world = World::new();
    let (parent, child) = (world.process(), world.process());
    fill(&mut world, parent, AT, 300);
    let id = world.segment(child, 10 * PAGE);
    let job = begin_move(&mut world, parent, child);
    let before = world.mm.frame_counts();
    for page in [-5, 100, 295] {
        let address = AT.strict_add_signed(page * PAGE as i64);
        assert_eq!(
            world.attach(child, id, address, AttachFlags::REMAP),
            Err(Errno::EAGAIN)
        );
    }
    world
        .unmap(child, AT + 100 * PAGE, PAGE)
        .expect("as if nothing were there yet");
    assert_eq!((world.facts(id).shm_nattch, world.mm.frame_counts()), (0, before));
    world.finish(job);
    assert!(world.load(child, AT + 100 * PAGE).is_ok());
    world
        .attach(child, id, AT + 295 * PAGE, AttachFlags::REMAP)
        .expect("it is there now");
}

#[test]
fn all_of_what_is_moving_in_or_what_lies_beside_it_can_be_replaced() {
    for (first, pages) in [(0, 300), (-5, 5), (300, 5)] {
        let mut world = World::new();
        let (parent, child) = (world.process(), world.process());
        fill(&mut world, parent, AT, 300);
        let address = AT.strict_add_signed(first * PAGE as i64);
        let job = begin_move(&mut world, parent, child);
        let id = world.segment(child, pages * PAGE);
        assert_eq!(world.attach(child, id, address, AttachFlags::REMAP), Ok(address));
        world.finish(job);
        assert_eq!(world.load(child, address), Ok(0), "{first}");
        world.exit(child);
        assert_eq!(world.usage(parent).private, 0);
    }
}

#[test]
fn a_table_goes_that_was_a_neighbours_too_when_its_own_pages_went() {
    let mut world = World::new();
    let p = world.process();
    let before = world.mm.frame_counts();
    let id = world.segment(p, PAGE);
    world.attach(p, id, AT, PLAIN).expect("free");
    world.store(p, AT, 1).expect("writable");
    fill(&mut world, p, AT + PAGE, 900);
    let mut job = begin_unmap(&mut world, p, AT + PAGE, 900);
    // Beyond the first table, which the neighbour still has a use for.
    for _ in 0..9 {
        job = job.and_then(|rest| world.mm.step(rest, Seconds(1)));
    }
    assert!(job.is_some() && world.usage(p).private < 900 - 511);
    world.detach(p, AT).expect("attached");
    world.finish(job);
    world.remove(p, id).expect("there");
    assert_eq!(world.mm.frame_counts(), before);
}

#[test]
fn pages_far_apart_are_given_back_a_few_at_a_time_since_they_have_to_be_looked_for() {
    let mut world = World::quick(Size {
        frames: 20_000,
        ..Size::USUAL
    });
    let p = world.process();
    let pages = 10_000;
    world.map(p, AT, pages * PAGE, WRITE).expect("room");
    let touched: Vec<u64> = (0..pages).step_by(600).collect();
    for page in &touched {
        world.touch(p, AT + page * PAGE, 1);
    }
    let mut job = begin_unmap(&mut world, p, AT, pages);
    let mut steps = 1;
    while let Some(rest) = job {
        job = world.mm.step(rest, Seconds(1));
        steps += 1;
    }
    assert!(
        steps >= touched.len() / 2,
        "{steps} steps for {} pages",
        touched.len()
    );
    world.check_now();
}
