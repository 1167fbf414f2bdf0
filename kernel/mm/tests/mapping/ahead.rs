//! Frames that are zeroed before they are asked for: while nobody runs, and by CPUs for themselves.

use crate::common::{PAGE, PRIVATE, Size, World};
use abi::shm::{GetFlags, Mode};
use addr::VirtAddr;
use mm::mmu::Mmu;
use mm::{Access, Ahead};

/// As [`World::idle`] until all is done.
fn idle_long(world: &mut World) {
    let is_done = (0..1000).any(|_| world.mm.sharing().zero_ahead() == Ahead::Done);
    assert!(is_done, "it comes to an end");
    world.check_now();
}

#[test]
fn a_first_touch_finds_a_frame_zeroed_and_none_that_came_back_dirty() {
    let mut world = World::new();
    let p = world.process();
    let dirty = world.map_anywhere(p, 500 * PAGE);
    world.thorough = false;
    world.fill(p, dirty, 500, 7);
    world.unmap(p, dirty, 500 * PAGE).expect("mapped");
    idle_long(&mut world);
    let ready = world.mm.zeroed_ahead().count();
    assert!(ready > 500, "{ready} are");
    let at = world.map_anywhere(p, 1000 * PAGE);
    for page in 0..100 {
        assert_eq!(world.load(p, at + page * PAGE), Ok(0));
        world.store(p, at + page * PAGE, 9).expect("writable");
    }
    assert_eq!(world.mm.zeroed_ahead().count(), ready - 100);
    world.unmap(p, at, 1000 * PAGE).expect("mapped");
    assert_eq!(
        world.mm.zeroed_ahead().count(),
        ready - 100,
        "what comes back is dirty"
    );
    world.idle();
    world.check_now();
    let again = world.map_anywhere(p, 2000 * PAGE);
    for page in 0..2000 {
        assert_eq!(world.load(p, again + page * PAGE), Ok(0));
    }
    world.check_now();
}

#[test]
fn no_more_pieces_are_zeroed_than_there_is_room_for_and_the_last_one_is_zeroed_whole() {
    // The last of them stay at hand.
    const PIECES: u64 = 40;
    let mut world = World::quick(Size::USUAL);
    let p = world.process();
    let all = world.unpromised() - 16;
    let at = world.map_anywhere(p, all * PAGE);
    world.touch(p, at, all);
    // Frames are handed out 32 in a row. Of those that come back, none lie beside each other.
    for piece in 0..PIECES {
        let address = at + (1024 + piece * 128) * PAGE;
        world.unmap(p, address, 64 * PAGE).expect("mapped");
    }
    idle_long(&mut world);
    let ready = world.mm.zeroed_ahead().count() as u64;
    assert!(
        (8 * 32..PIECES * 64).contains(&ready) && ready.is_multiple_of(32),
        "{ready} are"
    );
    world.exit(p);
}

#[test]
fn zeroed_frames_are_as_free_as_others() {
    let mut world = World::new();
    let before = world.mm.frame_counts();
    idle_long(&mut world);
    assert_eq!(world.mm.frame_counts(), before);
    let p = world.process();
    world.thorough = false;
    let all = world.unpromised() - 16;
    let at = world.map_anywhere(p, all * PAGE);
    world.touch(p, at, all);
    world.check_now();
    world.exit(p);
    assert_eq!(world.mm.frame_counts(), before);
}

#[test]
fn each_step_is_bounded_and_the_last_one_leaves_nothing_to_do() {
    let mut world = World::new();
    let mut before = 0;
    while world.idle() == Ahead::More {
        let ready = world.mm.zeroed_ahead().count();
        assert!(ready > before && ready <= before + 16, "{before}, then {ready}");
        before = ready;
    }
    assert_eq!(world.idle(), Ahead::Done);
    assert!(world.mm.zeroed_ahead().count() < before + 16);
}

#[test]
fn blocks_are_promised_and_come_even_if_all_of_them_were_zeroed_as_frames() {
    let mut world = World::of(Size {
        frames: 1024 + 512,
        ..Size::USUAL
    });
    let p = world.process();
    idle_long(&mut world);
    assert!(world.mm.zeroed_ahead().count() > 1024);
    let flags = GetFlags::CREAT | GetFlags::HUGETLB;
    let flags = flags.with_mode(Mode::from_bits(0o600));
    let id = world.get(p, PRIVATE, 1024 * PAGE, flags).expect("two blocks");
    world.check();
    idle_long(&mut world);
    let at = world.attach_anywhere(p, id);
    for page in [0, 512] {
        assert_eq!(world.load(p, at + page * PAGE), Ok(0));
    }
}

#[test]
fn a_touch_takes_the_frame_that_its_cpu_has_zeroed_and_leaves_a_dirty_one() {
    let mut world = World::new().with_spares(2);
    let p = world.process();
    for round in 0..3 {
        let at = world.map_anywhere(p, 10 * PAGE);
        let before = world.mm.frame_counts();
        for page in 0..10 {
            assert_eq!(world.load(p, at + page * PAGE), Ok(0), "round {round}");
            world.store(p, at + page * PAGE, 9).expect("writable");
        }
        let after = world.mm.frame_counts();
        assert!(before.free - after.free >= 10, "round {round}");
        assert_eq!(before.free - after.free, before.promised - after.promised);
        world.unmap(p, at, 10 * PAGE).expect("mapped");
    }
}

#[test]
fn a_page_gets_the_very_frame_that_was_zeroed_before_the_lock() {
    let mut world = World::new().with_spares(1);
    let p = world.process();
    let at = world.map_anywhere(p, 2 * PAGE);
    for page in 0..2 {
        let mut zeroed = None;
        world.spares[0].zero(|frame| {
            world.mm.mmu_mut().zero(frame);
            zeroed = Some(frame);
        });
        assert_ne!(zeroed, None, "it is dirty again after each touch");
        let address = VirtAddr::new(at + page * PAGE);
        world
            .mm
            .on(&world.spares[0])
            .fault(p, address, Access::Write)
            .expect("mapped");
        let (machine, space) = world.mm.mmu_space_mut(p).expect("there");
        let found = machine.lookup(space, address.page());
        assert_eq!(found.map(|(frame, _)| frame), zeroed);
    }
    world.check_now();
}

#[test]
fn with_spares_all_that_is_free_can_be_promised_and_taken() {
    let mut world = World::new().with_spares(8);
    let before = world.mm.frame_counts();
    assert_eq!(before.free + 8 + 1, before.total);
    let p = world.process();
    world.thorough = false;
    let all = world.unpromised() - 16;
    let at = world.map_anywhere(p, all * PAGE);
    world.touch(p, at, all);
    let rest = world.unpromised();
    let kept = world.map_anywhere(p, (rest - 4) * PAGE);
    world.touch(p, kept, rest - 4);
    world.check_now();
    world.exit(p);
    assert_eq!(world.mm.frame_counts(), before);
}

#[test]
fn a_block_that_lacks_only_spares_is_whole_again_when_it_is_asked_for() {
    let mut world = World::new().with_spares(4);
    let p = world.process();
    // Spares end up all over memory.
    let at = world.map_anywhere(p, 3000 * PAGE);
    world.thorough = false;
    world.touch(p, at, 3000);
    world.unmap(p, at, 3000 * PAGE).expect("mapped");
    let flags = GetFlags::CREAT | GetFlags::HUGETLB;
    let flags = flags.with_mode(Mode::from_bits(0o600));
    let id = world
        .get(p, PRIVATE, 7 * 512 * PAGE, flags)
        .expect("seven of eight blocks");
    world.check_now();
    let at = world.attach_anywhere(p, id);
    assert_eq!(world.load(p, at), Ok(0));
}
