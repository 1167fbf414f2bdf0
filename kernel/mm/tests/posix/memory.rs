//! Where the frames are: section M.

use crate::common::{CREATE, FIND, PAGE, PLAIN, PRIVATE, Size, World, create_with};
use abi::shm::{AttachFlags, ShmId};

/// Proves: M-01
#[test]
fn ten_thousand_rounds_of_creation_and_removal_leave_nothing_behind() {
    let mut world = World::quick(Size::USUAL);
    let p = world.process();
    let before = world.mm.frame_counts();
    for round in 0..10_000 {
        let id = world
            .get(
                p,
                round % 7 - 3,
                PAGE * (1 + u64::from(round.unsigned_abs() % 600)),
                CREATE,
            )
            .expect("room");
        world.remove(p, id).expect("there");
    }
    assert_eq!(world.mm.frame_counts(), before);
    world.check_now();
}

/// Proves: M-02
#[test]
fn a_segment_of_any_size_gives_back_all_its_frames_and_tables() {
    let mut world = World::quick(Size {
        frames: 20_000,
        ..Size::USUAL
    });
    let p = world.process();
    let before = world.mm.frame_counts();
    for pages in [1, 2, 3, 511, 512, 513, 1024, 5000, 16_384] {
        let id = world.segment(p, pages * PAGE);
        let at = world.attach_anywhere(p, id);
        world.touch(p, at, pages);
        let held = before.free - world.mm.frame_counts().free;
        assert!(
            (pages + 3..pages + pages / 128 + 8).contains(&held),
            "{held} frames for {pages} pages"
        );
        world.detach(p, at).expect("attached");
        world.remove(p, id).expect("there");
        assert_eq!(world.mm.frame_counts(), before, "{pages} pages");
        world.check_now();
    }
}

/// Proves: M-04
#[test]
fn refusals_of_every_kind_lose_nothing() {
    let mut world = World::of(Size {
        frames: 200,
        ..Size::USUAL
    });
    let (owner, stranger) = (world.user(1), world.user(2));
    let id = world
        .get(owner, 7, 3 * PAGE, create_with(0o600))
        .expect("created");
    let at = world.attach_anywhere(owner, id);
    let facts = world.facts(id);
    let before = (world.mm.frame_counts(), world.segments(), facts);
    let gone = ShmId::from_parts(9, 9);
    for _ in 0..3 {
        let exclusive = CREATE | abi::shm::GetFlags::EXCL;
        world.get(owner, 7, PAGE, exclusive).expect_err("exists");
        world.get(owner, 7, PAGE * 4, FIND).expect_err("too large");
        world.get(owner, 8, PAGE, FIND).expect_err("missing");
        world.get(owner, PRIVATE, 0, CREATE).expect_err("no bytes");
        world
            .get(owner, PRIVATE, 300 * PAGE, CREATE)
            .expect_err("no memory");
        world.get(stranger, 7, PAGE, CREATE).expect_err("not permitted");
        world.attach(owner, gone, 0, PLAIN).expect_err("no such segment");
        world.attach(owner, id, at, PLAIN).expect_err("occupied");
        world.attach(owner, id, at + 1, PLAIN).expect_err("not aligned");
        world
            .attach(owner, id, 0, AttachFlags::REMAP)
            .expect_err("no address");
        world
            .attach(stranger, id, 0, AttachFlags::RDONLY)
            .expect_err("not permitted");
        world.detach(owner, at + PAGE).expect_err("not a start");
        world.set(stranger, id, &facts).expect_err("not permitted");
        world.remove(stranger, id).expect_err("not permitted");
        world.remove(owner, gone).expect_err("no such segment");
    }
    assert_eq!(
        (world.mm.frame_counts(), world.segments(), world.facts(id)),
        before
    );
}

/// Proves: M-05
#[test]
fn a_frame_counts_once_however_many_have_it_attached() {
    for attachers in [1, 2, 16] {
        let mut world = World::new();
        let creator = world.process();
        let id = world.segment(creator, 32 * PAGE);
        let before = world.mm.frame_counts();
        for _ in 0..attachers {
            let p = world.process();
            let at = world.attach_anywhere(p, id);
            world.fill(p, at, 32, 1);
        }
        // For each of them its root and three tables; for all together the region's table.
        let held = before.free - world.mm.frame_counts().free;
        assert_eq!(held, 32 + 1 + attachers * 4);
        assert_eq!(world.totals(creator).1.shm_rss, 32);
    }
}

/// Proves: M-09
#[test]
fn holes_in_an_attachment_cost_nothing_when_the_process_ends() {
    let mut world = World::new();
    let before = world.mm.frame_counts();
    let p = world.process();
    let id = world.segment(p, 100 * PAGE);
    let at = world.attach_anywhere(p, id);
    world.fill(p, at, 100, 1);
    for page in (5..95).step_by(7) {
        world.unmap(p, at + page * PAGE, 2 * PAGE).expect("a hole");
    }
    assert_eq!(world.facts(id).shm_nattch, 1);
    world.remove(p, id).expect("there");
    world.exit(p);
    assert_eq!(world.mm.frame_counts(), before);
}

/// Proves: M-02, G-38
#[test]
fn a_creation_promises_exactly_the_pages_and_tables_that_the_last_touch_will_have_taken() {
    let mut world = World::quick(Size {
        frames: 600_000,
        ..Size::USUAL
    });
    let p = world.process();
    let gibibyte = 1 << 18;
    // A page alone has no table. Then one of 512 entries, one above them, one above these.
    for (pages, tables) in [
        (1, 0),
        (2, 1),
        (512, 1),
        (513, 2 + 1),
        (gibibyte, 512 + 1),
        (gibibyte + 1, 513 + 2 + 1),
        (2 * gibibyte, 1024 + 2 + 1),
    ] {
        let before = world.unpromised();
        let id = world.segment(p, pages * PAGE);
        assert_eq!(before - world.unpromised(), pages + tables, "{pages} pages");
        let at = world.attach_anywhere(p, id);
        for page in [0, pages / 2, pages - 1] {
            world.touch(p, at + page * PAGE, 1);
        }
        world.detach(p, at).expect("attached");
        world.remove(p, id).expect("there");
        assert_eq!(world.unpromised(), before);
    }
    world.check_now();
}
