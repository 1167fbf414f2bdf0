//! Words that threads can wait for: which one an address stands for, and what it holds.

use crate::common::{World, create_with};
use abi::Errno;
use abi::memory::{MemoryRequest, Protection, WaitWord, WakeAndWait, WakeWord};
use abi::shm::{AttachFlags, GetFlags};
use std::collections::BTreeSet;

const PAGE: u64 = 4096;
const SLOT: u64 = 2 << 20;

#[test]
fn a_word_of_a_segment_is_the_same_wherever_it_is_attached_and_whoevers_tables_lead_there() {
    for (length, huge) in [(PAGE, false), (3 * PAGE, false), (2 * SLOT, false), (SLOT, true)] {
        let mut world = World::new();
        let (one, other) = (world.process(), world.process());
        let flags = if huge {
            GetFlags::HUGETLB
        } else {
            GetFlags::empty()
        };
        let id = world
            .get(one, 7, length, create_with(0o600) | flags)
            .expect("room");
        let at_one = world.attach_anywhere(one, id);
        let at_other = world
            .attach(other, id, 0x40_0000_0000, AttachFlags::RDONLY)
            .expect("room");
        let offset = length - PAGE + 20;
        let name = world.mm.sharing().word(one, at_one + offset).expect("mapped");
        assert_eq!(world.mm.sharing().word(other, at_other + offset), Ok(name));
        assert_ne!(world.mm.sharing().word(one, at_one + offset + 4), Ok(name));
        assert_eq!(world.mm.sharing().value(name), 0, "nobody has touched it");
        world
            .store(one, at_one + offset + 4, 0xffff_ffff_0000_0001)
            .expect("writable");
        world
            .store(one, at_one + offset - 4, 5 << 32 | 9)
            .expect("writable");
        assert_eq!(world.mm.sharing().value(name), 5);
    }
}

#[test]
fn looking_at_a_word_that_nobody_has_touched_takes_no_frame() {
    let mut world = World::new();
    let process = world.process();
    let id = world.segment(process, 8 * PAGE);
    let [shared, private] = [
        world.attach_anywhere(process, id),
        world.map_anywhere(process, PAGE),
    ];
    let before = world.mm.frame_counts();
    for address in [shared, private] {
        let name = world.mm.sharing().word(process, address).expect("mapped");
        assert_eq!(world.mm.sharing().value(name), 0);
    }
    assert_eq!(world.mm.frame_counts(), before);
}

#[test]
fn a_private_word_is_its_spaces_alone_and_a_copy_has_another() {
    let mut world = World::new();
    let parent = world.process();
    let address = world.map_anywhere(parent, PAGE);
    world.store(parent, address, 3).expect("writable");
    let child = world.fork(parent).expect("room");
    let names = [parent, child].map(|space| world.mm.sharing().word(space, address).expect("mapped"));
    assert_ne!(names[0], names[1]);
    assert_ne!(names[0].number(), names[1].number());
    assert_eq!(names.map(|name| world.mm.sharing().value(name)), [3, 3]);
    world.store(child, address, 4).expect("writable");
    assert_eq!(names.map(|name| world.mm.sharing().value(name)), [3, 4]);
}

#[test]
fn the_word_of_a_segment_that_is_gone_is_not_that_of_its_successor() {
    let mut world = World::new();
    let process = world.process();
    let mut names = Vec::new();
    for _ in 0..2 {
        let id = world.segment(process, PAGE);
        let at = world.attach_anywhere(process, id);
        names.push(world.mm.sharing().word(process, at).expect("mapped"));
        world.store(process, at, 1).expect("writable");
        world.detach(process, at).expect("attached");
        world.remove(process, id).expect("its own");
    }
    assert_ne!(names[0], names[1]);
    assert_ne!(names[0].number(), names[1].number());
    assert_eq!(
        world.mm.sharing().value(names[0]),
        0,
        "nothing is behind it any more"
    );
}

#[test]
fn what_cannot_be_read_is_no_word() {
    let mut world = World::new();
    let process = world.process();
    let address = world.map_anywhere(process, 2 * PAGE);
    let stack = world.map_stack(process, 0, PAGE, 4 * PAGE).expect("room");
    world
        .protect(process, address + PAGE, PAGE, Protection::empty())
        .expect("its own");
    let mut word = |address| world.mm.sharing().word(process, address);
    for unaligned in [1, 2, 3, 5] {
        assert_eq!(word(address + unaligned), Err(Errno::EINVAL));
    }
    assert!(word(address + PAGE - 4).is_ok());
    let refused = [
        0,
        address + PAGE,
        address + 2 * PAGE,
        stack - 4,
        1 << 48,
        u64::MAX - 3,
    ];
    for nothing in refused {
        assert_eq!(word(nothing), Err(Errno::EFAULT), "{nothing:#x}");
    }
    world.exit(process);
    assert_eq!(world.mm.sharing().word(process, address), Err(Errno::ESRCH));
}

#[test]
fn the_memory_manager_alone_knows_nobody_who_could_wait() {
    let mut world = World::new();
    let process = world.process();
    let address = world.map_anywhere(process, PAGE);
    let wait = MemoryRequest::WaitWord(WaitWord {
        address,
        expected: 0,
        deadline: abi::memory::FOREVER,
    });
    let wake = MemoryRequest::WakeWord(WakeWord { address, count: 1 });
    let both = MemoryRequest::WakeAndWait(WakeAndWait {
        woken: address,
        address,
        expected: 0,
        deadline: abi::memory::FOREVER,
    });
    for request in [wait, wake, both] {
        assert_eq!(world.ask(process, request), Err(Errno::ENOSYS));
    }
}

#[test]
fn each_word_has_a_number_of_its_own_and_neighbours_differ_in_its_lowest_bits() {
    let mut world = World::new();
    let processes = [(); 3].map(|()| world.process());
    let mut names = Vec::new();
    for p in processes {
        let private = world.map(p, 1 << 30, PAGE, Protection::WRITE).expect("free");
        let shared = world.segment(p, PAGE);
        let shared = world.attach_anywhere(p, shared);
        for at in [private, shared] {
            names.extend(
                (at..at + PAGE)
                    .step_by(4)
                    .map(|word| world.mm.sharing().word(p, word).expect("mapped")),
            );
        }
    }
    let numbers: BTreeSet<u128> = names.iter().map(|name| name.number()).collect();
    assert_eq!(numbers.len(), names.len());
    let lowest: BTreeSet<u128> = names[..1024].iter().map(|name| name.number() % 2048).collect();
    assert_eq!(lowest.len(), 1024, "the words of a page");
    for offset in [0, 4, 0x7fc, 0xffc] {
        let same_place = processes.map(|p| world.mm.sharing().word(p, (1 << 30) + offset).expect("mapped"));
        let lowest: BTreeSet<u128> = same_place.map(|name| name.number() % 2048).into();
        assert_eq!(lowest.len(), 3, "one place in three processes");
    }
}

#[test]
fn a_word_of_a_process_that_has_ended_has_another_number_than_one_of_its_successor() {
    let mut world = World::new();
    let numbers = [(); 2].map(|()| {
        let p = world.process();
        let at = world.map(p, 1 << 30, PAGE, Protection::WRITE).expect("free");
        let number = world.mm.sharing().word(p, at).expect("mapped").number();
        world.exit(p);
        number
    });
    assert_ne!(numbers[0], numbers[1]);
}
