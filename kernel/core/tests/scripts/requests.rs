//! Requests to the memory manager: which of them a CPU answers with its part of the kernel, and that siblings on others
//! may do anything before it comes back for what is left.

use super::touches::{ASKS, end_all, side_by_side};
use super::{world, write_pages};
use crate::WAY;
use abi::layout::PAGE_BYTES;
use abi::memory::{RegionAttach, RegionCreate, ShmControl, ShmGet, ShmIdArgument, Unmap};
use abi::process::{Derive, Exit, ExitThread, Fork};
use abi::shm::{AttachFlags, GetFlags, Mode, ShmCommand, ShmKey, ShmidDs};
use abi::{Badge, Errno, Handle, Request, Rights};
use play::{Way, World};

const MODE: GetFlags = GetFlags::CREAT.with_mode(Mode::from_bits(0o600));

/// Does something, and answers whether it was served with the CPU's part of the kernel.
fn is_shared(world: &mut World, request: impl FnOnce(&mut World)) -> bool {
    let before = world.direct;
    request(world);
    world.direct > before
}

#[test]
fn a_request_of_words_bytes_or_handles_shares_the_kernel_whether_it_is_refused_or_not() {
    let mut world = world();
    let expected = WAY == Way::Shorter;
    let map = |world: &mut World| {
        write_pages(world, 2);
    };
    assert_eq!(is_shared(&mut world, map), expected);
    let finds_nothing = |world: &mut World| {
        let get = ShmGet {
            key: ShmKey(7),
            size: 0,
            flags: GetFlags::empty(),
        };
        assert_eq!(world.call(Handle::MEMORY, get), Err(Errno::ENOENT));
    };
    assert_eq!(is_shared(&mut world, finds_nothing), expected);
    let reads_and_writes_bytes = |world: &mut World| {
        let get = ShmGet {
            key: ShmKey(7),
            size: 1,
            flags: MODE,
        };
        let (id,) = world.call(Handle::MEMORY, get).expect("room");
        for command in [ShmCommand::Stat, ShmCommand::Set] {
            let control = ShmControl {
                id: ShmIdArgument(id.raw()),
                command: command as i32,
            };
            let sent = if command == ShmCommand::Set {
                size_of::<ShmidDs>()
            } else {
                0
            };
            let bytes = world.page().bytes;
            world
                .call_with(Handle::MEMORY, control, &bytes[..sent], &[])
                .expect("it is one's own");
        }
    };
    assert_eq!(is_shared(&mut world, reads_and_writes_bytes), expected);
    let create = RegionCreate { size: 1, flags: MODE };
    world.call(Handle::MEMORY, create).expect("room");
    let region = world.handles()[0];
    let comes_with_a_handle = |world: &mut World| {
        let attach = RegionAttach {
            address: 0,
            flags: AttachFlags::empty(),
        };
        world
            .call_with(Handle::MEMORY, attach, &[], &[region])
            .expect("room");
    };
    assert_eq!(is_shared(&mut world, comes_with_a_handle), expected);
}

#[test]
fn a_request_that_is_answered_with_a_handle_shares_the_kernel_unless_there_is_no_place_for_that() {
    let mut world = world();
    let creates = |world: &mut World| {
        let create = RegionCreate { size: 1, flags: MODE };
        world.call(Handle::MEMORY, create).expect("room");
    };
    assert_eq!(is_shared(&mut world, creates), WAY == Way::Shorter);
    let create = RegionCreate { size: 1, flags: MODE };
    let derive = Derive {
        handle: Handle::MEMORY,
        rights: Rights::CALL,
        badge: Badge(0),
    };
    while world.call(Handle::SELF, derive).is_ok() {}
    let is_refused = |world: &mut World| {
        assert_eq!(world.call(Handle::MEMORY, create), Err(Errno::EMFILE));
    };
    assert!(!is_shared(&mut world, is_refused));
}

/// Pages of which one step does not give back all.
const MANY: u64 = 200;

/// While a thread's CPU has begun to unmap many pages, a sibling has the kernel do something before that CPU comes back for
/// the rest. Nothing is left of all that in the end.
fn meanwhile(sibling: impl Fn(&mut World)) -> World {
    let (mut world, _) = side_by_side();
    let address = write_pages(&mut world, MANY);
    world.interleaved = true;
    let length = MANY * PAGE_BYTES;
    world.send(Handle::MEMORY, Unmap { address, length }, &[], &[]);
    assert!(!world.runs_somewhere(ASKS), "there is a rest");
    world.turn_to(0);
    sibling(&mut world);
    world.interleaved = false;
    for turn in 0..20 {
        world.give_turn(turn % 2);
    }
    world
}

fn send<R: Request>(world: &mut World, handle: Handle, request: R) {
    world.send(handle, request, &[], &[]);
}

#[test]
fn a_process_that_a_sibling_ends_while_a_request_has_a_rest_leaves_nothing_behind() {
    end_all(meanwhile(|world| send(world, Handle::SELF, Exit { status: 1 })));
}

#[test]
fn who_asked_is_answered_when_the_rest_is_done_whether_a_sibling_ends_or_copies_the_process_meanwhile() {
    for request in [
        |world: &mut World| send(world, Handle::SELF, ExitThread { status: 1 }),
        |world: &mut World| send(world, Handle::SELF, Fork {}),
    ] {
        let mut world = meanwhile(request);
        run_on(&mut world, ASKS);
        assert_eq!(world.answer::<Unmap>(), Ok(()));
        end_all(world);
    }
}

/// Gives turns until `thread` runs, and lets it be the turn of its CPU.
fn run_on(world: &mut World, thread: u32) {
    for cpu in [0, 1].into_iter().cycle().take(20) {
        world.turn_to(cpu);
        if world.running == Some(thread) {
            return;
        }
        world.give_turn(cpu);
    }
    panic!("thread {thread} never runs");
}
