//! Memory that the allocator does not own.

use crate::common::{PAGE, Size, World};
use abi::Errno;
use abi::memory::Protection;
use addr::{Frame, FrameRange, MemoryKind, Perms, VirtAddr};
use mm::{FaultCause, SpaceId, VmaKind};

fn map(world: &mut World, p: SpaceId, perms: Perms) -> Result<u64, Errno> {
    let mapped = world
        .mm
        .map_physical(p, Size::USUAL.kept(), perms, MemoryKind::Normal);
    world.check();
    mapped.map(VirtAddr::raw)
}

fn frame_at(world: &mut World, p: SpaceId, address: u64) -> Option<Frame> {
    let (machine, space) = world.mm.mmu_space_mut(p).expect("alive");
    mm::Mmu::lookup(machine, space, VirtAddr::new(address).page()).map(|(frame, _)| frame)
}

#[test]
fn each_page_leads_to_its_frame_and_is_not_zeroed() {
    let mut world = World::new();
    let p = world.process();
    let frames = Size::USUAL.kept();
    for (frame, byte) in frames.iter().zip(1..) {
        world.mm.mmu_mut().write_frame(frame, 0, &[byte; 8]);
    }
    let at = map(&mut world, p, Perms::READ).expect("room");
    for (page, frame) in (0..).zip(frames.iter()) {
        let value = u64::from_le_bytes([page as u8 + 1; 8]);
        assert_eq!(world.load(p, at + page * PAGE), Ok(value));
        assert_eq!(frame_at(&mut world, p, at + page * PAGE), Some(frame));
        assert_eq!(world.store(p, at + page * PAGE, 1), Err(FaultCause::NotPermitted));
    }
    assert_eq!(
        world.load(p, at + frames.count() * PAGE),
        Err(FaultCause::Unmapped)
    );
    let facts = world.mm.describe(p, VirtAddr::new(at)).expect("mapped");
    assert_eq!((facts.what, facts.perms), (VmaKind::Physical, Perms::READ));
}

#[test]
fn the_frames_never_become_the_allocators() {
    let mut world = World::new();
    let before = world.mm.frame_counts();
    let (p, other) = (world.process(), world.process());
    for p in [p, other] {
        let at = map(&mut world, p, Perms::READ_WRITE).expect("room");
        world.fill(p, at, 7, 1);
        world.unmap(p, at + 2 * PAGE, PAGE).expect("a hole");
        // What is behind a hole still leads to the right frames, when it is touched only now.
        let last = Size::USUAL.kept().start().offset(7);
        world.load(p, at + 7 * PAGE).expect("mapped");
        assert_eq!(frame_at(&mut world, p, at + 7 * PAGE), Some(last));
        world.unmap(p, at + 7 * PAGE, PAGE).expect("mapped");
        assert_eq!(world.load(p, at + 6 * PAGE), Ok(7));
        world.exit(p);
    }
    assert_eq!(world.mm.frame_counts(), before);
}

#[test]
fn it_is_never_writable_and_executable_and_always_readable() {
    let mut world = World::new();
    let p = world.process();
    for perms in [
        Perms::all(),
        Perms::WRITE | Perms::EXECUTE,
        Perms::WRITE,
        Perms::empty(),
    ] {
        assert_eq!(map(&mut world, p, perms), Err(Errno::EINVAL));
    }
    let at = map(&mut world, p, Perms::READ_EXECUTE).expect("room");
    assert_eq!(world.jump(p, at), Ok(()));
}

#[test]
fn device_registers_keep_their_memory_kind_out_of_ram() {
    let mut world = World::new();
    let p = world.process();
    let registers = FrameRange::new(Frame::from_number(0x9000), 1).expect("a page");
    let at = world
        .mm
        .map_physical(p, registers, Perms::READ_WRITE, MemoryKind::Device)
        .expect("room");
    world
        .mm
        .fault(p, at, mm::Access::Write)
        .expect("no frame is needed");
    assert_eq!(frame_at(&mut world, p, at.raw()), Some(registers.start()));
    world.exit(p);
}

#[test]
fn frames_mapped_right_below_the_ones_that_follow_them_are_their_own() {
    let mut world = World::new();
    let p = world.process();
    let registers = |first, count| FrameRange::new(Frame::from_number(first), count).expect("pages");
    let low = world.map_anywhere(p, PAGE);
    let map = |world: &mut World, frames| {
        let at = world
            .mm
            .map_physical(p, frames, Perms::READ_WRITE, MemoryKind::Device);
        at.expect("room").raw()
    };
    let high = map(&mut world, registers(0x9001, 1));
    assert_eq!(high, low + PAGE);
    world.unmap(p, low, PAGE).expect("mapped");
    assert_eq!(map(&mut world, registers(0x9000, 1)), low);
    for (at, frame) in [(low, 0x9000), (high, 0x9001)] {
        world
            .mm
            .fault(p, addr::VirtAddr::new(at), mm::Access::Write)
            .expect("it is mapped");
        assert_eq!(frame_at(&mut world, p, at), Some(Frame::from_number(frame)));
    }
    world.exit(p);
}

#[test]
fn pieces_of_one_become_one_again_and_what_only_lies_beside_it_does_not() {
    let mut world = World::new();
    let p = world.process();
    let registers = |first, count| FrameRange::new(Frame::from_number(first), count).expect("pages");
    let map = |world: &mut World, first, count, kind| {
        let frames = registers(first, count);
        let at = world.mm.map_physical(p, frames, Perms::READ_WRITE, kind);
        world.check();
        at.expect("room").raw()
    };
    let at = map(&mut world, 0x9000, 3, MemoryKind::Device);
    for protection in [Protection::READ, Protection::READ | Protection::WRITE] {
        world.protect(p, at + PAGE, PAGE, protection).expect("mapped");
    }
    assert_eq!(world.usage(p).mappings, 1);
    // It goes on behind it, then not, then with another memory type.
    assert_eq!(map(&mut world, 0x9003, 1, MemoryKind::Device), at + 3 * PAGE);
    assert_eq!(world.usage(p).mappings, 1);
    assert_eq!(map(&mut world, 0xa000, 1, MemoryKind::Device), at + 4 * PAGE);
    assert_eq!(world.usage(p).mappings, 2);
    assert_eq!(map(&mut world, 0xa001, 1, MemoryKind::Normal), at + 5 * PAGE);
    assert_eq!(world.usage(p).mappings, 3);
    for (page, frame) in (0..).zip([0x9000, 0x9001, 0x9002, 0x9003, 0xa000]) {
        let address = VirtAddr::new(at + page * PAGE);
        world.mm.fault(p, address, mm::Access::Write).expect("mapped");
        assert_eq!(
            frame_at(&mut world, p, address.raw()),
            Some(Frame::from_number(frame))
        );
    }
    world.exit(p);
}

#[test]
fn the_kernel_takes_frames_in_a_row_which_nobody_else_is_given() {
    let mut world = World::new();
    let before = world.mm.frame_counts();
    let run = world.mm.take_run(100, 64).expect("room");
    world.check();
    assert_eq!(run.count(), 100);
    assert_eq!(before.free - world.mm.frame_counts().free, 100);
    let p = world.process();
    assert!(run.start().number().is_multiple_of(64));
    let at = world.map_anywhere(p, 200 * PAGE);
    world.fill(p, at, 200, 1);
    let shown = (0..200).filter_map(|page| frame_at(&mut world, p, at + page * PAGE));
    assert!(shown.into_iter().all(|frame| !run.contains(frame)));
    world.exit(p);
    world.mm.give_back_run(run);
    world.check();
    assert_eq!(world.mm.frame_counts(), before);
    assert_eq!(world.mm.take_run(before.free + 1, 1), Err(Errno::ENOMEM));
}
