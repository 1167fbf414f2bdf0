//! What programs see on the machine: isolation, sharing, permissions, and TLBs that go stale.

mod common;

use addr::{Frame, MemoryKind, Perms, PhysAddr, VirtAddr};
use common::{Bench, at, everywhere, page, pages};
use machine::{AccessKind, Fault};
use mm::mmu::{Dismantled, Extent, Mmu, Removed, TreeHeight};
use vmsa::Level;

#[test]
fn two_spaces_see_different_memory_at_one_address() {
    let mut bench = Bench::new();
    let (mut first, mut second) = (bench.space(), bench.space());
    bench.map(&mut first, 5, Perms::READ_WRITE);
    bench.map(&mut second, 5, Perms::READ_WRITE);
    bench.machine.write_u64(&first, at(5), 1).expect("mapped");
    bench.machine.write_u64(&second, at(5), 2).expect("mapped");
    assert_eq!(bench.machine.read_u64(&first, at(5)), Ok(1));
    assert_eq!(bench.machine.read_u64(&second, at(5)), Ok(2));
}

#[test]
fn a_frame_mapped_twice_is_shared() {
    let mut bench = Bench::new();
    let (mut first, mut second) = (bench.space(), bench.space());
    let frame = bench.map(&mut first, 5, Perms::READ_WRITE);
    bench.install(&mut second, 9, frame, Perms::READ);
    bench
        .machine
        .write_bytes(&first, VirtAddr::new(0x5ffe), b"ab")
        .expect("mapped");
    let mut seen = [0; 2];
    bench
        .machine
        .read_bytes(&second, VirtAddr::new(0x9ffe), &mut seen)
        .expect("mapped");
    assert_eq!(&seen, b"ab");
    assert_eq!(
        bench.machine.write_u64(&second, at(9), 1),
        Err(Fault::Permission(Level::Three))
    );
    assert_eq!(&bench.machine.frame_bytes(frame)[0xffe..], b"ab");
}

#[test]
fn faults_say_at_which_level_the_walk_ended() {
    let mut bench = Bench::new();
    let mut space = bench.space();
    bench.map(&mut space, 5, Perms::READ);
    let read = |bench: &mut Bench, at| bench.machine.read_u64(&space, at);
    assert_eq!(read(&mut bench, at(6)), Err(Fault::Translation(Level::Three)));
    assert_eq!(read(&mut bench, at(512)), Err(Fault::Translation(Level::Two)));
    assert_eq!(read(&mut bench, at(1 << 18)), Err(Fault::Translation(Level::One)));
    assert_eq!(
        read(&mut bench, at(1 << 27)),
        Err(Fault::Translation(Level::Zero))
    );
    assert_eq!(
        read(&mut bench, VirtAddr::new(u64::MAX - 100)),
        Err(Fault::NotUser)
    );
    assert_eq!(
        read(&mut bench, VirtAddr::new(0x5ffc)),
        Err(Fault::Translation(Level::Three)),
        "runs out of the page"
    );
}

#[test]
fn only_executable_pages_are_executed() {
    let mut bench = Bench::new();
    let mut space = bench.space();
    let code = bench.map(&mut space, 5, Perms::READ_EXECUTE);
    bench.map(&mut space, 6, Perms::READ_WRITE);
    bench.machine.publish_code(code);
    assert!(bench.machine.access(&space, at(5), AccessKind::Execute).is_ok());
    assert_eq!(
        bench.machine.access(&space, at(6), AccessKind::Execute),
        Err(Fault::Permission(Level::Three))
    );
}

#[test]
#[should_panic(expected = "was never published")]
fn code_written_after_publishing_is_not_executed_before_it_is_published_again() {
    let mut bench = Bench::new();
    let mut space = bench.space();
    let code = bench.map(&mut space, 5, Perms::READ_EXECUTE);
    bench.machine.publish_code(code);
    bench.machine.write_frame(code, 8, &[0; 4]);
    assert_eq!(
        bench.machine.access(&space, at(5), AccessKind::Execute),
        Ok(PhysAddr::new(0))
    );
}

#[test]
fn an_unmapped_page_can_be_used_until_the_flush() {
    let mut bench = Bench::new();
    let mut space = bench.space();
    bench.map(&mut space, 5, Perms::READ_WRITE);
    bench.machine.write_u64(&space, at(5), 7).expect("mapped");
    let (stale, _) = bench.unmap(&mut space, 5, 1, pages(5, 1));
    assert_eq!(bench.machine.lookup(&space, page(5)), None);
    assert_eq!(bench.machine.read_u64(&space, at(5)), Ok(7), "the TLB is stale");
    drop(bench.machine.flush(&space, stale));
    assert_eq!(
        bench.machine.read_u64(&space, at(5)),
        Err(Fault::Translation(Level::Three))
    );
    bench.machine.audit();
}

#[test]
fn invalidation_reaches_the_tlbs_of_all_cpus() {
    let mut bench = Bench::with(|machine| machine.with_cpus(2));
    let mut space = bench.space();
    bench.map(&mut space, 5, Perms::READ);
    for cpu in 0..2 {
        assert!(
            bench
                .machine
                .access_on(cpu, &space, at(5), AccessKind::Read)
                .is_ok()
        );
    }
    let (stale, _) = bench.unmap(&mut space, 5, 1, pages(5, 1));
    for cpu in 0..2 {
        assert!(
            bench
                .machine
                .access_on(cpu, &space, at(5), AccessKind::Read)
                .is_ok(),
            "stale on CPU {cpu}"
        );
    }
    drop(bench.machine.flush(&space, stale));
    for cpu in 0..2 {
        assert!(
            bench
                .machine
                .access_on(cpu, &space, at(5), AccessKind::Read)
                .is_err()
        );
    }
}

#[test]
fn tables_that_stayed_empty_are_forgotten_when_they_go() {
    let mut bench = Bench::adversarial();
    let mut space = bench.space();
    bench.map(&mut space, 5, Perms::READ);
    bench.discard(&mut space, 5, 1, pages(5, 1));
    assert_eq!(bench.machine.table_count(), 4);
    // No page is mapped any more, yet the walk caches know the tables.
    bench.discard(&mut space, 5, 1, everywhere());
    assert_eq!(bench.machine.table_count(), 1);
    bench.machine.audit();
}

#[test]
fn speculation_makes_pages_stale_that_were_never_used() {
    let stale_after = |seed| {
        let mut bench = Bench::new();
        let mut space = bench.space();
        bench.map(&mut space, 5, Perms::READ);
        bench.machine.run(0, &space);
        bench.machine.speculate(seed);
        let (stale, _) = bench.unmap(&mut space, 5, 1, pages(5, 1));
        let still = bench.machine.read_u64(&space, at(5)).is_ok();
        drop(bench.machine.flush(&space, stale));
        still
    };
    let found: Vec<_> = (0..20).map(stale_after).collect();
    assert!(found.contains(&true) && found.contains(&false));
}

#[test]
fn an_adversary_has_cached_what_was_never_used() {
    let mut bench = Bench::adversarial();
    let mut space = bench.space();
    bench.map(&mut space, 5, Perms::READ);
    let (stale, _) = bench.unmap(&mut space, 5, 1, pages(5, 1));
    assert!(bench.machine.read_u64(&space, at(5)).is_ok());
    drop(bench.machine.flush(&space, stale));
    assert!(bench.machine.read_u64(&space, at(5)).is_err());
}

#[test]
fn attachers_of_a_region_share_frames_with_permissions_of_their_own() {
    let mut bench = Bench::adversarial();
    let (mut writer, mut reader) = (bench.space(), bench.space());
    let tree = bench.region(TreeHeight::Two);
    let frame = bench.share(tree, 513);
    bench.link(&mut writer, 1024, tree, 1, Perms::READ_WRITE);
    bench.link(&mut reader, 512, tree, 1, Perms::READ);
    bench.machine.write_u64(&writer, at(1025), 9).expect("writable");
    assert_eq!(bench.machine.read_u64(&reader, at(513)), Ok(9));
    assert_eq!(
        bench.machine.write_u64(&reader, at(513), 1),
        Err(Fault::Permission(Level::Three))
    );
    assert_eq!(
        bench.machine.access(&writer, at(1025), AccessKind::Execute),
        Err(Fault::Permission(Level::Three))
    );
    assert_eq!(
        bench.machine.lookup(&reader, page(513)),
        Some((frame, Perms::READ))
    );
    // A first touch by one is there for both.
    bench.share(tree, 514);
    bench.machine.write_u64(&writer, at(1026), 10).expect("writable");
    assert_eq!(bench.machine.read_u64(&reader, at(514)), Ok(10));
}

#[test]
fn a_cached_link_leads_to_pages_that_come_later_as_it_was_until_the_flush() {
    let mut bench = Bench::new();
    let mut space = bench.space();
    let tree = bench.region(TreeHeight::One);
    bench.share(tree, 0);
    bench.link(&mut space, 512, tree, 0, Perms::READ);
    // The walker caches what the link leaves of the permissions.
    assert_eq!(bench.machine.read_u64(&space, at(512)), Ok(0));
    let (stale, _) = bench.unlink(&mut space, 512, pages(512, 512));
    bench.share(tree, 7);
    assert_eq!(bench.machine.read_u64(&space, at(512 + 7)), Ok(0), "stale");
    assert_eq!(
        bench.machine.write_u64(&space, at(512 + 7), 1),
        Err(Fault::Permission(Level::Three))
    );
    drop(bench.machine.flush(&space, stale));
    assert_eq!(
        bench.machine.read_u64(&space, at(512 + 7)),
        Err(Fault::Translation(Level::Two))
    );
    bench.link(&mut space, 512, tree, 0, Perms::READ_WRITE);
    assert_eq!(bench.machine.write_u64(&space, at(512 + 7), 1), Ok(()));
}

#[test]
fn unlinking_many_slots_is_one_invalidation_by_asid() {
    let mut bench = Bench::adversarial();
    let mut space = bench.space();
    let tree = bench.region(TreeHeight::Two);
    for number in 0..3 {
        bench.share(tree, number * 512);
    }
    let slots = pages(512, 3 * 512);
    bench
        .machine
        .link(&mut space, slots, tree, 0, Perms::READ, &mut bench.frames);
    bench.machine.reset_counts();
    let stale = bench.machine.unlink(&mut space, slots, slots, |removed| {
        assert!(matches!(removed, Removed::Link(_)), "tables stay: {removed:?}");
    });
    drop(bench.machine.flush(&space, stale));
    let counts = bench.machine.counts();
    assert_eq!(
        (counts.tlbi_asid, counts.tlbi_broadcast(), counts.table_stores),
        (1, 1, 3)
    );
}

#[test]
fn a_region_goes_after_the_last_attachment_with_all_its_frames() {
    let mut bench = Bench::adversarial();
    let mut space = bench.space();
    let before = bench.frames.used();
    let tree = bench.region(TreeHeight::Two);
    for index in [0, 1, 600] {
        bench.share(tree, index);
    }
    bench.link(&mut space, 512, tree, 0, Perms::READ);
    bench.link(&mut space, 1024, tree, 1, Perms::READ);
    assert!(bench.machine.read_u64(&space, at(513)).is_ok());
    for (slot, vacant) in [(512, pages(0, 1024)), (1024, everywhere())] {
        let (stale, gone) = bench.unlink(&mut space, slot, vacant);
        assert_eq!(stale.extent, Extent::Space);
        drop(bench.machine.flush(&space, stale));
        gone.into_iter().for_each(|frame| bench.frames.give(frame));
    }
    loop {
        let mut gone = Vec::new();
        let done = bench
            .machine
            .shared_dismantle(tree, 0, 2, |piece| gone.push(piece.first()));
        gone.into_iter().for_each(|frame| bench.frames.give(frame));
        if done == Dismantled::Wholly {
            break;
        }
    }
    assert_eq!(bench.frames.used(), before);
    assert_eq!(bench.machine.table_count(), 1, "the space's root");
    let free = &bench.frames;
    bench.machine.assert_all_free(|frame| free.is_free(frame));
}

#[test]
fn an_address_space_gives_its_tables_and_its_asid_back() {
    let mut bench = Bench::with(|machine| machine.with_asid_bits(4));
    for round in 0..100 {
        let mut space = bench.space();
        bench.map(&mut space, 5, Perms::READ_WRITE);
        bench.machine.write_u64(&space, at(5), round).expect("mapped");
        bench.discard(&mut space, 5, 1, everywhere());
        let (root, _flushed) = bench.machine.destroy_space(space);
        bench.frames.give(root);
        assert_eq!(bench.frames.used(), 0);
        assert_eq!((bench.machine.table_count(), bench.machine.space_count()), (0, 0));
    }
    assert_eq!(bench.machine.asid_rollovers(), 0);
}

#[test]
fn forty_spaces_keep_their_memory_apart_with_four_bit_asids_on_four_cpus() {
    let mut bench = Bench::with(|machine| machine.with_asid_bits(4).with_cpus(4));
    let mut spaces: Vec<_> = (0..40).map(|_| bench.space()).collect();
    for (number, space) in spaces.iter_mut().enumerate() {
        let frame = bench.map(space, 5, Perms::READ_WRITE);
        bench.machine.write_frame(frame, 0, &number.to_le_bytes());
    }
    for step in 0..2000 {
        let number = step * 7 % 40;
        let phys = bench
            .machine
            .access_on(step % 4, &spaces[number], at(5), AccessKind::Read)
            .expect("mapped");
        assert_eq!(bench.machine.frame_bytes(phys.frame())[0], number as u8);
    }
    assert!(bench.machine.asid_rollovers() > 10);
}

#[test]
fn a_space_that_never_ran_is_flushed_without_an_instruction() {
    let mut bench = Bench::new();
    let mut space = bench.space();
    bench.map(&mut space, 5, Perms::READ);
    bench.discard(&mut space, 5, 1, everywhere());
    assert_eq!(bench.machine.counts().tlbi_broadcast(), 0);
}

#[test]
fn instructions_are_counted_by_kind() {
    let mut bench = Bench::adversarial();
    let mut space = bench.space();
    for number in 0..3 {
        bench.map(&mut space, number, Perms::READ);
    }
    bench.map(&mut space, 100, Perms::READ);
    bench.machine.reset_counts();
    bench.discard(&mut space, 0, 3, pages(0, 100));
    let counts = bench.machine.counts();
    assert_eq!(
        (counts.tlbi_last_level, counts.tlbi_page, counts.tlbi_asid),
        (3, 0, 0)
    );
    assert_eq!(
        (
            counts.dsb_stores,
            counts.dsb_full,
            counts.isb,
            counts.table_stores
        ),
        (1, 1, 1, 3)
    );
    bench.discard(&mut space, 100, 1, everywhere());
    assert_eq!(bench.machine.counts().tlbi_page, 1, "tables went as well");
}

#[test]
fn device_memory_is_mapped_and_never_executable() {
    let mut bench = Bench::new();
    let mut space = bench.space();
    let device = Frame::from_number(0x900_0000 >> 12);
    bench.machine.install(
        &mut space,
        page(5),
        device,
        Perms::all(),
        MemoryKind::Device,
        &mut bench.frames,
    );
    bench.machine.publish_entries();
    let phys = bench
        .machine
        .access(&space, VirtAddr::new(0x5018), AccessKind::Write);
    assert_eq!(phys.map(|phys| phys.raw()), Ok(0x900_0018));
    assert!(bench.machine.access(&space, at(5), AccessKind::Execute).is_err());
}
