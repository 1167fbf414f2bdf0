//! A process that becomes another one, which it has prepared as a child.

use super::world;
use abi::memory::{CountUsage, Map, Protection, ShmAttach, ShmControl, ShmGet, ShmIdArgument};
use abi::process::{Become, Close, End, Exit, Fork, Give, Identify, Kill, Pid, Wait};
use abi::shm::{AttachFlags, GetFlags, Mode, ShmCommand, ShmId, ShmKey, ShmidDs};
use abi::system::NextProcess;
use abi::{Errno, Handle, IpcError};
use addr::VirtAddr;
use core::mem::offset_of;
use mm::Access;
use play::World;

const INIT: u32 = 0;
/// The thread of the process that becomes another one.
const OLD: u32 = 1;
/// The thread that it prepares.
const NEW: u32 = 2;
const PAGE: u64 = 4096;
const BECOME: Become = Become {
    entry: 0x40_2000,
    stack: 0x9000,
    word0: 10,
    word1: 11,
    word2: 12,
    word3: 13,
};

/// A child of `init` runs, with console, system and a segment attached, and has prepared another one.
struct Scene {
    world: World,
    /// Frames before there was any child.
    before: u64,
    /// `init`'s handle to the child.
    child: Handle,
    segment: ShmId,
    /// The child's handle to the process it has prepared.
    prepared: Handle,
}

impl Scene {
    fn new() -> Self {
        let mut world = world();
        let get = ShmGet {
            key: ShmKey::PRIVATE,
            size: PAGE,
            flags: GetFlags::CREAT.with_mode(Mode::from_bits(0o600)),
        };
        let (segment,) = world.call(Handle::MEMORY, get).expect("room");
        let before = world.free_frames();
        let (child, memory) = world.create("child").expect("room");
        world
            .call(Handle::SELF, Close { handle: memory })
            .expect("closes");
        for handle in [Handle::CONSOLE, Handle::PARENT] {
            let place = handle.index();
            world
                .call_with(child, Give { place }, &[], &[handle])
                .expect("gives");
        }
        world.start(child);
        world.until(OLD);
        let attach = ShmAttach {
            id: segment,
            address: 0,
            flags: AttachFlags::empty(),
        };
        world.call(Handle::MEMORY, attach).expect("room");
        touch_new_pages(&mut world, 150);
        let (prepared, memory) = world.create("other").expect("room");
        let map = Map::new(0x60_0000, PAGE, Protection::EXEC);
        world.call(memory, map).expect("room");
        let place = Handle::CONSOLE.index();
        world
            .call_with(prepared, Give { place }, &[], &[Handle::CONSOLE])
            .expect("gives");
        Self {
            world,
            before,
            child,
            segment,
            prepared,
        }
    }

    fn become_prepared(&mut self) {
        let handles = [self.prepared];
        self.world.send(Handle::SELF, BECOME, b"arguments", &handles);
    }

    /// How often the segment is attached, as the running process is told.
    fn attached(&mut self) -> u64 {
        let control = ShmControl {
            id: ShmIdArgument(self.segment.raw()),
            command: ShmCommand::Stat as i32,
        };
        self.world.call(Handle::MEMORY, control).expect("a segment");
        let (count, _) = self.world.page().bytes[offset_of!(ShmidDs, shm_nattch)..]
            .split_first_chunk()
            .expect("a whole structure");
        u64::from_le_bytes(*count)
    }
}

fn touch_new_pages(world: &mut World, pages: u64) {
    let map = Map::new(0, pages * PAGE, Protection::WRITE);
    let (address,) = world.call(Handle::MEMORY, map).expect("room");
    for page in 0..pages {
        world
            .kernel
            .memory_fault(VirtAddr::new(address + page * PAGE), Access::Write);
    }
    world.run();
}

#[test]
fn the_new_program_starts_as_a_child_would_and_is_still_the_same_process() {
    let mut scene = Scene::new();
    scene.become_prepared();
    scene.world.until(NEW);
    let back = scene.world.back();
    assert_eq!((back.outcome, back.words), (None, [10, 11, 12, 13, 0, 0]));
    assert_eq!(&scene.world.page().bytes[..back.tag.bytes()], b"arguments");
    let registers = *scene.world.registers();
    assert_eq!((registers.pc, registers.sp), (0x40_2000, 0x9000));
    assert!(registers.x[18..].iter().all(|&x| x == 0));
    assert_eq!(scene.world.call(Handle::SELF, Identify {}), Ok((Pid(2),)));
    let usage = scene.world.call(Handle::MEMORY, CountUsage {}).expect("counts");
    assert_eq!(usage.mapped, 2, "a page of code and the message page");
    // What the old one had and did not give.
    scene
        .world
        .send(Handle::PARENT, NextProcess { after: Pid(0) }, &[], &[]);
    assert_eq!(scene.world.back().outcome, Some(IpcError::BadHandle));
    scene.world.until(INIT);
    let facts = scene
        .world
        .call(Handle::PARENT, NextProcess { after: Pid(1) })
        .expect("the child");
    let count = scene.world.back().tag.bytes();
    assert_eq!((facts.pid, facts.parent), (Pid(2), Pid(1)));
    assert_eq!(&scene.world.page().bytes[..count], b"other");
    assert_eq!(scene.world.kernel.population().processes, 2);
}

#[test]
fn nothing_of_the_old_program_is_left_when_the_new_one_runs() {
    let mut scene = Scene::new();
    scene.become_prepared();
    scene.world.until(NEW);
    assert_eq!(scene.attached(), 0);
    // Root, code page, message page, and the tables to them.
    assert!(scene.before - scene.world.free_frames() < 12);
}

#[test]
fn who_waits_for_the_process_is_told_the_end_of_the_new_program() {
    let mut scene = Scene::new();
    scene.world.until(INIT);
    scene.world.send(scene.child, Wait {}, &[], &[]);
    scene.become_prepared();
    assert_eq!(scene.world.running, Some(NEW));
    scene.world.send(Handle::SELF, Exit { status: 3 }, &[], &[]);
    assert_eq!(scene.world.running, Some(INIT));
    assert_eq!(scene.world.answer::<Wait>(), Ok(End::Exited(3)));
    assert_eq!(scene.world.free_frames(), scene.before);
}

#[test]
fn a_refused_request_leaves_everything_as_it_was() {
    let mut scene = Scene::new();
    let Scene { world, prepared, .. } = &mut scene;
    let before = (world.free_frames(), world.kernel.population());
    let mut refused = |handles: &[Handle]| world.call_with(Handle::SELF, BECOME, b"arguments", handles).err();
    assert_eq!(refused(&[]), Some(Errno::EINVAL));
    assert_eq!(refused(&[*prepared, *prepared]), Some(Errno::EINVAL));
    assert_eq!(refused(&[Handle::CONSOLE]), Some(Errno::EBADF));
    assert_eq!(refused(&[Handle::SELF]), Some(Errno::EBUSY));
    assert_eq!((world.free_frames(), world.kernel.population()), before);
    world.start(*prepared);
    let refused = world.call_with(Handle::SELF, BECOME, &[], &[*prepared]).err();
    assert_eq!(refused, Some(Errno::EBUSY));
    assert_eq!(scene.attached(), 1);
}

#[test]
fn a_process_that_is_killed_while_it_becomes_another_one_leaves_nothing_behind() {
    for pieces in 0..4 {
        let mut scene = Scene::new();
        let mut plan = vec![false; pieces];
        plan.push(true);
        *scene.world.kernel.platform.slice_ends.borrow_mut() = plan.into();
        scene.become_prepared();
        assert_eq!(scene.world.running, Some(INIT), "after {pieces} pieces");
        scene.world.send(scene.child, Kill {}, &[], &[]);
        scene.world.until(INIT);
        assert_eq!(scene.world.answer::<Kill>(), Ok(()));
        for _ in 0..5 {
            scene.world.yield_now();
        }
        assert_eq!(scene.world.free_frames(), scene.before, "after {pieces} pieces");
        scene
            .world
            .call(Handle::SELF, Close { handle: scene.child })
            .expect("closes");
        assert_eq!(scene.world.kernel.population().processes, 1);
    }
}

#[test]
fn a_copy_can_become_another_program_and_its_parent_goes_on() {
    let mut scene = Scene::new();
    scene.world.call(Handle::SELF, Fork {}).expect("room");
    let copy = scene.world.handles()[0];
    let thread = 3;
    scene.world.until(thread);
    let (prepared, _) = scene.world.create("next").expect("room");
    scene.world.send(Handle::SELF, BECOME, &[], &[prepared]);
    scene.world.until(OLD);
    assert_eq!(scene.attached(), 1);
    assert_eq!(scene.world.call(copy, Identify {}), Ok((Pid(4),)));
}
