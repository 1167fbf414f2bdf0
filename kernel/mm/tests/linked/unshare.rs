//! Cutting what is linked: a slot that is cut is paged from then on, and nobody else notices.

use super::look::{AT, SLOT, SLOT_BYTES, attach, is_linked, linked_slots, seen, world};
use crate::common::{PAGE, PLAIN, Size, World};
use abi::Errno;
use abi::memory::Protection;
use abi::shm::{AttachFlags, ShmId};
use machine::Machine;
use mm::{FaultCause, Limits, SpaceId};
use std::ops::Range;

const WRITE: Protection = Protection::WRITE;

/// Two who have a segment of four slots attached, of which every page in 41 has been written.
fn pair() -> (World, SpaceId, SpaceId, ShmId) {
    let mut world = world();
    let (p, other) = (world.process(), world.process());
    let id = world.segment(p, 4 * SLOT_BYTES - 2 * PAGE);
    attach(&mut world, p, id);
    attach(&mut world, other, id);
    world.thorough = false;
    for page in written() {
        world.store(p, AT + page * PAGE, value(page)).expect("writable");
    }
    world.thorough = true;
    world.load(other, AT).expect("readable");
    (world, p, other, id)
}

fn written() -> impl Iterator<Item = u64> {
    (0..4 * SLOT - 2).filter(|&page| value(page) > 0)
}

/// What a page holds.
fn value(page: u64) -> u64 {
    if page.is_multiple_of(41) { page + 1 } else { 0 }
}

/// Checks that `p` sees all of the segment but `hole`, and `other` all of it.
fn assert_seen(world: &mut World, p: SpaceId, other: SpaceId, hole: Range<u64>) {
    let edges = [hole.start.saturating_sub(1), hole.start, hole.end - 1, hole.end];
    for page in written().chain(edges).filter(|&page| page < 4 * SLOT - 2) {
        let expected = if hole.contains(&page) {
            Err(FaultCause::Unmapped)
        } else {
            Ok(value(page))
        };
        assert_eq!(world.load(p, AT + page * PAGE), expected, "page {page}");
        assert_eq!(
            world.load(other, AT + page * PAGE),
            Ok(value(page)),
            "page {page}"
        );
    }
}

/// Proves: D-14
#[test]
fn a_page_unmapped_from_a_slot_is_gone_for_one_alone() {
    let (mut world, p, other, id) = pair();
    let tables = world.usage(p).tables;
    world.mm.mmu_mut().reset_counts();
    world.unmap(p, AT + 600 * PAGE, PAGE).expect("attached");
    let counts = Machine::counts(world.mm.mmu());
    assert_eq!((counts.tlbi_asid, counts.tlbi_broadcast()), (1, 1));
    assert_eq!(counts.table_stores, 1, "the link");
    assert_seen(&mut world, p, other, 600..601);
    assert_eq!(linked_slots(&mut world, p, 4), [0, 2, 3]);
    assert_eq!(linked_slots(&mut world, other, 4), [0, 1, 2, 3]);
    assert_eq!(world.usage(p).tables, tables + 1);
    assert_eq!(world.facts(id).shm_nattch, 2);
    // What either of them writes is seen by the other one, in the paged slot too.
    world.store(other, AT + 599 * PAGE, 50).expect("writable");
    world.store(p, AT + 601 * PAGE, 51).expect("writable");
    assert_eq!(world.load(p, AT + 599 * PAGE), Ok(50));
    assert_eq!(world.load(other, AT + 601 * PAGE), Ok(51));
}

#[test]
fn what_was_unshared_goes_with_its_attachment_and_gives_back_its_table() {
    let mut world = world();
    let p = world.process();
    let before = world.mm.frame_counts();
    let id = world.segment(p, 4 * SLOT_BYTES - 2 * PAGE);
    attach(&mut world, p, id);
    world.touch(p, AT, 4 * SLOT - 2);
    world.unmap(p, AT + 600 * PAGE, PAGE).expect("attached");
    world.load(p, AT + 599 * PAGE).expect("readable");
    world.detach(p, AT).expect("attached");
    for page in [0, 599, 601, 2000] {
        assert_eq!(world.load(p, AT + page * PAGE), Err(FaultCause::Unmapped));
    }
    assert_eq!((world.facts(id).shm_nattch, world.usage(p).mappings), (0, 0));
    world.remove(p, id).expect("there");
    assert_eq!(world.mm.frame_counts(), before);
}

#[test]
fn a_cut_between_two_slots_unshares_nothing() {
    let (mut world, p, other, _) = pair();
    let tables = world.usage(p).tables;
    world.unmap(p, AT + SLOT_BYTES, SLOT_BYTES).expect("attached");
    assert_seen(&mut world, p, other, SLOT..2 * SLOT);
    assert_eq!(linked_slots(&mut world, p, 4), [0, 2, 3]);
    assert_eq!((world.usage(p).tables, world.usage(p).mappings), (tables, 2));
}

#[test]
fn holes_of_every_kind_leave_what_they_should() {
    // First page, pages; slots that stay linked; mappings that are left.
    let cases: &[(u64, u64, &[u64], u64)] = &[
        (0, 1, &[1, 2, 3], 2),
        (511, 1, &[1, 2, 3], 2),
        (0, 512, &[1, 2, 3], 1),
        (1, 511, &[1, 2, 3], 2),
        (500, 30, &[2, 3], 3),
        (500, 512, &[2, 3], 3),
        (500, 524, &[2, 3], 2),
        (100, 1500, &[], 2),
        (512, 600, &[0, 3], 3),
        (700, 9, &[0, 2, 3], 4),
        (700, 1000, &[0], 3),
        (1536, 510, &[0, 1, 2], 1),
        (1537, 1, &[0, 1, 2], 3),
        (2045, 1, &[0, 1, 2], 2),
        (2000, 2000, &[0, 1, 2], 2),
    ];
    for &(first, pages, linked, mappings) in cases {
        let (mut world, p, other, id) = pair();
        world.unmap(p, AT + first * PAGE, pages * PAGE).expect("attached");
        let end = (first + pages).min(4 * SLOT - 2);
        assert_seen(&mut world, p, other, first..end);
        assert_eq!(linked_slots(&mut world, p, 4), linked, "{first} {pages}");
        assert_eq!(world.usage(p).mappings, mappings, "{first} {pages}");
        assert_eq!(world.usage(p).mapped, 4 * SLOT - 2 - (end - first));
        assert_eq!(world.facts(id).shm_nattch, 2);
        world.exit(p);
        world.exit(other);
        assert_eq!(world.facts(id).shm_nattch, 0);
    }
}

#[test]
fn a_slot_that_nobody_touched_is_unshared_without_an_invalidation() {
    let mut world = world();
    let p = world.process();
    let id = world.segment(p, 2 * SLOT_BYTES);
    attach(&mut world, p, id);
    world.mm.mmu_mut().reset_counts();
    world.unmap(p, AT + 5 * PAGE, PAGE).expect("attached");
    assert_eq!(Machine::counts(world.mm.mmu()).tlbi_broadcast(), 0);
    world.store(p, AT + 6 * PAGE, 1).expect("writable");
    assert!(!is_linked(&mut world, p, AT));
}

#[test]
fn what_is_left_of_a_slot_has_the_permissions_it_had() {
    let mut world = world();
    let (p, other) = (world.process(), world.process());
    let id = world.segment(p, 2 * SLOT_BYTES);
    world.attach(p, id, AT, AttachFlags::RDONLY).expect("free");
    attach(&mut world, other, id);
    world.fill(other, AT, 20, 1);
    assert_eq!(world.load(p, AT), Ok(1));
    world.unmap(p, AT + 5 * PAGE, PAGE).expect("attached");
    for page in [0, 4, 6, 19] {
        assert_eq!(world.load(p, AT + page * PAGE), Ok(page + 1));
        assert_eq!(world.store(p, AT + page * PAGE, 1), Err(FaultCause::NotPermitted));
    }
    assert_eq!(world.load(p, AT + 100 * PAGE), Ok(0), "a first touch");
    assert_eq!(world.store(p, AT + 100 * PAGE, 1), Err(FaultCause::NotPermitted));
    assert!(!is_linked(&mut world, p, AT));
}

#[test]
fn what_is_mapped_behind_the_end_of_the_only_slot_left_is_one_mapping_more() {
    let limits = Limits {
        mappings: 2,
        ..Limits::WIDEST
    };
    let mut world = World::of(Size {
        frames: 4 << 10,
        limits,
        ..Size::USUAL
    });
    let p = world.process();
    let id = world.segment(p, 2 * SLOT_BYTES - 2 * PAGE);
    attach(&mut world, p, id);
    let behind = AT + 2 * SLOT_BYTES - PAGE;
    assert_eq!(
        world.map(p, behind, PAGE, WRITE),
        Err(Errno::EMFILE),
        "it would be two pieces"
    );
    world.unmap(p, AT, SLOT_BYTES).expect("attached");
    assert_eq!(world.map(p, behind, PAGE, WRITE), Ok(behind));
    assert_eq!(world.load(p, behind - 2 * PAGE), Ok(0));
}

#[test]
fn what_is_mapped_behind_the_end_of_a_segment_is_seen_by_nobody_else() {
    let (mut world, p, other, _) = pair();
    let end = AT + 4 * SLOT_BYTES - 2 * PAGE;
    world.map(p, end, PAGE, WRITE).expect("free");
    world.store(p, end, 77).expect("writable");
    assert_eq!(world.load(other, end), Err(FaultCause::Unmapped));
    assert_eq!(world.load(p, end), Ok(77));
    assert_seen(&mut world, p, other, 4 * SLOT - 2..4 * SLOT);
    assert_eq!(linked_slots(&mut world, p, 4), [0, 1, 2]);
    assert_eq!(world.load(p, end + PAGE), Err(FaultCause::Unmapped));
    // Another one behind that, in the slot that is paged now.
    world.map(p, end + PAGE, 5 * PAGE, WRITE).expect("free");
    world.store(p, end + PAGE, 78).expect("writable");
    assert_eq!(world.load(other, end + PAGE), Err(FaultCause::Unmapped));
    world.detach(p, AT).expect("attached");
    assert_eq!((world.load(p, end), world.load(p, end + PAGE)), (Ok(77), Ok(78)));
}

#[test]
fn the_end_of_a_segment_of_a_single_slot_is_given_up_too() {
    let mut world = world();
    let (p, other) = (world.process(), world.process());
    let (id, small) = (world.segment(p, 600 * PAGE), world.segment(p, PAGE));
    attach(&mut world, p, id);
    world.unmap(p, AT, SLOT_BYTES).expect("attached");
    world.store(p, AT + 599 * PAGE, 4).expect("writable");
    attach(&mut world, other, id);
    // The last slot is a linked VMA by itself now.
    world.attach(p, small, AT + 600 * PAGE, PLAIN).expect("free");
    world.store(p, AT + 600 * PAGE, 5).expect("writable");
    assert_eq!(world.load(other, AT + 599 * PAGE), Ok(4));
    assert_eq!(world.load(other, AT + 600 * PAGE), Err(FaultCause::Unmapped));
    assert_eq!(
        (world.load(p, AT + 599 * PAGE), world.usage(p).mappings),
        (Ok(4), 2)
    );
}

/// Proves: A-11
#[test]
fn an_attachment_that_replaces_pages_of_a_slot_leaves_the_others() {
    let (mut world, p, other, id) = pair();
    let small = world.segment(p, 3 * PAGE);
    let flags = AttachFlags::REMAP;
    let place = AT + 600 * PAGE;
    world.attach(p, small, place, flags).expect("replaced");
    world.fill(p, place, 3, 900);
    assert_eq!(world.load(p, AT + 599 * PAGE), Ok(0));
    assert_eq!(world.load(p, AT + 615 * PAGE), Ok(616));
    assert_eq!(
        [0, 1, 2].map(|page| world.load(p, place + page * PAGE)),
        [900, 901, 902].map(Ok)
    );
    assert_eq!(world.load(other, place), Ok(0));
    assert_eq!(linked_slots(&mut world, p, 4), [0, 2, 3]);
    assert_eq!(
        (world.facts(id).shm_nattch, world.facts(small).shm_nattch),
        (2, 1)
    );
    world.detach(p, AT).expect("attached");
    assert_eq!(world.load(p, place), Ok(900), "it stays");
}

/// Proves: A-11
#[test]
fn an_attachment_replaces_another_one_and_begins_behind_the_end_of_a_linked_one() {
    let (mut world, p, other, id) = pair();
    let end = AT + 4 * SLOT_BYTES - 2 * PAGE;
    world.map(p, end + 4 * PAGE, PAGE, WRITE).expect("free");
    let small = world.segment(p, 6 * PAGE);
    world.attach(p, small, end, AttachFlags::REMAP).expect("replaced");
    world.fill(p, end, 6, 70);
    assert_eq!(world.load(other, end), Err(FaultCause::Unmapped));
    assert_seen(&mut world, p, other, 4 * SLOT - 2..4 * SLOT);
    assert_eq!(linked_slots(&mut world, p, 4), [0, 1, 2]);
    assert_eq!(
        (world.facts(id).shm_nattch, world.facts(small).shm_nattch),
        (2, 1)
    );
}

#[test]
fn a_linked_attachment_replaces_one_that_is_cut_for_it() {
    let (mut world, p, other, id) = pair();
    let new = world.segment(p, SLOT_BYTES);
    world
        .attach(p, new, AT + SLOT_BYTES, AttachFlags::REMAP)
        .expect("replaced");
    world.fill(p, AT + SLOT_BYTES, 3, 5000);
    assert_eq!(linked_slots(&mut world, p, 4), [0, 1, 2, 3]);
    assert_eq!(world.load(p, AT + SLOT_BYTES), Ok(5000));
    assert_eq!(world.load(other, AT + SLOT_BYTES), Ok(0));
    assert_eq!((world.facts(id).shm_nattch, world.facts(new).shm_nattch), (2, 1));
}

#[test]
fn an_attachment_that_replaces_all_there_is_in_its_last_slot_is_linked() {
    let (mut world, p, other, id) = pair();
    let smaller = world.segment(p, 4 * SLOT_BYTES - 200 * PAGE);
    world
        .attach(p, smaller, AT, AttachFlags::REMAP)
        .expect("replaced");
    world.store(p, AT, 7).expect("writable");
    assert!(
        !is_linked(&mut world, p, AT),
        "some pages behind it are another's"
    );

    let larger = world.segment(p, 4 * SLOT_BYTES - PAGE);
    world.attach(p, larger, AT, AttachFlags::REMAP).expect("replaced");
    for slot in 0..4 {
        world.store(p, AT + slot * SLOT_BYTES, 8).expect("writable");
    }
    assert_eq!(linked_slots(&mut world, p, 4), [0, 1, 2, 3]);
    assert_eq!(world.load(other, AT), Ok(1));
    let attached = [id, smaller, larger].map(|id| world.facts(id).shm_nattch);
    assert_eq!(attached, [1, 0, 1]);
}

#[test]
fn more_mappings_than_there_may_be_are_refused_before_anything_is_cut() {
    for (first, pages, more) in [(700, 1, 3), (0, 5, 1), (512, 5, 2), (0, 512, 0), (512, 512, 1)] {
        for room in 0..4u32 {
            let limits = Limits {
                mappings: 1 + room,
                ..Limits::WIDEST
            };
            let mut world = World::of(Size {
                frames: 8192,
                limits,
                ..Size::USUAL
            });
            let p = world.process();
            let id = world.segment(p, 3 * SLOT_BYTES);
            attach(&mut world, p, id);
            world.store(p, AT + 700 * PAGE, 1).expect("writable");
            let before = (
                world.usage(p),
                world.mm.frame_counts(),
                seen(&mut world, p, AT + 700 * PAGE),
            );
            let answer = world.unmap(p, AT + first * PAGE, pages * PAGE);
            if room >= more {
                assert_eq!(answer, Ok(()), "{first} {pages} {room}");
                assert_eq!(world.usage(p).mappings, u64::from(1 + more));
            } else {
                assert_eq!(answer, Err(Errno::ENOMEM), "{first} {pages} {room}");
                let after = (
                    world.usage(p),
                    world.mm.frame_counts(),
                    seen(&mut world, p, AT + 700 * PAGE),
                );
                assert_eq!(after, before);
            }
        }
    }
}

#[test]
fn all_slots_can_be_unshared_one_after_the_other() {
    let (mut world, p, other, id) = pair();
    for page in (5..4 * SLOT - 2).step_by(100) {
        world.unmap(p, AT + page * PAGE, PAGE).expect("attached");
    }
    assert_eq!(linked_slots(&mut world, p, 4), []);
    for page in written().chain([5, 2005]) {
        let expected = if page % 100 == 5 {
            Err(FaultCause::Unmapped)
        } else {
            Ok(value(page))
        };
        assert_eq!(world.load(p, AT + page * PAGE), expected);
    }
    assert_eq!(world.load(other, AT + 205 * PAGE), Ok(206));
    world.unmap(p, AT, 4 * SLOT_BYTES).expect("the rest");
    assert_eq!((world.facts(id).shm_nattch, world.usage(p).mapped), (1, 0));
}
