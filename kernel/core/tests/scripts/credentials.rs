//! Who a process is: inherited, set before the start, changed by user 0 alone.

use super::world;
use abi::memory::{ShmAttach, ShmGet};
use abi::process::{End, Exit, ReadCredential, SetCredential, UserAndGroup, Wait};
use abi::shm::{AttachFlags, GetFlags, Mode, ShmId, ShmKey};
use abi::{Errno, Handle};
use play::World;

const INIT: u32 = 0;
const CHILD: u32 = 1;
const USER: SetCredential = SetCredential { uid: 1000, gid: 100 };

fn bytes_of(groups: &[u32]) -> Vec<u8> {
    groups.iter().flat_map(|group| group.to_le_bytes()).collect()
}

/// What the running program learns of the process behind one of its handles.
fn who(world: &mut World, process: Handle) -> (u32, u32, Vec<u8>) {
    let UserAndGroup { uid, gid } = world.call(process, ReadCredential {}).expect("it lives");
    let count = world.back().tag.bytes();
    (uid, gid, world.page().bytes[..count].to_vec())
}

fn set(world: &mut World, process: Handle, wanted: SetCredential, groups: &[u32]) -> Result<(), Errno> {
    world.call_with(process, wanted, &bytes_of(groups), &[])
}

/// The running program asks for a segment with this key.
fn get(world: &mut World, mode: u32) -> Result<ShmId, Errno> {
    let flags = GetFlags::CREAT.with_mode(Mode::from_bits(mode));
    let request = ShmGet {
        key: ShmKey(7),
        size: 4096,
        flags,
    };
    world.call(Handle::MEMORY, request).map(|(id,)| id)
}

fn attach(world: &mut World, id: ShmId) -> Result<u64, Errno> {
    let (address, flags) = (0, AttachFlags::empty());
    let request = ShmAttach { id, address, flags };
    world.call(Handle::MEMORY, request).map(|(address,)| address)
}

/// `init` has started a child that is user 1000, group 100, and in these groups, and that child runs.
fn child_in(groups: &[u32]) -> (World, Handle) {
    let mut world = world();
    let (child, _) = world.create("child").expect("room");
    set(&mut world, child, USER, groups).expect("user 0 may");
    world.start(child);
    world.until(CHILD);
    (world, child)
}

#[test]
fn a_child_is_what_its_parent_says_before_its_start_and_its_children_are_the_same() {
    let (mut world, _) = child_in(&[7, 1 << 31]);
    let expected = (1000, 100, bytes_of(&[7, 1 << 31]));
    assert_eq!(who(&mut world, Handle::SELF), expected);
    let (grandchild, _) = world.create("grandchild").expect("room");
    assert_eq!(who(&mut world, grandchild), expected);
}

#[test]
fn what_a_process_is_decides_what_it_may() {
    let mut world = world();
    let id = get(&mut world, 0o640).expect("room");
    let mut outcome = |groups: &[u32]| {
        let (child, _) = world.create("child").expect("room");
        set(&mut world, child, USER, groups).expect("user 0 may");
        world.start(child);
        world.until(CHILD);
        let done = (get(&mut world, 0o400), attach(&mut world, id));
        world.send(Handle::SELF, Exit { status: 0 }, &[], &[]);
        world.until(INIT);
        assert_eq!(world.call(child, Wait {}), Ok(End::Exited(0)));
        done
    };
    assert_eq!(outcome(&[]), (Err(Errno::EACCES), Err(Errno::EACCES)));
    assert_eq!(
        outcome(&[5, 0]),
        (Ok(id), Err(Errno::EACCES)),
        "the group may read, not write"
    );
}

#[test]
fn only_user_0_becomes_somebody_else_and_makes_others_of_children() {
    let (mut world, _) = child_in(&[7]);
    let (grandchild, _) = world.create("grandchild").expect("room");
    for process in [Handle::SELF, grandchild] {
        for (uid, gid, groups) in [
            (0, 0, &[][..]),
            (1000, 100, &[]),
            (1000, 7, &[7]),
            (1000, 100, &[7, 0]),
        ] {
            let wanted = SetCredential { uid, gid };
            assert_eq!(set(&mut world, process, wanted, groups), Err(Errno::EPERM));
        }
        assert_eq!(set(&mut world, process, USER, &[7]), Ok(()), "nothing changes");
    }
    assert_eq!(who(&mut world, Handle::SELF), (1000, 100, bytes_of(&[7])));
}

#[test]
fn user_0_may_become_somebody_else_and_keeps_what_it_has_attached() {
    let mut world = world();
    let id = get(&mut world, 0o600).expect("room");
    let at = attach(&mut world, id).expect("room");
    set(&mut world, Handle::SELF, USER, &[]).expect("user 0 may");
    let access = mm::Access::Write;
    world.kernel().memory_fault(addr::VirtAddr::new(at), access);
    world.run();
    assert_eq!(world.running, Some(INIT), "what is attached can be written");
    assert_eq!(attach(&mut world, id), Err(Errno::EACCES));
    let back = SetCredential { uid: 0, gid: 0 };
    assert_eq!(set(&mut world, Handle::SELF, back, &[]), Err(Errno::EPERM));
}

#[test]
fn a_process_that_has_started_is_changed_by_nobody_else() {
    let (mut world, child) = child_in(&[]);
    world.until(INIT);
    assert_eq!(set(&mut world, child, USER, &[]), Err(Errno::EBUSY));
    world.until(CHILD);
    world.send(Handle::SELF, Exit { status: 0 }, &[], &[]);
    world.until(INIT);
    assert_eq!(set(&mut world, child, USER, &[]), Err(Errno::EBUSY));
    assert_eq!(world.call(child, ReadCredential {}), Err(Errno::ESRCH));
}

#[test]
fn nobody_and_lists_that_are_none_are_refused() {
    let mut world = world();
    let (child, _) = world.create("child").expect("room");
    let minus_one = u32::MAX;
    for (uid, gid) in [(minus_one, 0), (0, minus_one)] {
        let wanted = SetCredential { uid, gid };
        assert_eq!(set(&mut world, child, wanted, &[]), Err(Errno::EINVAL));
    }
    for bytes in [&bytes_of(&[1; 9])[..], &bytes_of(&[minus_one]), &[0; 5]] {
        assert_eq!(world.call_with(child, USER, bytes, &[]), Err(Errno::EINVAL));
    }
    assert_eq!(set(&mut world, child, USER, &[1; 8]), Ok(()));
    assert_eq!(who(&mut world, child), (1000, 100, bytes_of(&[1; 8])));
}
