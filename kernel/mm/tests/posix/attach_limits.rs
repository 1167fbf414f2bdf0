//! `shmat`: limits, room, and what is behind an attachment; section A from A-33 on.

use crate::common::{CREATE, PAGE, PLAIN, PRIVATE, Size, World};
use abi::Errno;
use abi::memory::Protection;
use abi::shm::AttachFlags;
use mm::{FaultCause, Limits};

/// Proves: A-33
#[test]
fn the_limit_of_attachments_is_per_process_and_a_detach_makes_room() {
    let limits = Limits {
        shmseg: 3,
        ..Limits::WIDEST
    };
    let mut world = World::of(Size {
        limits,
        ..Size::USUAL
    });
    let (p, other) = (world.process(), world.process());
    let id = world.segment(p, PAGE);
    let all = [(); 3].map(|()| world.attach_anywhere(p, id));
    assert_eq!(world.attach(p, id, 0, PLAIN), Err(Errno::EMFILE));
    assert_eq!(
        world.attach(p, id, all[0], AttachFlags::REMAP),
        Err(Errno::EMFILE)
    );
    world.attach_anywhere(other, id);
    world.detach(p, all[1]).expect("attached");
    world.attach_anywhere(p, id);
}

/// Proves: A-34
#[test]
fn an_address_space_without_room_is_enomem() {
    let mut world = World::quick(Size {
        frames: 40_000,
        vmas: 1024,
        ..Size::USUAL
    });
    let p = world.process();
    // 512 GiB each; the area of an address space has room for fewer than 256 of them. Their
    // tables cannot all be promised either, so most of the area is taken up by mappings.
    let limit = world.limits(p).1.shmmax;
    assert_eq!(limit, 1 << 39);
    let id = world
        .get(p, PRIVATE, 1 << 39, CREATE | abi::shm::GetFlags::NORESERVE)
        .expect("no frame is needed");
    let before = world.facts(id);
    for place in 0..224 {
        // One page in each 512 GiB.
        let address = abi::layout::AREA_START + (place << 39);
        world.map(p, address, PAGE, Protection::READ).expect("free");
    }
    assert_eq!(world.attach(p, id, 0, PLAIN), Err(Errno::ENOMEM));
    assert_eq!(world.facts(id), before);
    world.check_now();
}

/// Proves: A-35
#[test]
fn ten_bytes_are_a_whole_page_and_the_next_page_faults() {
    let mut world = World::new();
    let p = world.process();
    let id = world.segment(p, 10);
    let at = world.attach_anywhere(p, id);
    world.store(p, at + PAGE - 8, 1).expect("the end of the page");
    assert_eq!(world.load(p, at + PAGE), Err(FaultCause::Unmapped));
}

/// Proves: A-36
#[test]
fn an_attach_whose_tables_cannot_be_promised_changes_nothing() {
    let mut world = World::of(Size {
        frames: 32,
        ..Size::USUAL
    });
    let p = world.process();
    let id = world.segment(p, PAGE);
    let hog = world.unpromised() - 2;
    world.segment(p, (hog - 1) * PAGE);
    assert_eq!(world.unpromised(), 2);
    let before = (world.facts(id), world.mm.frame_counts(), world.usage(p));
    assert_eq!(
        world.attach(p, id, 0, PLAIN),
        Err(Errno::ENOMEM),
        "three tables are needed"
    );
    assert_eq!((world.facts(id), world.mm.frame_counts(), world.usage(p)), before);
}

/// Proves: A-37
#[test]
fn nothing_is_ever_placed_on_top_of_an_attachment() {
    let mut world = World::of(Size {
        vmas: 512,
        ..Size::USUAL
    });
    let p = world.process();
    let id = world.segment(p, 3 * PAGE);
    let at = world
        .attach(p, id, abi::layout::AREA_START + 2 * PAGE, PLAIN)
        .expect("free");
    world.fill(p, at, 3, 500);
    for pages in 1..60 {
        let mapped = world.map_anywhere(p, pages % 5 * PAGE + PAGE);
        world.store(p, mapped, 1).expect("writable");
    }
    assert_eq!(
        world.map(p, at + PAGE, PAGE, Protection::READ),
        Err(Errno::EINVAL)
    );
    assert_eq!(
        [0, 1, 2].map(|page| world.load(p, at + page * PAGE)),
        [Ok(500), Ok(501), Ok(502)]
    );
}

/// Proves: A-43
#[test]
fn a_thousand_attachments_in_one_process_are_all_distinct_and_all_detach() {
    let mut world = World::quick(Size {
        vmas: 1100,
        ..Size::USUAL
    });
    let p = world.process();
    let id = world.segment(p, PAGE);
    let mut all: Vec<u64> = (0..1025).map(|_| world.attach_anywhere(p, id)).collect();
    assert_eq!(world.facts(id).shm_nattch, 1025);
    world.check_now();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), 1025);
    for at in all {
        world.detach(p, at).expect("attached");
    }
    assert_eq!(world.facts(id).shm_nattch, 0);
    world.check_now();
}

/// Proves: A-44
#[test]
fn two_processes_reach_the_same_frame_with_the_same_attributes_at_different_addresses() {
    let mut world = World::new();
    let (one, other) = (world.process(), world.process());
    world.map_anywhere(other, 7 * PAGE);
    let id = world.segment(one, 2 * PAGE);
    let (mine, theirs) = (world.attach_anywhere(one, id), world.attach_anywhere(other, id));
    assert_ne!(mine, theirs);
    for page in 0..2 {
        world.store(one, mine + page * PAGE, 10 + page).expect("writable");
        assert_eq!(world.load(other, theirs + page * PAGE), Ok(10 + page));
        world
            .store(other, theirs + page * PAGE + 8, 20 + page)
            .expect("writable");
        assert_eq!(world.load(one, mine + page * PAGE + 8), Ok(20 + page));
        let leaf = |world: &mut World, p, at| {
            let (machine, space) = world.mm.mmu_space_mut(p).expect("alive");
            mm::Mmu::lookup(machine, space, addr::VirtAddr::new(at + page * PAGE).page())
        };
        assert_eq!(leaf(&mut world, one, mine), leaf(&mut world, other, theirs));
    }
}

/// Proves: A-03
#[test]
fn pages_behind_a_large_region_belong_to_it_until_somebody_asks_for_them() {
    let mut world = World::of(Size {
        frames: 16_384,
        ..Size::USUAL
    });
    let p = world.process();
    let large = world.segment(p, (3 << 20) + 1);
    let at = world.attach_anywhere(p, large);
    assert_eq!(at % (2 << 20), 0, "where its tables could be linked");
    let end = at + (3 << 20) + PAGE;
    world.store(p, end - 8, 1).expect("the last page");
    assert_eq!(world.load(p, end), Err(FaultCause::Unmapped));
    let (next, tail) = (world.map_anywhere(p, PAGE), at..at + (4 << 20));
    assert!(!tail.contains(&next), "nothing is put there unasked");
    let small = world.segment(p, PAGE);
    assert_eq!(
        world.attach(p, small, end, PLAIN),
        Ok(end),
        "but the address is free"
    );
    world.detach(p, at).expect("attached");
    world.store(p, end, 5).expect("the neighbour stays");
}

/// Proves: A-11
#[test]
fn what_replaces_a_mapping_may_begin_behind_the_end_of_a_large_region() {
    let mut world = World::of(Size {
        frames: 16_384,
        ..Size::USUAL
    });
    let p = world.process();
    let (large, small) = (world.segment(p, (3 << 20) + 1), world.segment(p, 4 * PAGE));
    let at = world.attach_anywhere(p, large);
    let end = at + (3 << 20) + PAGE;
    world
        .map(p, end + 2 * PAGE, PAGE, Protection::WRITE)
        .expect("free");
    world.attach(p, large, 0, PLAIN).expect("room");
    assert_eq!(world.attach(p, small, end, AttachFlags::REMAP), Ok(end));
    let mut again = World::of(Size {
        frames: 16_384,
        ..Size::USUAL
    });
    let p = again.process();
    let (large, small) = (again.segment(p, (3 << 20) + 1), again.segment(p, 600 * PAGE));
    let at = again.attach_anywhere(p, large);
    let end = at + (3 << 20) + PAGE;
    // The slot behind the large one's last slot.
    again
        .map(p, at + (4 << 20), PAGE, Protection::WRITE)
        .expect("free");
    assert_eq!(again.attach(p, small, end, AttachFlags::REMAP), Ok(end));
    again
        .store(p, at + (3 << 20), 1)
        .expect("the last page of the large one");
    again.store(p, end, 2).expect("the first page of the small one");
    assert_eq!(again.load(p, at + (3 << 20)), Ok(1));
    // The slot that both are in, and the other one of the large region, are linked no more and still.
    assert_eq!(again.usage(p).mappings, 3);
}

/// Proves: A-03
#[test]
fn a_large_region_fits_between_neighbours_at_an_address_where_it_could_be_linked() {
    let mut world = World::of(Size {
        frames: 16_384,
        ..Size::USUAL
    });
    let p = world.process();
    let (large, at) = (world.segment(p, (3 << 20) + 1), 0x20_0000_0000);
    let end = at + (3 << 20) + PAGE;
    world.map(p, end, PAGE, Protection::WRITE).expect("free");
    assert_eq!(world.attach(p, large, at, PLAIN), Ok(at));
    world.store(p, end - 8, 1).expect("its last page");
    world.store(p, end, 2).expect("the neighbour's first page");
}
