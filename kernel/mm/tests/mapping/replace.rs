//! Maps at an address that is wanted, hinted at, or taken from others.

use crate::common::{PAGE, PLAIN, World};
use abi::Errno;
use abi::memory::{Map, MapFlags, MemoryRequest, Protection};
use addr::VirtAddr;
use mm::{FaultCause, SpaceId};

const AT: u64 = 0x30_0000_0000;
const HINT: MapFlags = MapFlags::HINT;
const REPLACE: MapFlags = MapFlags::REPLACE;
const WRITE: Protection = Protection::WRITE;

fn with_pages(world: &mut World, pages: u64) -> SpaceId {
    let p = world.process();
    world.map(p, AT, pages * PAGE, WRITE).expect("free");
    world.fill(p, AT, pages, 1);
    p
}

#[test]
fn a_hint_is_followed_where_it_can_be() {
    let mut world = World::new();
    let p = with_pages(&mut world, 4);
    let free = AT + 10 * PAGE;
    assert_eq!(world.map_with(p, free, PAGE, HINT), Ok(free));
    assert_eq!(
        world.map_with(p, free + 2 * PAGE + 5, PAGE, HINT),
        Ok(free + 2 * PAGE)
    );
    for taken in [AT - PAGE, AT, AT + 3 * PAGE, 0, 8, u64::MAX] {
        let at = world.map_with(p, taken, 2 * PAGE, HINT).expect("room elsewhere");
        assert_eq!(world.load(p, at), Ok(0));
    }
    assert_eq!(world.load(p, AT + 3 * PAGE), Ok(4));
}

#[test]
fn what_replaces_takes_the_place_of_all_that_is_there_and_nothing_else() {
    let mut world = World::new();
    let p = with_pages(&mut world, 8);
    let id = world.segment(p, 4 * PAGE);
    world.attach(p, id, AT + 10 * PAGE, PLAIN).expect("free");
    world.fill(p, AT + 10 * PAGE, 4, 100);
    let at = world.map_with(p, AT + 6 * PAGE, 6 * PAGE, REPLACE);
    assert_eq!(at, Ok(AT + 6 * PAGE));
    for page in 0..14 {
        let expected = match page {
            0..6 => page + 1,
            6..12 => 0,
            _ => 90 + page,
        };
        assert_eq!(world.load(p, AT + page * PAGE), Ok(expected), "page {page}");
    }
    assert_eq!(world.facts(id).shm_nattch, 1);
    world.detach(p, AT + 10 * PAGE).expect("something is left of it");
    assert_eq!(world.facts(id).shm_nattch, 0);
}

#[test]
fn what_replaces_an_attachment_wholly_detaches_it() {
    let mut world = World::new();
    let p = world.process();
    for pages in [3, 600] {
        let id = world.segment(p, pages * PAGE);
        let at = world.attach_anywhere(p, id);
        world.store(p, at, 1).expect("writable");
        world.remove(p, id).expect("there");
        assert_eq!(world.map_with(p, at, pages * PAGE, REPLACE), Ok(at));
        assert_eq!((world.load(p, at), world.segments()), (Ok(0), (0, 0)));
        world.unmap(p, at, pages * PAGE).expect("mapped");
    }
}

#[test]
fn what_replaces_its_like_becomes_one_with_what_is_left_of_it() {
    let mut world = World::new();
    let p = with_pages(&mut world, 9);
    world.map_with(p, AT + 3 * PAGE, 3 * PAGE, REPLACE).expect("room");
    assert_eq!((world.usage(p).mappings, world.usage(p).mapped), (1, 9));
    assert_eq!(world.load(p, AT + 4 * PAGE), Ok(0));
}

#[test]
fn places_that_cannot_be_replaced_are_refused() {
    let mut world = World::new();
    let p = with_pages(&mut world, 2);
    world.mm.map_message_page(p, 0).expect("room");
    for address in [0, PAGE, AT + 8, abi::layout::MESSAGE_PAGES, abi::layout::USER_END] {
        assert_eq!(
            world.map_with(p, address, PAGE, REPLACE),
            Err(Errno::EINVAL),
            "{address:#x}"
        );
    }
    assert_eq!(world.map_with(p, AT, PAGE, HINT | REPLACE), Err(Errno::EINVAL));
    assert_eq!(world.load(p, AT), Ok(1));
}

#[test]
fn while_it_waits_for_its_place_nothing_can_be_touched_there() {
    let mut world = World::new();
    let p = with_pages(&mut world, 300);
    let request = Map {
        flags: REPLACE,
        ..Map::new(AT, 300 * PAGE, WRITE)
    };
    let (answer, job) = world.begin(p, MemoryRequest::Map(request), &[], None);
    assert!(answer.is_ok() && job.is_some());
    assert_eq!(world.load(p, AT), Err(FaultCause::Unmapped));
    assert_eq!(world.mm.describe(p, VirtAddr::new(AT)), None);
    let again = world.map_with(p, AT, PAGE, REPLACE);
    assert_eq!(again, Err(Errno::EAGAIN));
    let beside = world.map(p, AT + 299 * PAGE, PAGE, WRITE);
    assert_eq!(beside, Err(Errno::EINVAL));
    world.finish(job);
    assert_eq!(world.load(p, AT + 299 * PAGE), Ok(0));
}

#[test]
fn a_process_that_ends_meanwhile_gives_all_of_it_back() {
    let mut world = World::new();
    let before = world.mm.frame_counts();
    let p = with_pages(&mut world, 300);
    let request = Map {
        flags: REPLACE,
        ..Map::new(AT, 300 * PAGE, WRITE)
    };
    let (answer, job) = world.begin(p, MemoryRequest::Map(request), &[], None);
    assert!(answer.is_ok() && job.is_some());
    world.exit(p);
    assert_eq!(world.mm.frame_counts(), before);
}
