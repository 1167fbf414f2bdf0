//! Unmap requests.

use crate::common::{PAGE, PLAIN, Size, World};
use abi::Errno;
use abi::layout::{MESSAGE_PAGES, USER_END, USER_START};
use abi::memory::Protection;
use machine::Machine;
use mm::{FaultCause, Limits};

const FIXED: u64 = 0x20_0000_0000;
const WRITE: Protection = Protection::WRITE;

/// Which of the pages from `FIXED` on can be read.
fn readable(world: &mut World, p: mm::SpaceId, pages: u64) -> Vec<u64> {
    (0..pages)
        .filter(|page| world.load(p, FIXED + page * PAGE).is_ok())
        .collect()
}

#[test]
fn a_range_is_cleared_across_mappings_and_gaps_and_nothing_else_is() {
    let mut world = World::new();
    let p = world.process();
    let before = world.mm.frame_counts();
    let id = world.segment(p, 3 * PAGE);
    world.map(p, FIXED, 4 * PAGE, WRITE).expect("free");
    world.attach(p, id, FIXED + 6 * PAGE, PLAIN).expect("free");
    world.map(p, FIXED + 9 * PAGE, 3 * PAGE, WRITE).expect("free");
    for page in [0, 1, 2, 3, 6, 7, 8, 9, 10, 11] {
        world.store(p, FIXED + page * PAGE, page + 1).expect("writable");
    }
    world.unmap(p, FIXED + 2 * PAGE, 8 * PAGE).expect("a range");
    assert_eq!(readable(&mut world, p, 12), [0, 1, 10, 11]);
    assert_eq!(world.load(p, FIXED + 11 * PAGE), Ok(12));
    assert_eq!(
        (
            world.facts(id).shm_nattch,
            world.usage(p).mappings,
            world.usage(p).private
        ),
        (0, 2, 4)
    );
    world
        .unmap(p, FIXED - PAGE, 100 * PAGE)
        .expect("with room to spare");
    world.remove(p, id).expect("there");
    assert_eq!(world.mm.frame_counts(), before);
}

#[test]
fn nothing_there_is_nothing_to_do() {
    let mut world = World::new();
    let p = world.process();
    world.unmap(p, FIXED, 1 << 40).expect("gaps are allowed");
    world.unmap(p, USER_START, PAGE).expect("even at the lowest page");
}

#[test]
fn ranges_that_make_no_sense_are_refused() {
    let mut world = World::new();
    let p = world.process();
    world.map(p, FIXED, PAGE, WRITE).expect("free");
    for (address, length) in [
        (FIXED, 0),
        (FIXED + 1, PAGE),
        (FIXED, u64::MAX),
        (0, PAGE),
        (MESSAGE_PAGES, PAGE),
        (MESSAGE_PAGES, FIXED + PAGE - MESSAGE_PAGES),
        (FIXED, USER_END - FIXED + PAGE),
        (USER_END, PAGE),
        (u64::MAX - PAGE + 1, PAGE),
    ] {
        assert_eq!(
            world.unmap(p, address, length),
            Err(Errno::EINVAL),
            "{address:#x} {length:#x}"
        );
    }
    assert_eq!(world.load(p, FIXED), Ok(0));
}

#[test]
fn a_hole_needs_one_more_mapping_and_an_edge_does_not() {
    let limits = Limits {
        mappings: 1,
        ..Limits::WIDEST
    };
    let mut world = World::of(Size {
        limits,
        ..Size::USUAL
    });
    let p = world.process();
    world.map(p, FIXED, 6 * PAGE, WRITE).expect("free");
    assert_eq!(world.unmap(p, FIXED + 2 * PAGE, PAGE), Err(Errno::ENOMEM));
    assert_eq!(readable(&mut world, p, 6), [0, 1, 2, 3, 4, 5]);
    world.unmap(p, FIXED, PAGE).expect("the first page");
    world.unmap(p, FIXED + 5 * PAGE, PAGE).expect("the last page");
    assert_eq!(readable(&mut world, p, 6), [1, 2, 3, 4]);
}

#[test]
fn the_last_page_of_a_large_attachment_takes_what_lies_behind_it_along() {
    let mut world = World::of(Size {
        frames: 8192,
        ..Size::USUAL
    });
    let p = world.process();
    let before = world.mm.frame_counts();
    let pages = 513;
    let id = world.segment(p, pages * PAGE);
    let at = world.attach_anywhere(p, id);
    world.store(p, at + 512 * PAGE, 1).expect("writable");
    world.unmap(p, at + 512 * PAGE, PAGE).expect("the last page");
    assert_eq!(
        world.map(p, at + 600 * PAGE, PAGE, WRITE),
        Ok(at + 600 * PAGE),
        "its slot is free"
    );
    world.unmap(p, at, 512 * PAGE).expect("the rest");
    assert_eq!(world.facts(id).shm_nattch, 0, "no page of it is left");
    world.unmap(p, at + 600 * PAGE, PAGE).expect("mapped");
    world.remove(p, id).expect("there");
    assert_eq!(world.mm.frame_counts(), before);
}

#[test]
fn pages_unmapped_and_mapped_again_are_zero_and_other_ones() {
    let mut world = World::new();
    let p = world.process();
    world.map(p, FIXED, 3 * PAGE, WRITE).expect("free");
    world.fill(p, FIXED, 3, 9);
    world.unmap(p, FIXED + PAGE, PAGE).expect("a hole");
    assert_eq!(world.load(p, FIXED + PAGE), Err(FaultCause::Unmapped));
    world
        .map(p, FIXED + PAGE, PAGE, Protection::READ)
        .expect("the hole");
    assert_eq!(
        [0, 1, 2].map(|page| world.load(p, FIXED + page * PAGE)),
        [Ok(9), Ok(0), Ok(11)]
    );
    assert_eq!(world.store(p, FIXED + PAGE, 1), Err(FaultCause::NotPermitted));
}

#[test]
fn what_a_small_program_has_mapped_side_by_side_goes_at_once_when_it_ends() {
    let invalidations = |pages_apart: u64| {
        let mut world = World::new();
        let before = world.mm.frame_counts();
        let p = world.process();
        for mapping in 0..3 {
            let at = FIXED + mapping * pages_apart * PAGE;
            world.map(p, at, PAGE, WRITE).expect("free");
            world.fill(p, at, 1, 7);
        }
        world.mm.mmu_mut().reset_counts();
        world.exit(p);
        assert_eq!(world.mm.frame_counts(), before);
        Machine::counts(world.mm.mmu()).dsb_full
    };
    // One is that of the address space.
    assert_eq!([2, 40, 70].map(invalidations), [2, 3, 4]);
}
