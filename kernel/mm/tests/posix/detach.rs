//! `shmdt`, and what `munmap` makes of an attachment: section D.

use crate::common::{CREATE, PAGE, PLAIN, PRIVATE, World};
use abi::Errno;
use abi::memory::{MemoryRequest, Protection, ShmDetach};
use abi::shm::{ShmId, ShmSetting};
use mm::FaultCause;

const FIXED: u64 = 0x20_0000_0000;

/// Proves: D-01, D-02
#[test]
fn an_attachment_is_detached_once() {
    let mut world = World::new();
    let p = world.process();
    let id = world.segment(p, PAGE);
    let at = world.attach_anywhere(p, id);
    assert_eq!(world.detach(p, at), Ok(()));
    assert_eq!(world.detach(p, at), Err(Errno::EINVAL));
}

/// Proves: D-03, D-04, D-05, D-06, D-13, D-20
#[test]
fn an_address_where_no_attachment_starts_changes_nothing() {
    let mut world = World::new();
    let p = world.process();
    let id = world.segment(p, 2 * PAGE);
    let at = world.attach_anywhere(p, id);
    let before = world.facts(id);
    world.now += 3;
    let wrong = [
        FIXED,
        at + 1,
        at + PAGE - 1,
        at + PAGE,
        0,
        0xffff_0000_0000_0000,
        u64::MAX,
        abi::layout::USER_END,
    ];
    for address in wrong {
        assert_eq!(world.detach(p, address), Err(Errno::EINVAL), "{address:#x}");
    }
    assert_eq!(world.facts(id), before);
    assert_eq!(world.load(p, at + PAGE), Ok(0));
}

/// Proves: D-07
#[test]
fn private_memory_and_the_message_page_are_no_attachments_and_survive() {
    let mut world = World::new();
    let p = world.process();
    let private = world.map_anywhere(p, PAGE);
    world.store(p, private, 4).expect("writable");
    world.mm.map_message_page(p, 0).expect("room");
    assert_eq!(world.detach(p, private), Err(Errno::EINVAL));
    assert_eq!(world.detach(p, abi::layout::MESSAGE_PAGES), Err(Errno::EINVAL));
    assert_eq!(world.load(p, private), Ok(4));
    assert_eq!(world.load(p, abi::layout::MESSAGE_PAGES), Ok(0));
}

/// Proves: D-08
#[test]
fn after_a_detach_no_tlb_lets_anybody_in() {
    let mut world = World::new();
    let p = world.process();
    let id = world.segment(p, 200 * PAGE);
    let at = world.attach_anywhere(p, id);
    world.fill(p, at, 200, 1);
    world.detach(p, at).expect("attached");
    for page in 0..200 {
        assert_eq!(world.load(p, at + page * PAGE), Err(FaultCause::Unmapped));
        assert_eq!(world.store(p, at + page * PAGE, 2), Err(FaultCause::Unmapped));
    }
}

/// Proves: D-09, D-11
#[test]
fn a_detach_notes_who_and_when_and_nothing_else() {
    let mut world = World::new();
    let (one, other) = (world.process(), world.process());
    let id = world.segment(one, PAGE);
    let at = world.attach_anywhere(one, id);
    world.attach_anywhere(other, id);
    let before = world.facts(id);
    world.now = 5000;
    world.detach(one, at).expect("attached");
    let after = world.facts(id);
    assert_eq!(
        (after.shm_nattch, after.shm_dtime, after.shm_lpid),
        (1, 5000, world.pid(one))
    );
    assert_eq!(
        (after.shm_atime, after.shm_ctime),
        (before.shm_atime, before.shm_ctime)
    );
}

/// Proves: D-10
#[test]
fn of_two_attachments_only_the_one_named_goes() {
    let mut world = World::new();
    let p = world.process();
    let id = world.segment(p, PAGE);
    let (one, other) = (world.attach_anywhere(p, id), world.attach_anywhere(p, id));
    world.store(p, other, 6).expect("writable");
    world.detach(p, one).expect("attached");
    assert_eq!(world.load(p, one), Err(FaultCause::Unmapped));
    assert_eq!((world.load(p, other), world.facts(id).shm_nattch), (Ok(6), 1));
}

/// Proves: D-12
#[test]
fn data_survives_a_time_without_attachments() {
    let mut world = World::new();
    let p = world.process();
    let id = world.segment(p, 3 * PAGE);
    let at = world.attach_anywhere(p, id);
    world.fill(p, at, 3, 70);
    world.detach(p, at).expect("attached");
    assert_eq!(world.facts(id).shm_nattch, 0);
    let again = world.attach_anywhere(p, id);
    assert_eq!(
        [0, 1, 2].map(|page| world.load(p, again + page * PAGE)),
        [Ok(70), Ok(71), Ok(72)]
    );
}

/// Proves: D-14
#[test]
fn what_is_left_after_a_hole_is_one_attachment_and_goes_at_once() {
    let mut world = World::new();
    let p = world.process();
    let id = world.segment(p, 5 * PAGE);
    let at = world.attach_anywhere(p, id);
    world.fill(p, at, 5, 1);
    world.unmap(p, at + 2 * PAGE, PAGE).expect("a hole");
    assert_eq!(world.load(p, at + 2 * PAGE), Err(FaultCause::Unmapped));
    assert_eq!(
        (world.load(p, at + PAGE), world.load(p, at + 3 * PAGE)),
        (Ok(2), Ok(4))
    );
    assert_eq!(world.facts(id).shm_nattch, 1);
    world.detach(p, at).expect("its base");
    for page in 0..5 {
        assert_eq!(world.load(p, at + page * PAGE), Err(FaultCause::Unmapped));
    }
    assert_eq!((world.facts(id).shm_nattch, world.usage(p).mappings), (0, 0));
}

/// Proves: D-15
#[test]
fn unmapping_all_of_it_is_a_detach() {
    let mut world = World::new();
    let p = world.process();
    let id = world.segment(p, 3 * PAGE);
    let at = world.attach_anywhere(p, id);
    world.now = 6000;
    world.unmap(p, at, PAGE).expect("the first page");
    world.unmap(p, at + 2 * PAGE, PAGE).expect("the last page");
    assert_eq!((world.facts(id).shm_nattch, world.facts(id).shm_dtime), (1, 0));
    world.unmap(p, at, 3 * PAGE).expect("the rest, gaps included");
    assert_eq!((world.facts(id).shm_nattch, world.facts(id).shm_dtime), (0, 6000));
    assert_eq!(world.detach(p, at), Err(Errno::EINVAL));
}

/// Proves: D-16
#[test]
fn an_attachment_without_its_first_page_keeps_its_name() {
    let mut world = World::new();
    let p = world.process();
    let id = world.segment(p, 3 * PAGE);
    let at = world.attach_anywhere(p, id);
    world.unmap(p, at, PAGE).expect("the first page");
    assert_eq!(world.detach(p, at + PAGE), Err(Errno::EINVAL));
    assert_eq!(world.detach(p, at), Ok(()));
    assert_eq!(world.facts(id).shm_nattch, 0);
}

/// Proves: D-16, D-22
#[test]
fn a_new_attachment_where_another_lost_its_first_page_is_detached_first() {
    let mut world = World::new();
    let p = world.process();
    let id = world.segment(p, 3 * PAGE);
    let small = world.segment(p, PAGE);
    let at = world.attach_anywhere(p, id);
    world.unmap(p, at, PAGE).expect("the first page");
    world.attach(p, small, at, PLAIN).expect("free now");
    assert_eq!(world.detach(p, at), Ok(()));
    assert_eq!(
        (world.facts(small).shm_nattch, world.facts(id).shm_nattch),
        (0, 1)
    );
    assert_eq!(world.detach(p, at), Ok(()));
    assert_eq!(world.facts(id).shm_nattch, 0);
}

/// Proves: D-19
#[test]
fn the_last_detach_of_a_removed_segment_destroys_it_before_it_returns() {
    let mut world = World::new();
    let p = world.process();
    let before = world.mm.frame_counts();
    let id = world.segment(p, 200 * PAGE);
    let at = world.attach_anywhere(p, id);
    world.fill(p, at, 200, 1);
    world.remove(p, id).expect("there");
    world.detach(p, at).expect("attached");
    assert_eq!(world.mm.frame_counts(), before);
    assert_eq!(world.stat(p, id), Err(Errno::EINVAL));
    assert_eq!(world.segments(), (0, 0));
}

/// Proves: D-21
#[test]
fn the_same_address_in_another_process_is_another_attachment() {
    let mut world = World::new();
    let (one, other) = (world.process(), world.process());
    let id = world.segment(one, PAGE);
    for p in [one, other] {
        world.attach(p, id, FIXED, PLAIN).expect("free");
    }
    world.store(one, FIXED, 12).expect("writable");
    world.detach(other, FIXED).expect("attached");
    assert_eq!(
        (world.load(one, FIXED), world.load(other, FIXED)),
        (Ok(12), Err(FaultCause::Unmapped))
    );
    assert_eq!(world.facts(id).shm_nattch, 1);
}

/// Proves: D-22
#[test]
fn neighbours_are_not_swallowed_be_they_the_same_segment_or_another() {
    let mut world = World::new();
    let p = world.process();
    let (id, other) = (world.segment(p, 2 * PAGE), world.segment(p, PAGE));
    let places: [(ShmId, u64); 4] = [(id, 0), (id, 2), (other, 4), (id, 5)];
    for (id, page) in places {
        world.attach(p, id, FIXED + page * PAGE, PLAIN).expect("free");
    }
    world.detach(p, FIXED + 2 * PAGE).expect("attached");
    assert_eq!(world.load(p, FIXED + 2 * PAGE), Err(FaultCause::Unmapped));
    for page in [0, 1, 4, 5, 6] {
        assert_eq!(world.load(p, FIXED + page * PAGE), Ok(0), "page {page}");
    }
    assert_eq!(
        (world.facts(id).shm_nattch, world.facts(other).shm_nattch),
        (2, 1)
    );
}

/// Proves: X-08
#[test]
fn two_threads_detach_one_address_and_one_of_them_is_refused() {
    let mut world = World::new();
    let p = world.process();
    let id = world.segment(p, 300 * PAGE);
    let at = world.attach_anywhere(p, id);
    world.fill(p, at, 299, 1);
    let request = MemoryRequest::ShmDetach(ShmDetach { address: at });
    let (answer, job) = world.begin(p, request, &[], None);
    assert!(
        answer.is_ok() && job.is_some(),
        "300 pages take more than one step"
    );
    assert_eq!(world.detach(p, at), Err(Errno::EINVAL));
    assert_eq!(
        world.load(p, at + 299 * PAGE),
        Err(FaultCause::Unmapped),
        "no first touch any more"
    );
    assert_eq!(
        world.map(p, at + 299 * PAGE, PAGE, Protection::READ),
        Err(Errno::EINVAL),
        "but not free yet"
    );
    world.finish(job);
    assert_eq!(world.facts(id).shm_nattch, 0);
    assert_eq!(
        world.map(p, at + 299 * PAGE, PAGE, Protection::READ),
        Ok(at + 299 * PAGE)
    );
}

/// Proves: D-19, C-41
#[test]
fn a_segment_removed_while_its_last_attachment_is_going_is_found_by_nobody_and_keeps_its_frames_until_it_is_gone()
 {
    let mut world = World::new();
    let (p, other) = (world.process(), world.process());
    let before = world.mm.frame_counts();
    let id = world.get(p, PRIVATE, 300 * PAGE, CREATE).expect("created");
    let at = world.attach_anywhere(p, id);
    world.fill(p, at, 300, 1);
    let (_, job) = world.begin(p, MemoryRequest::ShmDetach(ShmDetach { address: at }), &[], None);
    world.remove(other, id).expect("there");
    assert_eq!(world.stat(other, id), Err(Errno::EINVAL));
    assert_eq!(world.attach(other, id, 0, PLAIN), Err(Errno::EINVAL));
    assert_ne!(
        world.mm.frame_counts(),
        before,
        "its translations are not all gone"
    );
    world.finish(job);
    assert_eq!(world.mm.frame_counts(), before);
}

/// Proves: D-18
#[test]
fn an_attachment_that_is_moved_stays_one_and_is_detached_where_it_is() {
    let mut world = World::new();
    let p = world.process();
    // Paged, and linked.
    for pages in [3, 700] {
        let id = world.segment(p, pages * PAGE);
        world.attach(p, id, FIXED, PLAIN).expect("free");
        world.store(p, FIXED + 2 * PAGE, 5).expect("writable");
        let there = FIXED + (1 << 30);
        assert_eq!(world.relocate(p, FIXED, there), Ok(()));
        assert_eq!(world.facts(id).shm_nattch, 1);
        assert_eq!(world.load(p, there + 2 * PAGE), Ok(5));
        assert_eq!(world.load(p, FIXED + 2 * PAGE), Err(FaultCause::Unmapped));
        assert_eq!(world.detach(p, FIXED), Err(Errno::EINVAL));
        assert_eq!(world.detach(p, there), Ok(()));
        assert_eq!(world.facts(id).shm_nattch, 0);
    }
}

#[test]
fn an_attachment_that_is_moved_behind_its_own_end_is_detached_in_all_its_slots() {
    let mut world = World::new();
    let p = world.process();
    let id = world.segment(p, 513 * PAGE);
    world.attach(p, id, FIXED, PLAIN).expect("free");
    world.store(p, FIXED + 512 * PAGE, 5).expect("writable");
    // In its second slot, which is unshared for that, and is a VMA of its own from then on.
    let there = FIXED + 600 * PAGE;
    assert_eq!(world.relocate(p, FIXED, there), Ok(()));
    assert_eq!(world.facts(id).shm_nattch, 1);
    for page in [0, 512] {
        assert_eq!(world.load(p, FIXED + page * PAGE), Err(FaultCause::Unmapped));
    }
    assert_eq!(world.load(p, there + 512 * PAGE), Ok(5));
    assert_eq!(world.detach(p, FIXED), Err(Errno::EINVAL));
    assert_eq!(world.detach(p, there), Ok(()));
    assert_eq!(world.facts(id).shm_nattch, 0);
}

#[test]
fn an_attachment_is_moved_though_its_process_may_attach_no_more() {
    let mut world = World::new();
    let (p, root) = (world.process(), world.root);
    let id = world.segment(p, PAGE);
    world.attach(p, id, FIXED, PLAIN).expect("free");
    world.change(root, ShmSetting::Shmseg, 1).expect("user 0");
    assert_eq!(world.relocate(p, FIXED, FIXED + 8 * PAGE), Ok(()));
    assert_eq!(world.attach(p, id, 0, PLAIN), Err(Errno::EMFILE));
}

#[test]
fn a_moved_attachment_allows_what_it_did_and_may_allow_what_it_might() {
    let mut world = World::new();
    let p = world.process();
    let id = world.segment(p, 2 * PAGE);
    world.attach(p, id, FIXED, PLAIN).expect("free");
    world
        .protect(p, FIXED, 2 * PAGE, Protection::READ)
        .expect("attached");
    world.relocate(p, FIXED, FIXED + 8 * PAGE).expect("free");
    let at = FIXED + 8 * PAGE;
    assert_eq!(world.store(p, at, 1), Err(FaultCause::NotPermitted));
    world
        .protect(p, at, 2 * PAGE, Protection::WRITE)
        .expect("attached so");
    assert_eq!(world.store(p, at, 1), Ok(()));
}

#[test]
fn only_a_whole_attachment_is_moved_and_only_to_where_nothing_is() {
    let mut world = World::new();
    let p = world.process();
    let id = world.segment(p, 4 * PAGE);
    world.attach(p, id, FIXED, PLAIN).expect("free");
    let private = world.map_anywhere(p, PAGE);
    let free = FIXED + 64 * PAGE;
    for (from, to) in [
        (FIXED, private),
        (FIXED, FIXED),
        (FIXED, FIXED + 2 * PAGE),
        (FIXED, free + 1),
        (FIXED, 0),
        (FIXED, abi::layout::MESSAGE_PAGES),
        (FIXED + PAGE, free),
        (private, free),
    ] {
        assert_eq!(
            world.relocate(p, from, to),
            Err(Errno::EINVAL),
            "{from:#x} to {to:#x}"
        );
    }
    world.unmap(p, FIXED + 3 * PAGE, PAGE).expect("attached");
    assert_eq!(world.relocate(p, FIXED, free), Err(Errno::EINVAL));
    assert_eq!(world.facts(id).shm_nattch, 1);
    world.detach(p, FIXED).expect("attached");
}
