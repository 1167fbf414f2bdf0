//! Move requests.

use crate::common::{PAGE, PLAIN, Size, World};
use abi::Errno;
use abi::memory::{Move, Protection};
use mm::{FaultCause, Limits, MOST_MOVED_PAGES, SpaceId};

const READ: Protection = Protection::READ;
const WRITE: Protection = Protection::WRITE;
const EXEC: Protection = Protection::EXEC;
const THERE: u64 = 0x60_0000;

fn request(source: u64, pages: u64, destination: u64, protection: Protection) -> Move {
    Move {
        source,
        length: pages * PAGE,
        destination,
        protection,
    }
}

fn pair(world: &mut World) -> (SpaceId, SpaceId) {
    (world.process(), world.process())
}

#[test]
fn pages_move_with_what_is_in_them_and_are_gone_where_they_were() {
    let mut world = World::new();
    let (parent, child) = pair(&mut world);
    let at = world.map_anywhere(parent, 200 * PAGE);
    for page in (0..200).filter(|page| page % 3 != 0) {
        world
            .store(parent, at + page * PAGE, 100 + page)
            .expect("writable");
    }
    let (before, held) = (world.mm.frame_counts(), world.usage(parent));
    world
        .transfer(child, Some(parent), request(at, 200, THERE, READ))
        .expect("moved");
    for page in 0..200 {
        let expected = if page % 3 == 0 { 0 } else { 100 + page };
        assert_eq!(world.load(child, THERE + page * PAGE), Ok(expected));
        assert_eq!(world.load(parent, at + page * PAGE), Err(FaultCause::Unmapped));
    }
    assert_eq!(world.store(child, THERE, 1), Err(FaultCause::NotPermitted));
    assert_eq!((world.usage(parent).mapped, world.usage(parent).private), (0, 0));
    assert_eq!(
        (world.usage(child).mapped, world.usage(child).private),
        (held.mapped, 200)
    );
    let unpromised = before.free - before.promised;
    assert_eq!(
        world.unpromised(),
        unpromised,
        "three tables went there, and three ceased to be here"
    );
}

#[test]
fn code_is_written_here_and_runs_there() {
    let mut world = World::new();
    let (parent, child) = pair(&mut world);
    let at = world.map_anywhere(parent, 2 * PAGE);
    world.store(parent, at, 0xd65f_03c0).expect("writable");
    world
        .transfer(child, Some(parent), request(at, 2, THERE, READ | EXEC))
        .expect("moved");
    assert_eq!(world.jump(child, THERE), Ok(()));
    assert_eq!(
        world.jump(child, THERE + PAGE),
        Ok(()),
        "a page first touched there too"
    );
    assert_eq!(world.store(child, THERE, 1), Err(FaultCause::NotPermitted));
}

#[test]
fn what_was_mapped_piece_by_piece_moves_as_one() {
    let mut world = World::new();
    let (parent, child) = pair(&mut world);
    let at = 0x20_0000_0000;
    for (page, pages) in [(0, 2), (2, 1), (3, 4)] {
        world
            .map(parent, at + page * PAGE, pages * PAGE, WRITE)
            .expect("free");
    }
    world.fill(parent, at, 7, 1);
    world
        .transfer(child, Some(parent), request(at, 7, THERE, WRITE))
        .expect("moved");
    assert_eq!(
        (world.usage(parent).mappings, world.usage(child).mappings),
        (0, 1)
    );
    assert_eq!(world.load(child, THERE + 6 * PAGE), Ok(7));
}

#[test]
fn a_part_of_a_mapping_moves_and_the_rest_stays() {
    let mut world = World::new();
    let (parent, child) = pair(&mut world);
    let at = world.map_anywhere(parent, 6 * PAGE);
    world.fill(parent, at, 6, 1);
    world
        .transfer(child, Some(parent), request(at + 2 * PAGE, 3, THERE, WRITE))
        .expect("moved");
    assert_eq!(
        (world.usage(parent).mappings, world.usage(child).mappings),
        (2, 1)
    );
    for page in 0..6 {
        let gone = (2..5).contains(&page);
        let expected = if gone {
            Err(FaultCause::Unmapped)
        } else {
            Ok(page + 1)
        };
        assert_eq!(world.load(parent, at + page * PAGE), expected);
    }
    assert_eq!(world.load(child, THERE + 2 * PAGE), Ok(5));
    // What is moved in beside it becomes one with it.
    world
        .transfer(child, Some(parent), request(at, 2, THERE + 3 * PAGE, WRITE))
        .expect("moved");
    assert_eq!(world.usage(child).mappings, 1);
}

#[test]
fn only_private_pages_move_and_a_stack_stays() {
    let mut world = World::new();
    let (parent, child) = pair(&mut world);
    let at = 0x20_0000_0000;
    world.map(parent, at, 3 * PAGE, WRITE).expect("free");
    world.map(parent, at + 5 * PAGE, PAGE, WRITE).expect("free");
    let id = world.segment(parent, PAGE);
    world.attach(parent, id, at + 6 * PAGE, PLAIN).expect("free");
    world
        .map_stack(parent, at + 100 * PAGE, 2 * PAGE, PAGE)
        .expect("free");
    world.fill(parent, at, 3, 1);
    for (page, pages) in [
        (0, 4),
        (0, 6),
        (5, 2),
        (6, 1),
        (4, 2),
        (10, 1),
        (99, 1),
        (99, 2),
        (100, 2),
        (101, 1),
    ] {
        let refused = world.transfer(
            child,
            Some(parent),
            request(at + page * PAGE, pages, THERE, WRITE),
        );
        assert_eq!(refused, Err(Errno::EINVAL), "{pages} pages from {page} on");
    }
    assert_eq!(
        (world.load(parent, at + 2 * PAGE), world.usage(child).mappings),
        (Ok(3), 0)
    );
}

#[test]
fn other_requests_that_make_no_sense_are_refused() {
    let mut world = World::new();
    let (parent, child) = pair(&mut world);
    let at = world.map_anywhere(parent, PAGE);
    let taken = world.map_anywhere(child, PAGE);
    let good = request(at, 1, THERE, WRITE);
    for bad in [
        Move { length: 0, ..good },
        Move {
            length: PAGE - 1,
            ..good
        },
        Move {
            length: (MOST_MOVED_PAGES + 1) * PAGE,
            ..good
        },
        Move {
            source: at + 1,
            ..good
        },
        Move {
            source: u64::MAX - PAGE + 1,
            ..good
        },
        Move {
            destination: 0,
            ..good
        },
        Move {
            destination: THERE + 1,
            ..good
        },
        Move {
            destination: taken,
            ..good
        },
        Move {
            destination: abi::layout::MESSAGE_PAGES,
            ..good
        },
        Move {
            destination: u64::MAX - PAGE + 1,
            ..good
        },
        Move {
            protection: WRITE | EXEC,
            ..good
        },
    ] {
        assert_eq!(
            world.transfer(child, Some(parent), bad),
            Err(Errno::EINVAL),
            "{bad:?}"
        );
    }
    assert_eq!(
        world.transfer(parent, Some(parent), good),
        Err(Errno::EINVAL),
        "from itself"
    );
    assert_eq!(world.transfer(child, None, good), Err(Errno::EBADF));
    world.exit(parent);
    assert_eq!(world.transfer(child, Some(parent), good), Err(Errno::EBADF));
}

#[test]
fn limits_and_memory_of_the_destination_count() {
    let limits = Limits {
        mappings: 2,
        ..Limits::WIDEST
    };
    let mut world = World::of(Size {
        limits,
        frames: 64,
        ..Size::USUAL
    });
    let (parent, child) = pair(&mut world);
    let at = world.map_anywhere(parent, 2 * PAGE);
    world.fill(parent, at, 2, 1);
    for protection in [READ, WRITE] {
        world.map(child, 0, PAGE, protection).expect("room");
    }
    assert_eq!(
        world.transfer(child, Some(parent), request(at, 2, THERE, WRITE)),
        Err(Errno::EMFILE)
    );
    let third = world.process();
    let root = world.root;
    world.segment(root, (world.unpromised() - 1) * PAGE);
    assert_eq!(
        world.transfer(third, Some(parent), request(at, 2, THERE, WRITE)),
        Err(Errno::ENOMEM)
    );
    assert_eq!(world.load(parent, at + PAGE), Ok(2));
}

#[test]
fn pages_of_several_mappings_arrive_in_the_order_in_which_they_were() {
    let mut world = World::new();
    let (parent, child) = pair(&mut world);
    let at = world.map_anywhere(parent, 6 * PAGE);
    world.fill(parent, at, 6, 1);
    world
        .protect(parent, at + 2 * PAGE, 2 * PAGE, READ)
        .expect("mapped");
    assert_eq!(world.usage(parent).mappings, 3);
    world
        .transfer(child, Some(parent), request(at + PAGE, 4, THERE, READ))
        .expect("moved");
    for page in 0..4 {
        assert_eq!(world.load(child, THERE + page * PAGE), Ok(2 + page));
    }
    assert_eq!(
        (world.load(parent, at), world.load(parent, at + 5 * PAGE)),
        (Ok(1), Ok(6))
    );
}

#[test]
fn slots_for_what_is_left_and_for_what_is_new_are_counted_together() {
    for left in 0..4 {
        let mut world = World::of(Size {
            vmas: 1 + left,
            ..Size::USUAL
        });
        let (parent, child) = pair(&mut world);
        let at = world.map_anywhere(parent, 4 * PAGE);
        world.fill(parent, at, 4, 1);
        let before = (world.usage(parent), world.usage(child), world.mm.frame_counts());
        let answer = world.transfer(child, Some(parent), request(at + PAGE, 2, THERE, WRITE));
        if left < 3 {
            // The middle by itself, what is behind it, and the place where it goes.
            assert_eq!(answer, Err(Errno::ENOMEM), "{left} are left");
            assert_eq!(
                (world.usage(parent), world.usage(child), world.mm.frame_counts()),
                before
            );
        } else {
            assert_eq!(answer, Ok(()));
        }
    }
}

#[test]
fn as_many_pages_as_one_request_allows_move_at_once() {
    let mut world = World::quick(Size::USUAL);
    let (parent, child) = pair(&mut world);
    let at = world.map_anywhere(parent, MOST_MOVED_PAGES * PAGE);
    world.touch(parent, at, MOST_MOVED_PAGES);
    world
        .transfer(child, Some(parent), request(at, MOST_MOVED_PAGES, THERE, WRITE))
        .expect("moved");
    world.check_now();
    assert_eq!(world.usage(child).private, MOST_MOVED_PAGES);
}

#[test]
fn what_is_on_its_way_out_does_not_move() {
    let mut world = World::new();
    let (parent, child) = pair(&mut world);
    let at = world.map_anywhere(parent, 300 * PAGE);
    world.touch(parent, at, 300);
    let unmap = abi::memory::Unmap {
        address: at,
        length: 300 * PAGE,
    };
    let (answer, job) = world.begin(parent, abi::memory::MemoryRequest::Unmap(unmap), &[], None);
    assert!(answer.is_ok() && job.is_some());
    let refused = world.transfer(child, Some(parent), request(at, 300, THERE, WRITE));
    assert_eq!(refused, Err(Errno::EINVAL));
    world.finish(job);
    assert_eq!(world.usage(parent).private, 0);
}
