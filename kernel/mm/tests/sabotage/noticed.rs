//! Each mistake, in a life that is fine without it.

use crate::common::{CREATE, PAGE, PLAIN, World, create_with};
use abi::memory::{Move, Protection};
use abi::shm::AttachFlags;
use machine::Sabotage;
use mm::SpaceId;

/// Protects; attaches, touches, detaches, removes; maps, unmaps, and maps again; runs code; links, unshares and
/// unlinks.
fn live(mistake: Sabotage) {
    let mut world = World::new();
    world.mm.mmu_mut().sabotage(mistake);
    let (p, other) = (world.process(), world.process());
    world.idle();
    let id = world.get(p, 7, 100 * PAGE, CREATE).expect("created");
    let at = world.attach_anywhere(p, id);
    world.fill(p, at, 100, 1);
    world.detach(p, at).expect("attached");
    world.remove(p, id).expect("there");
    for _ in 0..3 {
        let private = world.map_anywhere(p, 600 * PAGE);
        world.fill(p, private, 3, 1);
        world.store(p, private + 599 * PAGE, 1).expect("writable");
        world.unmap(p, private, 600 * PAGE).expect("mapped");
    }
    let code = world.map_anywhere(p, PAGE);
    world.store(p, code, 1).expect("writable");
    let request = Move {
        source: code,
        length: PAGE,
        destination: 0x60_0000,
        protection: Protection::EXEC,
    };
    world.transfer(other, Some(p), request).expect("moved");
    world.jump(other, 0x60_0000).expect("executable");
    let id = world.get(p, 8, PAGE, create_with(0o700)).expect("created");
    let shared = world.attach(p, id, 0, AttachFlags::EXEC).expect("x is granted");
    world.jump(p, shared).expect("executable");
    protect(&mut world, p);
    link_and_cut(&mut world, p, other);
    world.exit(p);
    world.exit(other);
}

fn protect(world: &mut World, p: SpaceId) {
    let at = world.map_anywhere(p, 3 * PAGE);
    for protection in [Protection::READ, Protection::WRITE, Protection::EXEC] {
        world.load(p, at).expect("readable");
        world.protect(p, at, 3 * PAGE, protection).expect("mapped");
        if protection == Protection::WRITE {
            world.store(p, at, 1).expect("writable");
        }
    }
    world.jump(p, at).expect("executable");
}

fn link_and_cut(world: &mut World, p: SpaceId, other: SpaceId) {
    let id = world.segment(p, 1024 * PAGE);
    let at = world.attach_anywhere(p, id);
    let theirs = world
        .attach(other, id, 0, AttachFlags::RDONLY)
        .expect("r is granted");
    for page in [0, 1, 512, 513] {
        world.store(p, at + page * PAGE, 1).expect("writable");
        world.load(other, theirs + page * PAGE).expect("readable");
    }
    world.unmap(other, theirs + PAGE, PAGE).expect("attached");
    world.load(other, theirs).expect("readable");
    for round in 0..3 {
        world.detach(p, at).expect("attached");
        assert_eq!(world.attach(p, id, at, PLAIN), Ok(at));
        world.store(p, at + round * PAGE, 1).expect("writable");
    }
    world.detach(other, theirs).expect("attached");
    world.detach(p, at).expect("attached");
    world.remove(p, id).expect("there");
}

#[test]
fn without_a_mistake_all_is_well() {
    live(Sabotage::None);
}

#[test]
#[should_panic(expected = "TLB")]
fn a_forgotten_flush_is_noticed() {
    live(Sabotage::ForgetFlushes);
}

#[test]
#[should_panic(expected = "TLB")]
fn a_flush_of_the_first_page_alone_is_noticed() {
    live(Sabotage::FlushFirstPageOnly);
}

#[test]
#[should_panic(expected = "TLB")]
fn a_flush_that_keeps_tables_is_noticed() {
    live(Sabotage::FlushLastLevelOnly);
}

#[test]
#[should_panic(expected = "TLB")]
fn a_flush_of_one_address_of_unlinked_slots_is_noticed() {
    live(Sabotage::FlushOneAddressOfSlots);
}

#[test]
#[should_panic(expected = "TLB")]
fn a_flush_that_keeps_unlinked_tables_is_noticed() {
    live(Sabotage::FlushLeavesOfSlots);
}

#[test]
#[should_panic(expected = "is said to be zeroed, but is not")]
fn a_frame_that_was_not_zeroed_ahead_is_noticed() {
    live(Sabotage::ForgetZeroing);
}

#[test]
#[should_panic(expected = "TLB")]
fn permissions_that_a_tlb_keeps_are_noticed() {
    live(Sabotage::KeepOldPermissions);
}

#[test]
#[should_panic(expected = "without having been zeroed")]
fn a_table_made_of_garbage_is_noticed() {
    live(Sabotage::ForgetZeroingTables);
}

#[test]
#[should_panic(expected = "never published")]
fn code_that_was_not_published_is_noticed() {
    live(Sabotage::ForgetPublishing);
}
