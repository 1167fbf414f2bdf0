//! Whoever holds the system can end any process but the first, and see what it has mapped.

use super::world;
use abi::memory::{Map, Protection};
use abi::process::{Close, End, Kill, Pid, Wait};
use abi::system::{KillProcess, Mapping, MappingKind, NextMapping};
use abi::{Errno, Handle};
use play::World;

const INIT: u32 = 0;
const SYSTEM: Handle = Handle::PARENT;
const NOBODY: Pid = Pid(99);

fn next_mapping(world: &mut World, pid: Pid, address: u64) -> Result<Mapping, Errno> {
    world.call(SYSTEM, NextMapping { pid, address })
}

#[test]
fn a_process_is_ended_by_its_number_and_gone_when_the_answer_comes() {
    let mut world = world();
    let before = world.free_frames();
    let (child, memory) = world.create("child").expect("room");
    world
        .call(Handle::SELF, Close { handle: memory })
        .expect("closes");
    world.send(SYSTEM, KillProcess { pid: Pid(2) }, &[], &[]);
    world.until(INIT);
    assert_eq!(world.answer::<Kill>(), Ok(()));
    assert_eq!(world.call(child, Wait {}), Ok(End::Killed));
    assert_eq!(world.free_frames(), before);
    assert_eq!(
        world.call(SYSTEM, KillProcess { pid: Pid(2) }),
        Ok(()),
        "it has ended"
    );
    world.call(Handle::SELF, Close { handle: child }).expect("closes");
    assert_eq!(world.call(SYSTEM, KillProcess { pid: Pid(2) }), Err(Errno::ESRCH));
}

#[test]
fn neither_oneself_nor_a_number_that_nobody_has_can_be_ended() {
    let mut world = world();
    assert_eq!(
        world.call(SYSTEM, KillProcess { pid: Pid(1) }),
        Err(Errno::EINVAL)
    );
    assert_eq!(world.call(SYSTEM, KillProcess { pid: NOBODY }), Err(Errno::ESRCH));
}

#[test]
fn the_first_process_cannot_be_ended_by_another_that_holds_the_system() {
    let mut world = world();
    let (child, _) = world.create("child").expect("room");
    let place = SYSTEM.index();
    world
        .call_with(child, abi::process::Give { place }, &[], &[SYSTEM])
        .expect("gives");
    world.start(child);
    world.until(1);
    assert_eq!(world.call(SYSTEM, KillProcess { pid: Pid(1) }), Err(Errno::EPERM));
}

#[test]
fn the_mappings_of_a_process_are_listed_until_there_are_no_more() {
    let mut world = world();
    let (_, memory) = world.create("child").expect("room");
    let child = Pid(2);
    let message_page = next_mapping(&mut world, child, 0).expect("always there");
    assert_eq!(message_page.kind, MappingKind::MessagePage);
    let (address, length) = (0x60_0000, 0x3000);
    let protection = Protection::READ;
    let map = Map::new(address, length, protection);
    world.call(memory, map).expect("room");
    let expected = Mapping {
        start: address,
        end: address + length,
        protection,
        kind: MappingKind::Private,
        id: -1,
        key: 0,
    };
    assert_eq!(next_mapping(&mut world, child, 0), Ok(message_page));
    assert_eq!(next_mapping(&mut world, child, message_page.end), Ok(expected));
    let behind = next_mapping(&mut world, child, expected.end);
    assert_eq!(behind, Err(Errno::ENOENT));
    assert_eq!(next_mapping(&mut world, NOBODY, 0), Err(Errno::ESRCH));
}
