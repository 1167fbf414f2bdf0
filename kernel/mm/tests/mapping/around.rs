//! What comes along when a page is touched that others have touched before.

use crate::common::{PAGE, PLAIN, World, create_with};
use abi::shm::AttachFlags;
use addr::VirtAddr;
use mm::{Mmu, SpaceId};

/// 64 pages start here.
const AT: u64 = 0x20_0000_0000;

/// Which of the pages from `AT` on are mapped, without touching them.
fn mapped(world: &mut World, p: SpaceId, pages: u64) -> Vec<u64> {
    let (machine, space) = world.mm.mmu_space_mut(p).expect("alive");
    let is_mapped = |page: &u64| {
        let page = VirtAddr::new(AT + page * PAGE).page();
        machine.lookup(space, page).is_some()
    };
    (0..pages).filter(is_mapped).collect()
}

#[test]
fn the_first_one_maps_pages_one_by_one_and_the_next_one_sixty_four_at_once() {
    let mut world = World::new();
    let (one, other) = (world.process(), world.process());
    let id = world.segment(one, 100 * PAGE);
    for p in [one, other] {
        world.attach(p, id, AT, PLAIN).expect("free");
    }
    for page in [0, 1, 3, 63, 64, 65, 99] {
        world.store(one, AT + page * PAGE, page + 1).expect("writable");
    }
    assert_eq!(mapped(&mut world, one, 100), [0, 1, 3, 63, 64, 65, 99]);
    assert_eq!(world.load(other, AT + 3 * PAGE), Ok(4));
    assert_eq!(mapped(&mut world, other, 100), [0, 1, 3, 63]);
    assert_eq!(world.load(other, AT + 65 * PAGE), Ok(66));
    assert_eq!(mapped(&mut world, other, 100), [0, 1, 3, 63, 64, 65, 99]);
    // A first touch stays one: nobody was here before.
    assert_eq!(world.load(other, AT + 33 * PAGE), Ok(0));
    assert_eq!(mapped(&mut world, other, 100), [0, 1, 3, 33, 63, 64, 65, 99]);
}

#[test]
fn nothing_comes_along_from_behind_the_ends_of_a_mapping() {
    let mut world = World::new();
    let (one, other) = (world.process(), world.process());
    let id = world.segment(one, 16 * PAGE);
    for p in [one, other] {
        world.attach(p, id, AT, PLAIN).expect("free");
    }
    world.fill(one, AT, 16, 1);
    world.unmap(other, AT + 5 * PAGE, 2 * PAGE).expect("attached");
    assert_eq!(world.load(other, AT + 3 * PAGE), Ok(4));
    assert_eq!(mapped(&mut world, other, 16), [0, 1, 2, 3, 4]);
    assert_eq!(world.load(other, AT + 15 * PAGE), Ok(16));
    assert_eq!(
        mapped(&mut world, other, 16),
        [0, 1, 2, 3, 4, 7, 8, 9, 10, 11, 12, 13, 14, 15]
    );
}

#[test]
fn pages_that_come_along_have_the_permissions_of_the_attachment() {
    let mut world = World::new();
    let (one, other) = (world.process(), world.process());
    let id = world.segment(one, 16 * PAGE);
    world.attach(one, id, AT, PLAIN).expect("free");
    world.attach(other, id, AT, AttachFlags::RDONLY).expect("free");
    world.fill(one, AT, 16, 1);
    assert_eq!(world.load(other, AT), Ok(1));
    assert_eq!(
        world.store(other, AT + 9 * PAGE, 1),
        Err(mm::FaultCause::NotPermitted)
    );
}

#[test]
fn pages_that_are_executed_come_alone_so_that_one_is_published_at_a_time() {
    let mut world = World::new();
    let (one, other) = (world.process(), world.process());
    let id = world.get(one, 7, 16 * PAGE, create_with(0o700)).expect("created");
    world.attach(one, id, AT, PLAIN).expect("free");
    world.attach(other, id, AT, AttachFlags::EXEC).expect("free");
    world.fill(one, AT, 16, 1);
    world.jump(other, AT + 2 * PAGE).expect("executable");
    assert_eq!(mapped(&mut world, other, 16), [2]);
}

#[test]
fn a_window_may_lie_across_two_of_the_regions_tables() {
    let mut world = World::new();
    let (one, other) = (world.process(), world.process());
    let id = world.segment(one, 520 * PAGE);
    // Page 512 of the segment is the fourth of 64 here.
    let at = AT - 509 * PAGE;
    for p in [one, other] {
        world.attach(p, id, at, PLAIN).expect("free");
    }
    world.fill(one, AT, 9, 1);
    assert_eq!(world.load(other, AT + 8 * PAGE), Ok(9));
    assert_eq!(mapped(&mut world, other, 9), [0, 1, 2, 3, 4, 5, 6, 7, 8]);
    for page in 0..9 {
        assert_eq!(world.load(other, AT + page * PAGE), Ok(page + 1));
    }
}
