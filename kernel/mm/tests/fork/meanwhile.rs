//! What happens between the steps of a fork.

use crate::common::{PAGE, PLAIN, Size, World};
use abi::Errno;
use abi::layout::USER_START;
use abi::memory::{MemoryRequest, Move, Protection, ShmDetach};
use abi::process::Pid;
use abi::shm::{AttachFlags, ShmId};
use mm::{Identity, Job, STEP_FRAMES, Seconds, SpaceId};

/// A process with private pages for several steps, a cut segment, and small mappings; the segment, and
/// how many pages are mapped.
fn parent(world: &mut World) -> (SpaceId, ShmId, u64) {
    let parent = world.process();
    let at = world.map_anywhere(parent, 300 * PAGE);
    world.touch(parent, at, 300);
    let id = world.segment(parent, 70 * PAGE);
    let at = world.attach_anywhere(parent, id);
    world.unmap(parent, at + PAGE, PAGE).expect("mapped");
    for page in 0..20 {
        let at = 0x30_0000_0000 + 2 * page * PAGE;
        world.map(parent, at, PAGE, Protection::WRITE).expect("free");
        world.store(parent, at, page).expect("writable");
    }
    (parent, id, 300 + 69 + 20)
}

/// Up to `steps` steps of a job.
fn some(world: &mut World, job: Job, steps: usize) -> Option<Job> {
    let mut job = Some(job);
    for _ in 0..steps {
        job = job.and_then(|job| world.mm.step(job, Seconds(world.now)));
        world.check();
    }
    job
}

#[test]
fn nothing_can_be_mapped_in_either_before_a_fork_is_done() {
    let mut world = World::new();
    let (p, _, mapped) = parent(&mut world);
    let other = world.process();
    let (child, job) = world.begin_fork(p).expect("room");
    let job = some(&mut world, job, 2);
    assert!(job.is_some());
    for space in [p, child] {
        assert_eq!(world.map(space, 0, PAGE, Protection::READ), Err(Errno::EAGAIN));
        let request = Move {
            source: 0x30_0000_0000,
            length: PAGE,
            destination: 0x30_0000_0000,
            protection: Protection::READ,
        };
        assert_eq!(world.transfer(other, Some(space), request), Err(Errno::EAGAIN));
        assert_eq!(world.mm.fork(space, other), Err(Errno::EAGAIN));
    }
    world.finish(job);
    assert_eq!(
        (world.usage(p).mapped, world.usage(child).mapped),
        (mapped, mapped)
    );
    world.map(p, 0, PAGE, Protection::READ).expect("again");
}

#[test]
fn a_parent_or_child_that_is_killed_in_the_middle_of_a_fork_leaves_nothing_behind() {
    for steps in 0..9 {
        for parent_goes_first in [true, false] {
            let mut world = World::new();
            let before = world.mm.frame_counts();
            let (p, id, _) = parent(&mut world);
            let (child, job) = world.begin_fork(p).expect("room");
            let job = some(&mut world, job, steps);
            let order = if parent_goes_first { [p, child] } else { [child, p] };
            world.exit(order[0]);
            world.finish(job);
            if !parent_goes_first {
                world
                    .map(p, 0, PAGE, Protection::READ)
                    .expect("it lives, and can be used");
            }
            world.exit(order[1]);
            let root = world.root;
            world.remove(root, id).expect("all that is left");
            assert_eq!(world.mm.frame_counts(), before, "after {steps} steps");
        }
    }
}

#[test]
fn what_is_leaving_the_parent_is_not_inherited() {
    let mut world = World::new();
    let p = world.process();
    let id = world.segment(p, 300 * PAGE);
    let at = world.attach_anywhere(p, id);
    world.touch(p, at, 300);
    let private = world.map_anywhere(p, PAGE);
    world.store(p, private, 3).expect("writable");
    let (answer, detaching) = world.begin(p, MemoryRequest::ShmDetach(ShmDetach { address: at }), &[], None);
    assert!(answer.is_ok() && detaching.is_some());
    let (child, forking) = world.begin_fork(p).expect("room");
    world.finish(forking.into());
    assert_eq!(world.facts(id).shm_nattch, 1);
    world.finish(detaching);
    assert_eq!((world.facts(id).shm_nattch, world.usage(child).mapped), (0, 1));
    assert_eq!(world.load(child, private), Ok(3));
}

#[test]
fn a_process_into_which_pages_are_moving_cannot_be_copied_yet() {
    let mut world = World::new();
    let (p, source) = (world.process(), world.process());
    let at = world.map_anywhere(source, 300 * PAGE);
    world.touch(source, at, 300);
    let request = MemoryRequest::Move(Move {
        source: at,
        length: 300 * PAGE,
        destination: at,
        protection: Protection::WRITE,
    });
    let (answer, moving) = world.begin(p, request, &[], Some(source));
    assert!(answer.is_ok() && moving.is_some());
    assert_eq!(world.fork(p), Err(Errno::EAGAIN));
    world.fork(source).expect("what leaves it is no longer its");
    world.finish(moving);
    world.fork(p).expect("all is there");
}

#[test]
fn a_process_in_which_an_attachment_waits_for_its_place_cannot_be_copied_yet() {
    let mut world = World::new();
    let p = world.process();
    let (old, new) = (world.segment(p, 200 * PAGE), world.segment(p, 200 * PAGE));
    let at = world.attach_anywhere(p, old);
    world.touch(p, at, 200);
    let request = MemoryRequest::ShmAttach(abi::memory::ShmAttach {
        id: new,
        address: at,
        flags: AttachFlags::REMAP,
    });
    let (answer, replacing) = world.begin(p, request, &[], None);
    assert!(answer.is_ok() && replacing.is_some());
    assert_eq!(world.fork(p), Err(Errno::EAGAIN));
    world.finish(replacing);
    world.fork(p).expect("it has arrived");
    assert_eq!((world.facts(old).shm_nattch, world.facts(new).shm_nattch), (0, 2));
    world.attach(p, old, 0, PLAIN).expect("as ever");
}

#[test]
fn a_process_whose_permissions_are_still_being_taken_away_is_not_copied_yet() {
    let mut world = World::new();
    let p = world.process();
    // More pages than one step narrows.
    let at = world.map_anywhere(p, 1500 * PAGE);
    world.touch(p, at, 1500);
    let request = MemoryRequest::Protect(abi::memory::Protect {
        address: at,
        length: 1500 * PAGE,
        protection: abi::memory::Protection::READ,
    });
    let (answer, narrowing) = world.begin(p, request, &[], None);
    assert!(answer.is_ok() && narrowing.is_some());
    assert_eq!(world.fork(p), Err(Errno::EAGAIN));
    world.finish(narrowing);
    let child = world.fork(p).expect("nothing exceeds its mapping any more");
    let last = at + 1499 * PAGE;
    assert_eq!(world.store(child, last, 1), Err(mm::FaultCause::NotPermitted));
}

#[test]
fn a_step_looks_through_few_tables_however_little_is_in_them() {
    const SLOTS: u64 = 16;
    const SLOT: u64 = 512 * PAGE;
    let mut world = World::quick(Size {
        frames: 24 << 10,
        ..Size::USUAL
    });
    let p = world.process();
    let at = world.map_anywhere(p, SLOTS * SLOT);
    for slot in 0..SLOTS {
        world.store(p, at + slot * SLOT, slot).expect("writable");
    }
    let (child, job) = world.begin_fork(p).expect("room");
    let (mut job, mut steps) = (Some(job), 0);
    while let Some(rest) = job {
        job = world.mm.step(rest, Seconds(world.now));
        world.check();
        steps += 1;
    }
    // Two tables take as long as the 64 frames of a step.
    assert!((SLOTS / 2..SLOTS).contains(&steps), "{steps}");
    assert_eq!(world.load(child, at + (SLOTS - 1) * SLOT), Ok(SLOTS - 1));
}

#[test]
fn a_step_takes_over_few_mappings_however_little_is_in_them() {
    let mut world = World::new();
    let p = world.process();
    for page in 0..100 {
        let at = 0x30_0000_0000 + 2 * page * PAGE;
        world.map(p, at, PAGE, Protection::WRITE).expect("free");
    }
    let (child, job) = world.begin_fork(p).expect("room");
    let job = some(&mut world, job, 1);
    assert!(job.is_some(), "{STEP_FRAMES} at most");
    world.finish(job);
    assert_eq!(world.usage(child).mapped, 100);
}

#[test]
fn a_fork_is_promised_no_more_than_its_child_has_a_use_for() {
    let mut world = World::new();
    let p = world.process();
    // In the tables that the child has for its message page.
    let at = USER_START + 10 * PAGE;
    world.map(p, at, 5 * PAGE, Protection::WRITE).expect("free");
    world.touch(p, at, 5);
    let credential = world.mm.credential(p).expect("alive");
    let pid = Pid(99);
    let child = world.mm.create_space(Identity { credential, pid }).expect("room");
    world.mm.map_message_page(child, 0).expect("room");
    let before = world.unpromised();
    let job = world.mm.fork(p, child).expect("room");
    assert_eq!(before - world.unpromised(), 5, "its pages; the tables are there");
    world.finish(Some(job));
    assert_eq!(before - world.unpromised(), 5);
    world.exit(child);
}
