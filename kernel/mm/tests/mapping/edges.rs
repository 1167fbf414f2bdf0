//! Numbers at the edges of everything, in every field of every request.

use crate::common::{CREATE, PAGE, PLAIN, Size, World};
use abi::layout::{AREA_END, AREA_START, MESSAGE_PAGES, USER_END, USER_START};
use abi::memory::{MemoryRequest, Protection};
use abi::{Errno, MessagePage, Words6};
use addr::VirtAddr;
use mm::{Access, Job, Limits, Seconds, SpaceId};

/// Where something is, in the world below.
const AT: u64 = 0x20_0000_0000;

/// What is likely to be forgotten.
fn edges() -> Vec<u64> {
    let middle = [
        0,
        PAGE,
        0o1666,
        USER_START,
        AREA_START,
        AREA_END,
        AT,
        AT + 3 * PAGE,
        MESSAGE_PAGES,
        USER_END,
        1 << 39,
        1 << 48,
        1 << 52,
        1 << 63,
    ];
    let around = middle
        .iter()
        .flat_map(|edge: &u64| [edge.wrapping_sub(1), *edge, edge + 1]);
    around
        .chain([u64::MAX - PAGE + 1, 2, 4, 0o14000, 0o40000])
        .collect()
}

fn world() -> (World, SpaceId, SpaceId) {
    let limits = Limits {
        mappings: 12,
        shmseg: 6,
        ..Limits::WIDEST
    };
    let mut world = World::quick(Size {
        frames: 3000,
        regions: 8,
        vmas: 40,
        spaces: 4,
        limits,
    });
    let (p, other) = (world.process(), world.process());
    for process in [p, other] {
        world.mm.map_message_page(process, 0).expect("room");
        world.map(process, AT, 3 * PAGE, Protection::WRITE).expect("free");
        world.fill(process, AT, 3, 1);
    }
    let id = world.get(p, 1, 3 * PAGE, CREATE).expect("created");
    world.attach(p, id, AT + 3 * PAGE, PLAIN).expect("free");
    world.attach(p, id, USER_START, PLAIN).expect("free");
    (world, p, other)
}

/// Sends the request and does what is left to do. Any answer will do that is not a mistake of ours.
fn send(world: &mut World, p: SpaceId, source: Option<SpaceId>, label: abi::Label, words: Words6) {
    let mut page = MessagePage {
        bytes: [0xff; 512],
        handles: [0; 4],
    };
    let done = world.mm.perform(
        (label, &words),
        p,
        &mut page,
        112,
        source.map(mm::Companion::Space),
        Seconds(1),
    );
    let mut job: Option<Job> = done.as_ref().ok().and_then(|reply| reply.job);
    while let Some(rest) = job {
        job = world.mm.step(rest, Seconds(1));
    }
    let refusals = [
        Errno::EPERM,
        Errno::ENOENT,
        Errno::EBADF,
        Errno::ENOMEM,
        Errno::EACCES,
        Errno::EFAULT,
        Errno::EEXIST,
        Errno::EINVAL,
        Errno::EMFILE,
        Errno::ENOSPC,
        // To wait for words, and to wake who does, is the scheduler's.
        Errno::ENOSYS,
    ];
    assert!(
        done.as_ref().err().is_none_or(|errno| refusals.contains(errno)),
        "{label:x?} {words:x?}: {done:?}"
    );
}

#[test]
fn no_number_in_any_field_does_more_than_to_be_refused_or_served() {
    let edges = edges();
    for row in MemoryRequest::TABLE {
        let (mut world, p, other) = world();
        let mut count = 0;
        for &first in &edges {
            for &second in &edges {
                for &third in edges.iter().step_by(if row.fields.len() > 2 { 1 } else { 100 }) {
                    for fourth in 0..if row.fields.len() > 3 { 4 } else { 1 } {
                        let words = [first, second, third, fourth, 0, 0];
                        send(&mut world, p, Some(other), row.label, words);
                        count += 1;
                        if count % 1000 == 0 {
                            world.check_now();
                        }
                    }
                }
            }
        }
        world.check_now();
        let third = world.process();
        for process in [p, other, third] {
            world.exit(process);
        }
        world.check_now();
    }
}

#[test]
fn no_address_that_faults_is_too_strange() {
    let (mut world, p, _) = world();
    for address in edges() {
        for access in [Access::Read, Access::Write, Access::Execute] {
            let served = world.mm.fault(p, VirtAddr::new(address), access);
            let facts = world.mm.describe(p, VirtAddr::new(address));
            assert!(served.is_err() || facts.is_some(), "{address:#x}");
        }
    }
    world.check_now();
}
