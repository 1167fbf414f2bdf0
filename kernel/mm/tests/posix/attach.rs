//! `shmat`: section A.

use crate::common::{PAGE, PLAIN, PRIVATE, World, create_with};
use abi::Errno;
use abi::memory::Protection;
use abi::shm::{AttachFlags, ShmId};
use mm::FaultCause;

const FIXED: u64 = 0x20_0000_0000;

/// Proves
#[test]
fn without_an_address_a_free_page_is_chosen_and_rnd_makes_no_difference() {
    let mut world = World::new();
    let p = world.process();
    let id = world.segment(p, PAGE);
    for flags in [PLAIN, AttachFlags::RND] {
        let at = world.attach(p, id, 0, flags).expect("room");
        assert!(at != 0 && at.is_multiple_of(PAGE));
        assert_eq!(world.load(p, at), Ok(0));
    }
}

/// Proves
#[test]
fn an_address_is_taken_as_it_is_or_rounded_down_if_rnd_says_so() {
    let mut world = World::new();
    let p = world.process();
    let id = world.segment(p, PAGE);
    assert_eq!(world.attach(p, id, FIXED, PLAIN), Ok(FIXED));
    for unaligned in [FIXED + PAGE + 1, FIXED + 2 * PAGE - 1] {
        assert_eq!(world.attach(p, id, unaligned, PLAIN), Err(Errno::EINVAL));
    }
    assert_eq!(
        world.attach(p, id, FIXED + 2 * PAGE - 1, AttachFlags::RND),
        Ok(FIXED + PAGE)
    );
    assert_eq!(
        world.attach(p, id, FIXED + 2 * PAGE, AttachFlags::RND),
        Ok(FIXED + 2 * PAGE)
    );
}

/// Proves
#[test]
fn an_occupied_address_is_refused_and_what_is_there_stays() {
    let mut world = World::new();
    let p = world.process();
    let id = world.segment(p, PAGE);
    let anonymous = world.map_anywhere(p, PAGE);
    world.store(p, anonymous, 5).expect("writable");
    assert_eq!(world.attach(p, id, anonymous, PLAIN), Err(Errno::EINVAL));
    assert_eq!(
        world.attach(p, id, anonymous + 7, AttachFlags::RND),
        Err(Errno::EINVAL)
    );
    assert_eq!(world.load(p, anonymous), Ok(5));
    let own = world.attach_anywhere(p, id);
    assert_eq!(world.attach(p, id, own, PLAIN), Err(Errno::EINVAL));
    assert_eq!(world.facts(id).shm_nattch, 1);
}

/// Proves
#[test]
fn a_collision_at_the_tail_alone_leaves_the_head_unmapped_and_no_field_changed() {
    let mut world = World::new();
    let p = world.process();
    let id = world.segment(p, 3 * PAGE);
    world
        .map(p, FIXED + 2 * PAGE, PAGE, Protection::READ)
        .expect("free");
    let before = world.facts(id);
    world.now += 9;
    assert_eq!(world.attach(p, id, FIXED, PLAIN), Err(Errno::EINVAL));
    assert_eq!(world.load(p, FIXED), Err(FaultCause::Unmapped));
    assert_eq!(world.facts(id), before);
    assert_eq!(world.usage(p).mappings, 1);
}

/// Proves: A-11, M-10
#[test]
fn remap_replaces_what_is_there_and_ends_attachments_that_vanish() {
    let mut world = World::new();
    let p = world.process();
    let (id, other) = (world.segment(p, 4 * PAGE), world.segment(p, 2 * PAGE));
    let writer = world.attach_anywhere(p, id);
    world.fill(p, writer, 4, 100);
    // Over part of an anonymous mapping and a whole attachment, with a gap between.
    world
        .map(
            p,
            FIXED - 2 * PAGE,
            3 * PAGE,
            Protection::READ | Protection::WRITE,
        )
        .expect("free");
    world.fill(p, FIXED - 2 * PAGE, 3, 7);
    world.attach(p, other, FIXED + 2 * PAGE, PLAIN).expect("free");
    world.remove(p, other).expect("there");
    assert_eq!(world.attach(p, id, FIXED, AttachFlags::REMAP), Ok(FIXED));
    for page in 0..4 {
        assert_eq!(world.load(p, FIXED + page * PAGE), Ok(100 + page));
    }
    assert_eq!(
        world.load(p, FIXED - PAGE),
        Ok(8),
        "what is outside of the range stays"
    );
    assert_eq!(world.facts(id).shm_nattch, 2);
    let root = world.root;
    assert_eq!(
        world.stat(root, other),
        Err(Errno::EINVAL),
        "its last attachment is gone"
    );
    // Over itself alone: one attachment before and after.
    assert_eq!(world.attach(p, id, FIXED, AttachFlags::REMAP), Ok(FIXED));
    assert_eq!(world.facts(id).shm_nattch, 2);
    assert_eq!(world.detach(p, FIXED), Ok(()));
    assert_eq!(world.detach(p, FIXED), Err(Errno::EINVAL));
}

/// Proves: A-13
#[test]
fn a_removed_segment_that_is_attached_over_its_last_attachment_keeps_its_identifier() {
    let mut world = World::new();
    let p = world.process();
    let id = world.get(p, PRIVATE, PAGE, create_with(0o600)).expect("created");
    world.attach(p, id, FIXED, PLAIN).expect("free");
    world.remove(p, id).expect("there");
    assert_eq!(world.attach(p, id, FIXED, AttachFlags::REMAP), Ok(FIXED));
    assert_eq!(world.facts(id).shm_nattch, 1);
    assert_eq!(world.detach(p, FIXED), Ok(()));
    assert_eq!(world.stat(p, id), Err(Errno::EINVAL));
}

/// Proves
#[test]
fn page_zero_is_never_mapped_and_remap_needs_an_address() {
    let mut world = World::new();
    let (root, user) = (world.process(), world.user(1));
    let id = world
        .get(root, PRIVATE, PAGE, create_with(0o666))
        .expect("created");
    for p in [root, user] {
        assert_eq!(world.attach(p, id, 0, AttachFlags::REMAP), Err(Errno::EINVAL));
        assert_eq!(
            world.attach(p, id, 1, AttachFlags::RND | AttachFlags::REMAP),
            Err(Errno::EINVAL)
        );
        assert_eq!(world.attach(p, id, 1, AttachFlags::RND), Err(Errno::EINVAL));
        assert_eq!(
            world.attach(p, id, 0, AttachFlags::from_bits_retain(!0)),
            Err(Errno::EINVAL)
        );
        assert!(
            world
                .attach(p, id, 0, AttachFlags::from_bits_retain(1 << 25))
                .is_ok()
        );
    }
}

/// Proves
#[test]
fn addresses_outside_of_user_space_are_refused() {
    let mut world = World::new();
    let p = world.process();
    let id = world.segment(p, 2 * PAGE);
    let outside = [
        0x1000,
        abi::layout::MESSAGE_PAGES,
        abi::layout::MESSAGE_PAGES - PAGE,
        abi::layout::USER_END,
        abi::layout::USER_END - PAGE,
        0xffff_0000_0000_0000,
        u64::MAX - PAGE + 1,
    ];
    for address in outside {
        for flags in [PLAIN, AttachFlags::REMAP] {
            assert_eq!(
                world.attach(p, id, address, flags),
                Err(Errno::EINVAL),
                "{address:#x}"
            );
        }
    }
    assert_eq!(world.facts(id).shm_nattch, 0);
}

/// Proves
#[test]
fn a_read_only_attachment_sees_what_another_writes_and_cannot_write() {
    let mut world = World::new();
    let p = world.process();
    let id = world.segment(p, PAGE);
    let read_only = world.attach(p, id, 0, AttachFlags::RDONLY).expect("room");
    let writable = world.attach_anywhere(p, id);
    assert_eq!(
        world.store(p, read_only, 1),
        Err(FaultCause::NotPermitted),
        "not even as the first touch"
    );
    assert_eq!(world.load(p, read_only), Ok(0));
    assert_eq!(world.store(p, read_only, 1), Err(FaultCause::NotPermitted));
    world.store(p, writable, 42).expect("writable");
    assert_eq!(world.load(p, read_only), Ok(42));
    assert_eq!(world.store(p, read_only, 1), Err(FaultCause::NotPermitted));
}

/// Proves
#[test]
fn an_owner_needs_r_to_read_and_rw_to_write() {
    let mut world = World::new();
    let p = world.user(1);
    let readable = world.get(p, PRIVATE, PAGE, create_with(0o400)).expect("created");
    assert_eq!(world.attach(p, readable, 0, PLAIN), Err(Errno::EACCES));
    assert!(world.attach(p, readable, 0, AttachFlags::RDONLY).is_ok());
    let writable = world.get(p, PRIVATE, PAGE, create_with(0o200)).expect("created");
    assert_eq!(
        world.attach(p, writable, 0, AttachFlags::RDONLY),
        Err(Errno::EACCES)
    );
    assert_eq!(world.attach(p, writable, 0, PLAIN), Err(Errno::EACCES));
}

/// Proves
#[test]
fn code_runs_from_an_exec_attachment_only_and_that_needs_the_x_bit() {
    let mut world = World::new();
    let p = world.user(1);
    let plain = world.get(p, PRIVATE, PAGE, create_with(0o600)).expect("created");
    assert_eq!(world.attach(p, plain, 0, AttachFlags::EXEC), Err(Errno::EACCES));
    let id = world.get(p, PRIVATE, PAGE, create_with(0o700)).expect("created");
    let (data, code) = (
        world.attach_anywhere(p, id),
        world.attach(p, id, 0, AttachFlags::EXEC).expect("x is granted"),
    );
    world.store(p, data, 0xd65f_03c0).expect("writable");
    assert_eq!(world.jump(p, data), Err(FaultCause::NotPermitted));
    assert_eq!(world.jump(p, code), Ok(()));
    assert_eq!(
        world.store(p, code, 1),
        Err(FaultCause::NotPermitted),
        "never writable and executable"
    );
}

/// Proves
#[test]
fn identifiers_of_nothing_are_refused() {
    let mut world = World::new();
    let p = world.process();
    let gone = world.segment(p, PAGE);
    world.remove(p, gone).expect("there");
    let never = ShmId::from_raw(i32::MAX).expect("not negative");
    for id in [gone, never] {
        assert_eq!(world.attach(p, id, 0, PLAIN), Err(Errno::EINVAL));
    }
    for negative in [-1i32, i32::MIN] {
        let word = u64::from(negative.cast_unsigned());
        let decoded = abi::memory::MemoryRequest::decode(abi::Label(0x201), &[word, 0, 0, 0, 0, 0]);
        assert_eq!(decoded, Err(Errno::EINVAL));
    }
}

/// Proves
#[test]
fn each_attachment_has_its_own_address_and_count_and_notes_who_and_when() {
    let mut world = World::new();
    let (creator, p) = (world.process(), world.process());
    let id = world.segment(creator, PAGE);
    let created = world.facts(id);
    world.now = 2000;
    let (one, other) = (world.attach_anywhere(p, id), world.attach_anywhere(p, id));
    assert_ne!(one, other);
    world.store(p, one, 3).expect("writable");
    assert_eq!(world.load(p, other), Ok(3));
    let facts = world.facts(id);
    assert_eq!(
        (facts.shm_nattch, facts.shm_atime, facts.shm_lpid),
        (2, 2000, world.pid(p))
    );
    assert_eq!(
        (facts.shm_dtime, facts.shm_ctime),
        (created.shm_dtime, created.shm_ctime)
    );
}

/// Proves: A-30
#[test]
fn a_removed_segment_can_be_attached_by_identifier_while_somebody_is() {
    let mut world = World::new();
    let (one, other) = (world.process(), world.process());
    let id = world.segment(one, PAGE);
    let at = world.attach_anywhere(one, id);
    world.store(one, at, 8).expect("writable");
    world.remove(one, id).expect("there");
    let theirs = world.attach_anywhere(other, id);
    assert_eq!(world.load(other, theirs), Ok(8));
    world.detach(one, at).expect("attached");
    assert_eq!(world.load(other, theirs), Ok(8));
}
