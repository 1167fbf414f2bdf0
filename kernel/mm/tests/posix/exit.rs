//! What becomes of attachments when a process ends: section F.

use crate::common::{CREATE, FIND, PAGE, PLAIN, World};
use abi::Errno;
use abi::memory::{MemoryRequest, ShmDetach};
use mm::Seconds;

/// Proves: F-04, F-05, F-13
#[test]
fn an_end_drops_every_attachment_and_notes_who_and_when() {
    let mut world = World::new();
    let (parent, child) = (world.process(), world.process());
    let id = world.segment(parent, 70 * PAGE);
    world.attach_anywhere(parent, id);
    let attached = [(); 3].map(|()| world.attach_anywhere(child, id));
    world.fill(child, attached[0], 70, 1);
    world.unmap(child, attached[1] + PAGE, PAGE).expect("a hole");
    world.now = 7000;
    let job = world.mm.destroy_space(child, Seconds(world.now));
    assert_eq!(
        world.detach(child, attached[0]),
        Err(Errno::ESRCH),
        "nothing is done for it any more"
    );
    world.finish(Some(job));
    let facts = world.facts(id);
    assert_eq!(
        (facts.shm_nattch, facts.shm_dtime, facts.shm_lpid),
        (1, 7000, world.pid(child))
    );
}

/// Proves: F-07
#[test]
fn a_segment_outlives_its_creator() {
    let mut world = World::new();
    let (creator, other) = (world.process(), world.process());
    let id = world.get(creator, 7, PAGE, CREATE).expect("created");
    let at = world.attach_anywhere(creator, id);
    world.store(creator, at, 77).expect("writable");
    world.exit(creator);
    assert_eq!(world.get(other, 7, PAGE, FIND), Ok(id));
    assert_eq!(world.facts(id).shm_nattch, 0);
    let at = world.attach_anywhere(other, id);
    assert_eq!(world.load(other, at), Ok(77));
}

/// Proves: F-16
#[test]
fn the_end_of_the_last_attacher_destroys_a_removed_segment() {
    let mut world = World::new();
    let (creator, last) = (world.process(), world.process());
    let id = world.segment(creator, 100 * PAGE);
    let at = world.attach_anywhere(last, id);
    world.fill(last, at, 100, 1);
    world.remove(creator, id).expect("there");
    world.exit(creator);
    assert_eq!(world.segments(), (1, 100));
    world.exit(last);
    assert_eq!(world.segments(), (0, 0));
}

/// Proves: F-05, M-03
#[test]
fn a_process_killed_in_the_middle_of_anything_leaves_nothing_behind() {
    for steps in 0..6 {
        let mut world = World::new();
        let before = world.mm.frame_counts();
        let p = world.process();
        let id = world.segment(p, 300 * PAGE);
        let at = world.attach_anywhere(p, id);
        world.fill(p, at, 300, 1);
        world.remove(p, id).expect("there");
        let (_, mut job) = world.begin(p, MemoryRequest::ShmDetach(ShmDetach { address: at }), &[], None);
        for _ in 0..steps {
            job = job.and_then(|job| world.mm.step(job, Seconds(1)));
        }
        // Whoever waited for the job is gone, and with him the job.
        world.exit(p);
        assert_eq!(world.mm.frame_counts(), before, "after {steps} steps");
        assert_eq!(world.segments(), (0, 0));
    }
}

/// Proves: M-03, M-10
#[test]
fn a_process_killed_while_it_replaces_a_mapping_leaves_nothing_behind() {
    let mut world = World::new();
    let (p, other) = (world.process(), world.process());
    let before = world.mm.frame_counts();
    let (old, new) = (world.segment(other, 200 * PAGE), world.segment(other, 200 * PAGE));
    let at = world.attach_anywhere(p, old);
    world.fill(p, at, 200, 1);
    let request = abi::memory::ShmAttach {
        id: new,
        address: at,
        flags: abi::shm::AttachFlags::REMAP,
    };
    let (answer, job) = world.begin(p, MemoryRequest::ShmAttach(request), &[], None);
    assert!(answer.is_ok() && job.is_some());
    assert_eq!((world.facts(old).shm_nattch, world.facts(new).shm_nattch), (1, 1));
    assert_eq!(
        world.attach(p, new, at, PLAIN),
        Err(Errno::EINVAL),
        "the place is taken"
    );
    world.exit(p);
    world.finish(job);
    assert_eq!((world.facts(old).shm_nattch, world.facts(new).shm_nattch), (0, 0));
    world.remove(other, old).expect("there");
    world.remove(other, new).expect("there");
    world.exit(other);
    assert_eq!(
        world.mm.frame_counts().free,
        before.free + 2,
        "and both root tables"
    );
}

/// Proves: F-16, M-03
#[test]
fn one_end_may_destroy_several_removed_segments() {
    let mut world = World::new();
    let before = world.mm.frame_counts();
    let p = world.process();
    for pages in [3, 100, 1, 200, 600] {
        let id = world.segment(p, pages * PAGE);
        let at = world.attach_anywhere(p, id);
        world.touch(p, at, pages);
        world.remove(p, id).expect("there");
    }
    world
        .unmap(p, abi::layout::AREA_START, 1 << 30)
        .expect("the first few go at once");
    for pages in [3, 1] {
        let id = world.segment(p, pages * PAGE);
        world.attach_anywhere(p, id);
        world.remove(p, id).expect("there");
    }
    world.exit(p);
    assert_eq!((world.mm.frame_counts(), world.segments()), (before, (0, 0)));
}

/// Proves: F-05
#[test]
fn memory_of_a_process_that_is_ending_cannot_be_touched_any_more() {
    let mut world = World::new();
    let p = world.process();
    let at = world.map_anywhere(p, PAGE);
    let job = world.mm.destroy_space(p, Seconds(1));
    let touched = world.mm.fault(p, addr::VirtAddr::new(at), mm::Access::Read);
    assert_eq!(touched, Err(mm::FaultCause::Unmapped));
    let count = MemoryRequest::CountUsage(abi::memory::CountUsage {});
    assert_eq!(world.ask(p, count), Err(Errno::ESRCH));
    world.finish(Some(job));
}
