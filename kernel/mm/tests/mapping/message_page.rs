//! Message pages.

use crate::common::{CREATE, PAGE, PRIVATE, World};
use abi::Errno;
use abi::layout::{MESSAGE_PAGES, MOST_THREADS, USER_START, message_page};
use abi::memory::{Move, Protection};
use abi::shm::AttachFlags;

#[test]
fn a_message_page_is_present_at_once_zero_and_the_frame_that_the_kernel_was_told() {
    let mut world = World::new();
    let p = world.process();
    let frame = world.mm.map_message_page(p, 0).expect("room");
    world.check();
    let (machine, space) = world.mm.mmu_space_mut(p).expect("alive");
    let page = addr::VirtAddr::new(MESSAGE_PAGES).page();
    let mapped = mm::Mmu::lookup(machine, space, page);
    assert_eq!(mapped, Some((frame, addr::Perms::READ_WRITE)));
    assert_eq!(world.load(p, MESSAGE_PAGES), Ok(0));
    world.store(p, MESSAGE_PAGES, 5).expect("writable");
}

#[test]
fn a_program_cannot_unmap_replace_detach_or_move_it() {
    let mut world = World::new();
    let (p, other) = (world.process(), world.process());
    world.mm.map_message_page(p, 0).expect("room");
    world.store(p, MESSAGE_PAGES, 5).expect("writable");
    let id = world.get(p, PRIVATE, PAGE, CREATE).expect("created");
    assert_eq!(world.unmap(p, MESSAGE_PAGES, PAGE), Err(Errno::EINVAL));
    assert_eq!(world.unmap(p, USER_START - PAGE, 2 * PAGE), Err(Errno::EINVAL));
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
    world.mm.map_message_page(p, 0).expect("room");
    assert_eq!(
        before.free - world.mm.frame_counts().free,
        1 + 3 + 1,
        "root, tables, page"
    );
    world.exit(p);
    assert_eq!(world.mm.frame_counts(), before);
}

#[test]
fn each_thread_has_its_own_beside_the_others() {
    let mut world = World::new();
    let p = world.process();
    let frames: Vec<_> = [0, 1, MOST_THREADS - 1]
        .into_iter()
        .map(|thread| world.mm.map_message_page(p, thread).expect("room"))
        .collect();
    assert!(frames[0] != frames[1] && frames[1] != frames[2]);
    assert_eq!(world.mm.map_message_page(p, MOST_THREADS), Err(Errno::EINVAL));
    world.store(p, message_page(1), 7).expect("writable");
    assert_eq!(world.load(p, message_page(0)), Ok(0));
    world.check();
}

#[test]
fn the_next_thread_of_a_number_has_the_page_of_the_one_before_also_while_the_space_is_copied() {
    let mut world = World::new();
    let (p, child) = (world.process(), world.process());
    let frame = world.mm.map_message_page(p, 1).expect("room");
    world.store(p, message_page(1), 7).expect("writable");
    let before = world.mm.frame_counts();
    let job = world.mm.fork(p, child).expect("room");
    assert_eq!(world.mm.map_message_page(p, 1), Ok(frame));
    assert_eq!(world.mm.map_message_page(p, 2), Err(Errno::EAGAIN));
    world.finish(Some(job));
    assert_eq!(world.mm.frame_counts(), before);
    assert_eq!(world.load(p, message_page(1)), Ok(7));
    world.exit(p);
    assert_eq!(world.mm.map_message_page(p, 1), Err(Errno::ESRCH));
}
