//! A process that makes a copy of itself.

use super::{world, write_pages};
use abi::memory::{CountUsage, Map, Protection, Unmap};
use abi::process::{Close, Derive, End, Exit, Fork, Give, Identify, Kill, Pid, ReadCredential, Wait};
use abi::system::{KillProcess, NextProcess};
use abi::{Badge, Errno, Handle, IpcError, Rights};
use addr::VirtAddr;
use mm::Access;
use play::World;

const INIT: u32 = 0;
const CHILD: u32 = 1;
const PAGE: u64 = 4096;

/// The running process forks; answers its handle to the child.
fn fork(world: &mut World) -> Result<Handle, Errno> {
    world.call(Handle::SELF, Fork {})?;
    Ok(world.handles()[0])
}

#[test]
fn both_go_on_where_the_fork_was_and_only_the_answer_tells_them_apart() {
    let mut world = world();
    {
        let registers = world.registers();
        registers.sp = 0x7000;
        registers.pc = 0x40_1234;
        registers.tpidr = 99;
        registers.x[19] = 19;
        registers.x[30] = 30;
    }
    let (pid,) = world.call(Handle::SELF, Fork {}).expect("room");
    assert_eq!((pid, world.handles().len()), (Pid(2), 1));
    let parents = *world.registers();
    assert_eq!(world.kernel.platform.copied, [(INIT, CHILD)]);
    world.until(CHILD);
    assert_eq!(world.answer::<Fork>(), Ok((Pid(0),)));
    assert_eq!(world.handles(), []);
    let mut childs = *world.registers();
    childs.x[..9].copy_from_slice(&parents.x[..9]);
    assert_eq!(childs, parents);
}

#[test]
fn a_child_has_a_number_of_its_own_and_all_else_from_its_parent() {
    let mut world = world();
    fork(&mut world).expect("room");
    let (facts, bytes) = {
        let facts = world
            .call(Handle::PARENT, NextProcess { after: Pid(1) })
            .expect("a second one");
        let count = world.back().tag.bytes();
        (facts, world.page().bytes[..count].to_vec())
    };
    assert_eq!(
        (facts.pid, facts.parent, &bytes[..]),
        (Pid(2), Pid(1), &b"init"[..])
    );
    world.until(CHILD);
    assert_eq!(world.call(Handle::SELF, Identify {}), Ok((Pid(2),)));
    assert_eq!(
        world.call(Handle::SELF, ReadCredential {}).map(|who| who.uid),
        Ok(0)
    );
}

#[test]
fn a_childs_own_handles_are_its_own_and_others_are_the_same_at_the_same_places() {
    let mut world = world();
    let endpoint = world.create_endpoint();
    let other_self = world.derive(Handle::SELF, Rights::CALL, Badge(0));
    let (other, memory) = world.create("other").expect("room");
    fork(&mut world).expect("room");
    let theirs = world.call(Handle::MEMORY, CountUsage {}).expect("counts");
    write_pages(&mut world, 3);
    world.until(2);
    assert_eq!(world.call(other_self, Identify {}), Ok((Pid(3),)));
    assert_eq!(
        world.call(Handle::MEMORY, CountUsage {}).expect("counts").mapped,
        theirs.mapped
    );
    world
        .call(Handle::PARENT, NextProcess { after: Pid(0) })
        .expect("the system is the same");
    for left_out in [other, memory] {
        world.send(left_out, Identify {}, &[], &[]);
        assert_eq!(world.back().outcome, Some(IpcError::BadHandle));
    }
    // A place that was left out is not what a stale handle names.
    let new = world.derive(Handle::CONSOLE, Rights::CALL, Badge(0));
    assert_eq!(new.index(), other.index());
    assert_ne!(new, other);
    // Who calls is not who serves.
    world.trap(1, endpoint.raw().into(), 0, [0; 6]);
    assert_eq!(world.back().outcome, Some(IpcError::NotPermitted));
    world.send(endpoint, Identify {}, &[], &[]);
    assert_eq!(world.running, Some(INIT), "the child waits to be served");
}

#[test]
fn who_was_served_by_a_parent_that_ends_learns_it_whatever_children_it_has() {
    let mut world = world();
    let endpoint = world.create_endpoint();
    let (server, _) = world.create("server").expect("room");
    world
        .call_with(server, Give { place: 5 }, &[], &[endpoint])
        .expect("gives");
    world
        .call(Handle::SELF, Close { handle: endpoint })
        .expect("closes");
    world.start(server);
    world.until(1);
    let endpoint = Handle::from_parts(5, 0);
    fork(&mut world).expect("room");
    world.until(2);
    world.send(endpoint, Identify {}, &[], &[]);
    world.until(1);
    world.send(Handle::SELF, Exit { status: 0 }, &[], &[]);
    world.until(2);
    assert_eq!(world.back().outcome, Some(IpcError::PeerGone));
}

#[test]
fn all_of_a_child_is_back_when_its_parents_wait_returns() {
    let mut world = world();
    write_pages(&mut world, 200);
    let before = world.free_frames();
    let child = fork(&mut world).expect("room");
    world.send(child, Wait {}, &[], &[]);
    assert_eq!(world.running, Some(CHILD));
    write_pages(&mut world, 100);
    world.send(Handle::SELF, Exit { status: 7 }, &[], &[]);
    assert_eq!(world.running, Some(INIT));
    assert_eq!(world.answer::<Wait>(), Ok(End::Exited(7)));
    assert_eq!(world.free_frames(), before);
    world.call(Handle::SELF, Close { handle: child }).expect("closes");
    assert_eq!(world.kernel.population().processes, 1);
}

#[test]
fn a_fork_is_refused_without_anything_left_of_it() {
    let mut world = world();
    let before = (world.free_frames(), world.kernel.population());
    let derive = Derive {
        handle: Handle::CONSOLE,
        rights: Rights::CALL,
        badge: Badge(0),
    };
    let mut derived = Vec::new();
    while world.call(Handle::SELF, derive).is_ok() {
        derived.push(world.handles()[0]);
    }
    assert_eq!(fork(&mut world), Err(Errno::EMFILE));
    for handle in derived {
        world.call(Handle::SELF, Close { handle }).expect("closes");
    }
    let all = before.0 / 2 + 10;
    let map = Map::new(0, all * PAGE, Protection::WRITE);
    let (address,) = world.call(Handle::MEMORY, map).expect("room");
    assert_eq!(fork(&mut world), Err(Errno::ENOMEM));
    let unmap = Unmap {
        address,
        length: all * PAGE,
    };
    world.call(Handle::MEMORY, unmap).expect("mapped");
    assert_eq!((world.free_frames(), world.kernel.population()), before);
    while fork(&mut world).is_ok() {}
    assert_eq!(fork(&mut world), Err(Errno::ENFILE));
}

#[test]
fn who_has_somebody_elses_memory_manager_does_not_fork() {
    let mut world = world();
    let endpoint = world.create_endpoint();
    let (child, _) = world.create("guarded").expect("room");
    let place = Handle::MEMORY.index();
    world
        .call_with(child, Give { place }, &[], &[endpoint])
        .expect("gives");
    world.start(child);
    world.until(CHILD);
    assert_eq!(fork(&mut world), Err(Errno::EPERM));
}

/// A process in the middle of its fork, while `init` runs.
struct Midway {
    world: World,
    parent: Handle,
    /// Where the parent has written.
    address: u64,
    /// Frames that were free before there was a parent.
    before: u64,
}

impl Midway {
    fn after(pieces: usize) -> Self {
        let mut world = world();
        let before = world.free_frames();
        let (parent, memory) = world.create("parent").expect("room");
        world
            .call(Handle::SELF, Close { handle: memory })
            .expect("closes");
        world.start(parent);
        world.until(1);
        let address = write_pages(&mut world, 200);
        // The slice ends in the middle of it, so that `init` comes to its turn.
        let mut plan = vec![false; pieces];
        plan.push(true);
        *world.kernel.platform.slice_ends.borrow_mut() = plan.into();
        world.send(Handle::SELF, Fork {}, &[], &[]);
        assert_eq!(world.running, Some(INIT), "after {pieces} pieces");
        Self {
            world,
            parent,
            address,
            before,
        }
    }
}

#[test]
fn a_parent_that_is_killed_while_it_forks_has_forked() {
    for pieces in 0..4 {
        let Midway {
            mut world,
            parent,
            address,
            before,
        } = Midway::after(pieces);
        world.send(parent, Kill {}, &[], &[]);
        world.until(2);
        assert_eq!(world.answer::<Fork>(), Ok((Pid(0),)));
        world.kernel.memory_fault(VirtAddr::new(address), Access::Read);
        assert_eq!(world.running, Some(2), "it has what its parent had");
        world.send(Handle::SELF, Exit { status: 0 }, &[], &[]);
        world.until(INIT);
        assert_eq!(world.answer::<Kill>(), Ok(()));
        world
            .call(Handle::SELF, Close { handle: parent })
            .expect("closes");
        assert_eq!(world.free_frames(), before);
    }
}

#[test]
fn a_child_that_is_killed_by_its_number_before_it_is_whole_never_runs() {
    for pieces in 0..4 {
        let Midway {
            mut world,
            parent,
            before,
            ..
        } = Midway::after(pieces);
        world.send(Handle::PARENT, KillProcess { pid: Pid(3) }, &[], &[]);
        world.until(1);
        assert_eq!(world.answer::<Fork>(), Ok((Pid(3),)));
        let child = world.handles()[0];
        world.send(child, Wait {}, &[], &[]);
        world.until(1);
        assert_eq!(world.answer::<Wait>(), Ok(End::Killed));
        world.send(Handle::SELF, Exit { status: 0 }, &[], &[]);
        world.until(INIT);
        assert_eq!(world.answer::<KillProcess>(), Ok(()));
        world
            .call(Handle::SELF, Close { handle: parent })
            .expect("closes");
        assert_eq!(world.free_frames(), before);
    }
}

#[test]
fn time_slices_end_in_the_middle_of_a_fork() {
    let mut world = world();
    let (other, _) = world.create("other").expect("room");
    world.start(other);
    write_pages(&mut world, 300);
    *world.kernel.platform.slice_ends.borrow_mut() = [true].into();
    world.send(Handle::SELF, Fork {}, &[], &[]);
    assert_eq!(world.running, Some(1));
    world.end_slice();
    world.until(INIT);
    assert_eq!(world.answer::<Fork>(), Ok((Pid(3),)));
}
