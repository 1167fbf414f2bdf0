//! Touching what is linked.

use super::look::{AT, SLOT, SLOT_BYTES, attach, is_linked, linked_slots, seen, world};
use crate::common::{CREATE, PAGE, PLAIN, PRIVATE, Size, World};
use abi::memory::Protection;
use abi::shm::{AttachFlags, GetFlags};
use addr::Perms;
use machine::Machine;
use mm::FaultCause;

#[test]
fn a_second_attacher_has_all_pages_of_a_slot_after_one_fault() {
    let mut world = world();
    let (writer, reader) = (world.process(), world.process());
    let id = world.segment(writer, 2 * SLOT_BYTES);
    attach(&mut world, writer, id);
    world.touch(writer, AT, 2 * SLOT);
    let at = world.attach(reader, id, 0, AttachFlags::RDONLY).expect("room");
    assert_eq!(
        seen(&mut world, reader, at),
        None,
        "nothing is linked before it is touched"
    );
    assert_eq!(world.load(reader, at + 5 * PAGE), Ok(0));
    for page in 0..SLOT {
        let (frame, perms) = seen(&mut world, reader, at + page * PAGE).expect("linked");
        assert_eq!(perms, Perms::READ);
        let other = seen(&mut world, writer, AT + page * PAGE).expect("touched");
        assert_eq!(other, (frame, Perms::READ_WRITE));
    }
}

#[test]
fn one_fault_links_the_slots_nearby_that_have_a_table() {
    let mut world = World::quick(Size {
        frames: 32_768,
        ..Size::USUAL
    });
    let (writer, reader) = (world.process(), world.process());
    let id = world
        .get(writer, PRIVATE, 40 * SLOT_BYTES, CREATE | GetFlags::NORESERVE)
        .expect("created");
    attach(&mut world, writer, id);
    for slot in [0, 3, 15, 16, 39] {
        world
            .store(writer, AT + slot * SLOT_BYTES, slot)
            .expect("writable");
    }
    attach(&mut world, reader, id);
    assert_eq!(world.load(reader, AT + 3 * SLOT_BYTES), Ok(3));
    assert_eq!(linked_slots(&mut world, reader, 40), [0, 3, 15]);
    assert_eq!(world.load(reader, AT + 39 * SLOT_BYTES), Ok(39));
    assert_eq!(linked_slots(&mut world, reader, 40), [0, 3, 15, 39]);
    world.check_now();
}

#[test]
fn what_one_touches_first_the_others_see_without_a_fault_and_without_an_invalidation() {
    let mut world = world();
    let (one, other) = (world.process(), world.process());
    let id = world.segment(one, SLOT_BYTES);
    attach(&mut world, one, id);
    attach(&mut world, other, id);
    world.store(one, AT, 1).expect("writable");
    assert_eq!(world.load(other, AT), Ok(1));
    world.mm.mmu_mut().reset_counts();
    for page in 1..20 {
        assert_eq!(seen(&mut world, other, AT + page * PAGE), None);
        world.store(one, AT + page * PAGE, page).expect("writable");
        let leaf = seen(&mut world, one, AT + page * PAGE);
        assert_eq!(seen(&mut world, other, AT + page * PAGE), leaf);
        assert_eq!(world.load(other, AT + page * PAGE), Ok(page));
    }
    let counts = Machine::counts(world.mm.mmu());
    assert_eq!(
        (counts.tlbi_broadcast(), counts.table_stores),
        (0, 19),
        "a leaf each"
    );
}

#[test]
fn a_linked_attachment_takes_no_tables_of_level_three() {
    let mut world = world();
    let (p, other) = (world.process(), world.process());
    let id = world.segment(p, 4 * SLOT_BYTES);
    let before = world.usage(p).tables;
    attach(&mut world, p, id);
    let unpromised = world.unpromised();
    world.touch(p, AT, 4 * SLOT);
    // A table of level 1 would be there, were it not for the program's own.
    assert_eq!(world.usage(p).tables - before, 2);
    assert_eq!(world.unpromised(), unpromised, "all was promised");
    attach(&mut world, other, id);
    world.touch(other, AT, 4 * SLOT);
    assert_eq!(
        unpromised - world.unpromised(),
        2,
        "the second one pays for tables of level 1 and 2"
    );
}

#[test]
fn the_tables_of_a_segment_count_once_however_many_have_it_attached() {
    let mut world = world();
    let creator = world.process();
    let id = world.segment(creator, 4 * SLOT_BYTES);
    attach(&mut world, creator, id);
    world.touch(creator, AT, 4 * SLOT);
    let free = |world: &World| world.mm.frame_counts().free;
    let others: Vec<_> = (0..8).map(|_| world.process()).collect();
    let before = free(&world);
    for &other in &others {
        attach(&mut world, other, id);
        world.touch(other, AT, 4 * SLOT);
    }
    assert_eq!(before - free(&world), 8 * 2);
    let (_, totals) = world.totals(creator);
    assert_eq!(totals.shm_rss, 4 * SLOT);
    others.into_iter().for_each(|other| world.exit(other));
    assert_eq!(free(&world), before + 8, "their roots came back too");
    assert_eq!(world.load(creator, AT), Ok(0));
}

/// Proves
#[test]
fn attachers_of_one_table_have_permissions_of_their_own() {
    let mut world = world();
    let (writer, reader) = (world.process(), world.process());
    let id = world.segment(writer, SLOT_BYTES);
    attach(&mut world, writer, id);
    world.attach(reader, id, AT, AttachFlags::RDONLY).expect("free");
    let twice = world.attach(writer, id, 0, AttachFlags::RDONLY).expect("room");
    world.store(writer, AT + 8 * PAGE, 5).expect("writable");
    for (p, at) in [(reader, AT), (writer, twice)] {
        assert_eq!(world.load(p, at + 8 * PAGE), Ok(5));
        assert_eq!(world.store(p, at + 8 * PAGE, 6), Err(FaultCause::NotPermitted));
        assert_eq!(
            world.store(p, at + 9 * PAGE, 6),
            Err(FaultCause::NotPermitted),
            "untouched"
        );
        assert_eq!(world.jump(p, at + 8 * PAGE), Err(FaultCause::NotPermitted));
        assert!(is_linked(&mut world, p, at));
    }
    assert_eq!(world.jump(writer, AT + 8 * PAGE), Err(FaultCause::NotPermitted));
    world.store(writer, AT + 8 * PAGE, 7).expect("still writable");
    assert_eq!(world.load(reader, AT + 8 * PAGE), Ok(7));
}

#[test]
fn a_reader_touches_first() {
    let mut world = world();
    let (writer, reader) = (world.process(), world.process());
    let id = world.segment(writer, SLOT_BYTES);
    world.attach(reader, id, AT, AttachFlags::RDONLY).expect("free");
    assert_eq!(world.load(reader, AT + 3 * PAGE), Ok(0));
    attach(&mut world, writer, id);
    world.store(writer, AT + 3 * PAGE, 4).expect("writable");
    assert_eq!(world.load(reader, AT + 3 * PAGE), Ok(4));
}

/// Proves: A-35
#[test]
fn pages_behind_the_end_fault_though_their_table_is_linked() {
    let mut world = world();
    let (p, other) = (world.process(), world.process());
    let id = world.segment(p, SLOT_BYTES + 3 * PAGE - 100);
    attach(&mut world, p, id);
    attach(&mut world, other, id);
    world.touch(p, AT, SLOT + 3);
    world.load(other, AT + SLOT * PAGE).expect("linked");
    for p in [p, other] {
        assert!(is_linked(&mut world, p, AT + (SLOT + 3) * PAGE));
        for page in [SLOT + 3, SLOT + 4, 2 * SLOT - 1, 2 * SLOT] {
            assert_eq!(world.load(p, AT + page * PAGE), Err(FaultCause::Unmapped));
            assert_eq!(world.store(p, AT + page * PAGE, 1), Err(FaultCause::Unmapped));
            assert_eq!(seen(&mut world, p, AT + page * PAGE), None);
        }
        assert!(world.load(p, AT + (SLOT + 3) * PAGE - 8).is_ok());
    }
    assert_eq!(world.totals(p).1.shm_rss, SLOT + 3);
}

#[test]
fn only_large_segments_at_the_start_of_a_slot_are_linked() {
    let mut world = world();
    let p = world.process();
    let cases = [
        (AT, SLOT - 1, false),
        (AT, SLOT, true),
        (AT, SLOT + 1, true),
        (AT + PAGE, SLOT, false),
        (AT + SLOT_BYTES - PAGE, 2 * SLOT, false),
        (AT + SLOT_BYTES, 2 * SLOT, true),
    ];
    for (address, pages, expected) in cases {
        let id = world.segment(p, pages * PAGE);
        world.attach(p, id, address, PLAIN).expect("free");
        for page in [0, pages - 1] {
            world.store(p, address + page * PAGE, 7).expect("writable");
            assert_eq!(
                is_linked(&mut world, p, address + page * PAGE),
                expected,
                "{pages} pages"
            );
        }
        world.detach(p, address).expect("attached");
        world.remove(p, id).expect("there");
    }
}

#[test]
fn a_segment_is_paged_where_its_last_slot_is_not_free() {
    let mut world = world();
    let (p, other) = (world.process(), world.process());
    let id = world.segment(p, SLOT_BYTES + 2 * PAGE);
    let neighbour = AT + SLOT_BYTES + 9 * PAGE;
    world.map(p, neighbour, PAGE, Protection::WRITE).expect("free");
    world.store(p, neighbour, 42).expect("writable");
    attach(&mut world, p, id);
    attach(&mut world, other, id);
    for page in [0, SLOT + 1] {
        world.store(p, AT + page * PAGE, page + 1).expect("writable");
        assert!(!is_linked(&mut world, p, AT + page * PAGE));
        assert_eq!(world.load(other, AT + page * PAGE), Ok(page + 1));
        assert!(is_linked(&mut world, other, AT + page * PAGE));
    }
    assert_eq!(world.load(other, neighbour), Err(FaultCause::Unmapped));
}

#[test]
fn what_replaces_whole_slots_is_linked() {
    let mut world = world();
    let p = world.process();
    let (old, new) = (world.segment(p, 2 * SLOT_BYTES), world.segment(p, 2 * SLOT_BYTES));
    attach(&mut world, p, old);
    world.touch(p, AT, 2 * SLOT);
    world.store(p, AT + PAGE, 5).expect("writable");
    world.attach(p, new, AT, AttachFlags::REMAP).expect("replaced");
    assert_eq!(world.load(p, AT + PAGE), Ok(0));
    assert!(is_linked(&mut world, p, AT));
    assert_eq!((world.facts(old).shm_nattch, world.facts(new).shm_nattch), (0, 1));
}

#[test]
fn a_segment_of_three_levels_is_linked_far_out() {
    let mut world = world();
    let p = world.process();
    let before = world.mm.frame_counts();
    let id = world
        .get(p, PRIVATE, 3 << 30, CREATE | GetFlags::NORESERVE)
        .expect("created");
    // Its tables and those of the address space do not begin with the same page.
    let at = AT + 5 * SLOT_BYTES;
    world.attach(p, id, at, PLAIN).expect("free");
    for gib in 0..3u64 {
        world
            .store(p, at + (gib << 30) + 7 * PAGE, gib + 1)
            .expect("writable");
    }
    for gib in 0..3u64 {
        assert_eq!(world.load(p, at + (gib << 30) + 7 * PAGE), Ok(gib + 1));
        assert!(is_linked(&mut world, p, at + (gib << 30)));
    }
    world.detach(p, at).expect("attached");
    world.remove(p, id).expect("there");
    assert_eq!(world.mm.frame_counts(), before);
}
