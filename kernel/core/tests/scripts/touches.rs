//! Touches while another CPU has the kernel do something, in every order: before each time that it takes or shares the memory
//! manager.

use super::{world_on, write_pages};
use abi::memory::{Map, Protect, Protection, Unmap, WaitWord};
use abi::process::{Close, CreateThread, End, Fork, Wait};
use abi::{Handle, layout::PAGE_BYTES};
use addr::VirtAddr;
use kcore::Next;
use mm::Access;
use play::World;
use std::iter::{once, repeat_n};

/// Threads by number: `init`, and two of one process, each on a CPU of its own.
const INIT: u32 = 0;
pub(super) const ASKS: u32 = 1;
const TOUCHES: u32 = 2;

/// Pages that are mapped, of which the first one has been touched.
const PAGES: u64 = 3;

/// Turns after which a copy of the process is made for certain.
const MOST_TURNS: usize = 12;

/// More often no request takes the lock.
const MOST_LOCKS: usize = 12;

const CREATE: CreateThread = CreateThread {
    entry: 0x60_0000,
    stack: 0,
    word: 0,
    pointer: 0,
};

/// Has the thread that asks ask for something.
type Request = fn(&mut World, u64);

#[test]
fn a_sibling_that_touches_while_memory_is_unmapped_is_served_before_or_not_at_all() {
    in_every_order(|world, address| {
        let length = PAGES * PAGE_BYTES;
        world.send(Handle::MEMORY, Unmap { address, length }, &[], &[]);
    });
}

#[test]
fn a_sibling_that_touches_while_permissions_are_taken_away_is_served_before_or_not_at_all() {
    in_every_order(|world, address| {
        let protect = Protect {
            address,
            length: PAGES * PAGE_BYTES,
            protection: Protection::READ,
        };
        world.send(Handle::MEMORY, protect, &[], &[]);
    });
}

#[test]
fn a_sibling_may_touch_at_any_time_while_its_process_is_copied() {
    in_every_order(|world, _| {
        world.send(Handle::SELF, Fork {}, &[], &[]);
    });
}

#[test]
fn a_sibling_may_touch_at_any_time_while_a_thread_is_made() {
    in_every_order(|world, _| {
        world.send(Handle::SELF, CREATE, &[], &[]);
    });
}

#[test]
fn a_sibling_may_touch_the_word_that_is_to_be_waited_for() {
    in_every_order(|world, address| {
        let wait = WaitWord {
            address,
            expected: 0,
            deadline: 0,
        };
        world.send(Handle::MEMORY, wait, &[], &[]);
    });
}

#[test]
fn who_asks_while_a_sibling_copies_the_process_is_served_in_the_end_whenever_that_is() {
    let mut waited = 0;
    for turns in 0..MOST_TURNS {
        let (mut world, address) = side_by_side();
        write_pages(&mut world, 200);
        world.interleaved = true;
        world.send(Handle::SELF, Fork {}, &[], &[]);
        (0..turns).for_each(|_| {
            world.run();
        });
        world.turn_to(0);
        let length = PAGES * PAGE_BYTES;
        world.send(Handle::MEMORY, Unmap { address, length }, &[], &[]);
        waited += u32::from(!world.runs_somewhere(TOUCHES));
        world.interleaved = false;
        for turn in 0..40 {
            if world.runs_somewhere(TOUCHES) {
                break;
            }
            world.give_turn(turn % 2);
        }
        let cpu = usize::from(world.kernel.platform.cpus[1].running == Some(TOUCHES));
        world.turn_to(cpu);
        assert_eq!(world.answer::<Unmap>(), Ok(()), "after {turns} turns");
        end_all(world);
    }
    assert!(waited > 2, "it came in the middle");
}

/// Asks, with a touch of each page before each time that the lock is taken; all frames come back in the end. The
/// kernel's audit comes after each step.
fn in_every_order(request: Request) {
    let mut served = 0;
    for (locks, page) in (0..=MOST_LOCKS).flat_map(|locks| (0..PAGES).map(move |page| (locks, page))) {
        let (mut world, base) = side_by_side();
        let address = VirtAddr::new(base + page * PAGE_BYTES);
        let touch = world.touch_by(TOUCHES, address, Access::Write);
        world.let_others_touch(repeat_n(None, locks).chain(once(Some(touch))));
        request(&mut world, base);
        served += world.touches_served();
        if world.runs_somewhere(TOUCHES) {
            world.turn_to(0);
            world.touch(address, Access::Write);
        }
        end_all(world);
    }
    assert!(served > 0, "the lock was taken");
}

/// A thread that asks, on the second CPU, one that touches, on the first, and where the pages are.
pub(super) fn side_by_side() -> (World, u64) {
    let mut world = world_on(2);
    let (child, memory) = world.create("child").expect("room");
    world
        .call(Handle::SELF, Close { handle: memory })
        .expect("closes");
    world.start(child);
    assert_eq!(world.give_turn(1), Some(Next::Run(ASKS)));
    let map = Map::new(0, PAGES * PAGE_BYTES, Protection::READ | Protection::WRITE);
    let (base,) = world.call(Handle::MEMORY, map).expect("room");
    world.touch(VirtAddr::new(base), Access::Write);
    world.call(Handle::SELF, CREATE).expect("room");
    world.turn_to(0);
    world.send(child, Wait {}, &[], &[]);
    assert_eq!(world.running, Some(TOUCHES));
    world.turn_to(1);
    (world, base)
}

/// Ends all processes but the first one; nothing of them is left.
pub(super) fn end_all(mut world: World) {
    let others = world.kernel.processes().filter(|(_, process)| process.pid.0 != 1);
    let others: Vec<_> = others.map(|(id, _)| id).collect();
    for process in others {
        world.kernel().end_process(process, End::Killed);
    }
    for turn in 0..40 {
        world.give_turn(turn % 2);
    }
    assert!(world.runs_somewhere(INIT), "it has waited for the end");
    assert_eq!(world.kernel.population().threads, 1);
    let none = world_on(2);
    assert_eq!(world.free_frames(), none.free_frames(), "all frames are back");
}
