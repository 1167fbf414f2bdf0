//! Map requests.

use crate::common::{PAGE, Size, World};
use abi::Errno;
use abi::layout::{AREA_END, AREA_START, MESSAGE_PAGES, USER_END, USER_START};
use abi::memory::Protection;
use mm::{FaultCause, Limits};

const READ: Protection = Protection::READ;
const WRITE: Protection = Protection::WRITE;
const EXEC: Protection = Protection::EXEC;
const NOWHERE: u64 = 0x30_0000_0000;

#[test]
fn pages_are_zero_private_and_in_the_area_of_the_kernels_choice() {
    let mut world = World::new();
    let (one, other) = (world.process(), world.process());
    let at = world.map_anywhere(one, 3 * PAGE - 1);
    assert!(at >= AREA_START && at + 3 * PAGE <= AREA_END && at.is_multiple_of(PAGE));
    assert_eq!(
        world.map_anywhere(other, PAGE),
        at,
        "address spaces know nothing of each other"
    );
    assert_eq!(
        (world.load(one, at), world.load(one, at + 3 * PAGE - 8)),
        (Ok(0), Ok(0))
    );
    world.store(one, at, 1).expect("writable");
    assert_eq!(world.load(other, at), Ok(0));
    assert_eq!(world.load(one, at + 3 * PAGE), Err(FaultCause::Unmapped));
}

#[test]
fn what_can_be_done_is_what_the_protection_says_and_reading_always() {
    let mut world = World::new();
    let p = world.process();
    let denied = Err(FaultCause::NotPermitted);
    for (protection, store, jump) in [
        (READ, denied, denied),
        (WRITE, Ok(()), denied),
        (READ | WRITE, Ok(()), denied),
        (EXEC, denied, Ok(())),
        (READ | EXEC, denied, Ok(())),
    ] {
        let at = world.map(p, 0, PAGE, protection).expect("room");
        assert_eq!(
            (world.store(p, at, 0), world.jump(p, at), world.load(p, at)),
            (store, jump, Ok(0)),
            "{protection:?}"
        );
        // Once more, now that the page is present.
        assert_eq!(
            (world.store(p, at, 0), world.jump(p, at)),
            (store, jump),
            "{protection:?}"
        );
    }
}

#[test]
fn requests_that_make_no_sense_are_refused() {
    let mut world = World::new();
    let p = world.process();
    let taken = world.map_anywhere(p, 2 * PAGE);
    for (address, length, protection) in [
        (0, 0, READ),
        (NOWHERE, 0, READ),
        (NOWHERE + 1, PAGE, READ),
        (NOWHERE, PAGE, WRITE | EXEC),
        (NOWHERE, PAGE, Protection::all()),
        (taken, PAGE, READ),
        (taken + PAGE, PAGE, READ),
        (taken - PAGE, 2 * PAGE, READ),
        (USER_START - PAGE, PAGE, READ),
        (PAGE, 1 << 40, READ),
        (MESSAGE_PAGES, PAGE, READ),
        (USER_START - PAGE, 2 * PAGE, READ),
        (USER_END, PAGE, READ),
        (NOWHERE, u64::MAX, READ),
        (u64::MAX - PAGE + 1, PAGE, READ),
    ] {
        assert_eq!(
            world.map(p, address, length, protection),
            Err(Errno::EINVAL),
            "{address:#x} {length:#x}"
        );
    }
    assert_eq!(world.usage(p).mappings, 1);
}

#[test]
fn every_address_a_program_may_map_can_be_mapped() {
    let mut world = World::new();
    let p = world.process();
    for address in [
        USER_START,
        abi::layout::PROGRAM_BASE,
        abi::layout::STACK_TOP - PAGE,
        USER_END - PAGE,
    ] {
        assert_eq!(world.map(p, address, PAGE, READ), Ok(address));
        assert_eq!(world.load(p, address), Ok(0));
    }
}

#[test]
fn more_than_can_be_promised_is_refused_and_a_touch_of_what_was_promised_never_fails() {
    let mut world = World::of(Size {
        frames: 300,
        ..Size::USUAL
    });
    let p = world.process();
    let tables = 3;
    let most = world.unpromised() - tables;
    assert_eq!(world.map(p, 0, (most + 1) * PAGE, WRITE), Err(Errno::ENOMEM));
    let at = world.map_anywhere(p, most * PAGE);
    assert_eq!(world.unpromised(), 0);
    assert_eq!(world.map(p, 0, PAGE, WRITE), Err(Errno::ENOMEM));
    world.fill(p, at, most, 1);
    let counts = world.mm.frame_counts();
    assert_eq!((counts.free, counts.promised), (0, 0));
}

#[test]
fn there_are_limits_for_a_process_and_for_all_of_them() {
    let limits = Limits {
        mappings: 3,
        ..Limits::WIDEST
    };
    let mut world = World::of(Size {
        limits,
        vmas: 5,
        ..Size::USUAL
    });
    let (one, other) = (world.process(), world.process());
    for protection in [READ, WRITE, READ] {
        world.map(one, 0, PAGE, protection).expect("room");
    }
    assert_eq!(world.map(one, 0, PAGE, WRITE), Err(Errno::EMFILE));
    assert!(
        world.map(one, 0, PAGE, READ).is_ok(),
        "it becomes one with its neighbour"
    );
    for protection in [READ, WRITE] {
        world.map(other, 0, PAGE, protection).expect("room");
    }
    assert_eq!(world.map(other, 0, PAGE, READ), Err(Errno::ENOMEM));
}

#[test]
fn an_address_space_needs_a_frame_and_a_slot() {
    let mut world = World::of(Size {
        spaces: 3,
        ..Size::USUAL
    });
    let p = world.process();
    world.process();
    let identity = mm::Identity {
        credential: mm::Credential::ROOT,
        pid: abi::process::Pid(9),
    };
    let before = world.mm.frame_counts();
    assert_eq!(world.mm.create_space(identity), Err(Errno::ENFILE));
    assert_eq!(world.mm.frame_counts(), before);
    world.exit(p);
    let all = world.unpromised();
    let root = world.root;
    world.segment(root, (all - all / 512 - 2) * PAGE);
    while world.unpromised() > 0 {
        world.segment(root, PAGE);
    }
    assert_eq!(world.mm.create_space(identity), Err(Errno::ENOMEM));
}

#[test]
fn a_process_that_ended_can_ask_for_nothing() {
    let mut world = World::new();
    let p = world.process();
    let at = world.map_anywhere(p, PAGE);
    world.exit(p);
    assert_eq!(world.map(p, 0, PAGE, READ), Err(Errno::ESRCH));
    assert_eq!(world.mm.usage(p), None);
    assert_eq!(world.mm.describe(p, addr::VirtAddr::new(at)), None);
    let touch = world.mm.fault(p, addr::VirtAddr::new(at), mm::Access::Read);
    assert_eq!(touch, Err(FaultCause::Unmapped));
    assert!(world.mm.mmu_space_mut(p).is_none());
    world.exit(p);
}
