//! `shmat`: section A.

use crate::common::{CREATE, PAGE, PLAIN, PRIVATE, Size, World, create_with};
use abi::Errno;
use abi::memory::Protection;
use abi::shm::{AttachFlags, ShmId};
use mm::{FaultCause, Limits};

const FIXED: u64 = 0x20_0000_0000;

/// Proves
#[test]
fn without_an_address_a_free_page_is_chosen_and_rnd_makes_no_difference() {
    let mut world = World::new();
    let p = world.process();
    let id = world.segment(p, PAGE);
    for flags in [PLAIN, AttachFlags::RND] {
        let at = world.attach(p, id, 0, flags).expect("room");
        assert!(at != 0 && at % PAGE == 0);
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
    assert_eq!(world.attach(p, id, FIXED + 2 * PAGE - 1, AttachFlags::RND), Ok(FIXED + PAGE));
    assert_eq!(world.attach(p, id, FIXED + 2 * PAGE, AttachFlags::RND), Ok(FIXED + 2 * PAGE));
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
    assert_eq!(world.attach(p, id, anonymous + 7, AttachFlags::RND), Err(Errno::EINVAL));
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
    world.map(p, FIXED + 2 * PAGE, PAGE, Protection::READ).expect("free");
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
    world.map(p, FIXED - 2 * PAGE, 3 * PAGE, Protection::READ | Protection::WRITE).expect("free");
    world.fill(p, FIXED - 2 * PAGE, 3, 7);
    world.attach(p, other, FIXED + 2 * PAGE, PLAIN).expect("free");
    world.remove(p, other).expect("there");
    assert_eq!(world.attach(p, id, FIXED, AttachFlags::REMAP), Ok(FIXED));
    for page in 0..4 {
        assert_eq!(world.load(p, FIXED + page * PAGE), Ok(100 + page));
    }
    assert_eq!(world.load(p, FIXED - PAGE), Ok(8), "what is outside of the range stays");
    assert_eq!(world.facts(id).shm_nattch, 2);
    let root = world.root;
    assert_eq!(world.stat(root, other), Err(Errno::EINVAL), "its last attachment is gone");
    // Over itself alone: one attachment before and after.
    assert_eq!(world.attach(p, id, FIXED, AttachFlags::REMAP), Ok(FIXED));
    assert_eq!(world.facts(id).shm_nattch, 2);
    assert_eq!(world.detach(p, FIXED), Ok(()));
    assert_eq!(world.detach(p, FIXED), Err(Errno::EINVAL));
}

/// Proves
#[test]
fn page_zero_is_never_mapped_and_remap_needs_an_address() {
    let mut world = World::new();
    let (root, user) = (world.process(), world.user(1));
    let id = world.get(root, PRIVATE, PAGE, create_with(0o666)).expect("created");
    for p in [root, user] {
        assert_eq!(world.attach(p, id, 0, AttachFlags::REMAP), Err(Errno::EINVAL));
        assert_eq!(world.attach(p, id, 1, AttachFlags::RND | AttachFlags::REMAP), Err(Errno::EINVAL));
        assert_eq!(world.attach(p, id, 1, AttachFlags::RND), Err(Errno::EINVAL));
        assert_eq!(world.attach(p, id, 0, AttachFlags::from_bits_retain(!0)), Err(Errno::EINVAL));
        assert!(world.attach(p, id, 0, AttachFlags::from_bits_retain(1 << 25)).is_ok());
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
            assert_eq!(world.attach(p, id, address, flags), Err(Errno::EINVAL), "{address:#x}");
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
    assert_eq!(world.store(p, read_only, 1), Err(FaultCause::NotPermitted), "not even as the first touch");
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
    assert_eq!(world.attach(p, writable, 0, AttachFlags::RDONLY), Err(Errno::EACCES));
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
    let (data, code) = (world.attach_anywhere(p, id), world.attach(p, id, 0, AttachFlags::EXEC).expect("x is granted"));
    world.store(p, data, 0xd65f_03c0).expect("writable");
    assert_eq!(world.jump(p, data), Err(FaultCause::NotPermitted));
    assert_eq!(world.jump(p, code), Ok(()));
    assert_eq!(world.store(p, code, 1), Err(FaultCause::NotPermitted), "never writable and executable");
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
        let decoded = abi::memory::MemoryRequest::decode(abi::Label(0x201), [word, 0, 0, 0, 0, 0]);
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
    assert_eq!((facts.shm_nattch, facts.shm_atime, facts.shm_lpid), (2, 2000, world.pid(p)));
    assert_eq!((facts.shm_dtime, facts.shm_ctime), (created.shm_dtime, created.shm_ctime));
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

/// Proves: A-33
#[test]
fn the_limit_of_attachments_is_per_process_and_a_detach_makes_room() {
    let limits = Limits { shmseg: 3, ..Limits::WIDEST };
    let mut world = World::of(Size { limits, ..Size::USUAL });
    let (p, other) = (world.process(), world.process());
    let id = world.segment(p, PAGE);
    let all = [(); 3].map(|()| world.attach_anywhere(p, id));
    assert_eq!(world.attach(p, id, 0, PLAIN), Err(Errno::EMFILE));
    assert_eq!(world.attach(p, id, all[0], AttachFlags::REMAP), Err(Errno::EMFILE));
    world.attach_anywhere(other, id);
    world.detach(p, all[1]).expect("attached");
    world.attach_anywhere(p, id);
}

/// Proves: A-34
#[test]
fn an_address_space_without_room_is_enomem() {
    let mut world = World::quick(Size { frames: 40_000, vmas: 1024, ..Size::USUAL });
    let p = world.process();
    // 512 GiB each; the area of an address space has room for fewer than 256 of them. Their
    // tables cannot all be promised either, so most of the area is taken up by mappings.
    let limit = world.limits(p).1.shmmax;
    assert_eq!(limit, 1 << 39);
    let id = world.get(p, PRIVATE, 1 << 39, CREATE | abi::shm::GetFlags::NORESERVE).expect("no frame is needed");
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
    let mut world = World::of(Size { frames: 32, ..Size::USUAL });
    let p = world.process();
    let id = world.segment(p, PAGE);
    let hog = world.unpromised() - 2;
    world.segment(p, (hog - 1) * PAGE);
    assert_eq!(world.unpromised(), 2);
    let before = (world.facts(id), world.mm.frame_counts(), world.usage(p));
    assert_eq!(world.attach(p, id, 0, PLAIN), Err(Errno::ENOMEM), "three tables are needed");
    assert_eq!((world.facts(id), world.mm.frame_counts(), world.usage(p)), before);
}

/// Proves: A-37
#[test]
fn nothing_is_ever_placed_on_top_of_an_attachment() {
    let mut world = World::of(Size { vmas: 512, ..Size::USUAL });
    let p = world.process();
    let id = world.segment(p, 3 * PAGE);
    let at = world.attach(p, id, abi::layout::AREA_START + 2 * PAGE, PLAIN).expect("free");
    world.fill(p, at, 3, 500);
    for pages in 1..60 {
        let mapped = world.map_anywhere(p, pages % 5 * PAGE + PAGE);
        world.store(p, mapped, 1).expect("writable");
    }
    assert_eq!(world.map(p, at + PAGE, PAGE, Protection::READ), Err(Errno::EINVAL));
    assert_eq!([0, 1, 2].map(|page| world.load(p, at + page * PAGE)), [Ok(500), Ok(501), Ok(502)]);
}

/// Proves: A-43
#[test]
fn a_thousand_attachments_in_one_process_are_all_distinct_and_all_detach() {
    let mut world = World::quick(Size { vmas: 1100, ..Size::USUAL });
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
        world.store(other, theirs + page * PAGE + 8, 20 + page).expect("writable");
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
    let mut world = World::of(Size { frames: 16_384, ..Size::USUAL });
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
    assert_eq!(world.attach(p, small, end, PLAIN), Ok(end), "but the address is free");
    world.detach(p, at).expect("attached");
    world.store(p, end, 5).expect("the neighbour stays");
}
