//! Detaching what is linked.

use super::look::{AT, SLOT, SLOT_BYTES, attach, linked_slots, seen, world};
use crate::common::{CREATE, PAGE, PRIVATE, Size, World};
use abi::Errno;
use abi::memory::{MemoryRequest, Protection, ShmDetach};
use abi::shm::GetFlags;
use machine::{Counts, Machine};
use mm::{FaultCause, Job, STEP_FRAMES, Seconds, SpaceId};

fn begin_detach(world: &mut World, p: SpaceId, address: u64) -> Option<Job> {
    let (answer, job) = world.begin(p, MemoryRequest::ShmDetach(ShmDetach { address }), &[], None);
    answer.expect("attached");
    job
}

fn counts(world: &World) -> Counts {
    Machine::counts(world.mm.mmu())
}

/// Proves: D-08
#[test]
fn a_detach_unlinks_each_slot_and_invalidates_once_by_asid() {
    let mut world = world();
    let (p, other) = (world.process(), world.process());
    let id = world.segment(p, 4 * SLOT_BYTES);
    attach(&mut world, p, id);
    attach(&mut world, other, id);
    world.touch(p, AT, 4 * SLOT);
    for page in [0, SLOT, 4 * SLOT - 1] {
        world.store(p, AT + page * PAGE, page + 1).expect("writable");
    }
    world.load(other, AT).expect("readable");
    world.mm.mmu_mut().reset_counts();
    assert_eq!(begin_detach(&mut world, p, AT), None, "it took one step");
    let counts = counts(&world);
    assert_eq!((counts.tlbi_asid, counts.tlbi_broadcast()), (1, 1));
    assert_eq!(counts.table_stores, 4 + 2, "links, and the two tables above them");
    for page in [0, SLOT, 4 * SLOT - 1] {
        assert_eq!(world.load(p, AT + page * PAGE), Err(FaultCause::Unmapped));
        assert_eq!(
            world.load(other, AT + page * PAGE),
            Ok(page + 1),
            "the other one goes on"
        );
    }
}

#[test]
fn what_was_never_touched_is_detached_without_an_invalidation() {
    let mut world = world();
    let (p, other) = (world.process(), world.process());
    let id = world.segment(p, 4 * SLOT_BYTES);
    attach(&mut world, p, id);
    attach(&mut world, other, id);
    world.touch(other, AT, 4 * SLOT);
    world.mm.mmu_mut().reset_counts();
    world.detach(p, AT).expect("attached");
    assert_eq!(
        (counts(&world).tlbi_broadcast(), counts(&world).table_stores),
        (0, 0)
    );
}

#[test]
fn many_slots_are_unlinked_in_bounded_steps() {
    let mut world = World::quick(Size::USUAL);
    let p = world.process();
    let before = world.mm.frame_counts();
    let id = world
        .get(p, PRIVATE, 1 << 30, CREATE | GetFlags::NORESERVE)
        .expect("created");
    attach(&mut world, p, id);
    for slot in 0..SLOT {
        world.touch(p, AT + slot * SLOT_BYTES + slot % 7 * PAGE, 1);
    }
    world
        .store(p, AT, 1)
        .expect("it runs, so TLBs may know all of it");
    assert_eq!(linked_slots(&mut world, p, SLOT).len() as u64, SLOT);
    world.mm.mmu_mut().reset_counts();
    let mut job = begin_detach(&mut world, p, AT);
    let (mut steps, mut seen) = (1, counts(&world));
    let most = STEP_FRAMES as u64 + 2;
    assert!(seen.table_stores <= most && job.is_some());
    while let Some(rest) = job {
        let expected = u64::from(steps < 8);
        assert_eq!(
            world.facts(id).shm_nattch,
            expected,
            "it counts until the last slot has gone"
        );
        job = world.mm.step(rest, Seconds(1));
        let now = counts(&world);
        assert!(now.table_stores - seen.table_stores <= most && now.tlbi_asid - seen.tlbi_asid <= 1);
        (steps, seen) = (steps + 1, now);
        world.check_now();
    }
    assert_eq!((seen.tlbi_asid, seen.tlbi_broadcast()), (8, 8));
    assert_eq!(seen.table_stores, SLOT + 2);
    assert_eq!(world.facts(id).shm_nattch, 0);
    world.remove(p, id).expect("there");
    assert_eq!(world.mm.frame_counts(), before);
}

#[test]
fn slots_far_apart_are_unlinked_in_bounded_steps_too() {
    let mut world = World::quick(Size::USUAL);
    let p = world.process();
    let before = world.mm.frame_counts();
    let id = world
        .get(p, PRIVATE, 100 << 30, CREATE | GetFlags::NORESERVE)
        .expect("created");
    attach(&mut world, p, id);
    for gib in 0..100u64 {
        world.touch(p, AT + (gib << 30), 1);
    }
    let mut job = begin_detach(&mut world, p, AT);
    let mut free = world.mm.frame_counts().free;
    let mut steps = 1;
    while let Some(rest) = job {
        job = world.mm.step(rest, Seconds(1));
        let now = world.mm.frame_counts().free;
        assert!(now - free <= 12, "{}", now - free);
        (steps, free) = (steps + 1, now);
        world.check_now();
    }
    assert!(steps > 10, "{steps}");
    world.remove(p, id).expect("there");
    assert_eq!(world.mm.frame_counts(), before);
}

/// Proves: C-41, D-19, M-03
#[test]
fn a_removed_segment_goes_with_the_last_of_several_who_linked_it() {
    let mut world = world();
    let processes = [(); 3].map(|()| world.process());
    let before = world.mm.frame_counts();
    let id = world.segment(processes[0], 3 * SLOT_BYTES + PAGE);
    for p in processes {
        attach(&mut world, p, id);
        world.store(p, AT + SLOT_BYTES, 3).expect("writable");
    }
    world.remove(processes[1], id).expect("there");
    world.detach(processes[2], AT).expect("attached");
    world.exit(processes[0]);
    assert_eq!(world.load(processes[1], AT + SLOT_BYTES), Ok(3));
    world
        .store(processes[1], AT + 3 * SLOT_BYTES, 4)
        .expect("a new page of it");
    assert_eq!(seen(&mut world, processes[2], AT + SLOT_BYTES), None);
    world.exit(processes[1]);
    world.exit(processes[2]);
    let after = world.mm.frame_counts();
    assert_eq!((after.free, after.promised), (before.free + 3, before.promised));
}

/// Proves: M-03, F-05
#[test]
fn a_process_killed_while_it_detaches_many_slots_leaves_the_segment_whole() {
    for steps in 0..9 {
        let mut world = World::quick(Size::USUAL);
        let (p, other) = (world.process(), world.process());
        let id = world
            .get(p, PRIVATE, 1 << 30, CREATE | GetFlags::NORESERVE)
            .expect("created");
        for who in [p, other] {
            attach(&mut world, who, id);
        }
        for slot in 0..SLOT {
            world.touch(p, AT + slot * SLOT_BYTES, 1);
        }
        world.store(other, AT, 9).expect("writable");
        let held = world.mm.frame_counts().free;
        let mut job = begin_detach(&mut world, p, AT);
        for _ in 0..steps {
            job = job.and_then(|rest| world.mm.step(rest, Seconds(1)));
        }
        let end = world.mm.destroy_space(p, Seconds(2));
        // What it waited for itself may still get its turn.
        let other_job = job.and_then(|rest| world.mm.step(rest, Seconds(2)));
        world.finish(Some(end));
        world.finish(other_job);
        world.check_now();
        assert_eq!(world.facts(id).shm_nattch, 1);
        assert_eq!(world.load(other, AT), Ok(9));
        let tables_and_root = 3;
        assert_eq!(world.mm.frame_counts().free - held, tables_and_root);
    }
}

#[test]
fn a_page_touched_while_another_one_detaches_is_not_lost_to_anybody() {
    let mut world = World::of(Size {
        frames: 4096,
        ..Size::USUAL
    });
    let (p, other) = (world.process(), world.process());
    let id = world
        .get(p, PRIVATE, 200 * SLOT_BYTES, CREATE | GetFlags::NORESERVE)
        .expect("created");
    attach(&mut world, p, id);
    attach(&mut world, other, id);
    for slot in 0..200 {
        world.touch(p, AT + slot * SLOT_BYTES, 1);
    }
    let job = begin_detach(&mut world, p, AT);
    assert!(job.is_some());
    // The last slots are still linked by the one who leaves, and the new page appears there too.
    world
        .store(other, AT + 199 * SLOT_BYTES + PAGE, 6)
        .expect("writable");
    assert_eq!(
        world.load(p, AT + 199 * SLOT_BYTES + PAGE).ok(),
        Some(6),
        "until the TLBs forget"
    );
    assert_eq!(world.mm.describe(p, addr::VirtAddr::new(AT)), None);
    world.finish(job);
    assert_eq!(
        world.load(p, AT + 199 * SLOT_BYTES + PAGE),
        Err(FaultCause::Unmapped)
    );
    assert_eq!(world.load(other, AT + 199 * SLOT_BYTES + PAGE), Ok(6));
}

#[test]
fn the_rest_of_the_last_slot_is_taken_until_the_detach_is_over() {
    let mut world = World::of(Size {
        frames: 4096,
        ..Size::USUAL
    });
    let p = world.process();
    let bytes = 200 * SLOT_BYTES + 3 * PAGE;
    let id = world
        .get(p, PRIVATE, bytes, CREATE | GetFlags::NORESERVE)
        .expect("created");
    attach(&mut world, p, id);
    for slot in 0..201 {
        world.touch(p, AT + slot * SLOT_BYTES, 1);
    }
    let end = AT + bytes;
    let job = begin_detach(&mut world, p, AT);
    assert!(job.is_some());
    // The slot is still linked: what was put there now would be seen by others.
    assert_eq!(world.map(p, end, PAGE, Protection::WRITE), Err(Errno::EINVAL));
    world.finish(job);
    assert_eq!(world.map(p, end, PAGE, Protection::WRITE), Ok(end));
    world.store(p, end, 1).expect("writable");
}
