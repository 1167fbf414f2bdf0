//! `mprotect`, sentence by sentence.

use crate::common::{CREATE, PAGE, PLAIN, Size, World, create_with};
use abi::Errno;
use abi::layout::{MESSAGE_PAGES, USER_START};
use abi::memory::Protection;
use abi::shm::AttachFlags;
use mm::{FaultCause, Limits};

const NONE: Protection = Protection::empty();
const READ: Protection = Protection::READ;
const WRITE: Protection = Protection::WRITE;
const EXEC: Protection = Protection::EXEC;
const PLACE: u64 = 0x30_0000_0000;
const DENIED: Result<(), FaultCause> = Err(FaultCause::NotPermitted);

#[test]
fn what_is_taken_away_is_refused_at_once_and_what_is_given_back_works_with_the_old_contents() {
    let mut world = World::new();
    let p = world.process();
    let at = world.map_anywhere(p, 3 * PAGE);
    world.fill(p, at, 2, 7);
    for (protection, load, store, jump) in [
        (READ, Ok(()), DENIED, DENIED),
        (NONE, DENIED, DENIED, DENIED),
        (EXEC, Ok(()), DENIED, Ok(())),
        (READ, Ok(()), DENIED, DENIED),
        (EXEC | READ, Ok(()), DENIED, Ok(())),
        (WRITE, Ok(()), Ok(()), DENIED),
        (NONE, DENIED, DENIED, DENIED),
        (WRITE | READ, Ok(()), Ok(()), DENIED),
    ] {
        assert_eq!(world.protect(p, at, 3 * PAGE, protection), Ok(()));
        // The last page is touched for the first time as it may be then.
        for page in [0, 1, 2] {
            let address = at + page * PAGE;
            let loaded = world.load(p, address).map(|_| ());
            let done = (loaded, world.store(p, address, 7 + page), world.jump(p, address));
            assert_eq!(done, (load, store, jump), "{protection:?} page {page}");
        }
    }
    assert_eq!(world.load(p, at + PAGE), Ok(8));
}

#[test]
fn pages_beside_the_range_keep_what_they_had() {
    let mut world = World::new();
    let p = world.process();
    let at = world.map_anywhere(p, 5 * PAGE);
    world.fill(p, at, 5, 1);
    world.protect(p, at + PAGE, 3 * PAGE - 1, READ).expect("mapped");
    for page in 0..5 {
        let expected = if (1..4).contains(&page) { DENIED } else { Ok(()) };
        assert_eq!(world.store(p, at + page * PAGE, 1 + page), expected);
        assert_eq!(world.load(p, at + page * PAGE), Ok(1 + page));
    }
    assert_eq!(world.usage(p).mappings, 3);
}

#[test]
fn mappings_that_have_become_alike_are_one_again() {
    let mut world = World::new();
    let p = world.process();
    let at = world.map(p, PLACE, 6 * PAGE, WRITE).expect("free");
    world.protect(p, at + 2 * PAGE, PAGE, READ).expect("mapped");
    world.protect(p, at + 3 * PAGE, PAGE, READ).expect("mapped");
    assert_eq!(
        world.usage(p).mappings,
        3,
        "two neighbours with one protection are one"
    );
    world.protect(p, at, 2 * PAGE, READ).expect("mapped");
    assert_eq!(world.usage(p).mappings, 2);
    world.protect(p, at, 6 * PAGE, WRITE).expect("mapped");
    assert_eq!(world.usage(p).mappings, 1);
    assert_eq!(world.usage(p).mapped, 6);
}

#[test]
fn a_hole_anywhere_is_enomem_and_nothing_has_changed() {
    let mut world = World::new();
    let p = world.process();
    world.map(p, PLACE, 2 * PAGE, WRITE).expect("free");
    world.map(p, PLACE + 3 * PAGE, 2 * PAGE, WRITE).expect("free");
    for (page, pages) in [(0, 3), (0, 5), (1, 2), (1, 9), (2, 1), (2, 2), (4, 2)] {
        let answer = world.protect(p, PLACE + page * PAGE, pages * PAGE, READ);
        assert_eq!(answer, Err(Errno::ENOMEM), "{page} {pages}");
    }
    for page in [0, 1, 3, 4] {
        assert_eq!(world.store(p, PLACE + page * PAGE, 1), Ok(()));
    }
    assert_eq!(world.usage(p).mappings, 2);
}

#[test]
fn the_rest_of_the_last_slot_behind_a_segment_is_a_hole() {
    let mut world = World::new();
    let p = world.process();
    let id = world.segment(p, 513 * PAGE);
    let at = world.attach(p, id, PLACE, AttachFlags::RDONLY).expect("free");
    for (page, pages) in [(513, 1), (512, 2), (0, 514)] {
        let answer = world.protect(p, at + page * PAGE, pages * PAGE, READ);
        assert_eq!(answer, Err(Errno::ENOMEM), "{page} {pages}");
    }
    assert_eq!(world.protect(p, at + 513 * PAGE, PAGE, WRITE), Err(Errno::ENOMEM));
}

#[test]
fn ranges_that_make_no_sense_are_refused_and_an_empty_one_changes_nothing() {
    let mut world = World::new();
    let p = world.process();
    world.mm.map_message_page(p, 0).expect("room");
    world.map(p, PLACE, PAGE, WRITE).expect("free");
    for (address, length, protection, errno) in [
        (PLACE + 1, PAGE, READ, Errno::EINVAL),
        (PLACE, PAGE, WRITE | EXEC, Errno::EINVAL),
        (PLACE, u64::MAX, READ, Errno::ENOMEM),
        (MESSAGE_PAGES, PAGE, READ, Errno::ENOMEM),
        (USER_START - PAGE, PAGE, READ, Errno::ENOMEM),
        (u64::MAX - PAGE + 1, PAGE, READ, Errno::ENOMEM),
    ] {
        assert_eq!(
            world.protect(p, address, length, protection),
            Err(errno),
            "{address:#x}"
        );
    }
    assert_eq!(world.protect(p, PLACE, 0, READ), Ok(()));
    assert_eq!(world.protect(p, PLACE + PAGE, 0, READ), Ok(()));
    assert_eq!(world.store(p, PLACE, 1), Ok(()));
}

/// Proves: A-24
#[test]
fn an_attachment_never_allows_what_it_did_not_when_it_was_made() {
    let mut world = World::new();
    let p = world.process();
    for pages in [3, 600] {
        let id = world.get(p, 0, pages * PAGE, create_with(0o700)).expect("room");
        let whole = pages * PAGE;
        for (flags, refused, allowed) in [
            (
                AttachFlags::RDONLY,
                vec![WRITE, WRITE | READ, EXEC],
                vec![NONE, READ],
            ),
            (PLAIN, vec![EXEC, EXEC | READ], vec![NONE, READ, WRITE]),
            (
                AttachFlags::EXEC,
                vec![WRITE, WRITE | READ],
                vec![NONE, READ, EXEC],
            ),
        ] {
            let at = world.attach(p, id, 0, flags).expect("granted");
            for protection in refused.iter().chain(&refused) {
                let answer = world.protect(p, at, whole, *protection);
                assert_eq!(answer, Err(Errno::EACCES), "{flags:?} {protection:?}");
                world.protect(p, at, whole, NONE).expect("less is allowed");
            }
            for protection in allowed {
                assert_eq!(world.protect(p, at, whole, protection), Ok(()));
            }
            world.detach(p, at).expect("attached");
        }
        world.remove(p, id).expect("there");
    }
}

/// Proves: A-25
#[test]
fn an_attachment_goes_down_to_reading_and_back_and_stays_one() {
    let mut world = World::new();
    let p = world.process();
    for pages in [1, 3, 1500] {
        let id = world.segment(p, pages * PAGE);
        let at = world.attach_anywhere(p, id);
        let last = at + (pages - 1) * PAGE;
        world.store(p, at, 5).expect("writable");
        world.store(p, last, 6).expect("writable");
        world.protect(p, at, pages * PAGE, READ).expect("mapped");
        assert_eq!((world.store(p, at, 1), world.store(p, last, 1)), (DENIED, DENIED));
        assert_eq!(world.load(p, last), Ok(6));
        world.protect(p, at, pages * PAGE, WRITE).expect("mapped");
        assert_eq!((world.store(p, at, 7), world.store(p, last, 8)), (Ok(()), Ok(())));
        assert_eq!(world.usage(p).mappings, 1);
        assert_eq!(world.facts(id).shm_nattch, 1);
        world.detach(p, at).expect("attached");
        world.remove(p, id).expect("there");
    }
}

/// Proves: D-17
#[test]
fn an_attachment_that_was_split_and_merged_is_detached_once_and_nothing_is_lost() {
    let mut world = World::new();
    let p = world.process();
    for pages in [5, 1500] {
        let before = world.mm.frame_counts();
        let id = world.segment(p, pages * PAGE);
        let at = world.attach_anywhere(p, id);
        world.store(p, at + PAGE, 1).expect("writable");
        world.protect(p, at + PAGE, 2 * PAGE, READ).expect("mapped");
        assert_eq!(world.facts(id).shm_nattch, 1);
        assert_eq!(world.store(p, at + 2 * PAGE, 1), DENIED);
        assert_eq!(world.store(p, at + 3 * PAGE, 1), Ok(()));
        world.protect(p, at, pages * PAGE, WRITE).expect("mapped");
        assert_eq!(world.store(p, at + 2 * PAGE, 1), Ok(()));
        assert_eq!(world.facts(id).shm_nattch, 1);
        world.detach(p, at).expect("attached");
        assert_eq!(world.facts(id).shm_nattch, 0);
        assert_eq!(world.usage(p).mappings, 0);
        world.remove(p, id).expect("there");
        assert_eq!(world.mm.frame_counts(), before);
    }
}

#[test]
fn others_who_have_a_segment_attached_notice_nothing() {
    let mut world = World::new();
    let (p, other) = (world.process(), world.process());
    let id = world.get(p, 7, 1100 * PAGE, create_with(0o600)).expect("created");
    let (at, theirs) = (world.attach_anywhere(p, id), world.attach_anywhere(other, id));
    for page in [0, 511, 512, 1099] {
        world.store(p, at + page * PAGE, page).expect("writable");
        world.store(other, theirs + page * PAGE, page).expect("writable");
    }
    // A whole slot, a piece of one, and all of it.
    for (page, pages) in [(0, 512), (600, 3), (0, 1100)] {
        for protection in [READ, NONE] {
            world
                .protect(p, at + page * PAGE, pages * PAGE, protection)
                .expect("mapped");
            assert_eq!(world.store(p, at + page * PAGE, 1), DENIED);
            assert_eq!(world.store(other, theirs + page * PAGE, page), Ok(()));
            assert_eq!(world.load(other, theirs + 512 * PAGE), Ok(512));
        }
        world
            .protect(p, at + page * PAGE, pages * PAGE, WRITE)
            .expect("mapped");
        assert_eq!(world.load(p, at + page * PAGE), Ok(page));
    }
}

#[test]
fn a_whole_slot_of_a_linked_attachment_changes_without_a_table_of_its_own() {
    let mut world = World::new();
    let p = world.process();
    let id = world.get(p, 7, 1536 * PAGE, CREATE).expect("created");
    let at = world.attach_anywhere(p, id);
    for page in [0, 512, 1024] {
        world.store(p, at + page * PAGE, page).expect("writable");
    }
    let tables = world.usage(p).tables;
    world
        .protect(p, at + 512 * PAGE, 512 * PAGE, READ)
        .expect("mapped");
    for (page, expected) in [(0, Ok(())), (512, DENIED), (1024, Ok(()))] {
        assert_eq!(world.store(p, at + page * PAGE, page), expected);
        assert_eq!(world.load(p, at + page * PAGE), Ok(page));
    }
    assert_eq!(world.usage(p).tables, tables);
    world
        .protect(p, at + 512 * PAGE, 512 * PAGE, WRITE)
        .expect("mapped");
    assert_eq!(world.store(p, at + 512 * PAGE, 1), Ok(()));
    assert_eq!(world.usage(p).mappings, 1);
}

#[test]
fn what_was_written_can_be_executed_after_it_was_closed_to_stores() {
    let mut world = World::new();
    let p = world.process();
    let at = world.map_anywhere(p, 2 * PAGE);
    world.fill(p, at, 2, 1);
    for _ in 0..2 {
        world.protect(p, at, 2 * PAGE, EXEC).expect("mapped");
        assert_eq!(
            (world.jump(p, at + PAGE), world.store(p, at, 1)),
            (Ok(()), DENIED)
        );
        world.protect(p, at, 2 * PAGE, WRITE).expect("mapped");
        assert_eq!(
            (world.store(p, at, 2), world.jump(p, at + PAGE)),
            (Ok(()), DENIED)
        );
    }
}

#[test]
fn a_protection_that_cuts_is_refused_where_there_may_be_no_more_mappings() {
    let mut world = World::of(Size {
        limits: Limits {
            mappings: 2,
            ..Limits::WIDEST
        },
        ..Size::USUAL
    });
    let p = world.process();
    let at = world.map_anywhere(p, 3 * PAGE);
    assert_eq!(world.protect(p, at + PAGE, PAGE, READ), Err(Errno::ENOMEM));
    assert_eq!(world.protect(p, at, PAGE, READ), Ok(()));
    assert_eq!(world.protect(p, at, 3 * PAGE, WRITE), Ok(()));
    assert_eq!(world.usage(p).mappings, 1);
}

#[test]
fn what_never_was_touched_is_guarded_too() {
    let mut world = World::new();
    let p = world.process();
    let guard = world.map(p, 0, PAGE, NONE).expect("room");
    assert_eq!(world.load(p, guard), Err(FaultCause::NotPermitted));
    assert_eq!(world.usage(p).private, 0);
    world.protect(p, guard, PAGE, WRITE).expect("mapped");
    assert_eq!(world.store(p, guard, 1), Ok(()));
}

#[test]
fn no_piece_of_a_read_only_attachment_can_be_made_writable() {
    let mut world = World::new();
    let p = world.process();
    let id = world.segment(p, 5 * PAGE);
    let at = world.attach(p, id, PLACE, AttachFlags::RDONLY).expect("free");
    world.unmap(p, at + 2 * PAGE, PAGE).expect("attached");
    for page in [0, 1, 3, 4] {
        let protection = Protection::READ | Protection::WRITE;
        assert_eq!(
            world.protect(p, at + page * PAGE, PAGE, protection),
            Err(Errno::EACCES)
        );
        assert_eq!(world.protect(p, at + page * PAGE, PAGE, Protection::READ), Ok(()));
    }
}

#[test]
fn a_piece_of_what_was_made_read_only_can_be_made_writable_again() {
    let mut world = World::new();
    let p = world.process();
    let id = world.segment(p, 3 * PAGE);
    let at = world.attach(p, id, PLACE, PLAIN).expect("free");
    world
        .protect(p, at, 3 * PAGE, Protection::READ)
        .expect("attached");
    world.unmap(p, at + PAGE, PAGE).expect("attached");
    for page in [0, 2] {
        let protection = Protection::READ | Protection::WRITE;
        assert_eq!(world.protect(p, at + page * PAGE, PAGE, protection), Ok(()));
        assert_eq!(world.store(p, at + page * PAGE, 1), Ok(()));
    }
}
