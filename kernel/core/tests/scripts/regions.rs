//! Regions as handles: passed from process to process, with fewer rights, and gone with the last of them.

use super::world;
use abi::memory::{Move, Protection, RegionAttach, RegionControl, RegionCreate, RegionOpen, RegionPublish};
use abi::memory::{ShmDetach, ShmGet};
use abi::process::{Close, Derive, End, Exit, Fork, Give, Kill, Wait};
use abi::shm::{AttachFlags, GetFlags, Mode, ShmCommand, ShmKey};
use abi::{Badge, Errno, Handle, IpcError, Label, Operation, Rights, Tag};
use addr::VirtAddr;
use kcore::Next;
use mm::Access;
use play::World;

const INIT: u32 = 0;
const CHILD: u32 = 1;
const PAGE: u64 = 4096;
/// Where a child finds what its parent gave it.
const GIVEN: Handle = Handle::PARENT;
const PLAIN: AttachFlags = AttachFlags::empty();
const MODE: GetFlags = GetFlags::empty().with_mode(Mode::from_bits(0o600));

fn create(world: &mut World, pages: u64) -> Result<Handle, Errno> {
    let size = pages * PAGE;
    world.call(Handle::MEMORY, RegionCreate { size, flags: MODE })?;
    Ok(world.handles()[0])
}

fn attach(world: &mut World, region: Handle, flags: AttachFlags) -> Result<u64, Errno> {
    let request = RegionAttach { address: 0, flags };
    let answer = world.call_with(Handle::MEMORY, request, &[], &[region]);
    answer.map(|(address,)| address)
}

fn derive(world: &mut World, handle: Handle, rights: Rights) -> Result<Handle, Errno> {
    let badge = Badge(0);
    let derive = Derive {
        handle,
        rights,
        badge,
    };
    world.call(Handle::SELF, derive)?;
    Ok(world.handles()[0])
}

fn close(world: &mut World, handle: Handle) {
    world.call(Handle::SELF, Close { handle }).expect("it is there");
}

/// Gives a child that has not started a handle, and starts it.
fn start_with(world: &mut World, child: Handle, given: Handle) {
    let place = GIVEN.index();
    world
        .call_with(child, Give { place }, &[], &[given])
        .expect("it has not started");
    world.start(child);
}

fn touch(world: &mut World, address: u64, access: Access) {
    world.kernel.memory_fault(VirtAddr::new(address), access);
    world.run();
}

fn leave(world: &mut World) {
    world.send(Handle::SELF, Exit { status: 0 }, &[], &[]);
}

#[test]
fn a_reader_gets_a_handle_to_read_with_and_can_do_nothing_else() {
    let mut world = world();
    let region = create(&mut world, 2).expect("room");
    let to_read = derive(&mut world, region, Rights::READ | Rights::PASS).expect("fewer rights");
    let (child, _) = world.create("reader").expect("room");
    start_with(&mut world, child, to_read);
    world.until(CHILD);
    assert_eq!(attach(&mut world, GIVEN, PLAIN), Err(Errno::EACCES));
    assert_eq!(
        derive(&mut world, GIVEN, Rights::READ | Rights::WRITE | Rights::PASS),
        Err(Errno::EPERM),
        "rights only become fewer"
    );
    let publish = RegionPublish { key: ShmKey(7) };
    let published = world.call_with(Handle::MEMORY, publish, &[], &[GIVEN]);
    assert_eq!(published, Err(Errno::EPERM));
    let at = attach(&mut world, GIVEN, AttachFlags::RDONLY).expect("may read");
    touch(&mut world, at, Access::Read);
    assert_eq!(world.running, Some(CHILD), "it can be read");
    touch(&mut world, at, Access::Write);
    world.until(INIT);
    assert!(matches!(world.call(child, Wait {}), Ok(End::Faulted(..))));
}

#[test]
fn a_handle_goes_with_a_message_and_both_ends_have_the_same_memory() {
    let mut world = world();
    let before = world.free_frames();
    let endpoint = world.create_endpoint();
    let (child, memory) = world.create("child").expect("room");
    start_with(&mut world, child, endpoint);
    world.trap(Operation::Receive as u64, endpoint.raw().into(), 0, [0; 6]);
    world.until(CHILD);
    let region = create(&mut world, 3).expect("room");
    let at = attach(&mut world, region, PLAIN).expect("may");
    touch(&mut world, at, Access::Write);
    world.page().handles[0] = region.raw();
    let tag = Tag::new(Label(1)).with_handles(1).expect("one").encode();
    world.trap(Operation::Call as u64, GIVEN.raw().into(), tag, [0; 6]);
    assert_eq!(world.running, Some(INIT), "the message arrives");
    let received = world.handles()[0];
    world.send(child, Kill {}, &[], &[]);
    world.until(INIT);
    let here = attach(&mut world, received, PLAIN).expect("it outlives its maker");
    touch(&mut world, here, Access::Read);
    let command = ShmCommand::Stat as i32;
    let told = world.call_with(Handle::MEMORY, RegionControl { command }, &[], &[received]);
    assert_eq!(told, Ok((-1,)), "no identifier");
    world
        .call(Handle::MEMORY, ShmDetach { address: here })
        .expect("attached");
    for handle in [received, endpoint, child, memory] {
        close(&mut world, handle);
    }
    assert_eq!(world.free_frames(), before);
}

#[test]
fn the_last_handle_closed_gives_a_large_region_back_in_pieces_before_the_answer() {
    let mut world = world();
    let before = world.free_frames();
    let region = create(&mut world, 300).expect("room");
    let at = attach(&mut world, region, PLAIN).expect("may");
    for page in 0..300 {
        touch(&mut world, at + page * PAGE, Access::Write);
    }
    world
        .call(Handle::MEMORY, ShmDetach { address: at })
        .expect("attached");
    assert!(before - world.free_frames() > 300, "the handle keeps it");
    close(&mut world, region);
    assert_eq!(world.free_frames(), before);
}

#[test]
fn somebody_killed_while_closing_the_last_handle_leaves_nothing() {
    let mut world = world();
    let (child, memory) = world.create("child").expect("room");
    let before = world.free_frames();
    world.start(child);
    world.until(CHILD);
    let region = create(&mut world, 300).expect("room");
    let at = attach(&mut world, region, PLAIN).expect("may");
    for page in 0..300 {
        touch(&mut world, at + page * PAGE, Access::Write);
    }
    world
        .call(Handle::MEMORY, ShmDetach { address: at })
        .expect("attached");
    world.kernel.platform.slice_ends.borrow_mut().push_back(true);
    world.send(Handle::SELF, Close { handle: region }, &[], &[]);
    assert_eq!(world.running, Some(INIT), "others run before all of it is back");
    world.send(child, Kill {}, &[], &[]);
    world.until(INIT);
    assert!(world.free_frames() >= before);
    for handle in [child, memory] {
        close(&mut world, handle);
    }
}

#[test]
fn handles_of_a_child_that_never_starts_and_of_one_that_ends_are_given_up() {
    let mut world = world();
    let before = world.free_frames();
    for starts in [false, true] {
        let region = create(&mut world, 3).expect("room");
        let (child, memory) = world.create("child").expect("room");
        let place = GIVEN.index();
        for _ in 0..2 {
            world
                .call_with(child, Give { place }, &[], &[region])
                .expect("it has not started");
        }
        close(&mut world, region);
        close(&mut world, memory);
        if starts {
            world.start(child);
            world.until(CHILD);
            assert!(attach(&mut world, GIVEN, PLAIN).is_ok(), "it is the child's now");
            leave(&mut world);
            world.until(INIT);
        }
        world.send(Handle::SELF, Close { handle: child }, &[], &[]);
        world.until(INIT);
        world.yield_now();
        world.until(INIT);
        assert_eq!(world.free_frames(), before, "started: {starts}");
    }
}

#[test]
fn a_copy_of_a_process_has_its_handles_to_regions() {
    let mut world = world();
    let before = world.free_frames();
    let region = create(&mut world, 3).expect("room");
    world.send(Handle::SELF, Fork {}, &[], &[]);
    world.until(INIT);
    world.answer::<Fork>().expect("room");
    let child = world.handles()[0];
    close(&mut world, region);
    world.until(CHILD);
    assert!(attach(&mut world, region, PLAIN).is_ok(), "it is the child's too");
    leave(&mut world);
    world.until(INIT);
    assert_eq!(world.call(child, Wait {}), Ok(End::Exited(0)));
    close(&mut world, child);
    assert_eq!(world.free_frames(), before);
}

#[test]
fn a_handle_given_in_place_of_the_last_one_to_a_region_ends_that() {
    let mut world = world();
    let (child, _) = world.create("child").expect("room");
    let before = world.free_frames();
    let region = create(&mut world, 3).expect("room");
    let place = GIVEN.index();
    let give = |world: &mut World, given| {
        world
            .call_with(child, Give { place }, &[], &[given])
            .expect("it has not started");
    };
    give(&mut world, region);
    close(&mut world, region);
    assert!(world.free_frames() < before);
    give(&mut world, Handle::SELF);
    assert_eq!(world.free_frames(), before);
}

#[test]
fn a_region_without_room_for_its_handle_is_not_made() {
    let mut world = world();
    let get = ShmGet {
        key: ShmKey::PRIVATE,
        size: PAGE,
        flags: MODE,
    };
    let (id,) = world.call(Handle::MEMORY, get).expect("room");
    while derive(&mut world, Handle::SELF, Rights::CALL).is_ok() {}
    let before = world.free_frames();
    assert_eq!(create(&mut world, 1), Err(Errno::EMFILE));
    let open = RegionOpen {
        id,
        rights: Rights::READ,
    };
    assert_eq!(world.call(Handle::MEMORY, open), Err(Errno::EMFILE));
    assert_eq!(world.free_frames(), before);
}

#[test]
fn a_region_answers_no_messages_and_is_no_memory_manager() {
    let mut world = world();
    let region = create(&mut world, 1).expect("room");
    world.trap(
        Operation::Call as u64,
        region.raw().into(),
        Tag::new(Label(0x207)).encode(),
        [0; 6],
    );
    assert_eq!(world.back().outcome, Some(IpcError::NotPermitted));
    let take = Move {
        source: 0x100_0000,
        length: PAGE,
        destination: 0x100_0000,
        protection: Protection::READ,
    };
    let moved = world.call_with(Handle::MEMORY, take, &[], &[region]);
    assert_eq!(moved, Err(Errno::EBADF));
    for other in [Handle::MEMORY, Handle::SELF, Handle::CONSOLE] {
        assert_eq!(attach(&mut world, other, PLAIN), Err(Errno::EBADF), "{other:?}");
    }
}

#[test]
fn a_handle_that_may_not_be_passed_on_keeps_its_region_and_no_more() {
    let mut world = world();
    let before = world.free_frames();
    let region = create(&mut world, 1).expect("room");
    let kept = derive(&mut world, region, Rights::READ).expect("fewer rights");
    close(&mut world, region);
    let request = RegionAttach {
        address: 0,
        flags: AttachFlags::RDONLY,
    };
    world.send(Handle::MEMORY, request, &[], &[kept]);
    assert_eq!(world.back().outcome, Some(IpcError::NotPermitted));
    assert!(world.free_frames() < before);
    close(&mut world, kept);
    assert_eq!(world.free_frames(), before);
}

#[test]
fn the_end_of_the_system_finds_every_region_of_the_first_process() {
    let mut world = world();
    let region = create(&mut world, 3).expect("room");
    let at = attach(&mut world, region, PLAIN).expect("may");
    touch(&mut world, at, Access::Write);
    leave(&mut world);
    assert!(matches!(world.run(), Next::Stop(_)));
    let counts = world.memory().frame_counts();
    assert_eq!((counts.free, counts.promised), (counts.total, 0));
}
