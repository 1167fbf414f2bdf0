//! Every deliberate mistake is caught: tests of the tests.

mod common;

use addr::{Frame, Perms, PhysAddr};
use common::{Bench, at, everywhere, page, pages};
use machine::{AccessKind, Fault, Sabotage, Space};
use mm::mmu::{Extent, FrameSource, Mmu, SharedTree, Stale, TreeHeight};
use vmsa::{Attributes, Descriptor, Leaf, Level, Link, Table, TableMemory};

fn leaf(frame: Frame, perms: Perms) -> u64 {
    let attributes = Attributes::user(perms, addr::MemoryKind::Normal);
    Descriptor::Leaf(Leaf { frame, attributes }).encode(Level::Three)
}

/// The level-3 table for page 5, whose root is `root`: tables are put in from the root down.
fn level_three(bench: &Bench, root: Frame) -> Frame {
    let mut table = root;
    for level in [Level::Zero, Level::One, Level::Two] {
        let raw = bench.machine.load(table, level.index(page(5)));
        let Descriptor::Table(next) = Descriptor::decode(raw, level) else {
            panic!("page 5 has tables")
        };
        table = next.frame;
    }
    table
}

#[test]
#[should_panic(expected = "a TLB still has")]
fn a_forgotten_flush_after_a_use() {
    let mut bench = Bench::new();
    let mut space = bench.space();
    bench.map(&mut space, 5, Perms::READ);
    bench.machine.read_u64(&space, at(5)).expect("mapped");
    bench.machine.forget_flushes();
    bench.discard(&mut space, 5, 1, pages(5, 1));
}

#[test]
#[should_panic(expected = "a TLB still has")]
fn a_forgotten_flush_that_only_speculation_makes_dangerous() {
    let mut bench = Bench::adversarial();
    let mut space = bench.space();
    bench.map(&mut space, 5, Perms::READ);
    bench.machine.forget_flushes();
    bench.discard(&mut space, 5, 1, pages(5, 1));
}

#[test]
#[should_panic(expected = "a TLB still leads to")]
fn a_frame_reused_before_the_flush() {
    let mut bench = Bench::adversarial();
    let mut space = bench.space();
    let frame = bench.map(&mut space, 5, Perms::READ);
    let (_stale, _) = bench.unmap(&mut space, 5, 1, pages(5, 1));
    bench.zero(frame);
}

#[test]
#[should_panic(expected = "a TLB leads there")]
fn a_frame_given_back_before_the_flush() {
    let mut bench = Bench::adversarial();
    let mut space = bench.space();
    let frame = bench.map(&mut space, 5, Perms::READ);
    let (_stale, _) = bench.unmap(&mut space, 5, 1, pages(5, 1));
    bench.machine.assert_all_free(|free| free == frame);
}

#[test]
#[should_panic(expected = "is still mapped")]
fn a_frame_reused_while_mapped() {
    let mut bench = Bench::new();
    let mut space = bench.space();
    let frame = bench.map(&mut space, 5, Perms::READ);
    bench.zero(frame);
}

#[test]
#[should_panic(expected = "a TLB still leads to")]
fn a_table_reused_before_the_flush() {
    let mut bench = Bench::adversarial();
    let mut space = bench.space();
    bench.map(&mut space, 5, Perms::READ);
    let (_stale, gone) = bench.unmap(&mut space, 5, 1, everywhere());
    // The last to go is the level-1 table, which a TLB knows from the root's descriptor.
    bench.zero(gone[3]);
}

#[test]
#[should_panic(expected = "a TLB still has")]
fn a_last_level_only_flush_after_tables_went() {
    let mut bench = Bench::adversarial();
    let mut space = bench.space();
    bench.map(&mut space, 5, Perms::READ);
    bench.machine.sabotage(Sabotage::FlushLastLevelOnly);
    bench.discard(&mut space, 5, 1, everywhere());
}

#[test]
#[should_panic(expected = "a TLB still has")]
fn a_flush_of_the_first_page_only() {
    let mut bench = Bench::adversarial();
    let mut space = bench.space();
    bench.map(&mut space, 5, Perms::READ);
    bench.map(&mut space, 6, Perms::READ);
    bench.machine.sabotage(Sabotage::FlushFirstPageOnly);
    bench.discard(&mut space, 5, 2, pages(5, 2));
}

#[test]
#[should_panic(expected = "is made before the TLB forgot")]
fn a_mapping_changed_without_a_flush_between() {
    let mut bench = Bench::adversarial();
    let mut space = bench.space();
    bench.map(&mut space, 5, Perms::READ);
    let (_stale, _) = bench.unmap(&mut space, 5, 1, pages(5, 1));
    bench.map(&mut space, 5, Perms::READ);
}

#[test]
#[should_panic(expected = "is made before the TLB forgot")]
fn permissions_widened_without_a_flush_between() {
    let mut bench = Bench::adversarial();
    let mut space = bench.space();
    let frame = bench.map(&mut space, 5, Perms::READ);
    let (_stale, _) = bench.unmap(&mut space, 5, 1, pages(5, 1));
    bench.install(&mut space, 5, frame, Perms::READ_WRITE);
}

#[test]
#[should_panic(expected = "without a break")]
fn a_valid_descriptor_replaced_by_another() {
    let mut bench = Bench::new();
    let mut space = bench.space();
    bench.map(&mut space, 5, Perms::READ);
    let other = bench.frames.take();
    let table = level_three(&bench, space.root());
    bench
        .machine
        .store(table, Level::Three.index(page(5)), leaf(other, Perms::READ));
}

#[test]
#[should_panic(expected = "a TLB still has")]
fn permissions_taken_away_without_a_flush() {
    let mut bench = Bench::adversarial();
    let mut space = bench.space();
    bench.map(&mut space, 5, Perms::READ_WRITE);
    bench.machine.sabotage(Sabotage::KeepOldPermissions);
    bench.protect(&mut space, 5, 1, Perms::READ);
}

#[test]
#[should_panic(expected = "was never flushed")]
fn permissions_taken_away_by_somebody_who_throws_the_token_away() {
    let mut bench = Bench::new();
    let mut space = bench.space();
    bench.map(&mut space, 5, Perms::READ_WRITE);
    drop(bench.machine.protect(&mut space, pages(5, 1), Perms::READ));
    bench.machine.audit();
}

#[test]
fn permissions_given_without_a_flush_never_reach_the_program() {
    let mut bench = Bench::adversarial();
    let mut space = bench.space();
    bench.map(&mut space, 5, Perms::READ);
    bench.machine.sabotage(Sabotage::KeepOldPermissions);
    bench.permit(&mut space, 5, Perms::READ_WRITE);
    let refused = bench.machine.write_u64(&space, at(5), 1);
    assert_eq!(refused, Err(Fault::Permission(Level::Three)));
}

#[test]
#[should_panic(expected = "of a region is replaced")]
fn permissions_of_a_shared_leaf_changed_for_everybody() {
    let mut bench = Bench::new();
    let (_space, tree) = linked(&mut bench, Perms::READ_WRITE);
    let frame = bench.machine.shared_lookup(tree, 9).expect("shared");
    bench
        .machine
        .store(tree.root, Level::Three.index(page(9)), leaf(frame, Perms::READ));
}

#[test]
#[should_panic(expected = "lie in a linked slot")]
fn permissions_of_a_linked_slot_changed_leaf_by_leaf() {
    let mut bench = Bench::new();
    let (mut space, _tree) = linked(&mut bench, Perms::READ_WRITE);
    bench.protect(&mut space, 512, 512, Perms::READ);
}

#[test]
#[should_panic(expected = "without having been zeroed")]
fn a_table_full_of_garbage() {
    let mut bench = Bench::new();
    let mut space = bench.space();
    bench.machine.sabotage(Sabotage::ForgetZeroingTables);
    bench.map(&mut space, 5, Perms::READ);
}

#[test]
#[should_panic(expected = "without having been zeroed")]
fn a_regions_root_full_of_garbage() {
    let mut bench = Bench::new();
    let root = bench.frames.take();
    let tree = mm::mmu::SharedTree {
        root,
        height: TreeHeight::One,
    };
    bench.share(tree, 0);
}

#[test]
#[should_panic(expected = "would be mapped")]
fn a_table_mapped_for_a_program() {
    let mut bench = Bench::new();
    let mut space = bench.space();
    let root = space.root();
    bench.install(&mut space, 5, root, Perms::READ);
}

#[test]
#[should_panic(expected = "is still mapped")]
fn a_mapped_frame_made_a_table() {
    let mut bench = Bench::new();
    let mut space = bench.space();
    let frame = bench.map(&mut space, 5, Perms::READ);
    bench.frames.give(frame);
    bench.map(&mut space, 512, Perms::READ);
}

#[test]
#[should_panic(expected = "the kernel could execute")]
fn user_memory_that_the_kernel_could_execute() {
    let mut bench = Bench::new();
    let mut space = bench.space();
    let frame = bench.map(&mut space, 5, Perms::READ);
    let table = level_three(&bench, space.root());
    let pxn = 1 << 53;
    bench.machine.store(
        table,
        Level::Three.index(page(6)),
        leaf(frame, Perms::READ) & !pxn,
    );
    assert_eq!(
        bench.machine.access(&space, at(6), AccessKind::Read),
        Ok(PhysAddr::new(0))
    );
}

#[test]
#[should_panic(expected = "maps user memory for all ASIDs")]
fn user_memory_mapped_globally() {
    let mut bench = Bench::new();
    let mut space = bench.space();
    let frame = bench.map(&mut space, 5, Perms::READ);
    let table = level_three(&bench, space.root());
    let not_global = 1 << 11;
    bench.machine.store(
        table,
        Level::Three.index(page(6)),
        leaf(frame, Perms::READ) & !not_global,
    );
}

#[test]
#[should_panic(expected = "uses a translation of")]
fn asids_given_anew_while_tlbs_are_full() {
    let mut bench = Bench::with(|machine| machine.with_asid_bits(4));
    bench.machine.sabotage(Sabotage::KeepTlbsAtRollover);
    let mut spaces: Vec<_> = (0..20).map(|_| bench.space()).collect();
    for space in &mut spaces {
        bench.map(space, 5, Perms::READ);
        bench.machine.read_u64(space, at(5)).expect("mapped");
    }
}

#[test]
#[should_panic(expected = "an address space ended, but a TLB still has")]
fn an_address_space_ended_without_a_flush() {
    let mut bench = Bench::adversarial();
    let mut space = bench.space();
    bench.map(&mut space, 5, Perms::READ);
    let (_stale, _) = bench.unmap(&mut space, 5, 1, everywhere());
    bench.machine.forget_flushes();
    let (_root, _flushed) = bench.machine.destroy_space(space);
}

#[test]
#[should_panic(expected = "still has translations")]
fn an_address_space_ended_with_something_in_it() {
    let mut bench = Bench::new();
    let mut space = bench.space();
    bench.map(&mut space, 5, Perms::READ);
    let (_root, _flushed) = bench.machine.destroy_space(space);
}

#[test]
#[should_panic(expected = "which ends")]
fn an_address_space_ended_while_it_runs() {
    let mut bench = Bench::new();
    let space = bench.space();
    bench.machine.run(0, &space);
    let (_root, _flushed) = bench.machine.destroy_space(space);
}

#[test]
#[should_panic(expected = "before entries that became valid are published")]
fn an_entry_that_is_used_before_it_was_published() {
    let mut bench = Bench::new();
    let mut space = bench.space();
    bench.machine.sabotage(Sabotage::ForgetPublishingEntries);
    bench.map(&mut space, 5, Perms::READ);
    bench.machine.access(&space, at(5), AccessKind::Read).ok();
}

#[test]
#[should_panic(expected = "is a table still linked")]
fn a_region_dismantled_while_it_is_attached() {
    let mut bench = Bench::new();
    let mut space = bench.space();
    let tree = bench.region(TreeHeight::One);
    bench.share(tree, 0);
    bench.link(&mut space, 512, tree, 0, Perms::READ);
    bench.machine.shared_dismantle(tree, 0, 10, |_| ());
}

#[test]
#[should_panic(expected = "a TLB still leads to")]
fn a_region_dismantled_before_its_last_attacher_flushed() {
    let mut bench = Bench::adversarial();
    let mut space = bench.space();
    let tree = bench.region(TreeHeight::One);
    bench.share(tree, 0);
    bench.link(&mut space, 512, tree, 0, Perms::READ);
    let (_stale, _) = bench.unlink(&mut space, 512, everywhere());
    bench.machine.shared_dismantle(tree, 0, 10, |_| ());
}

#[test]
#[should_panic(expected = "a TLB still leads to")]
fn a_first_touch_seen_through_a_link_that_is_gone_but_not_flushed() {
    let mut bench = Bench::adversarial();
    let mut space = bench.space();
    let tree = bench.region(TreeHeight::One);
    bench.share(tree, 0);
    bench.link(&mut space, 512, tree, 0, Perms::READ);
    let (_stale, _) = bench.unlink(&mut space, 512, everywhere());
    let frame = bench.share(tree, 1);
    // The space's walk cache knows the table, so the walker has found the new frame too.
    bench.machine.shared_dismantle(tree, 0, 1, |_| ());
    bench.machine.assert_free(frame);
}

/// A space in which a table with two pages is linked.
fn linked(bench: &mut Bench, perms: Perms) -> (Space, SharedTree) {
    let mut space = bench.space();
    let tree = bench.region(TreeHeight::One);
    bench.share(tree, 0);
    bench.share(tree, 9);
    bench.link(&mut space, 512, tree, 0, perms);
    (space, tree)
}

/// Unlinks and flushes, with a mistake.
fn unlink_with(sabotage: Sabotage) {
    let mut bench = Bench::adversarial();
    let (mut space, _) = linked(&mut bench, Perms::READ_WRITE);
    bench.machine.sabotage(sabotage);
    let (stale, _) = bench.unlink(&mut space, 512, pages(512, 512));
    drop(bench.machine.flush(&space, stale));
}

#[test]
fn unlinking_without_a_mistake_is_fine() {
    unlink_with(Sabotage::None);
}

#[test]
#[should_panic(expected = "a TLB still has")]
fn a_slot_unlinked_without_an_invalidation() {
    unlink_with(Sabotage::ForgetFlushes);
}

#[test]
#[should_panic(expected = "a TLB still has")]
fn a_slot_unlinked_and_invalidated_by_one_address() {
    unlink_with(Sabotage::FlushOneAddressOfSlots);
}

#[test]
#[should_panic(expected = "kind: Table")]
fn a_slot_unlinked_and_invalidated_page_by_page_with_the_last_level_only_form() {
    unlink_with(Sabotage::FlushLeavesOfSlots);
}

#[test]
#[should_panic(expected = "is made before the TLB forgot")]
fn a_slot_linked_again_with_less_permissions_without_a_flush_between() {
    let mut bench = Bench::adversarial();
    let (mut space, tree) = linked(&mut bench, Perms::READ_WRITE);
    let (_stale, _) = bench.unlink(&mut space, 512, pages(512, 512));
    bench.link(&mut space, 512, tree, 0, Perms::READ);
}

#[test]
#[should_panic(expected = "is made before the TLB forgot")]
fn a_private_table_put_in_place_of_a_linked_one_without_a_flush_between() {
    let mut bench = Bench::adversarial();
    let (mut space, _) = linked(&mut bench, Perms::READ_WRITE);
    let (_stale, _) = bench.unlink(&mut space, 512, pages(512, 512));
    bench.map(&mut space, 512, Perms::READ);
}

#[test]
#[should_panic(expected = "without a break")]
fn a_shared_leaf_replaced_by_another() {
    let mut bench = Bench::new();
    let (_space, tree) = linked(&mut bench, Perms::READ_WRITE);
    let other = bench.frames.take();
    bench
        .machine
        .store(tree.root, Level::Three.index(page(9)), leaf(other, Perms::all()));
}

#[test]
#[should_panic(expected = "a TLB still has")]
fn a_shared_leaf_taken_away_and_forgotten_by_one_of_two_attachers() {
    let mut bench = Bench::adversarial();
    let (one, tree) = linked(&mut bench, Perms::READ_WRITE);
    let mut other = bench.space();
    bench.link(&mut other, 1024, tree, 0, Perms::READ);
    bench.machine.store(tree.root, Level::Three.index(page(9)), 0);
    let stale = Stale {
        extent: Extent::Space,
    };
    drop(bench.machine.flush(&one, stale));
    bench.machine.audit();
}

#[test]
#[should_panic(expected = "was never flushed")]
fn a_stale_token_thrown_away() {
    let mut bench = Bench::new();
    let mut space = bench.space();
    bench.map(&mut space, 5, Perms::READ);
    let (stale, _) = bench.unmap(&mut space, 5, 1, pages(5, 1));
    drop(stale);
    bench.machine.audit();
}

#[test]
#[should_panic(expected = "was never published")]
fn code_that_was_not_published() {
    let mut bench = Bench::new();
    let mut space = bench.space();
    let code = bench.map(&mut space, 5, Perms::READ_EXECUTE);
    bench.machine.sabotage(Sabotage::ForgetPublishing);
    bench.machine.publish_code(code);
    assert_eq!(
        bench.machine.access(&space, at(5), AccessKind::Execute),
        Ok(PhysAddr::new(0))
    );
}

#[test]
#[should_panic(expected = "is linked at another level")]
fn a_table_linked_at_two_levels() {
    let mut bench = Bench::new();
    let mut space = bench.space();
    bench.map(&mut space, 5, Perms::READ);
    let table = level_three(&bench, space.root());
    let raw = Descriptor::Table(Table {
        frame: table,
        link: Link::Own,
    })
    .encode(Level::Zero);
    bench
        .machine
        .store(space.root(), Level::Zero.index(page(1 << 27)), raw);
}

#[test]
#[should_panic(expected = "is made before the TLB forgot")]
fn a_table_made_where_a_block_was_before_its_flush() {
    let mut bench = Bench::adversarial();
    let mut space = bench.space();
    bench.map_block(&mut space, 512, Perms::READ_WRITE);
    let (_stale, _) = bench.unlink(&mut space, 512, pages(512, 512));
    bench.map(&mut space, 513, Perms::READ);
}

#[test]
#[should_panic(expected = "is made before the TLB forgot")]
fn a_block_made_where_a_table_was_before_its_flush() {
    let mut bench = Bench::adversarial();
    let mut space = bench.space();
    bench.map(&mut space, 0, Perms::READ);
    bench.map(&mut space, 513, Perms::READ);
    let (_stale, _) = bench.unmap(&mut space, 513, 1, pages(512, 512));
    bench.map_block(&mut space, 512, Perms::READ_WRITE);
}

#[test]
#[should_panic(expected = "a TLB still leads to")]
fn a_frame_in_the_middle_of_a_block_reused_before_its_flush() {
    let mut bench = Bench::adversarial();
    let mut space = bench.space();
    let first = bench.map_block(&mut space, 512, Perms::READ_WRITE);
    let (_stale, _) = bench.unlink(&mut space, 512, everywhere());
    bench.machine.assert_free(first.offset(300));
}

#[test]
#[should_panic(expected = "is still mapped")]
fn a_frame_in_the_middle_of_a_block_reused_while_it_is_mapped() {
    let mut bench = Bench::new();
    let mut space = bench.space();
    let first = bench.map_block(&mut space, 512, Perms::READ_WRITE);
    Mmu::zero(&mut bench.machine, first.offset(300));
}
