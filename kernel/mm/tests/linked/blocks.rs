//! Segments of 2 MiB blocks (`SHM_HUGETLB`): one descriptor for each block, and no table below.

use super::look::{AT, SLOT, SLOT_BYTES, seen, world};
use crate::common::{CREATE, PAGE, PLAIN, PRIVATE, Size, World, create_with};
use abi::Errno;
use abi::memory::Protection;
use abi::shm::{AttachFlags, GetFlags, ShmId};
use addr::{Perms, VirtAddr};
use mm::{Access, FaultCause, STEP_FRAMES, SpaceId};

const BLOCKS: GetFlags = CREATE.union(GetFlags::HUGETLB);

/// How many faults it takes until a block is there.
const STEPS: u64 = SLOT / STEP_FRAMES as u64;

fn of_blocks(world: &mut World, p: SpaceId, blocks: u64) -> ShmId {
    let id = world.get(p, PRIVATE, blocks * SLOT_BYTES, BLOCKS);
    id.expect("room for a segment of blocks")
}

fn fault(world: &mut World, p: SpaceId, address: u64, access: Access) {
    assert_eq!(world.mm.fault(p, VirtAddr::new(address), access), Ok(()));
    world.check();
}

/// Proves: G-44
#[test]
fn only_the_privileged_get_blocks_which_have_2_mib_and_as_many_as_there_are() {
    let mut world = world();
    let (root, user) = (world.process(), world.user(7));
    let before = (world.mm.frame_counts(), world.segments());
    let of_size = |log2: u32| BLOCKS | GetFlags::from_bits_retain(log2 << 26);
    for (flags, expected) in [
        (BLOCKS, Errno::EPERM),
        (BLOCKS | GetFlags::HUGE_2MB, Errno::EPERM),
        (of_size(30), Errno::EINVAL),
    ] {
        assert_eq!(world.get(user, PRIVATE, 1, flags), Err(expected));
    }
    for log2 in (1..64).filter(|log2| *log2 != 21) {
        assert_eq!(world.get(root, PRIVATE, 1, of_size(log2)), Err(Errno::EINVAL));
    }
    let frames = world.mm.frame_counts().total;
    let too_many = frames / SLOT * SLOT_BYTES;
    assert_eq!(world.get(root, PRIVATE, too_many, BLOCKS), Err(Errno::ENOMEM));
    assert_eq!((world.mm.frame_counts(), world.segments()), before);

    let id = world.get(root, 7, 1, of_size(21)).expect("2 MiB are a size");
    let told = world.facts(id);
    assert_eq!((told.shm_segsz, world.segments()), (1, (1, SLOT)));
    assert_eq!(
        world.get(user, 7, 1, GetFlags::HUGETLB),
        Ok(id),
        "what is there may be found"
    );
    let pages = world.get(root, 8, PAGE, CREATE).expect("created");
    assert_eq!(world.get(root, 8, PAGE, GetFlags::HUGETLB), Ok(pages));
}

#[test]
fn what_one_writes_the_other_reads_through_blocks_of_its_own_permissions() {
    let mut world = world();
    let (writer, reader) = (world.process(), world.process());
    let id = of_blocks(&mut world, writer, 2);
    let here = world.attach_anywhere(writer, id);
    let there = world.attach(reader, id, AT, AttachFlags::RDONLY).expect("free");
    assert!(here.is_multiple_of(SLOT_BYTES));
    for page in [0, 1, 511, 512, 1023] {
        assert_eq!(world.load(reader, there + page * PAGE), Ok(0));
        world
            .store(writer, here + page * PAGE, page + 1)
            .expect("writable");
        assert_eq!(world.load(reader, there + page * PAGE), Ok(page + 1));
    }
    assert_eq!(world.store(reader, there, 1), Err(FaultCause::NotPermitted));
    let leaves = [here, there].map(|at| at + 3 * PAGE);
    let [(frame, perms), (same, fewer)] =
        [(writer, leaves[0]), (reader, leaves[1])].map(|(p, at)| seen(&mut world, p, at).expect("mapped"));
    assert_eq!((frame, perms, fewer), (same, Perms::READ_WRITE, Perms::READ));
    assert_eq!(
        world.load(writer, here + 2 * SLOT_BYTES),
        Err(FaultCause::Unmapped)
    );
}

#[test]
fn no_level_3_table_is_needed_and_none_is_charged() {
    let mut world = world();
    let p = world.process();
    let tables = world.mm.mmu().table_count();
    let before = world.mm.frame_counts();
    let id = of_blocks(&mut world, p, 2);
    assert_eq!(world.mm.frame_counts().promised, 2 * SLOT + 1);
    let at = world.attach_anywhere(p, id);
    world.fill(p, at, 1024, 1);
    // Level 1 and 2 of the process, and level 2 of the region.
    assert_eq!(world.mm.mmu().table_count(), tables + 3);
    assert_eq!((world.usage(p).tables, world.totals(p).1.shm_rss), (3, 2 * SLOT));
    world.detach(p, at).expect("attached");
    world.remove(p, id).expect("there");
    assert_eq!(world.mm.frame_counts(), before);
    assert_eq!(world.totals(p).1.shm_rss, 0);
}

#[test]
fn an_attachment_starts_with_a_slot_or_is_refused() {
    let mut world = world();
    let p = world.process();
    let id = of_blocks(&mut world, p, 1);
    for flags in [PLAIN, AttachFlags::RND, AttachFlags::REMAP] {
        for at in [AT + PAGE, AT + SLOT_BYTES - PAGE] {
            assert_eq!(world.attach(p, id, at, flags), Err(Errno::EINVAL));
        }
    }
    assert_eq!(world.attach(p, id, AT + 5, AttachFlags::RND), Ok(AT));
    assert_eq!(world.attach(p, id, AT, PLAIN), Err(Errno::EINVAL), "taken");
    let page = world
        .map(p, AT + SLOT_BYTES + PAGE, PAGE, Protection::WRITE)
        .expect("free");
    assert_eq!(world.attach(p, id, AT + SLOT_BYTES, PLAIN), Err(Errno::EINVAL));
    assert_eq!(
        world.attach(p, id, AT + SLOT_BYTES, AttachFlags::REMAP),
        Ok(AT + SLOT_BYTES)
    );
    assert_eq!(world.store(p, page, 1), Ok(()));
    assert_eq!(
        world.load(p, AT + PAGE),
        Ok(1),
        "it is the segment's second page by now"
    );
}

#[test]
fn blocks_are_unmapped_and_replaced_whole_or_not_at_all() {
    let mut world = world();
    let p = world.process();
    let (id, small) = (of_blocks(&mut world, p, 3), world.segment(p, PAGE));
    world.attach(p, id, AT, PLAIN).expect("free");
    world.fill(p, AT, 3 * SLOT, 1);
    for (start, pages) in [(0, 1), (1, 511), (511, 1), (512, 513), (1, 3000)] {
        assert_eq!(
            world.unmap(p, AT + start * PAGE, pages * PAGE),
            Err(Errno::EINVAL)
        );
    }
    assert_eq!(
        world.attach(p, small, AT + PAGE, AttachFlags::REMAP),
        Err(Errno::EINVAL)
    );
    assert_eq!(world.attach(p, small, AT, AttachFlags::REMAP), Err(Errno::EINVAL));
    for page in 0..3 * SLOT {
        assert_eq!(
            world.load(p, AT + page * PAGE),
            Ok(1 + page),
            "nothing has changed"
        );
    }
    world
        .unmap(p, AT + SLOT_BYTES, SLOT_BYTES)
        .expect("a whole block");
    assert_eq!(world.load(p, AT + SLOT_BYTES), Err(FaultCause::Unmapped));
    assert_eq!(world.load(p, AT + 2 * SLOT_BYTES), Ok(1 + 2 * SLOT));
    assert_eq!(world.facts(id).shm_nattch, 1);
    // Where a block was there can be pages, and a block again.
    let pages = world
        .map(p, AT + SLOT_BYTES, PAGE, Protection::WRITE)
        .expect("free");
    world.store(p, pages, 7).expect("writable");
    world.unmap(p, pages, PAGE).expect("mapped");
    let other = of_blocks(&mut world, p, 1);
    world.attach(p, other, AT + SLOT_BYTES, PLAIN).expect("free");
    assert_eq!(world.load(p, AT + SLOT_BYTES), Ok(0));
    world.detach(p, AT).expect("attached");
    assert_eq!(world.facts(id).shm_nattch, 0);
}

#[test]
fn a_block_comes_in_bounded_steps_whoever_takes_them() {
    let mut world = world();
    let (one, other) = (world.process(), world.process());
    let id = of_blocks(&mut world, one, 2);
    world.attach(one, id, AT, PLAIN).expect("free");
    world.attach(other, id, AT, PLAIN).expect("free");
    let free = world.mm.frame_counts().free;
    for step in 0..STEPS {
        assert_eq!(seen(&mut world, one, AT), None, "step {step}");
        let (p, page) = if step % 2 == 0 { (one, 0) } else { (other, 511) };
        fault(&mut world, p, AT + page * PAGE, Access::Write);
    }
    // The other took the last step, and found its own page; the first finds the block there.
    assert!(seen(&mut world, other, AT).is_some());
    fault(&mut world, one, AT, Access::Write);
    assert_eq!(
        seen(&mut world, one, AT + PAGE).map(|leaf| leaf.0),
        seen(&mut world, other, AT + PAGE).map(|leaf| leaf.0)
    );
    assert!(
        free - world.mm.frame_counts().free <= SLOT + 5,
        "one block, and tables"
    );
}

#[test]
fn two_who_touch_different_blocks_at_once_both_get_theirs() {
    let mut world = world();
    let (one, other) = (world.process(), world.process());
    let id = of_blocks(&mut world, one, 2);
    for p in [one, other] {
        world.attach(p, id, AT, PLAIN).expect("free");
    }
    let mut faults = 0;
    while seen(&mut world, one, AT).is_none() || seen(&mut world, other, AT + SLOT_BYTES).is_none() {
        fault(&mut world, one, AT, Access::Read);
        fault(&mut world, other, AT + SLOT_BYTES, Access::Read);
        faults += 1;
        assert!(faults <= 2 * STEPS, "each fault is a step forward for somebody");
    }
    for p in [one, other] {
        assert_eq!(
            (world.load(p, AT), world.load(p, AT + SLOT_BYTES)),
            (Ok(0), Ok(0))
        );
    }
}

#[test]
fn a_block_on_its_way_is_given_back_when_its_segment_goes() {
    let mut world = world();
    let p = world.process();
    let before = world.mm.frame_counts();
    for flags in [BLOCKS, BLOCKS | GetFlags::NORESERVE] {
        let q = world.process();
        let id = world.get(q, PRIVATE, 2 * SLOT_BYTES, flags).expect("room");
        world.attach(q, id, AT, PLAIN).expect("free");
        fault(&mut world, q, AT, Access::Write);
        world.remove(p, id).expect("there");
        fault(&mut world, q, AT, Access::Write);
        world.exit(q);
        assert_eq!(world.mm.frame_counts(), before);
    }
}

#[test]
fn what_was_promised_comes_however_small_the_rest_of_memory_is_cut() {
    let mut world = World::of(Size {
        frames: 4 * SLOT,
        ..Size::USUAL
    });
    world.thorough = false;
    let p = world.process();
    let id = of_blocks(&mut world, p, 2);
    let at = world.attach_anywhere(p, id);
    let pages = world.unpromised();
    let rest = world.segment(p, (pages - 8) * PAGE);
    let small = world.attach_anywhere(p, rest);
    world.touch(p, small, pages - 8);
    world.fill(p, at, 2 * SLOT, 1);
    world.check_now();
}

#[test]
fn without_a_promise_a_touch_may_find_no_block_and_says_so() {
    let mut world = World::of(Size {
        frames: 2 * SLOT,
        ..Size::USUAL
    });
    let p = world.process();
    let before = world.unpromised();
    let id = world
        .get(p, PRIVATE, 2 * SLOT_BYTES, BLOCKS | GetFlags::NORESERVE)
        .expect("created");
    assert_eq!(world.unpromised(), before);
    let at = world.attach_anywhere(p, id);
    world.store(p, at, 1).expect("there is one whole block");
    assert_eq!(world.store(p, at + SLOT_BYTES, 1), Err(FaultCause::OutOfMemory));
    assert_eq!(world.load(p, at), Ok(1));
    world.check_now();
}

#[test]
fn a_block_that_can_be_executed_is_published_whole_and_in_steps() {
    let mut world = world();
    let (writer, runner) = (world.process(), world.process());
    let flags = create_with(0o700) | GetFlags::HUGETLB;
    let id = world.get(writer, PRIVATE, 2 * SLOT_BYTES, flags).expect("room");
    let at = world.attach_anywhere(writer, id);
    world.store(writer, at + PAGE, 1).expect("writable");
    world.attach(runner, id, AT, AttachFlags::EXEC).expect("free");
    world.jump(runner, AT).expect("executable");
    world.jump(runner, AT + 511 * PAGE).expect("executable");
    assert_eq!(world.store(runner, AT, 1), Err(FaultCause::NotPermitted));
    assert_eq!(world.jump(writer, at), Err(FaultCause::NotPermitted));
    // And one that comes after all below it was published.
    world.jump(runner, AT + SLOT_BYTES).expect("executable");
}

#[test]
fn a_block_that_was_half_zeroed_when_all_was_published_is_published_too() {
    let mut world = world();
    let (writer, runner) = (world.process(), world.process());
    let flags = create_with(0o700) | GetFlags::HUGETLB;
    let id = world.get(writer, PRIVATE, 2 * SLOT_BYTES, flags).expect("room");
    world.attach(writer, id, AT, PLAIN).expect("free");
    world.attach(runner, id, AT, AttachFlags::EXEC).expect("free");
    world.store(writer, AT + SLOT_BYTES, 1).expect("the second block");
    fault(&mut world, writer, AT, Access::Write);
    world.jump(runner, AT + SLOT_BYTES).expect("executable");
    world.store(writer, AT, 1).expect("the first block");
    for page in [0, 1, 63, 64, 511] {
        world.jump(runner, AT + page * PAGE).expect("executable");
    }
}

#[test]
fn a_child_shares_the_blocks_of_its_parent_even_one_that_was_on_its_way() {
    let mut world = world();
    let p = world.process();
    let id = of_blocks(&mut world, p, 2);
    world.attach(p, id, AT, PLAIN).expect("free");
    world.store(p, AT, 1).expect("writable");
    fault(&mut world, p, AT + SLOT_BYTES, Access::Write);
    let child = world.fork(p).expect("room");
    assert_eq!(world.facts(id).shm_nattch, 2);
    world.store(child, AT + PAGE, 2).expect("writable");
    world.store(child, AT + SLOT_BYTES, 3).expect("writable");
    assert_eq!((world.load(child, AT), world.load(p, AT + PAGE)), (Ok(1), Ok(2)));
    assert_eq!(world.load(p, AT + SLOT_BYTES), Ok(3));
    world.exit(child);
    assert_eq!(world.load(p, AT + PAGE), Ok(2));
}
