//! MapCopy requests.

use crate::common::{CREATE, PAGE, PLAIN, Size, World};
use abi::Errno;
use abi::memory::{MapCopy, MemoryRequest, Protection, Unmap};
use addr::{MemoryKind, Perms};
use mm::{FaultCause, SpaceId};

const READ: Protection = Protection::READ;
const WRITE: Protection = Protection::WRITE;
const EXEC: Protection = Protection::EXEC;
const THERE: u64 = 0x60_0000;
const MOST: u64 = MapCopy::MOST_PAGES;

fn request(source: u64, bytes: u64, destination: u64, length: u64) -> MapCopy {
    MapCopy {
        source,
        bytes,
        destination,
        length,
        protection: READ,
    }
}

/// A parent with so many pages, of which each word says its number counted from 1, and a child.
fn pair(world: &mut World, pages: u64) -> (SpaceId, SpaceId, u64) {
    let (parent, child) = (world.process(), world.process());
    let at = world.map_anywhere(parent, pages * PAGE);
    for word in 0..pages * PAGE / 8 {
        world.store(parent, at + word * 8, word + 1).expect("writable");
    }
    (parent, child, at)
}

#[test]
fn what_was_there_is_here_too_and_the_rest_is_zero() {
    let mut world = World::new();
    let (parent, child, at) = pair(&mut world, 3);
    let copy = request(at, 2 * PAGE + 16, THERE, 4 * PAGE);
    world.map_copy(child, Some(parent), copy).expect("copied");
    for (word, expected) in [
        (0, 1),
        (511, 512),
        (512, 513),
        (1025, 1026),
        (1026, 0),
        (1024 + 512, 0),
    ] {
        assert_eq!(world.load(child, THERE + word * 8), Ok(expected), "word {word}");
    }
    assert_eq!(world.load(child, THERE + 4 * PAGE), Err(FaultCause::Unmapped));
    assert_eq!(world.store(child, THERE, 1), Err(FaultCause::NotPermitted));
    assert_eq!((world.usage(child).mapped, world.usage(child).mappings), (4, 1));
    assert_eq!(world.load(parent, at), Ok(1), "the source stays");
}

#[test]
fn bytes_go_from_anywhere_in_a_page_to_anywhere_in_a_page() {
    let mut world = World::new();
    let (parent, child, at) = pair(&mut world, 4);
    for (round, (from, to)) in [(8, 0), (0, 8), (4000, 80), (80, 4000), (4088, 4088)]
        .into_iter()
        .enumerate()
    {
        let there = THERE + round as u64 * 8 * PAGE;
        let copy = request(at + from, 2 * PAGE, there + to, 2 * PAGE);
        world.map_copy(child, Some(parent), copy).expect("copied");
        for word in 0..1024 {
            let expected = from / 8 + word + 1;
            assert_eq!(
                world.load(child, there + to + word * 8),
                Ok(expected),
                "{from} to {to}"
            );
        }
        let pages = if to == 0 { 2 } else { 3 };
        let around = (0..to).chain(to + 2 * PAGE..pages * PAGE).step_by(8);
        for place in around {
            assert_eq!(world.load(child, there + place), Ok(0), "{from} to {to}");
        }
    }
}

#[test]
fn neither_sees_what_the_other_writes_later() {
    let mut world = World::new();
    let (parent, child, at) = pair(&mut world, 1);
    let copy = MapCopy {
        protection: WRITE,
        ..request(at, PAGE, THERE, PAGE)
    };
    world.map_copy(child, Some(parent), copy).expect("copied");
    world.store(child, THERE, 100).expect("writable");
    world.store(parent, at + 8, 200).expect("writable");
    assert_eq!(
        (world.load(parent, at), world.load(child, THERE + 8)),
        (Ok(1), Ok(2))
    );
}

#[test]
fn code_is_copied_and_runs_and_frames_come_back_at_the_end() {
    let mut world = World::new();
    let (parent, child, at) = pair(&mut world, 2);
    let before = world.unpromised();
    let copy = MapCopy {
        protection: READ | EXEC,
        ..request(at + 8, PAGE, THERE, 3 * PAGE)
    };
    world.map_copy(child, Some(parent), copy).expect("copied");
    for page in 0..3 {
        assert_eq!(world.jump(child, THERE + page * PAGE), Ok(()));
    }
    assert_eq!(world.store(child, THERE, 1), Err(FaultCause::NotPermitted));
    assert_eq!(before - world.unpromised(), 3 + 3, "three pages and their tables");
    world.unmap(child, THERE, 3 * PAGE).expect("mapped");
    assert_eq!(world.unpromised(), before);
}

#[test]
fn what_nobody_has_touched_is_touched_for_it() {
    let mut world = World::new();
    let (parent, child) = (world.process(), world.process());
    let private = world.map_anywhere(parent, 2 * PAGE);
    let id = world.get(parent, 7, 2 * PAGE, CREATE).expect("created");
    let shared = world.attach(parent, id, 0, PLAIN).expect("attached");
    world.store(parent, shared, 5).expect("writable");
    let kept = world
        .mm
        .map_physical(parent, Size::USUAL.kept(), Perms::READ, MemoryKind::Normal)
        .expect("mapped");
    let there = |round: u64| THERE + round * 4 * PAGE;
    for (round, source) in [private, shared, kept.raw()].into_iter().enumerate() {
        let copy = request(source, 2 * PAGE, there(round as u64), 2 * PAGE);
        world.map_copy(child, Some(parent), copy).expect("copied");
    }
    assert_eq!(world.load(child, there(0)), Ok(0));
    assert_eq!(
        (world.load(child, there(1)), world.load(child, there(1) + PAGE)),
        (Ok(5), Ok(0))
    );
    let expected = world.load(parent, kept.raw());
    assert_eq!(world.load(child, there(2)), expected);
}

#[test]
fn a_mapping_of_nothing_but_zeroes_needs_no_source() {
    let mut world = World::new();
    let (parent, child) = (world.process(), world.process());
    let copy = request(u64::MAX, 0, THERE + 8, 100 * PAGE);
    world.map_copy(child, Some(parent), copy).expect("mapped");
    assert_eq!(world.load(child, THERE + 100 * PAGE), Ok(0));
    assert_eq!(world.usage(child).mapped, 101);
}

#[test]
fn copies_beside_each_other_become_one_mapping() {
    let mut world = World::new();
    let (parent, child, at) = pair(&mut world, MOST + 1);
    let first = request(at, MOST * PAGE, THERE, MOST * PAGE);
    world.map_copy(child, Some(parent), first).expect("copied");
    let rest = request(at + MOST * PAGE, 100, THERE + MOST * PAGE, 2 * PAGE);
    world.map_copy(child, Some(parent), rest).expect("copied");
    assert_eq!(world.usage(child).mappings, 1);
    assert_eq!(world.load(child, THERE + MOST * PAGE), Ok(MOST * 512 + 1));
    world.exit(child);
}

#[test]
fn a_program_copies_within_its_own_memory() {
    let mut world = World::new();
    let (parent, _, at) = pair(&mut world, 1);
    let copy = request(at + 16, 16, THERE, 16);
    world.map_copy(parent, Some(parent), copy).expect("copied");
    assert_eq!(
        (world.load(parent, THERE + 8), world.load(parent, THERE + 16)),
        (Ok(4), Ok(0))
    );
}

#[test]
fn what_cannot_be_read_cannot_be_copied() {
    let mut world = World::new();
    let (parent, child, at) = pair(&mut world, 2);
    let closed = world.map_anywhere(parent, PAGE);
    world.store(parent, closed, 1).expect("writable");
    world
        .protect(parent, closed, PAGE, Protection::empty())
        .expect("mapped");
    let device = world
        .mm
        .map_physical(parent, Size::USUAL.kept(), Perms::READ, MemoryKind::Device)
        .expect("mapped");
    let before = world.usage(child);
    for source in [
        at + PAGE,
        at - 1,
        closed,
        device.raw(),
        0,
        u64::MAX,
        u64::MAX - PAGE,
        1 << 63,
    ] {
        let copy = request(source, PAGE + 1, THERE, 2 * PAGE);
        assert_eq!(
            world.map_copy(child, Some(parent), copy),
            Err(Errno::EFAULT),
            "{source:#x}"
        );
    }
    assert_eq!(world.usage(child), before);
    assert_eq!(world.load(child, THERE), Err(FaultCause::Unmapped));
}

#[test]
fn what_cannot_be_mapped_is_refused() {
    let mut world = World::new();
    let (parent, child, at) = pair(&mut world, 2);
    world.map(child, THERE, PAGE, WRITE).expect("free");
    let free = THERE + 8 * PAGE;
    let bad = [
        request(at, 1, THERE, 1),
        request(at, 1, THERE - 1, 2),
        request(at, 2, free, 1),
        request(at, 0, free, 0),
        request(at, 0, free, u64::MAX),
        request(at, 0, free, 1 << 48),
        request(at, u64::MAX, free, u64::MAX - free),
        request(at, 1, 0x1000, 1),
        request(at, 1, abi::layout::USER_START - 1, 2),
        request(at, 1, abi::layout::USER_END - 1, 2),
        request(at, 1, u64::MAX, 1),
        request(at, MOST * PAGE + 1, free, MOST * PAGE + 1),
        request(at, MOST * PAGE, free + 1, MOST * PAGE),
        MapCopy {
            protection: WRITE | EXEC,
            ..request(at, 1, free, 1)
        },
    ];
    for copy in bad {
        assert_eq!(
            world.map_copy(child, Some(parent), copy),
            Err(Errno::EINVAL),
            "{copy:?}"
        );
    }
    let good = request(at, 1, free, 1);
    assert_eq!(world.map_copy(child, None, good), Err(Errno::EBADF));
    world.exit(parent);
    assert_eq!(world.map_copy(child, Some(parent), good), Err(Errno::EBADF));
}

#[test]
fn as_many_bytes_as_can_be_may_begin_anywhere() {
    let mut world = World::new();
    let (parent, child, at) = pair(&mut world, MOST + 1);
    let copy = request(at + PAGE - 8, MOST * PAGE, THERE, MOST * PAGE);
    world.map_copy(child, Some(parent), copy).expect("copied");
    assert_eq!(world.load(child, THERE), Ok(512));
    assert_eq!(world.load(child, THERE + MOST * PAGE - 8), Ok(MOST * 512 + 511));
}

#[test]
fn what_is_being_unmapped_is_not_copied_any_more_not_even_what_is_still_there() {
    const MANY: u64 = 300;
    let mut world = World::new();
    let (parent, child, at) = pair(&mut world, MANY);
    let unmap = Unmap {
        address: at,
        length: MANY * PAGE,
    };
    let (answer, job) = world.begin(parent, MemoryRequest::Unmap(unmap), &[], None);
    assert!(answer.is_ok() && job.is_some(), "it takes several pieces");
    let last = at + (MANY - 1) * PAGE;
    let refused = world.map_copy(child, Some(parent), request(last, PAGE, THERE, PAGE));
    assert_eq!(refused, Err(Errno::EFAULT));
    world.finish(job);
    assert_eq!(world.load(child, THERE), Err(FaultCause::Unmapped));
}
