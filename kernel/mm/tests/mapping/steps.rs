//! Long operations come in bounded steps, and in between everybody goes on.

use crate::common::{CREATE, PAGE, PLAIN, PRIVATE, Size, World};
use abi::memory::{MemoryRequest, Protect, Protection, ShmDetach, Unmap};
use abi::shm::{AttachFlags, GetFlags};
use machine::Machine;
use mm::{Job, STEP_FRAMES, Seconds, SpaceId};

/// Does a job and answers how many frames each step gave back.
fn frames_by_step(world: &mut World, mut job: Option<Job>) -> Vec<u64> {
    let mut steps = vec![];
    while let Some(rest) = job {
        let before = world.mm.frame_counts().free;
        job = world.mm.step(rest, Seconds(world.now));
        world.check();
        steps.push(world.mm.frame_counts().free - before);
    }
    steps
}

fn assert_bounded(steps: &[u64], total: u64) {
    // A few tables may come on top of the pages.
    let most = STEP_FRAMES as u64 + 12;
    assert!(steps.iter().all(|&frames| frames <= most), "{steps:?}");
    assert_eq!(steps.iter().sum::<u64>(), total);
}

#[test]
fn an_unmap_of_many_pages_gives_back_a_bounded_number_at_a_time() {
    let mut world = World::new();
    let p = world.process();
    let at = world.map_anywhere(p, 1000 * PAGE);
    world.touch(p, at, 1000);
    let before = world.mm.frame_counts().free;
    let (answer, job) = world.begin(
        p,
        MemoryRequest::Unmap(Unmap {
            address: at,
            length: 1000 * PAGE,
        }),
        &[],
        None,
    );
    answer.expect("a range");
    let first = world.mm.frame_counts().free - before;
    assert_bounded(&[first], first);
    let steps = frames_by_step(&mut world, job);
    assert_bounded(&steps, 1000 + 4 - first);
}

#[test]
fn the_end_of_a_process_with_everything_is_bounded_too() {
    let mut world = World::new();
    let before = world.mm.frame_counts();
    let p = world.process();
    world.mm.map_message_page(p, 0).expect("room");
    let private = world.map_anywhere(p, 300 * PAGE);
    world.touch(p, private, 300);
    let id = world.segment(p, 300 * PAGE);
    let at = world.attach_anywhere(p, id);
    world.touch(p, at, 300);
    for _ in 0..50 {
        world.map_anywhere(p, PAGE);
    }
    world.remove(p, id).expect("there");
    let held = before.free - world.mm.frame_counts().free;
    let job = world.mm.destroy_space(p, Seconds(1));
    let steps = frames_by_step(&mut world, Some(job));
    assert_bounded(&steps, held);
    assert_eq!(world.mm.frame_counts(), before);
}

#[test]
fn what_was_never_touched_costs_no_steps_however_large_it_is() {
    let mut world = World::quick(Size {
        frames: 300_000,
        ..Size::USUAL
    });
    let p = world.process();
    let before = world.mm.frame_counts();
    let id = world.segment(p, 1 << 30);
    let (at, other) = (world.attach_anywhere(p, id), world.attach_anywhere(p, id));
    world.store(p, other + (1 << 29), 1).expect("writable");
    for address in [at, other] {
        let request = MemoryRequest::ShmDetach(ShmDetach { address });
        let (answer, job) = world.begin(p, request, &[], None);
        assert!(answer.is_ok() && job.is_none());
    }
    world.remove(p, id).expect("there");
    assert_eq!(world.mm.frame_counts(), before);
    world.check_now();
}

#[test]
fn an_attach_costs_the_same_whatever_the_size_and_writes_no_descriptor() {
    let mut world = World::quick(Size {
        frames: 300_000,
        ..Size::USUAL
    });
    let p = world.process();
    for size in [PAGE, 1 << 20, 1 << 30] {
        let id = world.segment(p, size);
        world.mm.mmu_mut().reset_counts();
        let at = world.attach_anywhere(p, id);
        assert_eq!(Machine::counts(world.mm.mmu()).table_stores, 0);
        world.detach(p, at).expect("attached");
        let counts = Machine::counts(world.mm.mmu());
        assert_eq!(
            (counts.table_stores, counts.tlbi_broadcast()),
            (0, 0),
            "nothing was there, nothing is flushed"
        );
    }
}

#[test]
fn others_go_on_while_a_removed_segment_is_being_taken_apart() {
    let mut world = World::new();
    let (p, other) = (world.process(), world.process());
    let id = world
        .get(p, 7, 500 * PAGE, crate::common::CREATE)
        .expect("created");
    let at = world.attach_anywhere(p, id);
    world.touch(p, at, 500);
    world.detach(p, at).expect("attached");
    let remove = abi::memory::ShmControl {
        id: abi::memory::ShmIdArgument(id.raw()),
        command: 0,
    };
    let (answer, mut job) = world.begin(p, MemoryRequest::ShmControl(remove), &[], None);
    assert!(answer.is_ok() && job.is_some());
    let mut rounds = 0;
    while let Some(rest) = job {
        let heir = world
            .get(other, 7, PAGE, crate::common::CREATE)
            .expect("the key is free");
        assert_ne!(heir, id);
        let theirs = world.attach_anywhere(other, heir);
        assert_eq!(world.load(other, theirs), Ok(0));
        world.detach(other, theirs).expect("attached");
        world.remove(other, heir).expect("there");
        job = world.mm.step(rest, Seconds(1));
        rounds += 1;
    }
    assert!(rounds > 5, "{rounds}");
}

#[test]
fn an_attachment_that_replaces_many_pages_arrives_when_they_are_gone() {
    let mut world = World::new();
    let p = world.process();
    let (old, new) = (world.segment(p, 300 * PAGE), world.segment(p, 300 * PAGE));
    let at = world.attach_anywhere(p, old);
    world.touch(p, at, 300);
    let request = abi::memory::ShmAttach {
        id: new,
        address: at,
        flags: AttachFlags::REMAP,
    };
    let (answer, mut job) = world.begin(p, MemoryRequest::ShmAttach(request), &[], None);
    assert!(answer.is_ok() && job.is_some());
    assert_eq!(
        world.attach(p, old, at, AttachFlags::REMAP),
        Err(abi::Errno::EAGAIN),
        "one at a time"
    );
    let elsewhere = world.attach(p, new, 0, PLAIN).expect("room elsewhere");
    assert!(elsewhere >= at + 300 * PAGE || elsewhere + 300 * PAGE <= at);
    while let Some(rest) = job {
        assert_eq!(
            world.map(p, at + 299 * PAGE, PAGE, abi::memory::Protection::READ),
            Err(abi::Errno::EINVAL)
        );
        job = world.mm.step(rest, Seconds(1));
        world.check();
    }
    assert_eq!(world.load(p, at + 299 * PAGE), Ok(0));
    assert_eq!((world.facts(old).shm_nattch, world.facts(new).shm_nattch), (0, 2));
}

#[test]
fn the_gaps_of_a_range_that_is_being_replaced_are_taken_too() {
    let mut world = World::new();
    let p = world.process();
    let new = world.segment(p, 300 * PAGE);
    let at = abi::layout::AREA_START + 2 * PAGE;
    world
        .map(p, at + PAGE, 200 * PAGE, abi::memory::Protection::WRITE)
        .expect("free");
    world.touch(p, at + PAGE, 200);
    let request = abi::memory::ShmAttach {
        id: new,
        address: at,
        flags: AttachFlags::REMAP,
    };
    let (answer, job) = world.begin(p, MemoryRequest::ShmAttach(request), &[], None);
    assert!(answer.is_ok() && job.is_some());
    for gap in [at, at + 201 * PAGE, at + 299 * PAGE] {
        assert_eq!(
            world.map(p, gap, PAGE, abi::memory::Protection::READ),
            Err(abi::Errno::EINVAL)
        );
    }
    // Below and above of it is room.
    assert_eq!(world.map_anywhere(p, 2 * PAGE), abi::layout::AREA_START);
    assert_eq!(world.map_anywhere(p, PAGE), at + 300 * PAGE);
    world.finish(job);
    assert_eq!(
        (world.load(p, at), world.load(p, at + 299 * PAGE)),
        (Ok(0), Ok(0))
    );
}

#[test]
fn part_of_what_is_being_emptied_can_be_unmapped_once_more_to_no_effect() {
    let mut world = World::new();
    let before = world.mm.frame_counts();
    let p = world.process();
    let id = world.segment(p, 300 * PAGE);
    let at = world.attach_anywhere(p, id);
    world.touch(p, at, 300);
    let (answer, job) = world.begin(p, MemoryRequest::ShmDetach(ShmDetach { address: at }), &[], None);
    assert!(answer.is_ok() && job.is_some());
    let request = Unmap {
        address: at + 250 * PAGE,
        length: 10 * PAGE,
    };
    let (answer, other) = world.begin(p, MemoryRequest::Unmap(request), &[], None);
    assert!(answer.is_ok());
    // Whoever is first does the work of both.
    world.finish(other);
    assert_eq!(world.facts(id).shm_nattch, 0);
    world.finish(job);
    world.remove(p, id).expect("there");
    world.exit(p);
    assert_eq!(world.mm.frame_counts(), before);
}

#[test]
fn two_removed_segments_that_go_together_both_give_back_everything() {
    let mut world = World::new();
    let p = world.process();
    let before = world.mm.frame_counts();
    let places = [(); 2].map(|()| {
        let id = world.segment(p, 300 * PAGE);
        let at = world.attach_anywhere(p, id);
        world.touch(p, at, 300);
        world.remove(p, id).expect("there");
        at
    });
    let jobs = places.map(|address| {
        let (answer, job) = world.begin(p, MemoryRequest::ShmDetach(ShmDetach { address }), &[], None);
        answer.expect("attached");
        job
    });
    assert!(jobs.iter().all(Option::is_some));
    for job in jobs {
        world.finish(job);
    }
    assert_eq!((world.mm.frame_counts(), world.segments()), (before, (0, 0)));
}

#[test]
fn tables_left_empty_inside_a_mapping_go_a_few_at_a_time() {
    const SLOTS: u64 = 40;
    let mut world = World::quick(Size {
        frames: 24 << 10,
        ..Size::USUAL
    });
    let p = world.process();
    let before = world.mm.frame_counts().free;
    let at = 0x30_0000_0000;
    let place = |slot| at + slot * 512 * PAGE + 100 * PAGE;
    for slot in 0..SLOTS {
        world
            .map(p, place(slot), 3 * PAGE, Protection::WRITE)
            .expect("free");
        assert_eq!(world.store(p, place(slot) + PAGE, 1), Ok(()));
    }
    // Fill up what lies between, and put something new where something was.
    for slot in 0..SLOTS - 1 {
        let gap = place(slot + 1) - place(slot) - 3 * PAGE;
        world
            .map(p, place(slot) + 3 * PAGE, gap, Protection::WRITE)
            .expect("free");
    }
    for slot in 0..SLOTS {
        world.unmap(p, place(slot) + PAGE, PAGE).expect("mapped");
        world
            .map(p, place(slot) + PAGE, PAGE, Protection::WRITE)
            .expect("free");
    }
    let (answer, job) = world.begin(
        p,
        MemoryRequest::Unmap(Unmap {
            address: place(0),
            length: place(SLOTS - 1) + 3 * PAGE - place(0),
        }),
        &[],
        None,
    );
    assert!(answer.is_ok());
    frames_by_step(&mut world, job);
    assert_eq!(world.mm.frame_counts().free, before);
}

#[test]
fn tables_that_lost_their_links_go_a_few_at_a_time() {
    const SIZE: u64 = 40 << 30;
    let mut world = World::new();
    let p = world.process();
    let id = world
        .get(p, PRIVATE, SIZE, CREATE | GetFlags::NORESERVE)
        .expect("nothing is promised");
    let at = world.attach(p, id, 0, PLAIN).expect("room");
    for gib in 0..40 {
        assert_eq!(world.store(p, at + (gib << 30), 1), Ok(()));
    }
    world.protect(p, at, SIZE, Protection::READ).expect("mapped");
    world.detach(p, at).expect("attached");
    world.exit(p);
}

#[test]
fn removed_segments_with_next_to_nothing_in_them_go_a_few_at_a_time() {
    const SEGMENTS: usize = 8;
    let mut world = World::new();
    let p = world.process();
    for _ in 0..SEGMENTS {
        let id = world.segment(p, 300 * PAGE);
        let at = world.attach_anywhere(p, id);
        world.touch(p, at, 1);
        world.remove(p, id).expect("there");
    }
    let job = world.mm.destroy_space(p, Seconds(1));
    let steps = frames_by_step(&mut world, Some(job));
    // Each has a page and a table, all of which is looked at.
    assert!(steps.iter().all(|&frames| frames < 8), "{steps:?}");
}

/// Protects all of it for reading, and answers in how many steps.
fn steps_to_protect(world: &mut World, p: SpaceId, address: u64, length: u64) -> u64 {
    let request = MemoryRequest::Protect(Protect {
        address,
        length,
        protection: Protection::READ,
    });
    let (answer, mut job) = world.begin(p, request, &[], None);
    answer.expect("mapped");
    let mut steps = 1;
    while let Some(rest) = job {
        job = world.mm.step(rest, Seconds(world.now));
        steps += 1;
    }
    world.check_now();
    steps
}

#[test]
fn permissions_are_taken_away_a_table_or_a_few_leaves_at_a_time() {
    const SLOTS: u64 = 16;
    let mut world = World::quick(Size {
        frames: 24 << 10,
        ..Size::USUAL
    });
    let p = world.process();
    // One leaf in each table, or all; two leaves take as long as a frame does.
    for (touched, expected) in [(1, SLOTS), (512, SLOTS * 512 / (2 * STEP_FRAMES as u64))] {
        let at = world.map_anywhere(p, SLOTS * 512 * PAGE);
        for slot in 0..SLOTS {
            world.touch(p, at + slot * 512 * PAGE, touched);
        }
        let steps = steps_to_protect(&mut world, p, at, SLOTS * 512 * PAGE);
        assert!((expected..=expected + 2).contains(&steps), "{steps} steps");
        world.unmap(p, at, SLOTS * 512 * PAGE).expect("mapped");
    }
}

#[test]
fn permissions_of_small_mappings_are_taken_away_several_mappings_at_a_time() {
    const SEGMENTS: u64 = 40;
    let mut world = World::new();
    let p = world.process();
    let at = 0x30_0000_0000;
    let id = world.segment(p, 32 * PAGE);
    for place in 0..SEGMENTS {
        let address = at + place * 32 * PAGE;
        world.attach(p, id, address, PLAIN).expect("free");
        world.touch(p, address, 32);
    }
    let steps = steps_to_protect(&mut world, p, at, SEGMENTS * 32 * PAGE);
    // Sixteen frames' time each.
    assert!((10..=12).contains(&steps), "{steps} steps");
}

#[test]
fn links_are_taken_out_as_many_at_a_time_as_frames_are_given_back() {
    const SLOTS: u64 = 200;
    let mut world = World::quick(Size {
        frames: 24 << 10,
        ..Size::USUAL
    });
    let p = world.process();
    let flags = CREATE | GetFlags::NORESERVE;
    let size = SLOTS * 512 * PAGE;
    let id = world.get(p, PRIVATE, size, flags).expect("nothing is promised");
    let at = world.attach_anywhere(p, id);
    for slot in 0..SLOTS {
        world.touch(p, at + slot * 512 * PAGE, 1);
    }
    let steps = steps_to_protect(&mut world, p, at, size);
    let least = SLOTS / STEP_FRAMES as u64;
    assert!((least..=least + 1).contains(&steps), "{steps} steps");
}
