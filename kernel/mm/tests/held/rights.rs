//! What a handle allows, whatever the mode says.

use crate::common::{PAGE, PLAIN, PRIVATE, World, create_with};
use abi::memory::{MemoryRequest, RegionAttach, RegionControl, RegionPublish};
use abi::shm::{AttachFlags, SHM_LOCKED, ShmCommand, ShmId, ShmKey, ShmidDs};
use abi::{Errno, Rights};
use mm::RegionId;
use zerocopy::IntoBytes;

const NOT_COMMANDS: [i32; 6] = [3, 13, 14, 15, -1, 99];

#[test]
fn an_attachment_needs_the_rights_to_what_it_does() {
    let mut world = World::new();
    let p = world.process();
    let (region, all) = world.create_held(p, PAGE).expect("room");
    assert_eq!(all, Rights::REGION);
    let (read, write, execute) = (Rights::READ, Rights::WRITE, Rights::EXECUTE);
    let cases = [
        (PLAIN, read | write, [read, write, execute | read]),
        (AttachFlags::RDONLY, read, [write, execute, Rights::CONTROL]),
        (AttachFlags::EXEC, read | execute, [read | write, execute, read]),
    ];
    for (flags, enough, too_little) in cases {
        for rights in too_little {
            let done = world.attach_held(p, (region, rights), flags);
            assert_eq!(done, Err(Errno::EACCES), "{flags:?} with {rights:?}");
        }
        assert!(world.attach_held(p, (region, enough), flags).is_ok(), "{flags:?}");
    }
}

#[test]
fn a_change_needs_the_right_to_control_and_a_look_the_right_to_read() {
    let mut world = World::new();
    let p = world.process();
    let (region, all) = world.create_held(p, PAGE).expect("room");
    let facts = world.stat_held(p, (region, Rights::READ)).expect("may read").1;
    let without_control = (region, all - Rights::CONTROL);
    let changes = [
        (ShmCommand::Set, facts.as_bytes()),
        (ShmCommand::Remove, &[]),
        (ShmCommand::Lock, &[]),
        (ShmCommand::Unlock, &[]),
    ];
    for (command, bytes) in changes {
        let done = world.control_held(p, without_control, command as i32, bytes);
        assert_eq!(done, Err(Errno::EPERM), "{command:?}");
        let done = world.control_held(p, (region, Rights::CONTROL), command as i32, bytes);
        assert_eq!(done, Ok((0, vec![])), "{command:?}");
    }
    assert_eq!(world.publish(p, without_control, PRIVATE), Err(Errno::EPERM));
    let blind = world.stat_held(p, (region, all - Rights::READ));
    assert_eq!(blind.map(|(id, _)| id), Err(Errno::EACCES));
}

#[test]
fn controlling_sets_owner_mode_and_lock() {
    let mut world = World::new();
    let p = world.user(1);
    let held = world.create_held(p, PAGE).expect("room");
    let mut wanted = world.stat_held(p, held).expect("may read").1;
    assert_eq!((wanted.shm_perm.uid, wanted.shm_perm.cuid), (1, 1));
    wanted.shm_perm.uid = 5;
    wanted.shm_perm.mode = 0o640;
    let set = ShmCommand::Set as i32;
    assert_eq!(
        world.control_held(p, held, set, wanted.as_bytes()),
        Ok((0, vec![]))
    );
    let lock = ShmCommand::Lock as i32;
    assert_eq!(world.control_held(p, held, lock, &[]), Ok((0, vec![])));
    let id = world.publish(p, held, PRIVATE).expect("an identifier is free");
    let perm = world.facts(id).shm_perm;
    assert_eq!((perm.uid, perm.cuid, perm.mode), (5, 1, 0o640 | SHM_LOCKED));
    let short = &wanted.as_bytes()[..size_of::<ShmidDs>() - 1];
    assert_eq!(world.control_held(p, held, set, short), Err(Errno::EFAULT));
}

#[test]
fn commands_that_are_not_about_one_segment_are_refused() {
    let mut world = World::new();
    let p = world.process();
    let held = world.create_held(p, PAGE).expect("room");
    for command in NOT_COMMANDS {
        let done = world.control_held(p, held, command, &[]);
        assert_eq!(done, Err(Errno::EINVAL), "{command}");
    }
}

#[test]
fn a_request_that_is_about_a_handle_needs_one() {
    let mut world = World::new();
    let p = world.process();
    world.segment(p, PAGE);
    let (address, flags, command) = (0, PLAIN, ShmCommand::Remove as i32);
    world.refuse_others(p, MemoryRequest::RegionAttach(RegionAttach { address, flags }));
    world.refuse_others(p, MemoryRequest::RegionControl(RegionControl { command }));
    let key = ShmKey(5);
    world.refuse_others(p, MemoryRequest::RegionPublish(RegionPublish { key }));
}

#[test]
fn a_handle_of_an_identifier_is_for_what_the_mode_grants() {
    let mut world = World::new();
    let (owner, stranger) = (world.user(1), world.user(2));
    let id = world.get(owner, PRIVATE, PAGE, create_with(0o704)).expect("room");
    let before = world.facts(id);
    for rights in [Rights::WRITE, Rights::READ | Rights::EXECUTE] {
        assert_eq!(world.open(stranger, id, rights), Err(Errno::EACCES));
    }
    assert_eq!(world.open(stranger, id, Rights::CONTROL), Err(Errno::EPERM));
    assert_eq!(
        world.open(stranger, id, Rights::READ),
        world.open(owner, id, Rights::READ)
    );
    let whole = world.open(owner, id, Rights::REGION).expect("the owner may");
    assert_eq!(whole.1, Rights::REGION);
    assert_eq!(world.facts(id), before, "a handle is no attachment");
}

#[test]
fn a_handle_is_for_something_that_regions_have() {
    let mut world = World::new();
    let p = world.process();
    let id = world.segment(p, PAGE);
    let none = [
        Rights::empty(),
        Rights::PASS,
        Rights::READ | Rights::CALL,
        Rights::READ | Rights::RECEIVE,
    ];
    for rights in none {
        assert_eq!(world.open(p, id, rights), Err(Errno::EINVAL), "{rights:?}");
    }
    let unknown = ShmId::from_raw(99).expect("positive");
    assert_eq!(world.open(p, unknown, Rights::READ), Err(Errno::EINVAL));
}

#[test]
fn what_a_handle_was_made_for_it_is_for_when_the_mode_has_changed() {
    let mut world = World::new();
    let (owner, stranger) = (world.user(1), world.user(2));
    let id = world.get(owner, PRIVATE, PAGE, create_with(0o604)).expect("room");
    let held: (RegionId, Rights) = world.open(stranger, id, Rights::READ).expect("others may read");
    assert_eq!(held.1, Rights::READ | Rights::PASS);
    let mut closed = world.facts(id);
    closed.shm_perm.mode = 0;
    world.set(owner, id, &closed).expect("the owner may");
    assert_eq!(
        world.attach(stranger, id, 0, AttachFlags::RDONLY),
        Err(Errno::EACCES)
    );
    assert!(world.attach_held(stranger, held, AttachFlags::RDONLY).is_ok());
}
