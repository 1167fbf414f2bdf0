//! Message pages.

use crate::common::{CREATE, PAGE, PRIVATE, World};
use abi::Errno;
use abi::layout::MESSAGE_PAGES;
use abi::memory::{Move, Protection};
use abi::shm::AttachFlags;

#[test]
fn a_message_page_is_present_at_once_zero_and_the_frame_that_the_kernel_was_told() {
    let mut world = World::new();
    let p = world.process();
    let frame = world.mm.map_message_page(p).expect("room");
    world.check();
    let (machine, space) = world.mm.mmu_space_mut(p).expect("alive");
    let page = addr::VirtAddr::new(MESSAGE_PAGES).page();
    let mapped = mm::Mmu::lookup(machine, space, page);
    assert_eq!(mapped, Some((frame, addr::Perms::READ_WRITE)));
    assert_eq!(world.load(p, MESSAGE_PAGES), Ok(0));
    world.store(p, MESSAGE_PAGES, 5).expect("writable");
    assert_eq!(world.mm.map_message_page(p), Err(Errno::EBUSY));
}

#[test]
fn a_program_cannot_unmap_replace_detach_or_move_it() {
    let mut world = World::new();
    let (p, other) = (world.process(), world.process());
    world.mm.map_message_page(p).expect("room");
    world.store(p, MESSAGE_PAGES, 5).expect("writable");
    let id = world.get(p, PRIVATE, PAGE, CREATE).expect("created");
    assert_eq!(world.unmap(p, MESSAGE_PAGES, PAGE), Err(Errno::EINVAL));
    assert_eq!(world.unmap(p, MESSAGE_PAGES - PAGE, 2 * PAGE), Err(Errno::EINVAL));
    assert_eq!(
        world.attach(p, id, MESSAGE_PAGES, AttachFlags::REMAP),
        Err(Errno::EINVAL)
    );
    assert_eq!(
        world.map(p, MESSAGE_PAGES, PAGE, Protection::READ),
        Err(Errno::EINVAL)
    );
    assert_eq!(world.detach(p, MESSAGE_PAGES), Err(Errno::EINVAL));
    let out = Move {
        source: MESSAGE_PAGES,
        length: PAGE,
        destination: 0x50_0000_0000,
        protection: Protection::READ,
    };
    assert_eq!(world.transfer(other, Some(p), out), Err(Errno::EINVAL));
    assert_eq!(world.load(p, MESSAGE_PAGES), Ok(5));
}

#[test]
fn it_goes_with_its_address_space() {
    let mut world = World::new();
    let before = world.mm.frame_counts();
    let p = world.process();
    world.mm.map_message_page(p).expect("room");
    assert_eq!(
        before.free - world.mm.frame_counts().free,
        1 + 3 + 1,
        "root, tables, page"
    );
    world.exit(p);
    assert_eq!(world.mm.frame_counts(), before);
}
