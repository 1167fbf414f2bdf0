//! What a shell has to learn of while it waits: that a program has ended, and that somebody has typed Control-C.

use super::world;
use abi::console::{Read, SignalInterrupt};
use abi::process::{Close, End, Exit, Kill, SignalEnd, Wait};
use abi::{Arrival, Badge, Errno, Handle, Operation, Rights};
use play::World;

const INIT: u32 = 0;
const CHILD: u32 = 1;
const ENDED: u64 = 1 << 5;
const INTERRUPTED: u64 = 1 << 6;

/// An endpoint of the running program, and a handle that signals `bits` there.
fn signaller(world: &mut World, bits: u64) -> (Handle, Handle) {
    let endpoint = world.create_endpoint();
    (
        endpoint,
        derive(world, endpoint, Rights::SIGNAL | Rights::PASS, bits),
    )
}

fn derive(world: &mut World, handle: Handle, rights: Rights, badge: u64) -> Handle {
    let badge = Badge(badge);
    world.derive(handle, rights, badge)
}

fn close(world: &mut World, handle: Handle) {
    world.call(Handle::SELF, Close { handle }).expect("it is there");
}

/// The running program receives at the endpoint.
fn receive(world: &mut World, endpoint: Handle) {
    world.trap(Operation::Receive as u64, endpoint.raw().into(), 0, [0; 6]);
}

/// The signals that the running program has received.
fn signals(world: &mut World) -> u64 {
    let back = world.back();
    assert_eq!((back.outcome, back.tag.arrival()), (None, Arrival::Signals));
    back.words[0]
}

/// What the running program reads of what was typed.
fn read(world: &mut World) -> Vec<u8> {
    let (count,) = world.call(Handle::CONSOLE, Read { most: 9 }).expect("typed");
    world.page().bytes[..count as usize].to_vec()
}

fn type_bytes(world: &mut World, bytes: &[u8]) {
    world.kernel.platform.typed.extend(bytes);
    world.console_interrupt();
}

fn child(world: &mut World) -> Handle {
    let (child, memory) = world.create("child").expect("room");
    close(world, memory);
    world.start(child);
    child
}

#[test]
fn the_end_of_a_child_is_a_signal_that_comes_when_all_of_it_is_back() {
    let mut world = world();
    let before = world.free_frames();
    let (endpoint, signaller) = signaller(&mut world, ENDED);
    let child = child(&mut world);
    let asked = world.call_with(child, SignalEnd {}, &[], &[signaller]);
    assert_eq!(asked, Ok(()));
    receive(&mut world, endpoint);
    assert_eq!(world.running, Some(CHILD));
    world.send(Handle::SELF, Exit { status: 4 }, &[], &[]);
    assert_eq!((world.running, signals(&mut world)), (Some(INIT), ENDED));
    assert_eq!(world.free_frames(), before);
    assert_eq!(world.call(child, Wait {}), Ok(End::Exited(4)), "at once");
}

#[test]
fn an_end_that_has_been_is_signalled_at_once() {
    let mut world = world();
    let (endpoint, signaller) = signaller(&mut world, ENDED);
    let child = child(&mut world);
    world.send(child, Kill {}, &[], &[]);
    world.until(INIT);
    let asked = world.call_with(child, SignalEnd {}, &[], &[signaller]);
    assert_eq!(asked, Ok(()));
    receive(&mut world, endpoint);
    assert_eq!(signals(&mut world), ENDED);
}

#[test]
fn whoever_is_not_there_any_more_is_told_nothing() {
    let mut world = world();
    let (endpoint, signaller) = signaller(&mut world, ENDED);
    let child = child(&mut world);
    world
        .call_with(child, SignalEnd {}, &[], &[signaller])
        .expect("may");
    world
        .call_with(Handle::CONSOLE, SignalInterrupt {}, &[], &[signaller])
        .expect("may");
    close(&mut world, endpoint);
    type_bytes(&mut world, b"\x03");
    assert_eq!(read(&mut world), b"\x03", "nobody can receive it otherwise");
    close(&mut world, signaller);
    world.send(child, Kill {}, &[], &[]);
    world.until(INIT);
    let successor = world.create_endpoint();
    type_bytes(&mut world, b"\x03");
    assert_eq!(read(&mut world), b"\x03", "{successor:?} is another one");
}

#[test]
fn control_c_is_a_signal_to_whom_the_console_was_told_of_and_no_input() {
    let mut world = world();
    let (endpoint, signaller) = signaller(&mut world, INTERRUPTED);
    type_bytes(&mut world, b"a\x03b");
    assert_eq!(read(&mut world), b"a\x03b", "nobody has asked for it");
    world
        .call_with(Handle::CONSOLE, SignalInterrupt {}, &[], &[signaller])
        .expect("may");
    child(&mut world);
    receive(&mut world, endpoint);
    assert_eq!(world.running, Some(CHILD));
    type_bytes(&mut world, b"c\x03d");
    world.until(INIT);
    assert_eq!(signals(&mut world), INTERRUPTED);
    assert_eq!(read(&mut world), b"d", "what was typed before is forgotten");
    assert_eq!(world.call(Handle::CONSOLE, SignalInterrupt {}), Ok(()));
    type_bytes(&mut world, b"\x03");
    assert_eq!(read(&mut world), b"\x03", "it was given up");
}

#[test]
fn control_c_that_was_typed_ahead_is_a_signal_as_soon_as_somebody_asks_for_it() {
    let mut world = world();
    let (endpoint, signaller) = signaller(&mut world, INTERRUPTED);
    type_bytes(&mut world, b"ab\x03c\x03de");
    world
        .call_with(Handle::CONSOLE, SignalInterrupt {}, &[], &[signaller])
        .expect("may");
    receive(&mut world, endpoint);
    assert_eq!((world.running, signals(&mut world)), (Some(INIT), INTERRUPTED));
    assert_eq!(read(&mut world), b"de");
}

#[test]
fn a_program_that_reads_is_ended_by_whoever_is_signalled() {
    let mut world = world();
    let (endpoint, signaller) = signaller(&mut world, INTERRUPTED);
    let (child, _) = world.create("reader").expect("room");
    let place = abi::process::Give {
        place: Handle::CONSOLE.index(),
    };
    world
        .call_with(child, place, &[], &[Handle::CONSOLE])
        .expect("it has not started");
    world.start(child);
    world
        .call_with(Handle::CONSOLE, SignalInterrupt {}, &[], &[signaller])
        .expect("may");
    world.until(CHILD);
    world.send(Handle::CONSOLE, Read { most: 9 }, &[], &[]);
    receive(&mut world, endpoint);
    type_bytes(&mut world, b"\x03");
    assert_eq!((world.running, signals(&mut world)), (Some(INIT), INTERRUPTED));
    world.send(child, Kill {}, &[], &[]);
    world.until(INIT);
    type_bytes(&mut world, b"x");
    assert_eq!(read(&mut world), b"x");
}

#[test]
fn only_what_signals_an_endpoint_can_be_told() {
    let mut world = world();
    let (endpoint, signaller) = signaller(&mut world, ENDED);
    let caller = derive(&mut world, endpoint, Rights::CALL | Rights::PASS, 3);
    let child = child(&mut world);
    let wrong: [(&[Handle], Errno); 4] = [
        (&[], Errno::EINVAL),
        (&[signaller, signaller], Errno::EINVAL),
        (&[Handle::SELF], Errno::EBADF),
        (&[caller], Errno::EPERM),
    ];
    for (handles, errno) in wrong {
        assert_eq!(
            world.call_with(child, SignalEnd {}, &[], handles),
            Err(errno),
            "{handles:?}"
        );
        if !handles.is_empty() {
            let asked = world.call_with(Handle::CONSOLE, SignalInterrupt {}, &[], handles);
            assert_eq!(asked, Err(errno), "{handles:?}");
        }
    }
    let own = world.call_with(Handle::SELF, SignalEnd {}, &[], &[signaller]);
    assert_eq!(own, Err(Errno::EINVAL), "nobody is there to be told");
}
